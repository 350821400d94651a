"""What Rick must not forget between two starts, and how a batch of what he heard changes it.

For each source: up to where its journal has been read, up to where it has been commented on, and the story so far. ``hear`` is pure: from the
memory and a batch it makes a ``Plan``, and the plan is committed whole, comments and memory in one transaction of Rick's own journal (store.py). So
after any crash either both are there or neither, and each event has exactly one comment.

The two places differ only after a fork: an owner whose journal contradicts what was read is read again from its floor, to have the story
right, but a seq that was commented on in that epoch is not commented on twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bus.cursor import Position
from bus.envelope import Event
from bus.notices import Alarm, Delivery, Fresh, Gap, Reset, Stale, Synced
from dashboard.narrator.reading import Happening
from dashboard.narrator.state import Story
from dashboard.narrator.story import Comment, fold
from runtime.timestamps import from_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """One source as far as it was followed: read up to ``seq`` of ``epoch``, commented on up to ``narrated``."""

    epoch: str
    seq: int
    narrated: int
    story: Story = field(default_factory=Story)

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)


Memory = Mapping[str, Followed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a batch comes to: the memory afterwards, and the comments to journal with it, each with its event's time in ns (None: unknown)."""

    memory: Memory
    comments: Sequence[tuple[Comment, int | None]]


def hear(memory: Memory, batch: Iterable[Delivery]) -> Plan:
    """What ``batch`` comes to. Notices about a connection (stale, fresh, alarms) change nothing here."""
    after = dict(memory)
    comments: list[tuple[Comment, int | None]] = []
    for item in batch:
        match item:
            case Event():
                _hear_event(after, comments, item)
            case Gap():
                _start_at(after, item.source, Position(item.epoch, item.last))
            case Reset():
                if item.new is None:
                    after.pop(item.source, None)
                else:
                    _start_at(after, item.source, item.new)
            case Synced():
                if item.source not in after or after[item.source].position != item.position:
                    _start_at(after, item.source, item.position)
            case Stale() | Fresh() | Alarm():
                pass
    return Plan(memory=after, comments=comments)


def _start_at(after: dict[str, Followed], source: str, position: Position) -> None:
    """Read on behind ``position`` with a fresh story: whoever began there would know no more."""
    old = after.get(source)
    narrated = old.narrated if old is not None and old.epoch == position.epoch else 0
    after[source] = Followed(epoch=position.epoch, seq=position.seq, narrated=narrated)


def _hear_event(after: dict[str, Followed], comments: list[tuple[Comment, int | None]], event: Event) -> None:
    if event.epoch is None or event.seq is None:
        return
    known = after.get(event.source)
    if known is None or known.epoch != event.epoch:
        known = Followed(epoch=event.epoch, seq=event.seq - 1, narrated=0)
    if event.seq <= known.seq:
        return  # heard before
    happening = Happening(source=event.source, epoch=event.epoch, seq=event.seq, type=event.type, payload=event.payload)
    story, comment = fold(known.story, happening)
    if comment is not None and event.seq > known.narrated:
        comments.append((comment, _time_ns(event.ts)))
    after[event.source] = Followed(epoch=known.epoch, seq=event.seq, narrated=max(known.narrated, event.seq), story=story)


def _time_ns(ts: str) -> int | None:
    try:
        return from_text(ts)
    except (ValueError, OverflowError):
        return None  # has the form of a time and is none (a 32nd of May)
