"""A token bucket for a venue's request limit, in which cancels go first.

Who waits is served by priority, then in the order of asking: what takes risk off and what that waits for, before what puts it on, all before looking.
A request whose deadline passes while it waits is not sent (``NotSent``). The queue is bounded: who would wait behind ``waiting_max`` others is
refused at once, and no number of new orders keeps a stop or a cancel from its turn.
"""

import asyncio
import heapq
import itertools
from enum import IntEnum

from brokers.live.venue import NotSent
from runtime.clock import NS_PER_S, Clock

WAITING_MAX = 1000
# An order that has had no turn by then is refused: the prices that it was meant for are gone, and who sent it should know that it was not sent.
ORDER_S_MAX = 4.0


class Priority(IntEnum):
    """Who goes first."""

    CANCEL = 0  # cancels, closes, stops
    GUARD = 1  # what a stop may wait for: news of fills, what stands of a position that has none, an order in doubt
    ORDER = 2
    READ = 3


class Throttle:
    """``rate_per_s`` requests a second on average, ``burst`` at once. Belongs to one event loop."""

    def __init__(self, rate_per_s: float, burst: int, clock: Clock, *, waiting_max: int = WAITING_MAX) -> None:
        if rate_per_s <= 0 or burst < 1:
            raise ValueError("a throttle lets at least something through")
        self._ns_per_token = NS_PER_S / rate_per_s
        self._burst = burst
        self._clock = clock
        self._waiting_max = waiting_max
        self._tokens = float(burst)
        self._counted_ns = clock.boot_ns()
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._turns = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_short(self) -> bool:
        """Whether turns run out: somebody waits, or half of what may go at once is gone."""
        self._count()
        return bool(self._queue) or self._tokens < self._burst / 2

    async def take(self, priority: Priority, *, deadline_boot_ns: int | None = None) -> None:
        """Return when a request may be sent.

        Raises:
            NotSent: ``EXPIRED`` when ``deadline_boot_ns`` has passed by then, VENUE_UNREACHABLE when too many wait or an order has for too long.
        """
        self._count()
        if self._queue or self._tokens < 1:
            if len(self._queue) >= self._waiting_max and self._ahead_of(priority) >= self._waiting_max:
                raise NotSent(message="too many requests wait for their turn at the venue")
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._queue, (priority, next(self._turns), turn))
            self._wake_later()
            try:
                async with asyncio.timeout(self._patience_s(priority, deadline_boot_ns)):
                    await turn
            except TimeoutError:
                if deadline_boot_ns is None or self._clock.boot_ns() < deadline_boot_ns:
                    raise NotSent(message=f"it would have waited longer than {ORDER_S_MAX:g} s for its turn at the venue") from None
        else:
            self._tokens -= 1
        if deadline_boot_ns is not None and self._clock.boot_ns() >= deadline_boot_ns:
            raise NotSent("EXPIRED", "its deadline passed before it could be sent")

    def _ahead_of(self, priority: Priority) -> int:
        """How many would be served before one that asks now. Who has given up waits no longer."""
        self._queue = [each for each in self._queue if not each[2].done()]
        heapq.heapify(self._queue)
        return sum(1 for each in self._queue if each[0] <= priority)

    def _patience_s(self, priority: Priority, deadline_boot_ns: int | None) -> float | None:
        """How long a request may wait for its turn; None for as long as it takes."""
        left_s = None if deadline_boot_ns is None else max(0.0, (deadline_boot_ns - self._clock.boot_ns()) / NS_PER_S)
        if priority is not Priority.ORDER:
            return left_s
        return ORDER_S_MAX if left_s is None else min(left_s, ORDER_S_MAX)

    def pause(self, seconds: float) -> None:
        """The venue says that it is too much: nothing is sent for so long."""
        self._count()
        self._tokens = min(self._tokens, 1.0 - seconds * NS_PER_S / self._ns_per_token)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake_later()

    def _count(self) -> None:
        now_ns = self._clock.boot_ns()
        self._tokens = min(self._burst, self._tokens + (now_ns - self._counted_ns) / self._ns_per_token)
        self._counted_ns = now_ns

    def _wake_later(self) -> None:
        if self._queue and self._timer is None:
            delay_s = max(0.0, 1.0 - self._tokens) * self._ns_per_token / NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._count()
        # A hair below one is a timer that woke early: the next one would wait for nothing.
        while self._queue and self._tokens >= 0.999:
            turn = heapq.heappop(self._queue)[2]
            if not turn.done():  # else whoever asked has given up
                self._tokens -= 1
                turn.set_result(None)
        self._wake_later()
