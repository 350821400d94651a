"""What can be asked of the venue about orders: create, preview, cancel, edit, close. Each is refused with the venue's own reason, or done.

Nothing here knows HTTP: bodies come in as parsed JSON and go out as such.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from runtime.clock import NS_PER_S
from tests.venues.coinbase.account import Account
from tests.venues.coinbase.checks import check_attached, check_order
from tests.venues.coinbase.configurations import AttachedTerms, Configuration, OrderType, Terms, TimeInForce, read_attached, read_configuration
from tests.venues.coinbase.matching import LEG_REFUSED, Matching
from tests.venues.coinbase.orders import Order, Status
from tests.venues.coinbase.products import Product, Products
from tests.venues.coinbase.refusals import BadRequest, Refused
from tests.venues.coinbase.wire import read_text, rfc3339, text
from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import FaultScript, Kind
from tests.venues.common.quotes import QuoteBoard
from trading.instruments import Side
from trading.money import ZERO

Later = Callable[[float, Callable[[], None]], None]
"""Call something after so many seconds of the venue's clock."""

# What a create or preview may carry besides what it must; known to the venue, without effect on a spot account.
_IGNORED = frozenset(
    {
        "self_trade_prevention_id",
        "preview_id",
        "leverage",
        "margin_type",
        "retail_portfolio_id",
        "sor_preference",
        "cost_basis_method",
        "commission_rate",
    }
)
_NEEDED = frozenset({"product_id", "side", "order_configuration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A create or preview, read."""

    client_order_id: str
    product_id: str
    side: Side
    terms: Terms
    configuration: Configuration
    attached: AttachedTerms | None
    attached_configuration: Configuration | None


def read_request(body: object, *, with_client_id: bool) -> Request:
    """What a create (``with_client_id``) or preview asks for.

    Raises:
        BadRequest: a member missing, unknown or of the wrong type.
    """
    known = _NEEDED | _IGNORED | {"attached_order_configuration"} | ({"client_order_id"} if with_client_id else frozenset())
    if not isinstance(body, dict):
        raise BadRequest("an object is needed")
    for name in body:
        if name not in known:
            raise BadRequest(f'unknown field "{name}"')
    side = body.get("side")
    if side not in ("BUY", "SELL"):
        raise BadRequest(f'parsing field "side": {side!r}')
    terms, configuration = read_configuration(body.get("order_configuration"))
    wants_exits = body.get("attached_order_configuration") is not None
    attached, attached_configuration = read_attached(body["attached_order_configuration"]) if wants_exits else (None, None)
    return Request(
        client_order_id=read_text(body.get("client_order_id"), "client_order_id") if with_client_id else "",
        product_id=read_text(body.get("product_id"), "product_id"),
        side=Side(side),
        terms=terms,
        configuration=configuration,
        attached=attached,
        attached_configuration=attached_configuration,
    )


class Exchange:
    """The orders of one account."""

    def __init__(self, account: Account, products: Products, board: QuoteBoard, clock: VenueClock, faults: FaultScript, later: Later) -> None:
        self.account = account
        self.products = products
        self.matching = Matching(account, products, board, clock, faults)
        self._clock = clock
        self._faults = faults
        self._later = later
        board.on_quote(lambda standing: self.matching.run(standing.quote.instrument))
        faults.on_change(self._resume)

    def create(self, request: Request) -> Order:
        """A new order, or the first one under the same ``client_order_id``. Raises Refused."""
        known = self._remembered(request.client_order_id)
        if known is not None:
            if self.account.options.reused_id == "refuse":
                raise Refused("DUPLICATE_CLIENT_ORDER_ID", request.client_order_id)
            return known
        product = self.check(request)
        self._refuse_leg(request)
        order = self._new_order(request, product, self.account.new_id())
        delay_s = self.account.options.open_delay_s
        if delay_s:
            order.status = Status(self.account.options.waits_as)
        self.account.add(order)
        child = self._new_child(order)
        self.account.tell(order)
        if child is not None:
            self.account.tell(child)
        if delay_s:
            self._later(delay_s, lambda: self.matching.open(order))
        else:
            self.matching.open(order)
        left_s = self.matching.time_left_s(order)
        if left_s is not None and not order.is_final:
            self._later(left_s, lambda: self._expire(order))
        return order

    def check(self, request: Request) -> Product:
        """Raise Refused where this could not be placed now, money included."""
        product = self.products.for_order(request.product_id)
        if self._faults.stands(Kind.MARKET_HALTED, instrument=product.product_id) is not None:
            raise Refused("TRADING_DISABLED", f"Trading is disabled for {product.product_id}")
        touch = self.matching.touch(product)
        check_order(product, request.side, request.terms, touch, self.account.options, now_ns=self._clock.now_ns())
        assert touch is not None  # check_order refuses a market without one
        if request.attached is not None:
            check_attached(product, request.side, request.terms, request.attached, touch, self.account.options)
        self._check_funds(request, product)
        return product

    def cancel(self, order_id: str) -> str:
        """Ask for a cancel; the reason it cannot be asked for, or an empty string. The order is gone when its status says so."""
        order = self.account.orders.get(order_id)
        if order is None:
            return "UNKNOWN_CANCEL_ORDER"
        if order.status is Status.FILLED:
            return "ORDER_IS_FULLY_FILLED"
        if order.is_final:
            return "INVALID_CANCEL_REQUEST"
        if order.status is Status.CANCEL_QUEUED:
            return "DUPLICATE_CANCEL_REQUEST"
        delay_s = self.account.options.cancel_delay_s
        if not delay_s:
            self.matching.end(order, Status.CANCELLED, "User requested cancel")
            return ""
        order.status = Status.CANCEL_QUEUED if order.status is Status.OPEN else order.status
        self.account.tell(order)
        self._later(delay_s, lambda: self._finish_cancel(order))
        return ""

    def edit(self, order_id: str, *, price: Decimal, size: Decimal) -> None:
        """Change price and size of a resting order; its place in the queue is lost.

        Raises:
            Refused: with the edit's own failure reasons.
        """
        order = self.check_edit(order_id, price=price, size=size)
        order.terms = replace(order.terms, base_size=size, limit_price=price)
        key, members = next(iter(order.configuration.items()))
        order.configuration = {key: {**members, "base_size": text(size), "limit_price": text(price)}}
        order.size, order.limit_price, order.rests = size, price, False
        order.edits.append({"price": text(price), "size": text(size), "replace_accept_timestamp": rfc3339(self._clock.now_ns())})
        if order.filled_size == order.size:
            self.matching.end(order, Status.FILLED, "")
            return
        self.account.tell(order)
        self.matching.meet(order)

    def check_edit(self, order_id: str, *, price: Decimal, size: Decimal) -> Order:
        """The order, if it could be edited so. Raises Refused."""
        order = self.account.orders.get(order_id)
        if order is None:
            raise Refused("ORDER_NOT_FOUND", order_id)
        if order.status is not Status.OPEN or order.is_triggered:
            raise Refused("ONLY_OPEN_ORDERS_CAN_BE_EDITED", order.status)
        if order.terms.time_in_force is not TimeInForce.GTC or order.originating_order_id:
            raise Refused("ONLY_LIMIT_ORDER_EDITS_SUPPORTED", order.terms.key)
        product = order.product
        if size <= 0 or size % product.base_increment or size > product.base_max_size:
            raise Refused("INVALID_EDITED_SIZE", str(size))
        if price <= 0 or price % product.price_increment or not _keeps_its_stop(order, price):
            raise Refused("INVALID_EDITED_PRICE", str(price))
        if size < order.filled_size:
            raise Refused("CANNOT_EDIT_TO_BELOW_FILLED_SIZE", str(order.filled_size))
        currency, held = order.hold(self.account.options.taker_fee_rate)
        after = replace(order, size=size, limit_price=price).hold(self.account.options.taker_fee_rate)[1]
        if after - held > self.account.available(currency):
            raise Refused("INSUFFICIENT_FUND", f"Insufficient balance in {currency}")
        return order

    def _remembered(self, client_order_id: str) -> Order | None:
        order = self.account.by_client_id.get(client_order_id)
        remembered_s = self.account.options.ids_remembered_s
        if order is None or remembered_s is None or self._clock.now_ns() - order.created_ns <= remembered_s * NS_PER_S:
            return order
        return None

    def _check_funds(self, request: Request, product: Product) -> None:
        currency, needed = self._new_order(request, product, "").hold(self.account.options.taker_fee_rate)
        if needed > self.account.available(currency):
            raise Refused("INSUFFICIENT_FUND", "Insufficient balance in source account")
        if request.terms.order_type is OrderType.MARKET and self.matching.offered(product, request.side) < product.base_increment:
            raise Refused("INVALID_NO_LIQUIDITY", "Nothing is offered")

    def _refuse_leg(self, request: Request) -> None:
        """A fault may refuse an exit, as the venue does after the preview had nothing against it."""
        if request.side is Side.SELL and request.terms.order_type in {OrderType.BRACKET, OrderType.STOP_LIMIT}:
            fault = self._faults.take({Kind.LEG_REFUSED}, instrument=request.product_id)
            if fault is not None:
                raise Refused(fault.reason or LEG_REFUSED, "The order was not taken")

    def _new_order(self, request: Request, product: Product, order_id: str) -> Order:
        touch = self.matching.touch(product)
        return Order(
            order_id=order_id,
            client_order_id=request.client_order_id,
            product=product,
            side=request.side,
            terms=request.terms,
            configuration=request.configuration,
            created_ns=self._clock.now_ns(),
            size=request.terms.base_size or ZERO,
            limit_price=request.terms.limit_price,
            reserve_price=ZERO if touch is None else touch.price(request.side),
            attached=request.attached,
            attached_configuration=request.attached_configuration,
        )

    def _new_child(self, parent: Order) -> Order | None:
        """The attached exit: known from the start, PENDING and without size until its parent trades."""
        if parent.attached is None or parent.attached_configuration is None:
            return None
        members = parent.attached_configuration["trigger_bracket_gtc"]
        exits = parent.attached
        child = Order(
            order_id=self.account.new_id(),
            client_order_id=self.account.new_id(),
            product=parent.product,
            side=parent.side.opposite,
            terms=Terms(
                key="trigger_bracket_gtc",
                order_type=OrderType.BRACKET,
                time_in_force=TimeInForce.GTC,
                limit_price=exits.take_profit_price,
                stop_price=exits.stop_price,
            ),
            configuration={"trigger_bracket_gtc": {"base_size": "0", **members}},
            created_ns=parent.created_ns,
            size=ZERO,
            limit_price=exits.take_profit_price,
            originating_order_id=parent.order_id,
        )
        parent.attached_order_id = child.order_id
        self.account.add(child)
        return child

    def _finish_cancel(self, order: Order) -> None:
        if not order.is_final:
            self.matching.end(order, Status.CANCELLED, "User requested cancel")

    def _expire(self, order: Order) -> None:
        if not order.is_final and order.terms.end_time_ns is not None and order.terms.end_time_ns <= self._clock.now_ns():
            self.matching.end(order, Status.EXPIRED, "")

    def _resume(self) -> None:
        """Faults have changed: a market that was halted may trade again."""
        for book in {product.book for product in self.products}:
            self.matching.run(book)


def _keeps_its_stop(order: Order, price: Decimal) -> bool:
    """Whether a bracket's take-profit at ``price`` is still on the other side of its stop."""
    stop = order.terms.stop_price
    if stop is None or order.terms.order_type is not OrderType.BRACKET:
        return True
    return price > stop if order.side is Side.SELL else price < stop
