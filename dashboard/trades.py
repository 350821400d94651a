"""Closed brackets as rows, and what they come to: what the trade exports show. The figures are the journals' own; only sums are made here."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bus.envelope import Event
from dashboard.narrator.reading import number

TRADE_TYPE = "bracket_closed"
HEADINGS = (
    "closed_at", "broker", "order_id", "client_order_id", "placed_by", "mode", "instrument", "side", "units", "entry_price", "exit_price",
    "close_reason", "realized_pnl", "fees", "net_pnl", "r_multiple", "held_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One closed bracket; money in the account's currency, ``net`` after fees."""

    closed_at: str
    broker: str
    order_id: str
    client_order_id: str
    placed_by: str
    mode: str
    instrument: str
    side: str
    units: Decimal | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    close_reason: str
    realized_pnl: Decimal | None
    fees: Decimal | None
    r_multiple: Decimal | None
    held_s: Decimal | None

    @property
    def net(self) -> Decimal | None:
        return None if self.realized_pnl is None else self.realized_pnl - (self.fees or 0)

    def row(self) -> tuple[str | Decimal | None, ...]:
        """In the order of HEADINGS."""
        return (
            self.closed_at, self.broker, self.order_id, self.client_order_id, self.placed_by, self.mode, self.instrument, self.side, self.units,
            self.entry_price, self.exit_price, self.close_reason, self.realized_pnl, self.fees, self.net, self.r_multiple, self.held_s,
        )  # fmt: skip


def trade_of(event: Event) -> Trade:
    """The trade that a ``bracket_closed`` tells of; what it does not say is empty."""

    def text(key: str) -> str:
        value = event.payload.get(key)
        return value if isinstance(value, str) else ""

    def figure(key: str) -> Decimal | None:
        return number(event.payload.get(key))

    return Trade(
        closed_at=event.ts,
        broker=event.source,
        order_id=text("order_id"),
        client_order_id=text("client_order_id"),
        placed_by=text("placed_by"),
        mode=text("mode"),
        instrument=text("instrument"),
        side=text("side"),
        units=figure("units"),
        entry_price=figure("entry_price"),
        exit_price=figure("exit_price"),
        close_reason=text("close_reason"),
        realized_pnl=figure("realized_pnl"),
        fees=figure("fees"),
        r_multiple=figure("r_multiple"),
        held_s=figure("held_s"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a number of trades come to. ``best`` and ``worst`` are the extreme net results."""

    count: int
    wins: int
    losses: int
    net: Decimal
    fees: Decimal
    average_r: Decimal | None
    best: Decimal
    worst: Decimal


def totals(trades: Sequence[Trade]) -> Totals:
    """The sums over ``trades``; a result of exactly nil is neither a win nor a loss."""
    nets = [trade.net for trade in trades if trade.net is not None]
    multiples = [trade.r_multiple for trade in trades if trade.r_multiple is not None]
    return Totals(
        count=len(trades),
        wins=sum(net > 0 for net in nets),
        losses=sum(net < 0 for net in nets),
        net=sum(nets, Decimal(0)),
        fees=sum((trade.fees for trade in trades if trade.fees is not None), Decimal(0)),
        average_r=sum(multiples, Decimal(0)) / len(multiples) if multiples else None,
        best=max(nets, default=Decimal(0)),
        worst=min(nets, default=Decimal(0)),
    )
