"""Whatever is asked of the venue, in whatever order: money adds up, nothing is sold twice, no limit is crossed and left standing."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.coinbase.account import BALANCES, Account
from tests.venues.coinbase.configurations import OrderType
from tests.venues.coinbase.exchange import Exchange, read_request
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.orders import Order, Status
from tests.venues.coinbase.products import Products
from tests.venues.coinbase.refusals import Refused
from tests.venues.common.clock import DrivenClock
from tests.venues.common.conf import instruments_of
from tests.venues.common.faults import FaultScript
from tests.venues.common.quotes import QuoteBoard
from trading.instruments import Side

MIDS = st.integers(50_000, 70_000)
PRICES = st.integers(48_000, 72_000).map(str)
SIZES = st.sampled_from(["0.01", "0.4", "0.9", "1.3"])
SIDES = st.sampled_from(["BUY", "SELL"])

QUOTES = st.tuples(st.just("quote"), MIDS, st.sampled_from([None, "0", "0.004", "0.3"]))
LIMITS = st.tuples(st.just("limit"), SIDES, SIZES, PRICES, st.sampled_from(["limit_limit_gtc", "sor_limit_ioc", "limit_limit_fok"]))
MARKETS = st.tuples(st.just("market"), SIDES, SIZES)
BRACKETS = st.tuples(st.just("bracket"), SIDES, SIZES, PRICES, PRICES)
ENTRIES = st.tuples(st.just("entry"), SIZES, PRICES, PRICES, PRICES)
STOPS = st.tuples(st.just("stop"), SIDES, SIZES, PRICES, PRICES)
CANCELS = st.tuples(st.just("cancel"), st.integers(0, 30))
EDITS = st.tuples(st.just("edit"), st.integers(0, 30), SIZES, PRICES)
STEPS = st.lists(st.one_of(QUOTES, QUOTES, LIMITS, MARKETS, BRACKETS, ENTRIES, STOPS, CANCELS, EDITS), max_size=40)


class World:
    """The exchange without sockets; a step that is refused changes nothing."""

    def __init__(self, options: Options) -> None:
        clock, faults = DrivenClock(), FaultScript()
        self.board = QuoteBoard(instruments_of("coinbase"), clock)
        self.account = Account(seed=1, options=options, balances={**BALANCES, "BTC": Decimal("1.5")}, now_ns=clock.now_ns())
        self.start = {name: wallet.total for name, wallet in self.account.wallets.items()}
        self.exchange = Exchange(self.account, Products(), self.board, clock, faults, lambda _seconds, _callback: None)
        self.count = 0
        self.quote(60_000, None)

    def quote(self, mid: int, size: str | None) -> None:
        left = None if size is None else Decimal(size)
        self.board.set("BTC-USD", bid=Decimal(mid - 5), ask=Decimal(mid + 5), bid_size=left, ask_size=left)

    def place(self, side: str, configuration: object, attached: object = None) -> None:
        self.count += 1
        body = {"client_order_id": str(self.count), "product_id": "BTC-USD", "side": side, "order_configuration": configuration}
        self.exchange.create(read_request(body | {"attached_order_configuration": attached}, with_client_id=True))

    def nth(self, number: int) -> str:
        ids = list(self.account.orders)
        return ids[number % len(ids)] if ids else "none"

    def take(self, step: tuple) -> None:  # type: ignore[type-arg]  # each kind of step has its own members
        try:
            match step:
                case ("quote", mid, size):
                    self.quote(mid, size)
                case ("limit", side, size, price, key):
                    self.place(side, {key: {"base_size": size, "limit_price": price}})
                case ("market", side, size):
                    self.place(side, {"market_market_ioc": {"base_size": size}})
                case ("bracket", side, size, target, stop):
                    self.place(side, {"trigger_bracket_gtc": {"base_size": size, "limit_price": target, "stop_trigger_price": stop}})
                case ("entry", size, price, target, stop):
                    exits = {"trigger_bracket_gtc": {"limit_price": target, "stop_trigger_price": stop}}
                    self.place("BUY", {"limit_limit_gtc": {"base_size": size, "limit_price": price}}, exits)
                case ("stop", side, size, price, stop):
                    way = "STOP_DIRECTION_STOP_UP" if side == "BUY" else "STOP_DIRECTION_STOP_DOWN"
                    members = {"base_size": size, "limit_price": price, "stop_price": stop, "stop_direction": way}
                    self.place(side, {"stop_limit_stop_limit_gtc": members})
                case ("cancel", number):
                    self.exchange.cancel(self.nth(number))
                case ("edit", number, size, price):
                    self.exchange.edit(self.nth(number), price=Decimal(price), size=Decimal(size))
        except Refused:
            pass

    def crossed(self, order: Order) -> bool:
        """Whether the standing quote would trade with a live order that has left it standing, though there is size."""
        standing = self.board.standing("BTC-USD")
        if standing is None or order.status is not Status.OPEN or order.waits_for_stop or order.limit_price is None:
            return False
        offered = standing.can_take(order.side, order.remaining, order.product.base_increment)
        price = standing.entry_price(order.side)
        return bool(offered) and (price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price)


@settings(max_examples=200)
@given(steps=STEPS, follows=st.sampled_from(["fill", "completion"]))
def test_money_adds_up_nothing_is_sold_twice_and_no_limit_is_left_crossed(steps: list[tuple], follows: str) -> None:  # type: ignore[type-arg]  # as above
    """After every step."""
    world = World(Options().changed({"attached_follows": follows}))
    account = world.account
    for step in steps:
        world.take(step)
        for currency, wallet in account.wallets.items():
            assert account.available(currency) >= 0, (currency, step)
            changed = sum((_moved(account, currency, number) for number in range(len(account.fills))), Decimal(0))
            assert wallet.total == world.start[currency] + changed
        for order in account.orders.values():
            mine = [fill for fill in account.fills if fill.order_id == order.order_id]
            assert sum((fill.size for fill in mine), Decimal(0)) == order.filled_size <= order.size
            assert (order.status is Status.FILLED) == (order.filled_size == order.size and order.size > 0)
            assert not world.crossed(order), (order, step)
            if order.terms.order_type is OrderType.LIMIT:
                worst = order.terms.limit_price
                assert worst is not None
                if not order.edits:
                    assert all(fill.price <= worst if order.side is Side.BUY else fill.price >= worst for fill in mine)
            if order.originating_order_id:
                assert order.filled_size <= account.orders[order.originating_order_id].filled_size


def _moved(account: Account, currency: str, number: int) -> Decimal:
    fill = account.fills[number]
    base, _, quote = fill.product_id.partition("-")
    if currency == base:
        return fill.side.sign * fill.size
    return -fill.side.sign * fill.size * fill.price - fill.fee if currency == quote else Decimal(0)
