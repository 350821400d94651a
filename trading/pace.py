"""Pace: how many orders came lately and which, and what a day has brought so far. Both are values a store can bring back after a restart.

``RecentOrders`` answers what ``orders_per_minute_max`` and ``duplicate_window_s`` ask; ``TradingDay`` what the daily loss limits ask.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trading.sessions import trading_day

_NS_PER_S = 1_000_000_000
_MINUTE_NS = 60 * _NS_PER_S


class RecentOrders:
    """The orders of the last ``keep_s`` seconds, by time and by what they said.

    Args:
        keep_s: at least 60, and at least the duplicate window.
    """

    def __init__(self, keep_s: int = 60) -> None:
        self._keep_ns = max(keep_s * _NS_PER_S, _MINUTE_NS)
        self._orders: deque[tuple[int, tuple[str, str]]] = deque()
        self._last_ns: dict[tuple[str, str], int] = {}

    def add(self, placed_by: str, body_hash: str, at_ns: int) -> None:
        """An order was taken. Times do not go back."""
        key = (placed_by, body_hash)
        self._orders.append((at_ns, key))
        self._last_ns[key] = at_ns
        self._forget(at_ns)

    def restore(self, orders: Iterable[tuple[str, str, int]]) -> None:
        """Begin anew with ``(placed_by, body_hash, at_ns)`` of the stored orders, oldest first."""
        self._orders.clear()
        self._last_ns.clear()
        for placed_by, body_hash, at_ns in orders:
            self.add(placed_by, body_hash, at_ns)

    def last_minute(self, now_ns: int) -> int:
        """How many were taken in the 60 s before ``now_ns``."""
        self._forget(now_ns)
        return sum(1 for at_ns, _ in self._orders if at_ns > now_ns - _MINUTE_NS) if self._keep_ns > _MINUTE_NS else len(self._orders)

    def same_order_s(self, placed_by: str, body_hash: str, now_ns: int) -> Decimal | None:
        """Seconds since the same user sent the same order; None when that is not in memory."""
        self._forget(now_ns)
        at_ns = self._last_ns.get((placed_by, body_hash))
        return None if at_ns is None else Decimal(now_ns - at_ns) / _NS_PER_S

    def _forget(self, now_ns: int) -> None:
        while self._orders and self._orders[0][0] <= now_ns - self._keep_ns:
            at_ns, key = self._orders.popleft()
            if self._last_ns.get(key) == at_ns:
                del self._last_ns[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """One day of an account: its date, the equity it began with, and the limit that ended it early, empty while none has."""

    day: date
    start_equity: Decimal
    tripped: str = ""

    def pnl(self, equity: Decimal) -> Decimal:
        """Realised and unrealised, since the day began."""
        return equity - self.start_equity

    def record(self) -> dict[str, object]:
        return {"day": self.day.isoformat(), "start_equity": str(self.start_equity), "tripped": self.tripped}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "TradingDay":
        return cls(
            day=date.fromisoformat(str(record["day"])), start_equity=Decimal(str(record["start_equity"])), tripped=str(record.get("tripped", ""))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """What a broker's day has brought so far, realised and unrealised, in the account's currency; ``day`` is the date's ordinal."""

    day: int
    pnl: Decimal
    mode: str

    def record(self) -> dict[str, object]:
        return {"day": self.day, "pnl": str(self.pnl), "mode": self.mode}

    @classmethod
    def from_record(cls, record: Mapping[str, object]) -> "DayResult":
        return cls(day=int(str(record["day"])), pnl=Decimal(str(record["pnl"])), mode=str(record["mode"]))


def total_of(own: DayResult, others: Iterable[DayResult | None]) -> Decimal | None:
    """The day over all brokers; None while one of them has not said what today has brought. Paper money and real money are not added up."""
    total = own.pnl
    for other in others:
        if other is None:
            return None
        if other.mode != own.mode:
            continue
        if other.day != own.day:
            return None
        total += other.pnl
    return total


def day_at(before: TradingDay | None, *, now_ns: int, equity: Decimal, zone: str, turn: str) -> TradingDay:
    """The day in force at ``now_ns``: ``before`` while its date lasts, else a new one that begins with ``equity``."""
    today = trading_day(now_ns, zone, turn)
    return before if before is not None and before.day >= today else TradingDay(day=today, start_equity=equity)
