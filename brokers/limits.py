"""The limits of ``[risk]`` at the desk: what they need to know of the past, kept in step with the store, and the check itself.

``trading.risk`` decides; this remembers which orders came lately and with how much the day began. Both are read back from the store at a start and
after a transaction that was taken back, so that a restart or a retry is no way past a limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from brokers import ledger
from brokers.base import Broker, Mark
from trading import risk
from trading.errors import Unavailable
from trading.instruments import Instruments
from trading.money import ZERO
from trading.orders import BracketOrder
from trading.pace import DayResult, RecentOrders, TradingDay, day_at, total_of
from trading.risk import Exposure
from trading.risk_limits import RiskLimits

DAY_KEY = "day"
OTHERS_KEY = "day_others"

_NS_PER_S = 1_000_000_000


class Exposed(Protocol):
    """Whoever knows what an account holds: a Broker, or an engine by itself."""

    def exposure(self, instrument: str) -> Exposure: ...


class Limits:
    """One desk's. Everything is called on the writer thread but ``hear`` and ``day_result``, which the event loop uses.

    Args:
        mode: paper or live; only brokers of the same mode count in the total.
        account_id: whose day it is: what one account has is no measure of what another has lost.
        others: the other brokers whose day counts.
    """

    def __init__(
        self, limits: RiskLimits, instruments: Instruments, *, mode: str = "paper", account_id: str = "paper", others: Sequence[str] = ()
    ) -> None:
        self.settings = limits
        self._checks = risk.checks_of(limits)
        self._instruments = instruments
        window_s = int(limits.duplicate_window_s or 0) + 1
        # Whether anything hangs on the day's result.
        self.counts_days = limits.counts_days
        self._counts_orders = limits.orders_per_minute_max is not None or limits.duplicate_window_s is not None
        self._keep_s = max(60, window_s)
        self._recent = RecentOrders(self._keep_s)
        self._day: TradingDay | None = None
        self._mode = mode
        self._day_key = DAY_KEY if mode == "paper" else f"{DAY_KEY}.{mode}.{account_id}"
        self.others = tuple(others)
        self._heard: dict[str, DayResult | None] = dict.fromkeys(others)
        self._kept: dict[str, DayResult | None] = {}
        self.day_result: DayResult | None = None

    def restore(self, db: ledger.Db, now_ns: int) -> None:
        """Go on from the store."""
        if self._counts_orders:
            self._recent = RecentOrders(self._keep_s)
            self._recent.restore(ledger.orders_since(db, now_ns - self._keep_s * _NS_PER_S))
        record = ledger.get_state(db, self._day_key)
        self._day = None if record is None else TradingDay.from_record(record)
        for name, told in (ledger.get_state(db, OTHERS_KEY) or {}).items():
            if name in self._heard and self._heard[name] is None:
                self._heard[name] = DayResult.from_record(told)

    def refuse(self, order: BracketOrder, *, placed_by: str, body_hash: str, broker: Exposed, marks: Mapping[str, Mark], now_ns: int) -> None:
        """The last door before an order.

        Raises:
            OrderDenied: the limit's name in capitals, with the limit and the value.
            Unavailable: DAY_RESULT_UNKNOWN: a day's loss is limited, and it cannot be told before the quotes that the account's worth rests on have
                come; or a loss over all brokers is, and one has not said what today has brought.
        """
        recent = self._recent
        if self._counts_orders:
            same_order_s = None if self.settings.duplicate_window_s is None else recent.same_order_s(placed_by, body_hash, now_ns)
            state = self._state(order, broker, marks, recent.last_minute(now_ns), same_order_s)
        else:
            state = self._state(order, broker, marks)
        if self.counts_days:
            awaited = state.exposure.awaited
            if awaited:
                raise Unavailable(
                    f"a day's loss is limited, and no quote of {', '.join(awaited)}, which the account holds, has come since the start: try again",
                    code="DAY_RESULT_UNKNOWN",
                    details={"unknown": [state.instrument.venue], "awaited": list(awaited)},
                )
            own = self._own_day(state.exposure.equity, now_ns)
            total = total_of(own, self._heard.values())
            if total is None and self.settings.daily_loss_total_max is not None:
                raise Unavailable(
                    "risk.daily_loss_total_max is set, and another broker has not said yet what today has brought: no new orders until it has",
                    code="DAY_RESULT_UNKNOWN",
                    details={"unknown": sorted(name for name, told in self._heard.items() if told is None or told.day != own.day)},
                )
            state = state._replace(day_pnl=own.pnl, day_pnl_total=total)
        risk.check(order, state, self.settings, self._checks)

    def refuse_change(self, before: BracketOrder, after: BracketOrder, *, broker: Exposed, marks: Mapping[str, Mark]) -> None:
        """The same door for a change of prices, which must not get past what a new order could not.

        Raises:
            OrderDenied: the limit's name in capitals, with the limit and the value.
        """
        risk.check_change(before, after, self._state(before, broker, marks), self.settings)

    def notional(self, order: BracketOrder, *, broker: Exposed, marks: Mapping[str, Mark]) -> Decimal | None:
        """What ``order`` is worth in the account's currency; None while nothing converts."""
        return risk.notional(order, self._state(order, broker, marks))

    def _state(
        self, order: BracketOrder, broker: Exposed, marks: Mapping[str, Mark], last_minute: int = 0, same_order_s: Decimal | None = None
    ) -> risk.RiskState:
        mark = marks.get(order.instrument)
        quote, quote_age_s = (None, None) if mark is None else (mark.quote, Decimal(mark.age_ns) / _NS_PER_S)
        name = order.instrument
        return risk.RiskState(self._instruments[name], broker.exposure(name), quote, quote_age_s, last_minute, same_order_s)

    def note(self, placed_by: str, body_hash: str, now_ns: int) -> None:
        """An order was taken."""
        if self._counts_orders:
            self._recent.add(placed_by, body_hash, now_ns)

    def hear(self, broker: str, result: DayResult) -> None:
        """Another broker said what its day has brought."""
        self._heard[broker] = result

    @property
    def knows_total(self) -> bool:
        """Whether every other broker has said what today has brought."""
        return self.day_result is not None and total_of(self.day_result, self._heard.values()) is not None

    @property
    def must_keep_heard(self) -> bool:
        """Whether others have said something that a restart would forget."""
        return self.settings.daily_loss_total_max is not None and self._heard != self._kept

    def keep_heard(self, db: ledger.Db) -> None:
        """Write down what others said."""
        heard = dict(self._heard)
        ledger.set_state(db, OTHERS_KEY, {name: told.record() for name, told in heard.items() if told is not None})
        self._kept = heard

    def look(self, equity: Decimal, now_ns: int) -> bool:
        """Note what the day has brought with ``equity``, nothing left out of it; whether ``turn_day`` or ``trip`` is due."""
        day = self._day_at(now_ns, equity)
        self.day_result = self._own_day(equity, now_ns)
        return day is not self._day or (not day.tripped and self.breach(equity, now_ns) is not None)

    def look_unvalued(self, now_ns: int, *, is_flat: bool) -> bool:
        """As ``look`` while what the account holds cannot be valued: nothing is due.

        A day begins with what the account is worth, so one that has not begun has brought nothing, and others need not wait for it: an account whose
        feed nobody runs would hold them up for ever. What a day has brought that has begun, or that began with a position, nobody knows.
        """
        today = self._day_at(now_ns, ZERO)
        if is_flat and today is not self._day:
            self.day_result = DayResult(day=today.day.toordinal(), pnl=ZERO, mode=self._mode)
        return False

    def breach(self, equity: Decimal, now_ns: int) -> tuple[str, Decimal, Decimal] | None:
        """The first daily limit that is reached: its name, the loss, the limit."""
        own = self._own_day(equity, now_ns)
        losses = risk.daily_losses(own.pnl, total_of(own, self._heard.values()), equity, self.settings)
        return next((loss for loss in losses if loss[1] >= loss[2]), None)

    def trip(self, db: ledger.Db, name: str) -> None:
        """The day is over for new risks; once a day, so that who resumes is not overruled the next second."""
        if self._day is not None:
            self._day = replace(self._day, tripped=name)
            ledger.set_state(db, self._day_key, self._day.record())

    @property
    def has_tripped(self) -> bool:
        return self._day is not None and bool(self._day.tripped)

    def begin_first_day(self, db: ledger.Db, broker: Broker, now_ns: int) -> None:
        """An account's first day begins with its store, before anything can trade; a live one's when its venue has first said what there is.

        One that holds what only quotes can value begins with the first look after they have come (``look``).
        """
        if self._day is None and broker.is_reconciled and not broker.account(now_ns).awaited:
            self.turn_day(db, broker, now_ns)

    def turn_day(self, db: ledger.Db, broker: Broker, now_ns: int) -> None:
        """Begin a new day where one is due, with the equity of now."""
        day = self.begin_day(broker.account(now_ns).equity, now_ns)
        if day is not None:
            ledger.set_state(db, self._day_key, day.record())

    def restart_day(self, db: ledger.Db, broker: Broker, now_ns: int) -> None:
        """The account was opened anew: its day begins with what it has now, or once that is known."""
        self._day = None
        ledger.set_state(db, self._day_key, None)
        self.begin_first_day(db, broker, now_ns)

    def begin_day(self, equity: Decimal, now_ns: int) -> TradingDay | None:
        """The new day that has begun with ``equity``; None while the old one lasts."""
        before = self._day
        self._day = self._day_at(now_ns, equity)
        return None if self._day is before else self._day

    def _own_day(self, equity: Decimal, now_ns: int) -> DayResult:
        day = self._day or self._day_at(now_ns, equity)
        return DayResult(day=day.day.toordinal(), pnl=day.pnl(equity), mode=self._mode)

    def _day_at(self, now_ns: int, equity: Decimal) -> TradingDay:
        return day_at(self._day, now_ns=now_ns, equity=equity, zone=self.settings.day_zone, turn=self.settings.day_turn)
