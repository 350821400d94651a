"""The limits of ``[risk]`` at the desk: what they need to know of the past, kept in step with the store, and the check itself.

``trading.risk`` decides; this remembers which orders came lately and with how much the day began. Both are read back from the store at a start and
after a transaction that was taken back, so that a restart or a retry is no way past a limit.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

from brokers import ledger
from brokers.base import Broker, Mark
from trading import risk
from trading.instruments import Instruments
from trading.orders import BracketOrder
from trading.pace import RecentOrders, TradingDay, day_at
from trading.risk import Exposure
from trading.risk_limits import RiskLimits

DAY_KEY = "day"

_NS_PER_S = 1_000_000_000


class Exposed(Protocol):
    """Whoever knows what an account holds: a Broker, or an engine by itself."""

    def exposure(self, instrument: str) -> Exposure: ...


class Limits:
    """One desk's; everything is called on the writer thread."""

    def __init__(self, limits: RiskLimits, instruments: Instruments) -> None:
        self._limits = limits
        self._instruments = instruments
        window_s = int(limits.duplicate_window_s or 0) + 1
        self._counts_orders = limits.orders_per_minute_max is not None or limits.duplicate_window_s is not None
        self._counts_days = any(each is not None for each in (limits.daily_loss_max, limits.daily_loss_pct_max, limits.daily_loss_total_max))
        self._keep_s = max(60, window_s)
        self._recent = RecentOrders(self._keep_s)
        self._day: TradingDay | None = None

    @property
    def counts_days(self) -> bool:
        """Whether anything hangs on the day's result."""
        return self._counts_days

    def restore(self, db: ledger.Db, now_ns: int) -> None:
        """Go on from the store."""
        if self._counts_orders:
            self._recent = RecentOrders(self._keep_s)
            self._recent.restore(ledger.orders_since(db, now_ns - self._keep_s * _NS_PER_S))
        record = ledger.get_state(db, DAY_KEY)
        self._day = None if record is None else TradingDay.from_record(record)

    def refuse(self, order: BracketOrder, *, placed_by: str, body_hash: str, broker: Exposed, marks: Mapping[str, Mark], now_ns: int) -> None:
        """The last door before an order.

        Raises:
            OrderDenied: the limit's name in capitals, with the limit and the value.
        """
        exposure = broker.exposure(order.instrument)
        mark = marks.get(order.instrument)
        state = risk.RiskState(
            instrument=self._instruments[order.instrument],
            exposure=exposure,
            quote=None if mark is None else mark.quote,
            quote_age_s=None if mark is None else Decimal(mark.age_ns) / _NS_PER_S,
            orders_last_minute=self._recent.last_minute(now_ns) if self._counts_orders else 0,
            same_order_s=self._recent.same_order_s(placed_by, body_hash, now_ns) if self._counts_orders else None,
            day_pnl=self._day_at(now_ns, exposure.equity).pnl(exposure.equity) if self._counts_days else Decimal(0),
        )
        risk.check(order, state, self._limits)

    def note(self, placed_by: str, body_hash: str, now_ns: int) -> None:
        """An order was taken."""
        if self._counts_orders:
            self._recent.add(placed_by, body_hash, now_ns)

    def turn_day(self, db: ledger.Db, broker: Broker, now_ns: int) -> None:
        """Begin a new day where one is due, with the equity of now."""
        day = self.begin_day(broker.account(now_ns).equity, now_ns)
        if day is not None:
            ledger.set_state(db, DAY_KEY, day.record())

    def begin_day(self, equity: Decimal, now_ns: int) -> TradingDay | None:
        """The new day that has begun with ``equity``; None while the old one lasts."""
        before = self._day
        self._day = self._day_at(now_ns, equity)
        return None if self._day is before else self._day

    def _day_at(self, now_ns: int, equity: Decimal) -> TradingDay:
        return day_at(self._day, now_ns=now_ns, equity=equity, zone=self._limits.day_zone, turn=self._limits.day_turn)
