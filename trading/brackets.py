"""Brackets as they stand, what was executed for them (fills) and what came of them (trades).

A ``Bracket`` holds everything an engine needs to go on from it after a restart, and everything ``GET …/orders/{order_id}`` shows. It is replaced,
never changed; its status moves only through ``trading.order_state.apply``.

Money: ``open_cost`` is the booked cost of the units still open, in the quote currency: what was paid for a long, what was received for a short.
``realized_pnl``, ``fees`` and ``risk_money`` are in the account's currency. Realised P&L is before fees.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from trading.instruments import Side
from trading.money import ZERO, plain
from trading.orders import FINAL_STATUSES, BracketOrder, CloseReason, EntryType, Leg, OrderStatus
from trading.values import quickly_made
from trading.venue_refs import VenueRefs

# An average price is shown with this many decimals more than the instrument's own prices.
_AVERAGE_DECIMALS = Decimal("0.0000001")

# Where a bracket comes from: placed here, or found at the venue.
ARENA = "arena"
EXTERNAL = "external"

NO_REFS = VenueRefs()


class Protection(StrEnum):
    """Who guards a bracket's stop: the venue, our adapter, or nobody."""

    VENUE = "venue"
    ADAPTER = "adapter"
    NONE = "none"


class Liquidity(StrEnum):
    """Whether a fill waited in the book (maker) or took what was quoted (taker)."""

    MAKER = "maker"
    TAKER = "taker"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One bracket order as it stands.

    ``order`` holds the prices in force after modifications; ``stop_price`` is where the stop stands now, a trailing one included. ``feed`` is the
    feed its quotes came from when it was placed, empty while there was none. Times are nanoseconds since 1970, UTC, 0 for not yet.

    What an engine needs besides: ``reserve_price`` (per unit, what a pending entry is reckoned to cost), ``entry_triggered`` (a stop entry whose
    price was reached, a market entry: the rest takes any price), ``entry_rests`` and ``target_rests`` (the limit has been in the book for a
    quote: it is a maker), ``stop_triggered`` (the stop was reached: the rest goes at any price), ``closing_units`` and ``closing_reason`` (asked
    to be closed at the market). Of a live one besides: ``venue``, what it is called there, and ``origin``: ``external`` for what somebody placed at
    the venue itself and we only took up (its exits are 0 where it has none).
    """

    order_id: str
    n: int
    order: BracketOrder
    placed_by: str
    mode: str
    status: OrderStatus
    protection: Protection
    placed_ns: int
    updated_ns: int
    ttl_expires_ns: int
    feed: str = ""
    stop_price: Decimal
    filled_units: Decimal = ZERO
    entry_value: Decimal = ZERO
    closed_units: Decimal = ZERO
    exit_value: Decimal = ZERO
    open_cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    risk_money: Decimal = ZERO
    fill_count: int = 0
    opened_ns: int = 0
    closed_ns: int = 0
    close_reason: CloseReason | None = None
    cancel_reason: str | None = None
    entry_cancelled: bool = False
    reserve_price: Decimal = ZERO
    entry_triggered: bool = False
    entry_rests: bool = False
    target_rests: bool = False
    stop_triggered: bool = False
    closing_units: Decimal = ZERO
    closing_reason: CloseReason | None = None
    venue: VenueRefs = NO_REFS
    origin: str = ARENA

    @property
    def instrument(self) -> str:
        return self.order.instrument

    @property
    def side(self) -> Side:
        return self.order.side

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id

    @property
    def position_units(self) -> Decimal:
        """Units open now, never negative; the side says which way."""
        return self.filled_units - self.closed_units

    @property
    def remaining_units(self) -> Decimal:
        """Units of the entry that may still fill."""
        return ZERO if self.entry_cancelled or self.status in FINAL_STATUSES else self.order.units - self.filled_units

    @property
    def average_entry_price(self) -> Decimal | None:
        """What a unit was entered at on average, rounded for show; None before the first fill."""
        return _average(self.entry_value, self.filled_units)

    @property
    def average_exit_price(self) -> Decimal | None:
        return _average(self.exit_value, self.closed_units)

    @property
    def net_pnl(self) -> Decimal:
        """Realised P&L after fees, in the account's currency."""
        return self.realized_pnl - self.fees

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. ``side`` is the way it traded (an exit of a buy sells), ``bid`` and ``ask`` what was quoted, money in the account's currency."""

    fill_id: str
    order_id: str
    client_order_id: str
    placed_by: str
    mode: str
    instrument: str
    side: Side
    leg: Leg
    units: Decimal
    price: Decimal
    liquidity: Liquidity
    fee: Decimal
    realized_pnl: Decimal
    bid: Decimal
    ask: Decimal
    time_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A bracket that was in the market and is out again. ``r_multiple`` is the net result over what was at risk from entry to stop."""

    order_id: str
    client_order_id: str
    placed_by: str
    mode: str
    instrument: str
    side: Side
    units: Decimal
    entry_price: Decimal
    exit_price: Decimal
    opened_ns: int
    closed_ns: int
    realized_pnl: Decimal
    fees: Decimal
    risk_money: Decimal
    r_multiple: Decimal | None
    close_reason: CloseReason
    quality_score: Decimal | None = None

    @property
    def held_ns(self) -> int:
        return self.closed_ns - self.opened_ns

    @property
    def net_pnl(self) -> Decimal:
        return self.realized_pnl - self.fees


def trade_of(bracket: Bracket) -> Trade:
    """The trade that the closed ``bracket`` was."""
    entry, exit_ = bracket.average_entry_price, bracket.average_exit_price
    if entry is None or exit_ is None or bracket.close_reason is None:
        raise ValueError(f"{bracket.order_id} was never open, or still is")
    return Trade(
        order_id=bracket.order_id,
        client_order_id=bracket.client_order_id,
        placed_by=bracket.placed_by,
        mode=bracket.mode,
        instrument=bracket.instrument,
        side=bracket.side,
        units=bracket.filled_units,
        entry_price=entry,
        exit_price=exit_,
        opened_ns=bracket.opened_ns,
        closed_ns=bracket.closed_ns,
        realized_pnl=bracket.realized_pnl,
        fees=bracket.fees,
        risk_money=bracket.risk_money,
        r_multiple=r_multiple(bracket),
        close_reason=bracket.close_reason,
        quality_score=bracket.order.quality_score,
    )


def r_multiple(bracket: Bracket) -> Decimal | None:
    """Net result over the money at risk at the entry, four decimals; None when nothing was at risk."""
    return plain((bracket.net_pnl / bracket.risk_money).quantize(Decimal("0.0001"))) if bracket.risk_money else None


def legs_of(bracket: Bracket) -> list[dict[str, object]]:
    """The three legs as ``GET …/orders/{order_id}`` lists them: leg, type, side, units, price, status."""
    order = bracket.order
    exits = str(order.side.opposite)
    covered = bracket.position_units
    return [
        {
            "leg": str(Leg.ENTRY),
            "type": str(order.entry_type),
            "side": str(order.side),
            "units": order.units,
            "price": order.entry_price,
            "filled_units": bracket.filled_units,
            "status": _entry_status(bracket),
        },
        {
            "leg": str(Leg.STOP_LOSS),
            "type": str(EntryType.STOP),
            "side": exits,
            "units": covered,
            "price": bracket.stop_price or None,
            "trailing_distance": order.trailing_stop_distance,
            "status": _exit_status(bracket, CloseReason.STOP_LOSS),
        },
        {
            "leg": str(Leg.TAKE_PROFIT),
            "type": str(EntryType.LIMIT),
            "side": exits,
            "units": covered,
            "price": order.take_profit_price or None,
            "status": _exit_status(bracket, CloseReason.TAKE_PROFIT),
        },
    ]


def _entry_status(bracket: Bracket) -> str:
    if bracket.filled_units == bracket.order.units:
        return "FILLED"
    if bracket.entry_cancelled or bracket.status.is_final:
        return "CANCELLED"
    return "PARTIALLY_FILLED" if bracket.filled_units else "PENDING"


def _exit_status(bracket: Bracket, reason: CloseReason) -> str:
    if bracket.status.is_final:
        return "FILLED" if bracket.close_reason is reason else "CANCELLED"
    if bracket.stop_triggered and reason is CloseReason.TAKE_PROFIT:
        return "CANCELLED"  # the stop was reached and is still at it: the target is off
    return "WORKING" if bracket.filled_units else "WAITING"


def _average(value: Decimal, units: Decimal) -> Decimal | None:
    return plain((value / units).quantize(_AVERAGE_DECIMALS)) if units else None
