"""What an adapter does by itself, a few times a second: expiries, silent feeds, clock steps, the equity curve, and when it was last awake; and once
a second the watches of ``brokers.watches``.

Each look is cheap and on the event loop; only when something is to be written does a work go to the writer thread, so an idle account stays idle. A
store that cannot take it is no reason to stop: the next look tries again.
"""

import asyncio
import logging
from collections.abc import Callable

from brokers import curve, ledger
from brokers.desk import Desk
from brokers.quote_desk import QuoteDesk
from brokers.steady_clock import SteadyClock
from brokers.watches import Watches
from bus.journal import Journal
from bus.txn import Txn
from runtime.clock import NS_PER_S
from trading import events
from trading.errors import ArenaError

TICK_S = 0.25
# A point of the equity curve while positions are open and nothing fills; a fill gets one within a tick.
EQUITY_NS = 60 * NS_PER_S
# How precisely an adapter that starts again knows for how long it was blind.
AWAKE_NS = 10 * NS_PER_S

AWAKE_KEY = "awake_ns"

_log = logging.getLogger(__name__)


class Upkeep:
    """Runs until cancelled; a bug comes out of ``run``."""

    def __init__(self, journal: Journal, desk: Desk, quotes: QuoteDesk, steady: SteadyClock) -> None:
        self._journal = journal
        self._desk = desk
        self._quotes = quotes
        self._steady = steady
        self.watches: Watches | None = None
        self._equity_at_ns = 0
        self._awake_at_ns = steady.boot_ns()
        # Looked at a few times a second rather than for every order; the floor is far above what fits in between.
        self.store_is_low = journal.store_is_low()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self.tick()

    async def tick(self) -> None:
        """One look at everything."""
        self.store_is_low = self._journal.store_is_low()
        await self._follow_clock()
        self._quotes.tick()
        now_ns, boot_ns = self._steady.now_ns(), self._steady.boot_ns()
        due_ns = self._desk.broker.next_expiry_ns
        if due_ns is not None and due_ns <= now_ns and not self._steady.expiries_held:
            await self._write(self._expire)
        positions_open = self._desk.has_positions and boot_ns - self._equity_at_ns >= EQUITY_NS
        if self._desk.equity_is_due or positions_open:
            self._equity_at_ns = boot_ns
            await self._write(self._add_equity)
        if self.watches is not None:
            await self.watches.look()
        if self._desk.has_open_orders and boot_ns - self._awake_at_ns >= AWAKE_NS:
            self._awake_at_ns = boot_ns
            await self._write(self.note_awake)

    def note_awake(self, txn: Txn) -> None:
        """A work: this account has been watched until now."""
        ledger.set_state(txn, AWAKE_KEY, self._steady.now_ns())

    async def _follow_clock(self) -> None:
        step = self._steady.check()
        if step is None:
            return
        _log.warning("the wall clock was stepped", extra={"step_s": step.step_ns / NS_PER_S})

        def work(txn: Txn) -> None:
            self._steady.follow(step)
            self._desk.append(txn, events.clock_stepped(step_s=events.seconds(step.step_ns), ts_ns=self._steady.now_ns()))
            self._desk.broker.shift_expiries(step.step_ns)
            self._desk.record(txn)

        if not await self._write(work):
            self._steady.take_back(step)

    def _expire(self, txn: Txn) -> None:
        self._desk.broker.on_time(self._steady.now_ns())
        self._desk.record(txn)

    def _add_equity(self, txn: Txn) -> None:
        now_ns = self._steady.now_ns()
        self._desk.broker.mark(self._quotes.marks().values())
        account = self._desk.broker.account(now_ns)
        if not account.awaited:  # a point without them would draw a loss that is none
            curve.add(txn, now_ns, account)
        self._desk.equity_is_due = False

    async def _write(self, work: Callable[[Txn], None]) -> bool:
        """Whether the store took it."""
        try:
            await self._journal.run(work)
        except ArenaError as error:
            _log.warning("upkeep waits for the store", extra={"reason": error.message})
            return False
        return True
