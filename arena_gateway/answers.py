"""What the gateway answers, as types: the OpenAPI document is made from them. The adapters' own shapes inside are in bus/replies.py."""

from typing import Any, Literal, NotRequired, TypedDict

from bus.replies import (
    AccountView,
    Capabilities,
    EquityPoint,
    FillView,
    InstrumentView,
    ItemResult,
    Number,
    OrderView,
    OrderWithEvents,
    PerformanceView,
    PositionView,
    Previewed,
    TradeView,
    TradingStateSet,
    TradingStateView,
)


class PlacedAnswer(TypedDict):
    """The state at placement; matching follows as its own event. ``event_id`` is the ``oco_placed`` event, as ids of ``/events`` are written."""

    ok: Literal[True]
    order_id: str
    status: str
    mode: str
    ttl_expires_at: float
    client_order_id: str
    event_id: str


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


class PositionsAnswer(TypedDict):
    ok: Literal[True]
    positions: list[PositionView]
    as_of: str
    stale: bool


class TradesAnswer(TypedDict):
    ok: Literal[True]
    trades: list[TradeView]
    next: str | None
    as_of: str
    stale: bool


class FillsAnswer(TypedDict):
    ok: Literal[True]
    fills: list[FillView]
    next: str | None
    as_of: str
    stale: bool


class EquityAnswer(TypedDict):
    ok: Literal[True]
    equity: list[EquityPoint]
    next: str | None
    as_of: str
    stale: bool


class AllPositionsAnswer(TypedDict):
    """``as_of`` is that of the oldest answer; ``unavailable`` names brokers that could not be asked, in all of these."""

    ok: Literal[True]
    positions: list[PositionView]
    as_of: str | None
    stale: bool
    unavailable: list[str]


class BrokerTrade(TradeView):
    broker: str


class AllTradesAnswer(TypedDict):
    ok: Literal[True]
    trades: list[BrokerTrade]
    next: str | None
    as_of: str | None
    stale: bool
    unavailable: list[str]


class BrokerFill(FillView):
    broker: str


class AllFillsAnswer(TypedDict):
    ok: Literal[True]
    fills: list[BrokerFill]
    next: str | None
    as_of: str | None
    stale: bool
    unavailable: list[str]


class BrokerEquityPoint(EquityPoint):
    broker: str


class AllEquityAnswer(TypedDict):
    ok: Literal[True]
    equity: list[BrokerEquityPoint]
    next: str | None
    as_of: str | None
    stale: bool
    unavailable: list[str]


class AccountTotal(TypedDict):
    """The accounts added up."""

    currency: str
    mode: str
    balance: Number
    cash: Number
    reserved: Number
    open_pnl: Number
    equity: Number
    margin_used: Number
    margin_available: Number
    holdings_value: Number
    realized_pnl: Number
    fees: Number
    financing: Number
    pending_orders: int
    open_trades: int
    as_of: str | None
    stale: bool


class AllAccountsAnswer(TypedDict):
    """``total`` is null when a broker could not be asked, or when currencies or modes differ."""

    ok: Literal[True]
    accounts: list[AccountView]
    total: AccountTotal | None
    unavailable: list[str]


class PerformanceAnswer(TypedDict):
    ok: Literal[True]
    performance: PerformanceView


class PerformanceTotal(TypedDict):
    """What adds up over brokers; streaks and drawdown do not, they are each broker's own."""

    currency: str
    mode: str
    trades: int
    wins: int
    losses: int
    net_pnl: Number
    fees: Number
    won: Number
    lost: Number
    win_rate: Number | None
    expectancy: Number | None
    profit_factor: Number | None
    as_of: str | None
    stale: bool


class AllPerformanceAnswer(TypedDict):
    ok: Literal[True]
    brokers: list[PerformanceView]
    total: PerformanceTotal | None
    unavailable: list[str]


class AccountAnswer(TypedDict):
    ok: Literal[True]
    account: AccountView


class InstrumentsAnswer(TypedDict):
    ok: Literal[True]
    instruments: list[InstrumentView]


class CapabilitiesAnswer(TypedDict):
    ok: Literal[True]
    capabilities: Capabilities


class PreviewAnswer(TypedDict):
    ok: Literal[True]
    preview: Previewed


class TradingStateAnswer(TypedDict):
    """By broker what it enforces and what is wanted of it; ``unavailable`` names those that could not be asked."""

    ok: Literal[True]
    brokers: dict[str, TradingStateView]
    wanted: dict[str, str]
    unavailable: list[str]


class WaitingBroker(TypedDict):
    """A broker that did not answer: why, what it will be told, and what its last heartbeat said, ``age_s`` ago."""

    code: str
    wanted: str
    message: str
    trading_state: str | None
    open_orders: int | None
    open_positions: int | None
    age_s: float | None


class TradingStateSetAnswer(TypedDict):
    """What each broker did; ``failed`` has the codes of those that did not, ``waiting`` what is known of them. ``ok`` when none failed."""

    ok: bool
    brokers: dict[str, TradingStateSet]
    failed: dict[str, str]
    waiting: dict[str, WaitingBroker]


class HistoryEvent(TypedDict):
    id: str
    source: str
    type: str
    payload: dict[str, Any]
    ts: str
    epoch: str
    seq: int


class OwnerView(TypedDict):
    """Where a source's owner stands."""

    epoch: str
    first_seq: int
    last_seq: int


class HistoryAnswer(TypedDict):
    """``next`` is the cursor of the following page; ``complete`` is true when nothing follows now.

    ``notices`` tells of gaps and resets as the stream does, ``unavailable`` names sources whose owner was silent.
    """

    ok: Literal[True]
    events: list[HistoryEvent]
    next: str | None
    complete: bool
    notices: list[dict[str, Any]]
    sources: dict[str, OwnerView]
    unavailable: list[str]


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
