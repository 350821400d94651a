"""What the operations on orders, positions, fills and trades answer; ``bus.replies`` has the rules for all of them, and the rest."""

from typing import Any, NotRequired, TypedDict

Number = int | float


class Placement(TypedDict):
    """order.place. Kept in the store as bytes: a repeat of the same id and body gets the same map plus ``replayed: true``.

    Refusals: the codes of trading.orders.check_ticket and trading.risk, TRADING_HALTED, TRADING_REDUCING, IDEMPOTENCY_MISMATCH (OrderDenied, 422) ·
    ORDER_VOID, ORDER_IN_FLIGHT (StateConflict, 409) · LIVE_NOT_GRANTED, ROLE_NOT_ALLOWED (NotAllowed) · EXPIRED (DeadlinePassed) ·
    STORE_LOW, STREAM_RECONCILING (Unavailable) · UNKNOWN (OutcomeUnknown; details order_id, client_order_id).
    """

    order_id: str
    client_order_id: str
    status: str
    mode: str
    ttl_expires_at: float
    event_id: str  # "oanda@<epoch>:57": the oco_placed event, in the notation of SSE cursors
    replayed: NotRequired[bool]


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
    origin: str  # arena, or external: placed at the venue by somebody else and taken up here
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


class EventView(TypedDict):
    """An event of the order, as in /events."""

    id: str  # "oanda@<epoch>:57"
    type: str
    ts: str
    seq: int
    payload: dict[str, Any]


class OrderWithEvents(OrderView):
    events: list[EventView]  # oldest first, the newest 200; those below the journal's floor are gone


class OneOrder(TypedDict):
    """order.get, order.modify, order.cancel. Refusals: NOT_FOUND · NOT_YOUR_ORDER, ROLE_NOT_ALLOWED, LIVE_NOT_GRANTED (NotAllowed) ·

    ORDER_FINAL, ORDER_OPEN (its entry has filled: close it), ORDER_FILLED, ORDER_CLOSING (StateConflict) · NOTHING_TO_CHANGE, FIELD_FIXED
    (InvalidRequest) · those of a placement for the changed values, STOP_WOULD_LOOSEN (OrderDenied) · EXPIRED · UNKNOWN (live: being looked up).
    """

    order: OrderWithEvents


class OrderPage(TypedDict):
    """order.list. A client_order_id that was voided is listed, with ``order_id`` null and status VOID; an unknown one gives an empty list."""

    orders: list[OrderView]
    next: str | None


class Resolved(TypedDict):
    """order.resolve: the final word on a client_order_id. One never seen is VOID from now on: whatever still arrives under it is refused."""

    client_order_id: str
    status: str
    order: OrderView | None  # null when VOID
    placement: Placement | None  # what the placement was answered, where it was


class ItemResult(TypedDict):
    """``status`` when it is done, ``code`` when it was refused, both (``UNKNOWN``) while the venue has not answered for it."""

    order_id: str
    ok: bool
    status: NotRequired[str]
    code: NotRequired[str]


class Cancelled(TypedDict):
    """order.cancel_all: own orders, or everybody's for an admin; only unfilled entries. At most 500 results are listed, all are cancelled."""

    results: list[ItemResult]
    cancelled: int
    failed: int


class Closed(TypedDict):
    """position.close, oldest bracket first: the caller's own brackets, everybody's for an admin. ``orders`` are those concerned as they stand now:

    CLOSED, or OPEN with less, or OPEN as before while no fresh quote is there to trade on (it closes on the next one, guarded until then).
    Refusals: NO_POSITION, UNKNOWN_INSTRUMENT (NotFound) · NOT_YOUR_ORDER · SIDE_NEEDED (InvalidRequest) · UNITS_NOT_POSITIVE, UNITS_OFF_STEP,
    UNITS_EXCEED_POSITION, UNITS_TOO_SMALL, PERCENT_OUT_OF_RANGE, IDEMPOTENCY_MISMATCH (OrderDenied) · EXPIRED. ``replayed``: it was done before,
    under the same ``client_close_id``.
    """

    instrument: str
    orders: list[OrderView]
    results: list[ItemResult]
    replayed: bool


class PositionView(TypedDict):
    """What one side of an instrument holds over all its brackets; the figures of trading/accounts.py.

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


class PositionList(TypedDict):
    positions: list[PositionView]
    as_of: str
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


class TradePage(TypedDict):
    trades: list[TradeView]
    next: str | None
    as_of: str
    stale: bool


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


class FillPage(TypedDict):
    fills: list[FillView]
    next: str | None
    as_of: str
    stale: bool


class EquityPoint(TypedDict):
    at: str
    balance: Number
    equity: Number
    open_pnl: Number


class EquityPage(TypedDict):
    equity: list[EquityPoint]
    next: str | None
    as_of: str
    stale: bool


class Previewed(TypedDict):
    """order.preview: nothing is placed; the figures of trading/accounts.py, null where no quote says."""

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
