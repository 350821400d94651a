"""What came of a replay, as a trader reads it: how many orders, what they won and lost, in money and in R, and where it hurt most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from brokers.replay.curve import Drawdown
from runtime.timestamps import to_text
from trading.brackets import Bracket, Fill, Trade
from trading.changes import Changes
from trading.events import seconds
from trading.money import ZERO, book, plain
from trading.orders import Leg, OrderStatus

_R = Decimal("0.0001")
_SHARE = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stop loss that filled past its price: by how much per unit, and what that cost in the account's currency beyond the stop."""

    order_id: str
    client_order_id: str
    time_ns: int
    units: Decimal
    stop_price: Decimal
    price: Decimal
    distance: Decimal
    money: Decimal


@dataclass(slots=True)
class Group:
    """Trades that ended alike. Money in the account's currency, after fees."""

    trades: int = 0
    wins: int = 0
    net_pnl: Decimal = ZERO
    r_sum: Decimal = ZERO
    r_count: int = 0

    def add(self, trade: Trade) -> None:
        self.trades += 1
        self.wins += trade.net_pnl > 0
        self.net_pnl += trade.net_pnl
        if trade.r_multiple is not None:
            self.r_sum += trade.r_multiple
            self.r_count += 1

    @property
    def r_average(self) -> Decimal | None:
        return plain((self.r_sum / self.r_count).quantize(_R)) if self.r_count else None


