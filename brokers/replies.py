"""What each operation of an adapter answers: the ``result`` map of a reply, by operation.

The gateway, the command line and third-party callers code against these shapes; ``brokers/views.py`` builds them. Rules for all of them: money,
prices and sizes are numbers (integer when whole, else the shortest float64); times end in ``_at`` and are RFC 3339 text, except ``ttl_expires_at``,
which is seconds since 1970 as the first version had it; what does not apply is null, never absent, unless marked ``NotRequired``.
Refusals are ``error {kind, code, message, details}``; ``kind`` is the name of the class in trading/errors.py.

================== ============================================================================ =================
operation          args (``?`` optional)                                                        result
================== ============================================================================ =================
order.place        the fields of an order ticket                                                Placement
order.preview      the same                                                                     Previewed
order.modify       order_id; any of entry_price?, stop_loss_price?, take_profit_price?,
                   trailing_stop_distance?, ttl_min?                                            OneOrder
order.cancel       order_id                                                                     OneOrder
order.cancel_all   instrument?                                                                  Cancelled
order.get          order_id or client_order_id                                                  OneOrder
order.list         status? (one, or a list), instrument?, client_order_id?, limit?, after?      OrderPage
order.resolve      client_order_id                                                              Resolved
position.close     instrument, side?, units? or percent?                                        Closed
position.list      instrument?                                                                  PositionList
trade.list         instrument?, limit?, after?                                                  TradePage
fill.list          instrument?, order_id?, limit?, after?                                       FillPage
equity.list        limit?, after?                                                               EquityPage
account.get        none                                                                         OneAccount
instrument.list    none                                                                         InstrumentList
capabilities.get   none                                                                         Capabilities
trading_state.get  none                                                                         TradingStateView
trading_state.set  state, reason?, cancel?, flatten?                                            TradingStateSet
paper.reset        adopt?                                                                       PaperReset
store.backup       path                                                                         Backup
================== ============================================================================ =================

Lists are newest first; ``limit`` is 1 to 200 (50 when absent), ``next`` is null on the last page, else what ``after`` takes for the following one.
"""

from typing import NotRequired, TypedDict

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
    payload: dict[str, object]


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
    UNITS_EXCEED_POSITION, UNITS_TOO_SMALL, PERCENT_OUT_OF_RANGE (OrderDenied) · EXPIRED.
    """

    instrument: str
    orders: list[OrderView]
    results: list[ItemResult]


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


class EquityPoint(TypedDict):
    at: str
    balance: Number
    equity: Number
    open_pnl: Number


class EquityPage(TypedDict):
    equity: list[EquityPoint]
    next: str | None


class AccountView(TypedDict):
    """Money; the figures of trading/accounts.py, ``currency`` is what they are in."""

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


class OneAccount(TypedDict):
    account: AccountView


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


class InstrumentList(TypedDict):
    instruments: list[InstrumentView]


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


class TradingStateView(TypedDict):
    state: str  # ACTIVE | REDUCING | HALTED
    reason: str
    set_by: str
    set_at: str | None  # null while nobody has set it


class TradingStateSet(TradingStateView):
    """What was done besides, and what is still open."""

    cancelled: list[ItemResult]
    closed: list[ItemResult]
    open_orders: int
    open_positions: int


class PaperReset(TypedDict):
    """paper.reset, by an admin or on the host: every open order ends VOID, the account starts anew, order numbers go on.

    With ``adopt`` nothing ends: the open orders go on with the feed of now. Refusals: NOT_PAPER, NO_FEED (StateConflict) · ROLE_NOT_ALLOWED.
    """

    adopted: bool
    cancelled: int
    balance: Number


class Backup(TypedDict):
    path: str
    bytes: int
    epoch: str
    last_seq: int


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
