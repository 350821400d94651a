"""What a price feed is, to the rest of market data: somebody who hands over quotes when they are due.

A feed paces itself. It must be able to stop (its task is cancelled), it never goes back and mends a quote it has given, and when it has no more to
give it ends its iteration and says why: the program stays up, and its prices grow old in plain sight.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """How a feed is; ``detail`` is a sentence for people, empty while there is nothing to say."""

    state: FeedState
    detail: str = ""


class Feed(Protocol):
    """A source of quotes. ``name`` goes into every quote as its ``feed``."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> FeedStatus: ...

    def batches(self) -> AsyncIterator[Sequence[Quote]]:
        """The quotes that are due, as they come due, until the feed ends; never an empty batch."""

    def snapshot(self) -> str | None:
        """What a later start needs to go on from here, as text; None where a start always begins anew."""


class ScriptedFeed:
    """A feed for tests: gives the batches it was handed, then ends, or fails where it finds an exception among them."""

    def __init__(self, batches: Sequence[Sequence[Quote] | Exception], *, name: str = "scripted", snapshot: str | None = None) -> None:
        self.name = name
        self.status = FeedStatus(state=FeedState.STARTING)
        self._batches = batches
        self._snapshot = snapshot

    async def batches(self) -> AsyncIterator[Sequence[Quote]]:
        self.status = FeedStatus(state=FeedState.RUNNING)
        for batch in self._batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch
        self.status = FeedStatus(state=FeedState.ENDED, detail="the script is at its end")

    def snapshot(self) -> str | None:
        return self._snapshot
