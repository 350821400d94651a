"""Few new connections at a time: the venue refuses more than two a second from one address.

Requests share the connections that are open; one that would need a new one waits until another is free or a new one may be opened, whichever comes
first. Who waits is served by priority, then in the order of asking: a venue slow enough for looks to queue here is one at which a cancel must not
stand behind them. It is an estimate (the pool keeps the sockets): where it errs, the venue refuses a connection and the request counts as not sent.
Source: oanda-v20 documentation, "Best practices".
"""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brokers.live.throttle import Priority
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
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._turns = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def connection(self, priority: Priority) -> AsyncIterator[None]:
        """Hold one connection for the block; one whose request failed is not counted on again."""
        if self._queue or not self._has_one():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._queue, (priority, next(self._turns), turn))
            self._serve()
            await turn
        yield
        self._idle_since_ns.append(self._clock.boot_ns())
        self._serve()

    def _has_one(self) -> bool:
        """Take a connection that is idle, or the right to open one."""
        now_ns = self._clock.boot_ns()
        self._idle_since_ns = [since_ns for since_ns in self._idle_since_ns if now_ns - since_ns < _IDLE_NS_MAX]
        if self._idle_since_ns:
            self._idle_since_ns.pop()
            return True
        if now_ns >= self._may_open_ns:
            self._may_open_ns = now_ns + self._gap_ns
            return True
        return False

    def _serve(self) -> None:
        """Give out what there is, and look again when a new connection may be opened."""
        while self._queue:
            if self._queue[0][2].done():  # whoever asked has given up
                heapq.heappop(self._queue)
            elif self._has_one():
                heapq.heappop(self._queue)[2].set_result(None)
            else:
                break
        if self._queue and self._timer is None:
            delay_s = max(0.0, (self._may_open_ns - self._clock.boot_ns()) / NS_PER_S)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._serve()
