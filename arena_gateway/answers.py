"""What the gateway answers, as types: the OpenAPI document is made from them.

The shapes inside are those of the adapters' replies (brokers/replies.py, which this room must not import; a test holds the two together). The gateway
adds ``ok`` and passes the rest on as it came. Numbers are numbers, times RFC 3339 text, ``ttl_expires_at`` seconds since 1970; what does not apply is
null.
"""

from typing import Any, Literal, NotRequired, TypedDict

Number = int | float


class PlacedAnswer(TypedDict):
    """The state at placement; matching follows as its own event. ``event_id`` is the ``oco_placed`` event, as ids of ``/events`` are written."""

    ok: Literal[True]
    order_id: str
    status: str
    mode: str
    ttl_expires_at: float
    client_order_id: str
    event_id: str


class LegView(TypedDict):
    leg: str
    type: str
    side: str
    price: Number | None
    units: Number
    filled_units: Number
    average_price: Number | None
    status: str


class EventView(TypedDict):
    id: str
    type: str
    ts: str
    seq: int
    payload: dict[str, Any]


class OrderView(TypedDict):
    """``order_id`` is null only for a voided client_order_id, which never became an order. ``protection`` says who guards the position."""

    order_id: str | None
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
    placed_at: str
    opened_at: str | None
    closed_at: str | None
    filled_units: Number
    position_units: Number
    average_entry_price: Number | None
    average_exit_price: Number | None
    realized_pnl: Number
    fees: Number
    close_reason: str | None
    held_because: str | None
    legs: list[LegView]


class OrderWithEvents(OrderView):
    """The order and its events, oldest first."""

    events: list[EventView]


class OrderAnswer(TypedDict):
    ok: Literal[True]
    order: OrderWithEvents


class OrdersAnswer(TypedDict):
    """Newest first. ``next`` is what ``after`` takes for the following page, null on the last."""

    ok: Literal[True]
    orders: list[OrderView]
    next: str | None


class AllOrdersAnswer(TypedDict):
    """Of all brokers, newest first; ``unavailable`` names those that could not be asked."""

    ok: Literal[True]
    orders: list[OrderView]
    next: str | None
    unavailable: list[str]


class ItemResult(TypedDict):
    order_id: str
    ok: bool
    status: NotRequired[str]
    code: NotRequired[str]


class CancelledAnswer(TypedDict):
    """Each order on its own; ``ok`` when none failed."""

    ok: bool
    results: list[ItemResult]
    cancelled: int
    failed: int


class ClosedAnswer(TypedDict):
    ok: bool
    instrument: str
    orders: list[OrderView]
    results: list[ItemResult]


class PositionView(TypedDict):
    instrument: str
    side: str
    units: Number
    average_price: Number
    price: Number | None
    unrealized_pnl: Number | None
    currency: str
    margin_used: Number
    protection: str
    order_ids: list[str]
    as_of: str | None
    stale: bool


class PositionsAnswer(TypedDict):
    ok: Literal[True]
    positions: list[PositionView]


class TradeView(TypedDict):
    order_id: str
    client_order_id: str
    placed_by: str
    instrument: str
    side: str
    units: Number
    mode: str
    entry_price: Number
    exit_price: Number
    realized_pnl: Number
    fees: Number
    r_multiple: Number | None
    quality_score: Number | None
    close_reason: str
    opened_at: str
    closed_at: str
    held_s: Number


class TradesAnswer(TypedDict):
    ok: Literal[True]
    trades: list[TradeView]
    next: str | None


class FillView(TypedDict):
    fill_id: str
    order_id: str
    leg: str
    instrument: str
    side: str
    units: Number
    price: Number
    fee: Number
    realized_pnl: Number
    liquidity: str | None
    filled_at: str


class FillsAnswer(TypedDict):
    ok: Literal[True]
    fills: list[FillView]
    next: str | None


class EquityPoint(TypedDict):
    at: str
    balance: Number
    equity: Number
    unrealized_pnl: Number


class EquityAnswer(TypedDict):
    ok: Literal[True]
    equity: list[EquityPoint]
    next: str | None


class AccountView(TypedDict):
    broker: str
    account: str
    mode: str
    currency: str
    balance: Number
    equity: Number
    unrealized_pnl: Number
    realized_pnl: Number
    fees: Number
    margin_used: Number
    margin_available: Number
    holdings: dict[str, Number]
    open_orders: int
    open_positions: int
    as_of: str
    stale: bool


