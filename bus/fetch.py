"""What a follower asks an owner for, and the answer: the words that follower, fetchers and consumers share."""

from collections.abc import Sequence
from dataclasses import dataclass

from bus.cursor import Position
from bus.envelope import Event

PAGE_EVENTS_MAX = 500


@dataclass(frozen=True, slots=True)
class Last:
    """Start with the last ``count`` events of the owner; None is all it has."""

    count: int | None


FLOOR = Last(None)
NOW = Last(0)
Start = Position | Last


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A page to ask the owner for: what follows ``after`` in ``epoch`` (None: the current one; a negative ``after``: the last events)."""

    source: str
    epoch: str | None
    after: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedPage:
    """The owner's answer: what it holds, and the events asked for, as body bytes, or decoded where only their JSON could be had."""

    epoch: str
    first_seq: int
    last_seq: int
    events: Sequence[bytes | Event]
