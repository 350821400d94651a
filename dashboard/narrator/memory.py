"""What Rick must not forget between two starts, and how a batch of what he heard changes it.

For each source: up to where its journal has been read, up to where it has been commented on, and the story so far. ``hear`` changes nothing: from
the memory and a batch it makes a ``Plan``, and the plan is committed whole, comments and memory in one transaction of Rick's own journal (store.py).
So after any crash either both are there or neither, and each event has exactly one comment.

The two places differ where events that have had their comments are read again, to have the story right: after a start, as the store keeps a story
only every thousand events; and after a fork, when an owner's journal contradicts what was read and is read from its floor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from bus.cursor import Position
from bus.envelope import Event
from bus.notices import Alarm, Delivery, Fresh, Gap, Reset, Stale, Synced
from dashboard.narrator.reading import Happening
from dashboard.narrator.state import Story
from dashboard.narrator.story import Comment, fold
from runtime.timestamps import from_text


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """One source as far as it was followed: read up to ``seq`` of ``epoch``, commented on up to ``narrated``."""

    epoch: str
    seq: int
    narrated: int
    story: Story = msgspec.field(default_factory=Story)

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)


Memory = Mapping[str, Followed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a batch comes to: the memory afterwards, and the comments to journal with it, each with its event's time in ns (None: unknown).

    ``begun`` are the sources whose story was begun afresh in this batch, and is no continuation of what was remembered.
    """

    memory: Memory
    comments: Sequence[tuple[Comment, int | None]]
    begun: frozenset[str] = frozenset()


def hear(memory: Memory, batch: Iterable[Delivery]) -> Plan:
    """What ``batch`` comes to. Notices about a connection (stale, fresh, alarms) change nothing here."""
    hearing = _Hearing(memory)
    for item in batch:
        match item:
            case Event():
                hearing.event(item)
            case Gap():
                hearing.start_at(item.source, Position(item.epoch, item.last))
            case Reset():
                if item.new is None:
                    hearing.after.pop(item.source, None)
                else:
                    hearing.start_at(item.source, item.new)
            case Synced():
                if item.source not in hearing.after or hearing.after[item.source].position != item.position:
                    hearing.start_at(item.source, item.position)
            case Stale() | Fresh() | Alarm():
                pass
    return Plan(memory=hearing.after, comments=hearing.comments, begun=frozenset(hearing.begun))


class _Hearing:
    """A memory on its way past a batch; the one it began with stays as it is."""

    def __init__(self, memory: Memory) -> None:
        self.after = dict(memory)
        self.comments: list[tuple[Comment, int | None]] = []
        self.begun: set[str] = set()
        self._own: set[str] = set()  # sources whose story is not the old memory's: it may be changed

    def start_at(self, source: str, position: Position) -> None:
        """Read on behind ``position`` with a fresh story: whoever began there would know no more."""
        old = self.after.get(source)
        narrated = old.narrated if old is not None and old.epoch == position.epoch else 0
        self._begin(source, position, narrated)

    def _begin(self, source: str, position: Position, narrated: int) -> Followed:
        begun = self.after[source] = Followed(epoch=position.epoch, seq=position.seq, narrated=narrated)
        self.begun.add(source)
        self._own.add(source)
        return begun

    def event(self, event: Event) -> None:
        source, epoch, seq = event.source, event.epoch, event.seq
        if epoch is None or seq is None:
            return
        known = self.after.get(source)
        if known is None or known.epoch != epoch:
            known = self._begin(source, Position(epoch, seq - 1), 0)
        if seq <= known.seq:
            return  # heard before
        story = known.story
        if source not in self._own:
            self._own.add(source)
            story = story.copy()
        comment = fold(story, Happening(source=source, epoch=epoch, seq=seq, type=event.type, payload=event.payload))
        if comment is not None and seq > known.narrated:
            self.comments.append((comment, _time_ns(event.ts)))
        self.after[source] = Followed(epoch=epoch, seq=seq, narrated=max(known.narrated, seq), story=story)


def _time_ns(ts: str) -> int | None:
    """The time in an event's ``ts``, which has the form ``2025-10-16T11:55:27.021050Z``."""
    try:
        return _second_ns(ts[:19]) + int(ts[20:26]) * 1000
    except (ValueError, OverflowError):
        return None  # has the form of a time and is none (a 32nd of May)


@lru_cache(16)  # events of one second share it
def _second_ns(text: str) -> int:
    return from_text(f"{text}Z")