class AccountAnswer(TypedDict):
    ok: Literal[True]
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


class InstrumentsAnswer(TypedDict):
    ok: Literal[True]
    instruments: list[InstrumentView]


class Capabilities(TypedDict):
    broker: str
    mode: str
    account: str
    entry_types: list[str]
    trailing_stop: bool
    protection: str
    ttl: str
    modify: list[str]
    client_order_id_chars_max: int
    instruments: list[str]
    feed: str | None


class CapabilitiesAnswer(TypedDict):
    ok: Literal[True]
    capabilities: Capabilities


class Previewed(TypedDict):
    instrument: str
    side: str
    units: Number
    currency: str
    entry_price: Number | None
    bid: Number | None
    ask: Number | None
    spread: Number | None
    notional: Number | None
    margin_required: Number | None
    fees: Number | None
    loss_at_stop: Number | None
    profit_at_target: Number | None
    reward_risk: Number | None
    equity: Number
    stale: bool
    warnings: list[str]


class PreviewAnswer(TypedDict):
    ok: Literal[True]
    preview: Previewed


class TradingStateView(TypedDict):
    state: str
    reason: str
    set_by: str
    set_at: str


class TradingStateAnswer(TypedDict):
    """By broker; ``unavailable`` names those that could not be asked."""

    ok: Literal[True]
    brokers: dict[str, TradingStateView]
    unavailable: list[str]


class TradingStateSet(TradingStateView):
    cancelled: list[ItemResult]
    closed: list[ItemResult]
    open_orders: int
    open_positions: int


class TradingStateSetAnswer(TypedDict):
    """What each broker did; ``failed`` has the codes of those that did not. ``ok`` when none failed."""

    ok: bool
    brokers: dict[str, TradingStateSet]
    failed: dict[str, str]


class UserView(TypedDict):
    user_id: str
    email: str
    role: str
    live: list[str]
    weak_password: bool
    disabled: bool
    created_at: str


class UserAnswer(TypedDict):
    ok: Literal[True]
    user: UserView


class UsersAnswer(TypedDict):
    ok: Literal[True]
    users: list[UserView]


class TokensAnswer(TypedDict):
    ok: Literal[True]
    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str


class TokenView(TypedDict):
    """``kind`` is login or api_key; scopes are null for a login."""

    kind: str
    expires_at: str | None
    scopes: list[str] | None


class MeAnswer(TypedDict):
    ok: Literal[True]
    user: UserView
    token: TokenView


class OkAnswer(TypedDict):
    ok: Literal[True]


class ApiKeyView(TypedDict):
    key_id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class ApiKeysAnswer(TypedDict):
    ok: Literal[True]
    api_keys: list[ApiKeyView]


class ApiKeyMadeAnswer(TypedDict):
    """``secret`` is shown this once."""

    ok: Literal[True]
    api_key: ApiKeyView
    secret: str


class IntrospectionAnswer(TypedDict):
    """``active`` false says nothing else."""

    active: bool
    user: NotRequired[str]
    user_id: NotRequired[str]
    role: NotRequired[str]
    live: NotRequired[list[str]]
    scopes: NotRequired[list[str] | None]
    token_id: NotRequired[str]
    expires_ns: NotRequired[int | None]


class AuditEntryView(TypedDict):
    n: int
    at: str
    actor: str
    action: str
    subject: str
    outcome: str
    address: str
    details: dict[str, Any]


class AuditAnswer(TypedDict):
    ok: Literal[True]
    entries: list[AuditEntryView]
    next: int | None


class HistoryEvent(TypedDict):
    id: str
    source: str
    type: str
    payload: dict[str, Any]
    ts: str
    epoch: str
    seq: int


class HistoryAnswer(TypedDict):
    """``next`` is the cursor of the following page; ``complete`` is true when nothing follows now."""

    ok: Literal[True]
    events: list[HistoryEvent]
    next: str | None
    complete: bool


class HealthAnswer(TypedDict):
    """The rest only on loopback or with a token."""

    ok: Literal[True]
    program: NotRequired[str]
    version: NotRequired[str]
    mode: NotRequired[str]
    started_at: NotRequired[str]


class Component(TypedDict):
    """One program, by its last heartbeat; ``age_s`` is null for one that was never heard."""

    status: str
    age_s: float | None
    mode: str | None
    trading_state: str | None
    last_seq: int | None


class ReadyAnswer(TypedDict):
    ok: Literal[True]
    components: dict[str, Component]
