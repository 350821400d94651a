"""Pages of a journal, and its newest part in memory.

Nearly every reader is a little behind, never far: the last 100,000 events are answered from memory, and only an older page costs the disk a read.
The tail belongs to the event loop; it holds what has been committed *and* handed to the publisher, never more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bus.envelope import Event

TAIL_EVENTS_MAX = 100_000  # 45 MB of usual events
PAGE_EVENTS_MAX = 500
PAGE_BYTES_MAX = 1_048_576

_SLACK = 10_000  # cut rarely and many at once: deleting from the front of a list moves all the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer to ``events.since``: where the source stands now, and body bytes in seq order (none when the reader must reset or is up to date)."""

    epoch: str
    first_seq: int
    last_seq: int
    events: Sequence[bytes]


class Tail:
    """The newest events of one epoch, without a hole, oldest first."""

    def __init__(self, bodies: Sequence[bytes], last_seq: int, events_max: int = TAIL_EVENTS_MAX) -> None:
        self._bodies = list(bodies)
        self._first = last_seq - len(self._bodies) + 1
        self._max = events_max

    @property
    def first_seq(self) -> int:
        return self._first

    @property
    def last_seq(self) -> int:
        return self._first + len(self._bodies) - 1

    def extend(self, events: Sequence[Event]) -> None:
        """Take in what follows.

        Raises:
            ValueError: it does not follow.
        """
        if events and events[0].seq != self.last_seq + 1:
            raise ValueError(f"seq {events[0].seq} does not follow {self.last_seq}")
        self._bodies.extend([event.body for event in events])
        if len(self._bodies) > self._max + min(_SLACK, self._max):
            excess = len(self._bodies) - self._max
            del self._bodies[:excess]
            self._first += excess

    def after(self, seq: int, events_max: int) -> list[bytes] | None:
        """The bodies from ``seq + 1`` on, within the limits of a page; None when they begin before the tail."""
        start = seq + 1 - self._first
        if start < 0:
            return None
        return page_of(self._bodies[start : start + min(events_max, PAGE_EVENTS_MAX)])


def page_of(bodies: list[bytes]) -> list[bytes]:
    """As many of the first ``bodies`` as one page holds, at least one."""
    size = 0
    for count, body in enumerate(bodies):
        size += len(body)
        if size > PAGE_BYTES_MAX:
            return bodies[: max(count, 1)]
    return bodies


def start_of_page(epoch: str | None, after: int, *, current: str, first_seq: int, last_seq: int) -> int | None:
    """The seq after which a page for this reader begins, or None when there is nothing for it.

    ``epoch`` None is the current one; a negative ``after`` asks for the last so many; a reader below the floor begins at the floor.
    """
    if epoch is not None and epoch != current:
        return None
    if after < 0:
        after += last_seq
    if after >= last_seq:
        return None
    return max(after, first_seq - 1)
