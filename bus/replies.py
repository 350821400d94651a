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
performance.get    none                                                                         OnePerformance
instrument.list    none                                                                         InstrumentList
capabilities.get   none                                                                         Capabilities
trading_state.get  none                                                                         TradingStateView
trading_state.set  state, reason?, cancel?, flatten?, only_stricter?                            TradingStateSet
paper.reset        adopt?                                                                       PaperReset
store.backup       path                                                                         Backup
================== ============================================================================ =================

Lists are newest first; ``limit`` is 1 to 200 (50 when absent), ``next`` is null on the last page, else what ``after`` takes for the following one.
"""

from typing import TypedDict

from bus.order_replies import (
    Cancelled,
    Closed,
    EquityPage,
    EquityPoint,
    EventView,
    FillPage,
    FillView,
    ItemResult,
    LegView,
    Number,
    OneOrder,
    OrderPage,
    OrderView,
    OrderWithEvents,
    Placement,
    PositionList,
    PositionView,
    Previewed,
    Resolved,
    TradePage,
    TradeView,
)

__all__ = [
    "AccountView",
    "Backup",
    "Cancelled",
    "Capabilities",
    "Closed",
    "EquityPage",
    "EquityPoint",
    "EventView",
    "FillPage",
    "FillView",
    "InstrumentList",
    "InstrumentView",
    "ItemResult",
    "LegView",
    "Number",
    "OneAccount",
    "OneOrder",
    "OrderPage",
    "OrderView",
    "OrderWithEvents",
    "PaperReset",
    "Placement",
    "PositionList",
    "PositionView",
    "Previewed",
    "Resolved",
    "TradePage",
    "TradeView",
    "TradingStateSet",
    "TradingStateView",
]


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
    financing: Number
    pending_orders: int
    open_trades: int
    as_of: str | None
    stale: bool


class OneAccount(TypedDict):
    account: AccountView


class PerformanceFigures(TypedDict):
    """Closed trades; trading/performance.py defines each figure. ``drawdown`` is now, ``streak`` negative for losses in a row."""

    trades: int
    wins: int
    losses: int
    net_pnl: Number
    fees: Number
    won: Number
    lost: Number
    best: Number
    worst: Number
    win_rate: Number | None
    expectancy: Number | None
    expectancy_r: Number | None
    profit_factor: Number | None
    average_held_s: Number | None
    streak: int
    win_streak_max: int
    loss_streak_max: int
    drawdown: Number
    drawdown_max: Number


class PerformanceGroup(PerformanceFigures):
    name: str


class PerformanceView(PerformanceFigures):
    """``since`` is when the paper account was last opened anew; null for never. Groups have only names with trades."""

    broker: str
    mode: str
    currency: str
    since: str | None
    by_instrument: list[PerformanceGroup]
    by_quality: list[PerformanceGroup]
    by_hour: list[PerformanceGroup]
    by_weekday: list[PerformanceGroup]
    as_of: str
    stale: bool


class OnePerformance(TypedDict):
    """performance.get."""

    performance: PerformanceView


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
