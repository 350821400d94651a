"""Few new connections at a time: the venue refuses more than two a second from one address.

Requests share the connections that are open; one that would need a new one waits until another is free or a new one may be opened, whichever comes
first. It is an estimate (the pool keeps the sockets): where it errs, the venue refuses a connection and the request counts as not sent.
Source: oanda-v20 documentation, "Best practices".
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.clock import NS_PER_S, Clock
from runtime.outbound import KEEP_ALIVE_S

# A connection that was idle longer may be closed by the time it is wanted.
_IDLE_NS_MAX = round(KEEP_ALIVE_S * 0.75 * NS_PER_S)


class ConnectionPace:
    """For everything that goes to one address; belongs to one event loop."""

    def __init__(self, clock: Clock, new_per_s: float) -> None:
        self._clock = clock
        self._gap_ns = round(NS_PER_S / new_per_s)
        self._may_open_ns = 0
        self._idle_since_ns: list[int] = []
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Hold one connection for the block; one whose request failed is not counted on again."""
        await self._take()
        yield
        self._idle_since_ns.append(self._clock.boot_ns())
        self._freed.set()

    async def _take(self) -> None:
        while True:
            now_ns = self._clock.boot_ns()
            self._idle_since_ns = [since_ns for since_ns in self._idle_since_ns if now_ns - since_ns < _IDLE_NS_MAX]
            if self._idle_since_ns:
                self._idle_since_ns.pop()
                return
            if now_ns >= self._may_open_ns:
                self._may_open_ns = now_ns + self._gap_ns
                return
            self._freed.clear()
            try:
                async with asyncio.timeout((self._may_open_ns - now_ns) / NS_PER_S):
                    await self._freed.wait()
            except TimeoutError:
                continue  # a new one may be opened now
