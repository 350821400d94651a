"""Matching: what the standing quote does to an order.

Underneath lies the paper venue's market (``brokers.paper.market``): quoted size is used up by whoever trades first, a price improves for a taker and
not for a maker. On top stands what is Coinbase's own:

- stops and the stop side of a bracket look at the last trade, not at bid or ask; - a bracket rests as a limit at its take-profit and turns into a
limit 5% through its stop, unless its take-profit was partly filled; - an attached exit waits for its parent's fills and takes its size from them; -
what is immediate is cancelled for the part that found nothing.
"""

from decimal import Decimal

from runtime.clock import NS_PER_S
from tests.venues.coinbase.account import Account
from tests.venues.coinbase.checks import Touch
from tests.venues.coinbase.configurations import UP, OrderType, TimeInForce
from tests.venues.coinbase.orders import ON_BOOK, WAITING, Fill, Order, Status
from tests.venues.coinbase.products import Product, Products
from tests.venues.coinbase.wire import text
from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import FaultScript, Kind
from tests.venues.common.quotes import QuoteBoard, use_up
from trading.instruments import Side
from trading.money import ZERO, floor_to

# What the venue is told to answer for a leg that a fault refuses without naming a reason.
LEG_REFUSED = "COMMANDER_REJECTED_NEW_ORDER"


