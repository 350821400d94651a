"""What must be asked of a venue after the commit: made one after another, each answer settled in a transaction of its own.

A chain of calls outlives the request that began it: the caller may give up, the order may not. Whoever placed an order, and whoever repeats that
request meanwhile, waits for the same answer.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from brokers.base import VenueCall
from brokers.desk import Desk
from brokers.placing import Placed, settle
from brokers.steady_clock import SteadyClock
from bus.journal import Journal
from bus.txn import Txn
from trading.errors import ArenaError, StateConflict, Unavailable

# What a venue answered must be written down, so a store without room is asked again until it has some.
STORE_RETRY_S = 1.0

ResultT = TypeVar("ResultT")

_log = logging.getLogger(__name__)


class VenueCalls:
    """Runs chains of calls in ``tasks``; a bug in one ends the process with the group."""

    def __init__(self, journal: Journal, desk: Desk, steady: SteadyClock, tasks: asyncio.TaskGroup) -> None:
        self._journal = journal
        self._desk = desk
        self._steady = steady
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()
        self._placements: dict[int, asyncio.Future[Placed]] = {}

    def start(self, call: VenueCall, placed_n: int | None = None) -> asyncio.Task[None]:
        """Make ``call`` and what follows from it. ``placed_n``: it places this order, and ``placement`` gives its answer."""
        if placed_n is not None:
            self._placements[placed_n] = asyncio.get_running_loop().create_future()
        task = self._tasks.create_task(self._follow(call, placed_n))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def placement(self, n: int, seconds_max: float) -> Placed:
        """The answer to the placement of order ``n``, which is on its way.

        Raises:
            StateConflict: ``ORDER_IN_FLIGHT``: it is not there within ``seconds_max``.
        """
        waiting = self._placements.get(n)
        if waiting is None:
            return await self._journal.run(lambda txn: settle(self._desk, txn, n))
        try:
            async with asyncio.timeout(seconds_max):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise StateConflict("the same order is still on its way to the venue; ask again in a moment", code="ORDER_IN_FLIGHT") from None

    async def finish(self, calls: Iterable[VenueCall], seconds_max: float) -> None:
        """Make ``calls`` side by side and wait at most ``seconds_max``; they go on afterwards."""
        tasks = [self.start(call) for call in calls]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds_max)

    def go_on(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` to its end, whether or not the request that began it still waits; a store without room ends it quietly."""

        async def quietly() -> None:
            try:
                await work
            except ArenaError as error:
                _log.warning("what a request began could not be finished", extra={"reason": error.message})

        task = self._tasks.create_task(quietly())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def apply(self, change: Callable[[int], VenueCall | None]) -> None:
        """``VenuePort``: what the Broker's own task brings in."""

        def work(txn: Txn) -> VenueCall | None:
            call = change(self._steady.now_ns())
            self._desk.record(txn)
            return call

        call = await self._write(work)
        if call is not None:
            await self.start(call)

    async def submit(self, change: Callable[[int], Sequence[VenueCall]]) -> None:
        """``VenuePort``."""

        def work(txn: Txn) -> Sequence[VenueCall]:
            calls = change(self._steady.now_ns())
            self._desk.record(txn)
            return calls

        for call in await self._write(work):
            self.start(call)

    async def read(self, query: Callable[[], ResultT]) -> ResultT:
        """``VenuePort``."""
        return await self._journal.read(lambda _: query())

    def now_ns(self) -> int:
        """``VenuePort``."""
        return self._steady.now_ns()

    def cancel(self) -> None:
        """Stop following; what is not settled is looked up at the next start."""
        for task in self._running:
            task.cancel()

    async def _follow(self, call: VenueCall | None, placed_n: int | None) -> None:
        while call is not None:
            await asyncio.sleep(call.delay_s)
            answer = await _send(call)
            call, placed = await self._settle(call, answer, placed_n)
            waiting = None if placed_n is None else self._placements.get(placed_n)
            if placed is not None and placed_n is not None and waiting is not None and placed.in_flight_n is None:
                waiting.set_result(placed)
                del self._placements[placed_n]

    async def _settle(self, call: VenueCall, answer: object | Exception, placed_n: int | None) -> tuple[VenueCall | None, Placed | None]:
        def work(txn: Txn) -> tuple[VenueCall | None, Placed | None]:
            following = call.settle(answer, self._steady.now_ns())
            self._desk.record(txn)
            return following, None if placed_n is None else settle(self._desk, txn, placed_n)

        return await self._write(work)

    async def _write(self, work: Callable[[Txn], ResultT]) -> ResultT:
        while True:
            try:
                return await self._journal.run(work)
            except Unavailable as error:
                if error.code == "STOPPING":
                    raise asyncio.CancelledError from error
                _log.warning("what the venue said waits for the store", extra={"reason": error.message})
                await asyncio.sleep(STORE_RETRY_S)


async def _send(call: VenueCall) -> object | Exception:
    """What the venue answered, or why it did not; ``settle`` judges either."""
    try:
        async with asyncio.timeout(call.timeout_s):
            return await call.send()
    except Exception as error:  # noqa: BLE001 (whatever broke after the first byte left, the order may exist: that is an answer, not a bug)
        return error
