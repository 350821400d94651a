"""One account: its log, orders, trades and money, and the small steps that everything else is made of.

Pure but for its clock: quotes come from the board, and nothing here waits. Who asks for what is in ``placing``, ``changing``, ``exits`` and
``closing``; what the market does to it in ``triggers``; how it looks in ``views``.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.paper.market import Standing
from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import FaultScript, Kind
from tests.venues.common.quotes import QuoteBoard
from tests.venues.oanda import wire
from tests.venues.oanda.book import ZERO, Order, Trade
from tests.venues.oanda.log import Batch, Log
from tests.venues.oanda.requests import OrderRequest
from tests.venues.oanda.specs import Spec
from tests.venues.oanda.wire import Doc
from trading.instruments import Side

# Profit in another currency is converted at a little less than the middle, loss at a little more (recorded in September 2026).
GAIN = Decimal("0.99")
LOSS = Decimal("1.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """What an account is opened with.

    ``hedging`` decides whether an opposite order reduces the oldest trades (False, as in the United States and by default) or opens a trade beside
    them. ``stops_exclude_each_other`` is how some divisions are: a stop loss and a trailing stop cannot stand on one trade.
    """

    id: str = "101-001-1234567-001"
    user_id: int = 1_234_567
    alias: str = "Primary"
    currency: str = "USD"
    balance: Decimal = Decimal(100_000)
    hedging: bool = False
    stops_exclude_each_other: bool = False
    pending_orders_max: int = 1_000


class Account:
    """The state of one account. Ids are integers inside."""

    def __init__(self, config: AccountConfig, *, board: QuoteBoard, clock: VenueClock, faults: FaultScript) -> None:
        self.config = config
        self.board = board
        self.clock = clock
        self.faults = faults
        self.specs = {name: Spec(instrument) for name, instrument in board.instruments.items()}
        self.log = Log(config.id, config.user_id, clock)
        self.created_ns = clock.now_ns()
        self.orders: dict[int, Order] = {}
        self.pending: dict[int, Order] = {}
        self.trades: dict[int, Trade] = {}
        self.open: dict[int, Trade] = {}
        self.balance = ZERO
        self.realized = ZERO
        self.financing = ZERO
        self.dividends = ZERO
        self.realized_by_side: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        self.sizes: defaultdict[tuple[str, Side], Decimal] = defaultdict(Decimal)
        self._unrealized: Decimal | None = None
        board.on_quote(self._forget_value)
        self._begin()

    # ── looking up ──

    def find_order(self, spec: str) -> Order | None:
        """By number, or by ``@`` and its client id: the latter finds pending orders only."""
        if spec.startswith("@"):
            return next((each for each in self.pending.values() if each.client_id == spec[1:]), None)
        return self.orders.get(int(spec)) if spec.isdecimal() else None

    def find_trade(self, spec: str) -> Trade | None:
        """By number, or by ``@`` and its client id: the latter finds open trades only."""
        if spec.startswith("@"):
            return next((each for each in self.open.values() if each.client_id == spec[1:]), None)
        return self.trades.get(int(spec)) if spec.isdecimal() else None

    def open_in(self, instrument: str, side: Side | None = None) -> list[Trade]:
        """Open trades, oldest first."""
        return [each for each in self.open.values() if each.instrument == instrument and side in {None, each.side}]

    def is_halted(self, instrument: str) -> bool:
        """Whether nothing trades in ``instrument`` now: the fault script says so, or nobody has quoted it yet."""
        return self.board.standing(instrument) is None or self.faults.stands(Kind.MARKET_HALTED, Kind.WEEKEND, instrument=instrument) is not None

    def market_price(self, instrument: str, side: Side) -> Decimal:
        """What trading on ``side`` costs now."""
        standing = self.board.standing(instrument)
        assert standing is not None, f"{instrument} has no quote"
        return standing.entry_price(side)

    # ── money ──

    def home_rate(self, currency: str) -> Decimal:
        """What one unit of ``currency`` is worth in the account's, at mid; 1 while nobody quotes it."""
        return self.board.rate(currency, self.config.currency) or Decimal(1)

    def factors(self, currency: str) -> tuple[Decimal, Decimal]:
        """By what a gain and a loss in ``currency`` are multiplied."""
        rate = self.home_rate(currency)
        return (rate, rate) if currency == self.config.currency else (rate * GAIN, rate * LOSS)

    def profit(self, trade: Trade, units: Decimal, at: Decimal) -> tuple[Decimal, Decimal]:
        """What closing ``units`` (unsigned) of ``trade`` gives, in the quote currency and in the account's."""
        in_quote = (at - trade.price) * units * trade.side.sign
        gain, loss = self.factors(self.specs[trade.instrument].instrument.quote)
        return in_quote, wire.round_money(in_quote * (gain if in_quote > 0 else loss))

    def value(self, instrument: str, units: Decimal) -> Decimal:
        """What ``units`` are worth in the account's currency, unsigned."""
        return abs(units) * self.home_rate(self.specs[instrument].instrument.base)

    def margin(self, instrument: str, units: Decimal) -> Decimal:
        return self.value(instrument, units) * self.specs[instrument].margin_rate

    def unrealized(self, trade: Trade) -> Decimal:
        if not trade.units or self.board.standing(trade.instrument) is None:
            return ZERO
        return self.profit(trade, abs(trade.units), self.market_price(trade.instrument, trade.side.opposite))[1]

    def margin_used(self) -> Decimal:
        """The larger side of each instrument counts."""
        largest = {name: max(self.sizes[name, side] for side in Side) for name in self.specs}
        return sum((self.margin(name, size) for name, size in largest.items() if size), ZERO)

    def nav(self) -> Decimal:
        if self._unrealized is None:
            self._unrealized = sum((self.unrealized(each) for each in self.open.values()), ZERO)
        return self.balance + self._unrealized

    def resize(self, trade: Trade, units: Decimal) -> None:
        """Change what is left of ``trade`` by ``units`` signed, and the sums over all trades with it: they are asked for at every fill."""
        before = self.unrealized(trade)
        self.sizes[trade.instrument, trade.side] += units * trade.side.sign
        trade.units += units
        if self._unrealized is not None:
            self._unrealized += self.unrealized(trade) - before

    def _forget_value(self, _standing: Standing) -> None:
        """A new quote: everything is worth something else, in other instruments too where it converts."""
        self._unrealized = None

    # ── orders come and go ──

    def create_order(self, batch: Batch, request: OrderRequest, reason: str, **extra: object) -> tuple[Order, Doc]:
        """Write an order into the log and the book; whether it rests or trades is decided next."""
        trade = self.find_trade(request.trade_id or "") if request.is_exit else None
        instrument = trade.instrument if trade else str(request.instrument)
        spec = self.specs[instrument]
        details = {name: value for name, value in extra.items() if value is not None}
        transaction = batch.write(f"{request.type}_ORDER", **{**request.as_json(spec.decimals), **details}, reason=reason)
        order = Order(
            id=int(transaction["id"]),
            request=request,
            instrument=instrument,
            decimals=spec.decimals,
            created_ns=batch.time.ns,
            client=request.client,
            extra={
                name: details[name] for name in ("tradeClose", "longPositionCloseout", "shortPositionCloseout", "marginCloseout") if name in details
            },
        )
        if "replacesOrderID" in details:
            order.replaces = int(str(details["replacesOrderID"]))
        if request.type == "MARKET_IF_TOUCHED" and request.price is not None and self.board.standing(instrument) is not None:
            order.came_from_above = self.market_price(instrument, Side.BUY) > request.price
        self.orders[order.id] = self.pending[order.id] = order
        if trade is not None:
            trade.exits[request.type] = order.id
            self._place_exit(order, trade)
        return order, transaction

    def cancel_order(self, batch: Batch, order: Order, reason: str, **extra: object) -> Doc:
        """Take an order out of the market."""
        transaction = batch.write("ORDER_CANCEL", orderID=str(order.id), clientOrderID=order.client_id, reason=reason, **extra)
        order.state = "CANCELLED"
        order.cancelled_ns = batch.time.ns
        order.cancelling_id = int(transaction["id"])
        self.leave_market(order)
        return transaction

    def leave_market(self, order: Order) -> None:
        """It is no longer pending, and no trade's exit."""
        self.pending.pop(order.id, None)
        if order.request.trade_id is not None:
            trade = self.trades[int(order.request.trade_id)]
            if trade.exits.get(order.type) == order.id:
                del trade.exits[order.type]

    def _place_exit(self, order: Order, trade: Trade) -> None:
        """A distance is a price from now on: from where the trade was opened for a stop, from the market for a trailing one."""
        request = order.request
        if request.distance is None:
            return
        if request.type == "STOP_LOSS":
            order.request = replace(request, price=trade.price - request.distance * trade.side.sign)
        else:
            order.trailing_value = self.market_price(trade.instrument, trade.side.opposite) - request.distance * trade.side.sign

    # ── what the venue does of itself ──

    def charge_financing(self, amount: Decimal) -> Doc:
        """The daily financing: changes the balance and takes an id. It falls on the open trades, each in proportion to its units."""
        amount = wire.round_money(amount)
        shares = self._shares(amount)
        self.balance += amount
        self.financing += amount
        return self.log.batch().write(
            "DAILY_FINANCING",
            financing=wire.money(amount),
            accountBalance=wire.money(self.balance),
            accountFinancingMode="DAILY",
            positionFinancings=[
                {
                    "instrument": name,
                    "financing": wire.money(sum((share for trade, share in shares if trade.instrument == name), ZERO)),
                    "openTradeFinancings": [
                        {"tradeID": str(trade.id), "financing": wire.money(share)} for trade, share in shares if trade.instrument == name
                    ],
                }
                for name in dict.fromkeys(trade.instrument for trade, _ in shares)
            ],
        )

    def adjust_dividend(self, instrument: str, amount: Decimal) -> Doc:
        """A dividend of what an index holds, paid or charged to whoever holds the index."""
        amount = wire.round_money(amount)
        self.balance += amount
        self.dividends += amount
        return self.log.batch().write(
            "DIVIDEND_ADJUSTMENT",
            instrument=instrument,
            dividendAdjustment=wire.money(amount),
            quoteDividendAdjustment=wire.money(amount),
            accountBalance=wire.money(self.balance),
            openTradeDividendAdjustments=[],
        )

    def transfer(self, amount: Decimal) -> Doc:
        """Somebody pays money in, or takes some out."""
        self.balance += wire.round_money(amount)
        return self.log.batch().write(
            "TRANSFER_FUNDS", amount=wire.money(amount), fundingReason="CLIENT_FUNDING", accountBalance=wire.money(self.balance)
        )

    def _shares(self, amount: Decimal) -> list[tuple[Trade, Decimal]]:
        """``amount`` over the open trades; what rounding leaves falls on the last."""
        total = sum((abs(trade.units) for trade in self.open.values()), ZERO)
        shares = [(trade, wire.round_money(amount * abs(trade.units) / total)) for trade in self.open.values()]
        if shares:
            trade, last = shares[-1]
            shares[-1] = (trade, last + amount - sum((share for _, share in shares), ZERO))
            for trade, share in shares:
                trade.financing += share
        return shares

    def _begin(self) -> None:
        site, division, user, number = self.config.id.split("-")
        self.log.batch().write(
            "CREATE",
            divisionID=int(division),
            siteID=int(site),
            accountUserID=int(user),
            accountNumber=int(number),
            homeCurrency=self.config.currency,
        )
        self.log.batch().write("CLIENT_CONFIGURE", alias=self.config.alias)
        self.transfer(self.config.balance)