class Tally:
    """Counts while the replay runs."""

    def __init__(self) -> None:
        self.placed = self.fills = self.stop_fills = self.slipped = 0
        self.rejected: dict[str, int] = {}
        self.unfilled: dict[str, int] = {}
        self.by_reason: dict[str, Group] = {}
        self.all = Group()
        self.losses = 0
        self.gross_pnl = self.fees = self.won = self.lost = self.slippage = ZERO
        self.best_r: Decimal | None = None
        self.worst_r: Decimal | None = None
        self.held_ns = 0
        self.worst: Gap | None = None
        self._entered: set[int] = set()

    @property
    def entered(self) -> int:
        """Brackets of which something filled."""
        return len(self._entered)

    def reject(self, code: str) -> None:
        self.rejected[code] = self.rejected.get(code, 0) + 1

    def take(self, changes: Changes, rate: Decimal) -> None:
        """``rate`` is what one unit of the instrument's quote currency is worth."""
        by_id = {bracket.order_id: bracket for bracket in changes.brackets}
        for bracket in changes.brackets:
            if bracket.filled_units:
                self._entered.add(bracket.n)
            elif bracket.status in {OrderStatus.CANCELLED, OrderStatus.EXPIRED}:
                reason = bracket.cancel_reason or str(bracket.status).lower()
                self.unfilled[reason] = self.unfilled.get(reason, 0) + 1
        for fill in changes.fills:
            self.fills += 1
            self.gross_pnl += fill.realized_pnl
            self.fees += fill.fee
            if fill.leg is Leg.STOP_LOSS:
                self._stop(by_id[fill.order_id], fill, rate)
        for trade in changes.trades:
            self._trade(trade)

    def _stop(self, bracket: Bracket, fill: Fill, rate: Decimal) -> None:
        self.stop_fills += 1
        distance = (bracket.stop_price - fill.price) * bracket.side.sign
        if distance <= 0:
            return
        money = book(distance * fill.units * rate)
        self.slipped += 1
        self.slippage += money
        if self.worst is None or distance > self.worst.distance:
            self.worst = Gap(
                order_id=bracket.order_id,
                client_order_id=bracket.client_order_id,
                time_ns=fill.time_ns,
                units=fill.units,
                stop_price=plain(bracket.stop_price),
                price=fill.price,
                distance=plain(distance),
                money=money,
            )

    def _trade(self, trade: Trade) -> None:
        self.all.add(trade)
        self.by_reason.setdefault(str(trade.close_reason), Group()).add(trade)
        net, r = trade.net_pnl, trade.r_multiple
        self.held_ns += trade.held_ns
        if net > 0:
            self.won += net
        elif net < 0:
            self.losses += 1
            self.lost -= net
        if r is not None:
            self.best_r = r if self.best_r is None else max(self.best_r, r)
            self.worst_r = r if self.worst_r is None else min(self.worst_r, r)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Everything that is told at the end. Money in ``currency``; P&L before fees where it is called gross, else after."""

    broker: str
    instrument: str
    currency: str
    quotes: int
    first_ns: int
    last_ns: int
    events: int
    early: int  # orders that were due before the first quote and arrived with it
    repeated: int  # orders that were sent twice under one id, and placed once
    balance_start: Decimal
    balance_end: Decimal
    equity_end: Decimal
    open_trades: int
    open_pnl: Decimal
    pending: int
    drawdown: Drawdown
    tally: Tally
    points: Sequence[tuple[int, Decimal]] = field(repr=False)

    @property
    def net_pnl(self) -> Decimal:
        """Realised, after fees."""
        return self.tally.gross_pnl - self.tally.fees

    @property
    def win_rate(self) -> Decimal | None:
        closed = self.tally.all
        return (Decimal(closed.wins) / closed.trades).quantize(_SHARE) if closed.trades else None

    @property
    def profit_factor(self) -> Decimal | None:
        """What was won over what was lost; None while nothing was lost."""
        return (self.tally.won / self.tally.lost).quantize(_R) if self.tally.lost else None

    @property
    def average_held_s(self) -> Decimal | None:
        closed = self.tally.all.trades
        return seconds(self.tally.held_ns // closed) if closed else None

    def record(self) -> dict[str, object]:
        """The same as plain values for ``--json``; Decimals stay Decimals, times are text."""
        tally = self.tally
        return {
            "ok": True,
            "broker": self.broker,
            "instrument": self.instrument,
            "currency": self.currency,
            "quotes": self.quotes,
            "from": to_text(self.first_ns),
            "to": to_text(self.last_ns),
            "events": self.events,
            "brackets": tally.placed,
            "rejected": dict(sorted(tally.rejected.items())),
            "repeated": self.repeated,
            "early": self.early,
            "entered": tally.entered,
            "unfilled": dict(sorted(tally.unfilled.items())),
            "pending": self.pending,
            "open_trades": self.open_trades,
            "fills": tally.fills,
            "trades": tally.all.trades,
            "wins": tally.all.wins,
            "losses": tally.losses,
            "win_rate": self.win_rate,
            "r_average": tally.all.r_average,
            "r_total": plain(tally.all.r_sum),
            "r_best": tally.best_r,
            "r_worst": tally.worst_r,
            "profit_factor": self.profit_factor,
            "average_held_s": self.average_held_s,
            "gross_pnl": tally.gross_pnl,
            "fees": tally.fees,
            "net_pnl": self.net_pnl,
            "open_pnl": self.open_pnl,
            "balance_start": self.balance_start,
            "balance_end": self.balance_end,
            "equity_end": self.equity_end,
            "max_drawdown": _drawdown(self.drawdown),
            "stops": {"fills": tally.stop_fills, "slipped": tally.slipped, "slippage": tally.slippage, "worst_gap": _gap(tally.worst)},
            "by_exit": {reason: _group(group) for reason, group in sorted(tally.by_reason.items())},
        }


def _drawdown(drawdown: Drawdown) -> Mapping[str, object] | None:
    if not drawdown.money:
        return None
    return {
        "money": drawdown.money,
        "share": drawdown.share,
        "peak": drawdown.peak,
        "peak_at": to_text(drawdown.peak_ns),
        "trough_at": to_text(drawdown.trough_ns),
    }


def _gap(gap: Gap | None) -> Mapping[str, object] | None:
    if gap is None:
        return None
    return {
        "order_id": gap.order_id,
        "client_order_id": gap.client_order_id,
        "at": to_text(gap.time_ns),
        "units": gap.units,
        "stop_price": gap.stop_price,
        "price": gap.price,
        "distance": gap.distance,
        "money": gap.money,
    }


def _group(group: Group) -> Mapping[str, object]:
    return {"trades": group.trades, "wins": group.wins, "net_pnl": group.net_pnl, "r_average": group.r_average}
