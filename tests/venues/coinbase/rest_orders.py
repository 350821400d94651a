"""The REST API of orders: create, preview, edit, cancel, look up, list."""

from decimal import Decimal

from aiohttp import web

from runtime.clock import NS_PER_S
from tests.venues.coinbase.answers import body_of, reply
from tests.venues.coinbase.exchange import Exchange, Request, read_request
from tests.venues.coinbase.listing import find_fills, find_orders, page
from tests.venues.coinbase.order_views import rest_fill, rest_order
from tests.venues.coinbase.refusals import UNKNOWN, BadRequest, Refused, not_found
from tests.venues.coinbase.wire import read_number, read_text, text
from tests.venues.common.clock import VenueClock
from trading.instruments import Side

CANCELS_MAX = 100
# The fillers beside a reason, and in its place where there is none.
UNKNOWN_EDIT, UNKNOWN_PREVIEW = "UNKNOWN_EDIT_ORDER_FAILURE_REASON", "UNKNOWN_PREVIEW_FAILURE_REASON"
ORDERS_DEFAULT, FILLS_DEFAULT = 1000, 100


class OrderRoutes:
    """The handlers of ``/orders``."""

    def __init__(self, exchange: Exchange, clock: VenueClock) -> None:
        self._exchange = exchange
        self._account = exchange.account
        self._clock = clock

    def routes(self, prefix: str) -> list[web.RouteDef]:
        orders = f"{prefix}/orders"
        return [
            web.post(orders, self.create),
            web.post(f"{orders}/preview", self.preview),
            web.post(f"{orders}/edit", self.edit),
            web.post(f"{orders}/edit_preview", self.edit_preview),
            web.post(f"{orders}/batch_cancel", self.cancel),
            web.post(f"{orders}/close_position", self.close_position),
            web.get(f"{orders}/historical/batch", self.list_orders),
            web.get(f"{orders}/historical/fills", self.list_fills),
            web.get(f"{orders}/historical/{{order_id}}", self.order),
        ]

    async def create(self, request: web.Request) -> web.Response:
        wanted = read_request(await body_of(request), with_client_id=True)
        try:
            order = self._exchange.create(wanted)
        except Refused as refused:
            return reply(
                {
                    "success": False,
                    "failure_reason": UNKNOWN,
                    "order_id": "",
                    "error_response": refused.error_response(),
                    "order_configuration": wanted.configuration,
                }
            )
        # The echo is of this request, whatever order its id belongs to: a reused id is told from a new one only by looking the order up.
        # Successes of 2023 had two members more.
        older = {"failure_reason": UNKNOWN, "order_id": order.order_id} if self._account.options.surprises else {}
        return reply(
            older
            | {
                "success": True,
                "success_response": {
                    "order_id": order.order_id,
                    "product_id": wanted.product_id,
                    "side": wanted.side,
                    "client_order_id": wanted.client_order_id,
                    "attached_order_id": order.attached_order_id,
                },
                "order_configuration": wanted.configuration,
            }
        )

    async def preview(self, request: web.Request) -> web.Response:
        wanted = read_request(await body_of(request), with_client_id=False)
        errors: list[str] = []
        try:
            self._exchange.check(wanted)
        except Refused as refused:
            errors = [refused.preview_reason]
        return reply(self._costs(wanted, errors))

    def _costs(self, wanted: Request, errors: list[str]) -> dict[str, object]:
        product = self._exchange.products.find(wanted.product_id) if wanted.product_id in self._exchange.products else None
        touch = None if product is None else self._exchange.matching.touch(product)
        price = wanted.terms.limit_price or (touch.price(wanted.side) if touch is not None else Decimal(0))
        rate = self._account.options.taker_fee_rate
        base, quote = wanted.terms.base_size, wanted.terms.quote_size
        if quote is not None:
            value = quote / (1 + rate)
            base = value / price if price else Decimal(0)
        else:
            value = (base or Decimal(0)) * price
        fee = value * rate
        return {
            "order_total": _rounded(value + fee if wanted.side is Side.BUY else value - fee),
            "commission_total": _rounded(fee),
            "errs": errors,
            "warning": [],
            "quote_size": _rounded(value),
            "base_size": _rounded(base or Decimal(0)),
            "best_bid": "" if touch is None else text(touch.bid),
            "best_ask": "" if touch is None else text(touch.ask),
            "is_max": False,
            "order_margin_total": "0",
            "leverage": "0",
            "long_leverage": "0",
            "short_leverage": "0",
            "slippage": "0",
            "preview_id": "" if errors else self._account.new_id(),
            "average_filled_price": _rounded(price),
        }

    async def edit(self, request: web.Request) -> web.Response:
        order_id, price, size = await _read_edit(request)
        try:
            self._exchange.edit(order_id, price=price, size=size)
        except Refused as refused:
            return reply({"success": False, "errors": self._edit_errors([_edit_error(refused)])})
        return reply({"success": True, "errors": self._edit_errors([])})

    def _edit_errors(self, errors: list[dict[str, str]]) -> object:
        """A list as documented; as recorded one object, which names the unknown reasons where nothing was wrong."""
        if self._account.options.edit_errors == "list":
            return errors
        return errors[0] if errors else {"edit_failure_reason": UNKNOWN_EDIT, "preview_failure_reason": UNKNOWN_PREVIEW}

    async def edit_preview(self, request: web.Request) -> web.Response:
        order_id, price, size = await _read_edit(request)
        errors: list[dict[str, str]] = []
        try:
            self._exchange.check_edit(order_id, price=price, size=size)
        except Refused as refused:
            errors = [_edit_error(refused)]
        order = self._account.orders.get(order_id)
        touch = None if order is None else self._exchange.matching.touch(order.product)
        fee = price * size * self._account.options.taker_fee_rate
        return reply(
            {
                "errors": errors,
                "slippage": "0",
                "order_total": _rounded(price * size + fee),
                "commission_total": _rounded(fee),
                "quote_size": _rounded(price * size),
                "base_size": text(size),
                "best_bid": "" if touch is None else text(touch.bid),
                "best_ask": "" if touch is None else text(touch.ask),
                "average_filled_price": text(price),
                "order_margin_total": "0",
            }
        )

    async def cancel(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        ids = body.get("order_ids")
        if set(body) != {"order_ids"} or not isinstance(ids, list) or not ids:
            raise BadRequest("order_ids: a list of order ids is needed")
        if len(ids) > CANCELS_MAX:
            raise BadRequest(f"order_ids: at most {CANCELS_MAX}")
        wanted = [read_text(each, "order_ids") for each in ids]
        reasons = [(order_id, self._exchange.cancel(order_id)) for order_id in wanted]
        return reply(
            {
                "results": [
                    {"success": not reason, "failure_reason": reason or "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": order_id}
                    for order_id, reason in reasons
                ]
            }
        )

    async def close_position(self, request: web.Request) -> web.Response:
        """For futures: spot has no position to close, and says so."""
        body = await body_of(request)
        read_text(body.get("client_order_id"), "client_order_id")
        read_text(body.get("product_id"), "product_id")
        refused = Refused("UNSUPPORTED_ORDER_CONFIGURATION", "close_position is for futures")
        return reply({"success": False, "failure_reason": UNKNOWN, "order_id": "", "error_response": refused.error_response()})

    async def order(self, request: web.Request) -> web.Response:
        order = self._account.orders.get(request.match_info["order_id"])
        if order is None:
            raise not_found("order with this orderID was not found")
        return reply({"order": rest_order(order, self._account)})

    async def list_orders(self, request: web.Request) -> web.Response:
        rows = find_orders([*self._account.orders.values()], request.query)
        page_max = self._account.options.page_max
        shown, cursor = page(rows, request.query, page_max=page_max, default=ORDERS_DEFAULT, id_of=lambda order: order.order_id)
        orders = [rest_order(order, self._account) for order in shown]
        return reply({"orders": orders, "sequence": "0", "has_next": bool(cursor), "cursor": cursor})

    async def list_fills(self, request: web.Request) -> web.Response:
        until_ns = self._clock.now_ns() - round(self._account.options.fills_lag_s * NS_PER_S)
        ids = request.query.getall("order_ids", [])
        fills = self._account.fills_of(ids) if ids else self._account.fills
        rows = find_fills(fills, request.query, listed_until_ns=until_ns)
        page_max = self._account.options.page_max
        shown, cursor = page(rows, request.query, page_max=page_max, default=FILLS_DEFAULT, id_of=lambda fill: fill.entry_id)
        return reply({"fills": [rest_fill(fill, self._account) for fill in shown], "cursor": cursor})


async def _read_edit(request: web.Request) -> tuple[str, Decimal, Decimal]:
    body = await body_of(request)
    for name in body:
        if name not in {"order_id", "price", "size"}:
            raise BadRequest(f'unknown field "{name}"')
    order_id = read_text(body.get("order_id"), "order_id")
    # What is left out is read as nothing, and refused as such.
    return order_id, read_number(body.get("price", "0"), "price"), read_number(body.get("size", "0"), "size")


def _edit_error(refused: Refused) -> dict[str, str]:
    if refused.reason == "INSUFFICIENT_FUND":
        return {"edit_failure_reason": UNKNOWN_EDIT, "preview_failure_reason": refused.preview_reason}
    return {"edit_failure_reason": refused.reason, "preview_failure_reason": UNKNOWN_PREVIEW}


def _rounded(value: Decimal) -> str:
    return text(value.quantize(Decimal("1E-10")))
