"""For tests against a venue's simulator: a live feed that is being read, and a venue that is open whenever the test runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

from market_data.feeds.live import LiveFeed
from market_data.feeds.venue_stream import VenueStream
from runtime.clock import SystemClock
from tests.venues.common.clock import OPEN_MARKET_NS, RealClock
from trading.instruments import Instruments
from trading.quotes import Quote


class OpenMarket(RealClock):
    """A venue whose day is an ordinary Tuesday, whenever the test runs."""

    def __init__(self) -> None:
        self._ahead_ns = OPEN_MARKET_NS - super().now_ns()

    def now_ns(self) -> int:
        return super().now_ns() + self._ahead_ns


class Watcher:
    """The feed of ``stream``. Waits between connections take no time; ``waits_s`` says how long they would have been."""

    def __init__(self, stream: VenueStream, instruments: Instruments) -> None:
        self.lost = 0
        self.waits_s: list[float] = []
        self.quotes: list[Quote] = []
        self._changed = asyncio.Event()
        self.feed = LiveFeed(stream, instruments.for_venue(stream.venue), SystemClock(), sleep=self._wait)
        self.feed.on_lost(self._note_loss)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Watcher"]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._read())
            yield self
            task.cancel()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until ``true()``, looked at after each quote and each loss."""
        async with asyncio.timeout(30):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    def bids(self, instrument: str) -> list[Decimal]:
        """Every bid that came."""
        return [quote.bid for quote in self.quotes if quote.instrument == instrument]

    def _note_loss(self) -> None:
        self.lost += 1
        self._changed.set()

    async def _wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        await asyncio.sleep(0.01)  # a venue that is not there must not keep the loop to itself

    async def _read(self) -> None:
        async for batch in self.feed.batches():
            self.quotes += batch
            self._changed.set()
