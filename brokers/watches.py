"""The watches of an adapter, a look a second: what the day has brought, whether the gateway is still there, and whether every position has its stop.

A look that finds nothing costs no commit. What they find sets the brake or rings; a limit that was reached stays in force until somebody resumes.
When the settings say ``flatten``, that this was begun is in the store with the brake, so a process that dies in between takes it up again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from brokers import ledger
from brokers.beat_intake import BeatIntake
from brokers.braking import BY_RISK, BY_WATCHDOG, Clearing, clear, set_brake
from brokers.context import Context
from brokers.protection_watch import ProtectionWatch
from brokers.trading_state import TradingState
from bus.txn import Txn
from runtime.clock import NS_PER_S
from trading.errors import ArenaError
from trading.money import plain

LOOK_NS = NS_PER_S
CLEARING_KEY = "clearing"
# What other brokers said is written down at most so often; a restart within it asks them again within a second.
KEEP_NS = 10 * NS_PER_S
# The first quotes come within seconds of a start; who still misses some then should know that nobody judges the day.
AWAITED_NS = 60 * NS_PER_S

_STATE_OF = {"reduce": TradingState.REDUCING, "halt": TradingState.HALTED, "flatten": TradingState.HALTED}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a look at the desk found to be written."""

    day: bool
    protection: bool
    keep: bool


class Watches:
    """One adapter's; ``look`` is called on the event loop."""

    def __init__(self, context: Context, beats: BeatIntake) -> None:
        self._context = context
        self._desk = context.desk
        self._beats = beats
        self._limits = context.desk.limits
        self._protection = ProtectionWatch(context.desk, self._limits.settings.protection_action)
        self._due_ns = 0
        self._keep_ns = 0
        self._judged_ns = context.steady.boot_ns()
        self._is_unjudged = False  # and it was said

    async def resume(self) -> None:
        """Take up a clearing that was begun before this start."""
        if await self._context.journal.read(lambda db: ledger.get_state(db, CLEARING_KEY)):
            self._clear()

    async def look(self) -> None:
        """One look, when it is due; a store that cannot take what it found is asked again a second later."""
        boot_ns = self._context.steady.boot_ns()
        if boot_ns < self._due_ns:
            return
        self._due_ns = boot_ns + LOOK_NS
        try:
            await self._look_at_gateway(boot_ns)
            found = await self._context.journal.read(lambda _: self._look_at_desk(boot_ns))
            if found.day and await self._context.write(None, self._end_day):
                self._clear()
            if found.protection:
                await self._guard()
            if found.keep:
                self._keep_ns = boot_ns + KEEP_NS
                await self._context.write(None, lambda txn, _: self._limits.keep_heard(txn))
        except ArenaError as error:
            _log.warning("the watches wait for the store", extra={"reason": error.message})

    def _look_at_desk(self, boot_ns: int) -> _Found:
        """On the writer thread."""
        desk, now_ns = self._desk, self._context.steady.now_ns()
        desk.broker.mark(self._context.quotes.marks().values())
        account = desk.broker.account(now_ns)
        self._tell_awaited(account.awaited, boot_ns)
        # What a venue has not confirmed since the start, or what is held and not valued yet, is no figure to end or begin a day with.
        if not desk.broker.is_reconciled:
            is_day_due = False
        elif account.awaited:
            is_day_due = self._limits.look_unvalued(now_ns, is_flat=not account.open_trades)
        else:
            is_day_due = self._limits.look(account.equity, now_ns)
        return _Found(
            day=is_day_due,
            protection=(desk.has_positions or bool(desk.unprotected)) and self._protection.look(),
            keep=boot_ns >= self._keep_ns and self._limits.must_keep_heard,
        )

    def _tell_awaited(self, awaited: Sequence[str], boot_ns: int) -> None:
        """Say once that a limit of the day cannot be held for want of quotes, and once that it can again."""
        if not self._limits.counts_days or not awaited:
            self._judged_ns = boot_ns
            if self._is_unjudged:
                self._is_unjudged = False
                _log.info("the day's loss is judged again")
        elif not self._is_unjudged and boot_ns - self._judged_ns >= AWAITED_NS:
            self._is_unjudged = True
            _log.error("the day's loss is not judged: these have no quotes", extra={"awaited": list(awaited)})

    def _end_day(self, txn: Txn, now_ns: int) -> bool:
        """Begin a new day where one is due, and end one whose loss has reached a limit; whether the desk is to be cleared."""
        desk, settings = self._desk, self._limits.settings
        desk.broker.mark(self._context.quotes.marks().values())
        self._limits.turn_day(txn, desk.broker, now_ns)
        breach = None if self._limits.has_tripped else self._limits.breach(desk.broker.account(now_ns).equity, now_ns)
        if breach is None:
            return False
        name, loss, limit = breach
        self._limits.trip(txn, name)
        details: dict[str, object] = {"setting": f"risk.{name}", "limit": plain(limit), "value": plain(round(loss, 2))}
        reason = f"today's loss of {round(loss, 2)} has reached {name} {limit}"
        state = _STATE_OF[settings.daily_loss_action]
        set_brake(desk, txn, state=state, reason=reason, set_by=BY_RISK, now_ns=now_ns, only_stricter=True, details=details)
        if settings.daily_loss_action == "flatten":
            ledger.set_state(txn, CLEARING_KEY, 1)
        return settings.daily_loss_action == "flatten"

    def _clear(self) -> None:
        async def work() -> None:
            await clear(self._context, Clearing(), cancel=True, flatten=True)
            await self._context.write(None, lambda txn, _: ledger.set_state(txn, CLEARING_KEY, 0))

        self._context.calls.go_on(work())

    async def _guard(self) -> None:
        calls = await self._context.write(None, self._protection.act)
        for call in calls:
            self._context.calls.start(call)

    async def _look_at_gateway(self, boot_ns: int) -> None:
        silent_ns = self._beats.gateway.look(boot_ns)
        limit_s = self._limits.settings.silence_s_max(self._desk.broker.mode)
        if limit_s is None or silent_ns < limit_s * NS_PER_S or self._desk.brake.state is not TradingState.ACTIVE:
            return
        _log.error("the gateway is silent: only what reduces is taken", extra={"silent_s": silent_ns // NS_PER_S})
        reason = f"no heartbeat of the gateway for {limit_s} s"

        def work(txn: Txn, now_ns: int) -> None:
            set_brake(self._desk, txn, state=TradingState.REDUCING, reason=reason, set_by=BY_WATCHDOG, now_ns=now_ns, only_stricter=True)

        await self._context.write(None, work)
