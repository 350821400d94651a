"""A live broker without sockets, store or waiting: time jumps to whatever happens next, and the store is a dictionary that can crash at any commit.

What the adapter's service does around a Broker is done here in few lines (``Service``): a change is drained and committed, then its calls are made.
The store keeps text, as the real one does, so that what a restart reads is what was written and nothing else.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from brokers.base import Progress, Snapshot, VenueCall
from brokers.live.broker import LiveBroker
from brokers.records import RecordCodec
from bus.codec import encode_payload
from runtime.clock import NS_PER_S
from trading.brackets import Bracket
from trading.changes import Changes
from trading.errors import ArenaError
from trading.events import EventDraft

ResultT = TypeVar("ResultT")

_CODEC = RecordCodec(Bracket)
BEGIN_NS = 1_760_637_327 * NS_PER_S


class _Impatient(selectors.DefaultSelector):
    """Looks and never waits: a timer that was cancelled at the head of the loop's heap would be waited out on the machine's clock."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Never waits: when nothing is ready, it is the time of what comes next."""

    def __init__(self) -> None:
        super().__init__(_Impatient())
        self._virtual_s = 1000.0

    def time(self) -> float:
        return self._virtual_s

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # asyncio's own heap of timers
            self._virtual_s = max(self._virtual_s, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]  # asyncio's own


def run_virtually(work: Callable[[], Any]) -> Any:
    """The result of the coroutine that ``work`` makes, on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work())


class VirtualClock:
    """The loop's time as both clocks; the wall clock may have been stepped, and again by ``unfollowed_ns``, which the service has not seen yet."""

    stepped_ns = 0
    unfollowed_ns = 0

    def wall_ns(self) -> int:
        return self.steady_ns() + self.unfollowed_ns

    def steady_ns(self) -> int:
        return BEGIN_NS + self.stepped_ns + self.boot_ns()

    def boot_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * NS_PER_S)


@dataclass
class Store:
    """What survives."""

    brackets: dict[int, str] = field(default_factory=dict)
    account: dict[str, object] = field(default_factory=dict)
    events: list[EventDraft] = field(default_factory=list)
    fill_ids: set[str] = field(default_factory=set)
    trades: set[int] = field(default_factory=set)
    next_n: int = 1

    def commit(self, changes: Changes) -> None:
        """One transaction; what the real tables refuse is refused."""
        for fill in changes.fills:
            assert fill.fill_id not in self.fill_ids, f"{fill.fill_id} is counted twice"
            self.fill_ids.add(fill.fill_id)
        for trade in changes.trades:
            n = int(trade.order_id.rpartition("-")[2])
            assert n not in self.trades, f"{trade.order_id} ended twice"
            self.trades.add(n)
        for bracket in changes.brackets:
            self.brackets[bracket.n] = _CODEC.text(bracket)
            self.next_n = max(self.next_n, bracket.n + 1)
        for draft in changes.events:
            encode_payload(draft.payload)
        self.events += changes.events
        if changes.account is not None:
            self.account = dict(changes.account)

    def all(self) -> list[Bracket]:
        return [_CODEC.value(self.brackets[n]) for n in sorted(self.brackets)]

    def snapshot(self) -> Snapshot:
        found = self.all()
        return Snapshot(
            brackets=[each for each in found if not each.is_final],
            account=self.account,
            next_n=self.next_n,
            finished=[each for each in found if each.is_final],
            instance="instance",
        )


class Service:
    """What hosts one life of a Broker. ``crash_in`` commits from now on it dies, before or after the commit."""

    def __init__(self, store: Store, broker: LiveBroker, clock: VirtualClock) -> None:
        self.store = store
        self.broker = broker
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.crash_in: int | None = None
        self.crashes_before_commit = False
        self.is_dead = False
        self.commits = 0
        self.bug: Exception | None = None
        broker.restore(store.snapshot(), self.now_ns())
        self._commit()
        self._run = asyncio.get_running_loop().create_task(self._guarded(lambda: broker.run(self)))

    @property
    def misfits(self) -> int:
        """How often the venue said what no state of a bracket has a place for."""
        return self.broker._jobs.hearing.misfits

    # ── VenuePort ──

    def now_ns(self) -> int:
        return self._clock.steady_ns()

    async def apply(self, change: Callable[[int], VenueCall | None]) -> None:
        call = self._write(change)
        if call is not None:
            await self._follow(call)

    async def submit(self, change: Callable[[int], Sequence[VenueCall]]) -> None:
        for call in self._write(change):
            self._start(call)

    async def read(self, query: Callable[[], ResultT]) -> ResultT:
        self._live()
        return query()

    # ── commands ──

    def ask(self, command: Callable[[LiveBroker, int], Progress]) -> Progress | None:
        """One command of a user; None when it is refused, or the process dies over it."""
        try:
            progress = self._write(lambda now_ns: command(self.broker, now_ns))
        except ArenaError:
            self.broker.drain()
            return None
        except asyncio.CancelledError:
            return None
        for call in progress.calls:
            self._start(call)
        return progress

    def ask_twice(self, command: Callable[[LiveBroker, int], Progress]) -> Progress:
        """A command whose transaction is taken back, for want of room or for another work's sake, and runs again: only the second one counts."""
        command(self.broker, self.now_ns())
        self.broker.restore(self.store.snapshot(), self.now_ns())
        self.broker.drain()
        progress = self.ask(command)
        assert progress is not None
        return progress

    def step(self, step_ns: int) -> None:
        """The wall clock is stepped, and the service follows it."""

        def follow(_: int) -> None:
            self._clock.stepped_ns += step_ns
            self.broker.shift_expiries(step_ns)

        self._write(follow)

    def kill(self) -> None:
        """The process dies now."""
        self.is_dead = True
        self._run.cancel()
        for task in self._tasks:
            task.cancel()

    async def gone(self) -> None:
        """Returns when nothing of it runs any more."""
        await asyncio.gather(self._run, *self._tasks, return_exceptions=True)

    # ── inside ──

    def _write(self, change: Callable[[int], ResultT]) -> ResultT:
        self._live()
        result = change(self.now_ns())
        self.commits += 1
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                if not self.crashes_before_commit:
                    self._commit()
                self.kill()
                raise asyncio.CancelledError
        self._commit()
        return result

    def _commit(self) -> None:
        self.store.commit(self.broker.drain())

    def _live(self) -> None:
        if self.is_dead:
            raise asyncio.CancelledError

    def _start(self, call: VenueCall) -> None:
        if self.is_dead:
            return
        task = asyncio.get_running_loop().create_task(self._guarded(lambda: self._follow(call)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, call: VenueCall | None) -> None:
        while call is not None:
            await asyncio.sleep(call.delay_s)
            answer: object
            try:
                async with asyncio.timeout(call.timeout_s):
                    answer = await call.send()
            except Exception as error:
                answer = error
            settle = call.settle
            call = self._write(lambda now_ns, settle=settle, answer=answer: settle(answer, now_ns))  # type: ignore[misc]

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """A bug is kept for the test to find; a death is not one."""
        try:
            await work()
        except asyncio.CancelledError:
            return
        except Exception as bug:
            self.bug = bug
            self.kill()


def with_fields(bracket: Bracket, **changes: Any) -> Bracket:
    """``bracket`` with other fields, for tests that begin in the middle."""
    return replace(bracket, **changes)
