"""What the adapters answer, as types: the same shapes as in brokers/replies.py, which this room must not import. A test holds the two together.

Numbers are numbers, times RFC 3339 text, ``ttl_expires_at`` seconds since 1970; what does not apply is null.
"""

from typing import Any, NotRequired, TypedDict

Number = int | float


class LegView(TypedDict):
    """One part of a bracket: entry, stop_loss, take_profit. ``units`` of an exit are those it covers now; ``price`` of a stop is where it stands now.

    ``status`` of an entry: PENDING, PARTIALLY_FILLED, FILLED, CANCELLED; of an exit: WAITING (nothing is filled), WORKING, FILLED, CANCELLED.
    """

    leg: str
    type: str  # limit | stop | market
    side: str
    units: Number
    price: Number | None
    filled_units: NotRequired[Number]  # of the entry
    trailing_distance: NotRequired[Number | None]  # of the stop loss
    status: str


class EventView(TypedDict):
    """An event of the order, as in /events."""

    id: str  # "oanda@<epoch>:57"
    type: str
    ts: str
    seq: int
    payload: dict[str, Any]


class OrderView(TypedDict):
    """An order as it stands."""

    order_id: str | None  # null only for a VOID client_order_id, which never became an order
    client_order_id: str
    broker: str
    mode: str
    status: str
    placed_by: str
    instrument: str | None
    side: str | None
    units: Number | None
    entry_type: str | None
    entry_price: Number | None
    stop_loss_price: Number | None
    take_profit_price: Number | None
    trailing_stop_distance: Number | None
    quality_score: Number | None
    ttl_min: Number | None
    ttl_expires_at: float | None
    protection: str
    placed_at: str | None
    updated_at: str | None
    opened_at: str | None
    closed_at: str | None
    filled_units: Number
    position_units: Number
    average_entry_price: Number | None
    average_exit_price: Number | None
    realized_pnl: Number
    fees: Number
    close_reason: str | None
    cancel_reason: str | None
    feed: str | None  # the feed it was placed on; another one than that holds its fills
    legs: list[LegView]


class OrderWithEvents(OrderView):
    events: list[EventView]  # oldest first, the newest 200; those below the journal's floor are gone


class ItemResult(TypedDict):
    order_id: str
    ok: bool
    status: NotRequired[str]
    code: NotRequired[str]


class PositionView(TypedDict):
    """What one side of an instrument holds over all its brackets.

    ``mark_price`` is what closing would get per unit now (bid for a long, ask for a short); ``protection`` is that of the worst guarded bracket.
    """

    broker: str
    instrument: str
    side: str
    units: Number
    average_price: Number
    mark_price: Number | None
    open_pnl: Number
    margin_used: Number
    protection: str
    order_ids: list[str]  # the oldest 200
    as_of: str | None  # the quote's time
    stale: bool


class TradeView(TypedDict):
    """A closed bracket's result. ``realized_pnl`` is before fees, ``net_pnl`` after; ``r_multiple`` is net over what was at risk at the entry."""

    order_id: str
    client_order_id: str
    placed_by: str
    mode: str
    instrument: str
    side: str
    units: Number
    entry_price: Number
    exit_price: Number
    realized_pnl: Number
    fees: Number
    net_pnl: Number
    risk_money: Number
    r_multiple: Number | None
    quality_score: Number | None
    close_reason: str
    opened_at: str
    closed_at: str
    held_s: Number


class FillView(TypedDict):
    """One execution; ``side`` is the way it traded, ``bid`` and ``ask`` what was quoted then."""

    fill_id: str
    order_id: str
    client_order_id: str
    placed_by: str
    mode: str
    leg: str
    instrument: str
    side: str
    units: Number
    price: Number
    bid: Number
    ask: Number
    fee: Number
    realized_pnl: Number
    liquidity: str  # maker | taker
    filled_at: str


class EquityPoint(TypedDict):
    at: str
    balance: Number
    equity: Number
    open_pnl: Number


class AccountView(TypedDict):
    """Money, ``currency`` is what they are in."""

    broker: str
    account: str
    mode: str
    currency: str
    balance: Number
    cash: Number
    reserved: Number
    open_pnl: Number
    equity: Number
    margin_used: Number
    margin_available: Number
    holdings: dict[str, Number]
    holdings_value: Number
    realized_pnl: Number
    fees: Number
    pending_orders: int
    open_trades: int
    as_of: str | None
    stale: bool


class InstrumentView(TypedDict):
    instrument: str
    broker: str
    asset_class: str
    base: str
    quote: str
    tick: Number
    step: Number
    units_min: Number
    units_max: Number
    price_decimals: int
    margin_rate: Number | None
    maker_fee_rate: Number
    taker_fee_rate: Number
    calendar: str


class Capabilities(TypedDict):
    """What this adapter can do, so that nobody has to guess."""

    broker: str
    mode: str
    account: str
    entry_types: list[str]
    trailing_stop: bool
    protection: str
    ttl: str  # venue | adapter: who ends an unfilled entry
    modify: list[str]
    client_order_id_chars_max: int
    instruments: list[str]
    feed: str | None


class Previewed(TypedDict):
    """order.preview: nothing is placed, null where no quote says."""

    instrument: str
    side: str
    units: Number
    currency: str
    entry_price: Number | None
    bid: Number | None
    ask: Number | None
    spread: Number | None
    notional: Number | None
    cost: Number | None
    available: Number
    entry_fee: Number | None
    exit_fee: Number | None
    loss_at_stop: Number | None
    gain_at_target: Number | None
    reward_risk: Number | None
    warnings: list[str]
    stale: bool


class TradingStateView(TypedDict):
    state: str  # ACTIVE | REDUCING | HALTED
    reason: str
    set_by: str
    set_at: str | None  # null while nobody has set it


class OpenItem(TypedDict):
    """An order that still waits for ``remaining_units``, or holds ``position_units``."""

    order_id: str
    instrument: str
    side: str
    remaining_units: Number
    position_units: Number
    status: str


class TradingStateSet(TradingStateView):
    """What was done besides, as far as it has come; ``complete`` when none of it goes on. ``still_open`` lists at most 100."""

    cancelled: list[ItemResult]
    closed: list[ItemResult]
    complete: bool
    open_orders: int
    open_positions: int
    still_open: list[OpenItem]