class Matching:
    """The matching of one account's orders; changes orders, never asks whether it may."""

    def __init__(self, account: Account, products: Products, board: QuoteBoard, clock: VenueClock, faults: FaultScript) -> None:
        self._account = account
        self._products = products
        self._board = board
        self._clock = clock
        self._faults = faults

    def touch(self, product: Product) -> Touch | None:
        """The market of ``product`` now; the last trade is taken to be at mid, on the grid. None before the first quote."""
        standing = self._board.standing(product.book)
        if standing is None:
            return None
        quote = standing.quote
        return Touch(bid=quote.bid, ask=quote.ask, last=floor_to(quote.mid, product.price_increment))

    def offered(self, product: Product, side: Side) -> Decimal:
        """How much an order of ``side`` could trade now, at most the largest size there is."""
        standing = self._board.standing(product.book)
        return ZERO if standing is None else standing.can_take(side, product.base_max_size, product.base_increment)

    def is_trading(self, product_id: str) -> bool:
        """Whether anything can trade: the product's own state, and a fault that halts it."""
        product = self._products.find(product_id)
        closed = product.trading_disabled or product.is_disabled or product.cancel_only or product.auction_mode or product.status != "online"
        return not closed and self._faults.stands(Kind.MARKET_HALTED, instrument=product_id) is None

    def run(self, book: str) -> None:
        """Let the standing quote of ``book`` meet every live order, oldest first."""
        for order in list(self._account.live.values()):
            if order.product.book == book:
                self.meet(order)

    def meet(self, order: Order) -> None:
        """Let the standing quote do to ``order`` what it does; tells of every change."""
        touch = self.touch(order.product)
        if order.status not in ON_BOOK or touch is None or not self.is_trading(order.product.product_id):
            return
        if order.terms.end_time_ns is not None and order.terms.end_time_ns <= self._clock.now_ns():
            self.end(order, Status.EXPIRED, "")
            return
        if self._is_due(order, touch.last):
            self._trigger(order)
        if not order.waits_for_stop and self._trades(order, touch):
            return
        if order.terms.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.end(order, Status.CANCELLED, "Immediate or cancel: not enough was offered")
        else:
            order.rests = not order.waits_for_stop

    def end(self, order: Order, status: Status, message: str) -> None:
        """Take ``order`` out of the book; what hangs on it goes with it, or opens for what was filled."""
        order.status = status
        order.cancel_message = message
        self._account.tell(order)
        self._lead_child(order)

    def open(self, order: Order) -> None:
        """From here on it may trade."""
        if order.status not in WAITING:
            return
        fault = self._faults.take({Kind.ORDER_FAILED}, instrument=order.product.product_id)
        if fault is not None:
            order.reject_reason = fault.reason or LEG_REFUSED
            self.end(order, Status.FAILED, "")
            return
        order.status = Status.OPEN
        self._account.tell(order)
        self.meet(order)

    def _is_due(self, order: Order, last: Decimal) -> bool:
        terms = order.terms
        if order.is_triggered or terms.stop_price is None:
            return False
        if terms.order_type is OrderType.BRACKET:
            if order.filled_size and not self._account.options.bracket_turns_after_partial:
                return False
            return last <= terms.stop_price if order.side is Side.SELL else last >= terms.stop_price
        return last >= terms.stop_price if terms.stop_direction == UP else last <= terms.stop_price

    def _trigger(self, order: Order) -> None:
        if order.terms.order_type is OrderType.BRACKET:
            order.limit_price = order.stop_limit_price()
        order.is_triggered, order.rests = True, False
        self._account.tell(order)

    def _trades(self, order: Order, touch: Touch) -> bool:
        """Trade what can be traded; True if that ended the order."""
        price = touch.price(order.side)
        if order.limit_price is not None and (price > order.limit_price if order.side is Side.BUY else price < order.limit_price):
            return False
        if order.terms.quote_size is not None and not order.size:
            # A market buy by its value: the fee is inside.
            worth = order.terms.quote_size / (1 + self._account.options.taker_fee_rate)
            order.size = floor_to(worth / price, order.product.base_increment)
        units = self._units(order)
        if units:
            at = order.limit_price if order.rests and order.limit_price is not None else price
            self._fill(order, units, at)
        return order.is_final

    def _units(self, order: Order) -> Decimal:
        """How much of ``order`` finds a counterpart on this quote."""
        product, step = order.product, order.product.base_increment
        standing = self._board.standing(product.book)
        units = ZERO if standing is None else standing.can_take(order.side, order.remaining, step)
        if order.terms.time_in_force is TimeInForce.FOK and units < order.remaining:
            return ZERO
        if units and order.side is Side.BUY:
            fault = self._faults.take({Kind.PARTIAL_FILL}, instrument=product.product_id)
            if fault is not None:
                units = min(units, max(step, floor_to(order.remaining * Decimal(str(fault.portion)), step)))
        return units

    def _fill(self, order: Order, units: Decimal, price: Decimal) -> None:
        account = self._account
        standing = self._board.standing(order.product.book)
        assert standing is not None
        use_up(standing, order.side, units)
        rate = account.options.maker_fee_rate if order.rests else account.options.taker_fee_rate
        fill = Fill(
            entry_id=account.new_id(),
            trade_id=account.new_id(),
            order_id=order.order_id,
            product_id=order.product.product_id,
            side=order.side,
            price=price,
            size=units,
            fee=units * price * rate,
            is_maker=order.rests,
            in_quote=order.terms.quote_size is not None,
            time_ns=self._clock.now_ns(),
        )
        account.settle(order, fill)
        if order.filled_size == order.size:
            order.status = Status.FILLED
        account.tell(order)
        self._lead_child(order)

    def _lead_child(self, parent: Order) -> None:
        """Let the attached exit follow what ``parent`` has filled."""
        child = self._account.child_of(parent)
        if child is None or child.is_final or parent.originating_order_id:
            return
        if parent.is_final and not parent.filled_size:
            self.end(child, Status.CANCELLED, "Originating order ended without a fill")
            return
        if child.size == parent.filled_size or not (parent.is_final or self._account.options.attached_follows == "fill"):
            return
        child.size = parent.filled_size
        key, members = next(iter(child.configuration.items()))
        child.configuration = {key: {**members, "base_size": text(child.size)}}
        if child.status not in WAITING:
            self._account.tell(child)
            return
        fault = self._faults.take({Kind.LEG_REFUSED}, instrument=child.product.product_id)
        if fault is not None:
            child.reject_reason = fault.reason or LEG_REFUSED
            self.end(child, Status.FAILED, "")
            return
        self.open(child)

    def time_left_s(self, order: Order) -> float | None:
        """Seconds until ``order`` expires; None when it does not."""
        return None if order.terms.end_time_ns is None else max(0.0, (order.terms.end_time_ns - self._clock.now_ns()) / NS_PER_S)
