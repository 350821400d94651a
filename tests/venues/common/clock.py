"""The venue's clock: the machine's for playing, one that a test drives for testing.

Whatever a simulator does at a time (heartbeats, expiries, slow answers) waits on this clock and nothing else, so that a driven one runs through an
hour in no time.
"""

import asyncio
import heapq
import time
from itertools import count
from typing import Protocol

from runtime.clock import NS_PER_S

# Tuesday, 22 September 2026, 14:00 UTC: every forex market is open.
OPEN_MARKET_NS = 1_790_085_600 * NS_PER_S


class VenueClock(Protocol):
    """Wall time in nanoseconds since 1970, and a way to wait for it."""

    def now_ns(self) -> int:
        """What the venue's clock shows."""

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` have passed on this clock."""


class RealClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class DrivenClock:
    """A clock that stands still until ``advance``; it wakes sleepers in the order of their times, each at its own."""

    def __init__(self, now_ns: int = OPEN_MARKET_NS) -> None:
        self._now_ns = now_ns
        self._numbers = count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ns + round(seconds * NS_PER_S), next(self._numbers), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass; returns when those who were woken have run, those they woke in turn included."""
        until_ns = self._now_ns + round(seconds * NS_PER_S)
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            at_ns, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now_ns = max(self._now_ns, at_ns)
            woken.set_result(None)
            await self._settle()
        self._now_ns = until_ns
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        """Let the loop run what is ready; a handful of turns is what a woken task needs to act and to sleep again."""
        for _ in range(10):
            await asyncio.sleep(0)
