"""What a price feed is, to the rest of market data: somebody who hands over quotes when they are due.

A feed paces itself. It must be able to stop (its task is cancelled), it never goes back and mends a quote it has given, and when it has no more to
give it ends its iteration and says why: the program stays up, and its prices grow old in plain sight.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trading.quotes import Quote

Sleep = Callable[[float], Awaitable[None]]
"""``asyncio.sleep``, or a test's own that moves a manual clock."""


class FeedState(StrEnum):
    """Whether quotes come."""

    STARTING = "starting"
    RUNNING = "running"
    RECONNECTING = "reconnecting"
    REFUSED = "refused"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """How a feed is; ``detail`` is a sentence for people, empty while there is nothing to say; ``halted`` are what the venue does not trade now."""

    state: FeedState
    detail: str = ""
    halted: frozenset[str] = frozenset()


class Feed(Protocol):
    """A source of quotes. ``name`` goes into every quote as its ``feed``."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> FeedStatus: ...

    def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        """The quotes that are due, as they come due, until the feed ends; never an empty batch. A quote may be given again to say that it stands."""

    def snapshot(self) -> str | None:
        """What a later start needs to go on from here, as text; None where a start always begins anew."""

    def counts(self) -> Mapping[str, int]:
        """What the feed counts beside quotes, as totals by name; empty where nothing can go wrong."""


class AbsentFeed:
    """A feed that cannot start while others can: it gives nothing and says why."""

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.status = FeedStatus(state=FeedState.FAILED, detail=reason)

    async def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        return
        yield ()  # what makes this a generator, though an empty one

    def snapshot(self) -> None:
        """Nothing to go on from."""

    def counts(self) -> Mapping[str, int]:
        return {}


class ScriptedFeed:
    """A feed for tests: gives the batches it was handed, then ends, or fails where it finds an exception among them."""

    def __init__(self, batches: Sequence[Sequence[Quote] | Exception], *, name: str = "scripted", snapshot: str | None = None) -> None:
        self.name = name
        self.status = FeedStatus(state=FeedState.STARTING)
        self._batches = batches
        self._snapshot = snapshot

    async def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        self.status = FeedStatus(state=FeedState.RUNNING)
        for batch in self._batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch
        self.status = FeedStatus(state=FeedState.ENDED, detail="the script is at its end")

    def snapshot(self) -> str | None:
        return self._snapshot

    def counts(self) -> Mapping[str, int]:
        return {}
