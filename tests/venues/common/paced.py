"""A loop whose time stands still while anything runs, so that what a simulation finds does not depend on how busy the machine is.

A campaign measures seconds: how long a position was without its stop, how long an order was in doubt. The adapter, the venue and everybody who trades
share one process here, and often one processor with others; on the machine's clock their work would count as the venue's slowness. So on this loop
time passes only while all of them wait, and then ``speed`` times as fast as the machine's: waits stay as long as they are, work takes none.

Threads are no part of it: while ``is_busy`` says that one works for the loop (the journal's writer), time passes at the machine's own pace.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from runtime.clock import NS_PER_S

SPEED = 20.0

ResultT = TypeVar("ResultT")


class _Selector(selectors.DefaultSelector):
    """Counts the seconds that were waited, times ``speed``."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.passed_s = 0.0
        self.is_busy: Callable[[], bool] = lambda: False
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        speed = 1.0 if self.is_busy() else self._speed
        began_s = time.monotonic()
        ready = super().select(None if timeout is None else timeout / speed)
        waited_s = (time.monotonic() - began_s) * speed
        # Never beyond what was waited for: a process that the machine let sleep has not waited for the venue.
        self.passed_s += waited_s if timeout is None else min(waited_s, timeout) if ready else timeout
        return ready


class PacedLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self, speed: float = SPEED) -> None:
        self._paced = _Selector(speed)
        super().__init__(self._paced)

    def time(self) -> float:
        return self._paced.passed_s

    def slow_while(self, is_busy: Callable[[], bool]) -> None:
        """While ``is_busy`` time passes no faster than the machine's."""
        self._paced.is_busy = is_busy


def run_paced(work: Coroutine[Any, Any, ResultT], speed: float = SPEED) -> ResultT:
    """The result of ``work``, on a loop of its own."""
    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(work)


class LoopClock:
    """The running loop's time: a ``runtime.clock.Clock`` and a ``VenueClock`` at once. It begins at the machine's; to be made on its loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        began_ns = round(self._loop.time() * NS_PER_S)
        self._wall_ns, self._boot_ns = time.time_ns() - began_ns, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - began_ns

    def wall_ns(self) -> int:
        return self._wall_ns + round(self._loop.time() * NS_PER_S)

    def boot_ns(self) -> int:
        return self._boot_ns + round(self._loop.time() * NS_PER_S)

    def now_ns(self) -> int:
        return self.wall_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
