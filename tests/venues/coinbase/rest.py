"""The REST API around the orders: the gate every request passes, accounts, products, prices, fees, time."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from itertools import cycle

from aiohttp import web

from runtime.clock import NS_PER_S
from tests.venues.coinbase.answers import reply
from tests.venues.coinbase.auth import Gatekeeper, Unauthorized
from tests.venues.coinbase.exchange import Exchange
from tests.venues.coinbase.listing import page
from tests.venues.coinbase.market_data import MarketData
from tests.venues.coinbase.order_views import money
from tests.venues.coinbase.products import Product, Products
from tests.venues.coinbase.refusals import BadRequest, not_found
from tests.venues.coinbase.rest_orders import OrderRoutes
from tests.venues.coinbase.wire import rfc3339, text
from tests.venues.common.clock import VenueClock

PREFIX = "/api/v3/brokerage"
ACCOUNTS_DEFAULT = 49
# The venue's own limit, named in its headers even where nothing is limited here.
REQUESTS_PER_S = 30

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger("venues.coinbase")


def rate_limited_answers() -> Callable[[], web.Response]:
    """429 in both shapes the venue was seen to use, in turn."""
    shapes: cycle[Mapping[str, object]] = cycle(
        (
            {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]},
            {"error": "RATE_LIMIT_EXCEEDED", "code": 8, "message": "rate limit exceeded", "error_details": "", "details": []},
        )
    )
    return lambda: reply(next(shapes), status=429)


class RestApi:
    """The handlers under ``/api/v3/brokerage`` and the middleware before them."""

    def __init__(self, exchange: Exchange, market_data: MarketData, gatekeeper: Gatekeeper, clock: VenueClock) -> None:
        self._exchange = exchange
        self._account = exchange.account
        self._market_data = market_data
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._requests: deque[int] = deque()
        self.rate_limited = rate_limited_answers()
        # Why tokens were turned away: the venue would not say, a test wants to know.
        self.turned_away: deque[str] = deque(maxlen=20)

    @property
    def _products(self) -> Products:
        return self._exchange.products

    def routes(self) -> list[web.RouteDef]:
        routes = [
            web.get(f"{PREFIX}/accounts", self.accounts),
            web.get(f"{PREFIX}/accounts/{{uuid}}", self.account),
            web.get(f"{PREFIX}/best_bid_ask", self.best_bid_ask),
            web.get(f"{PREFIX}/key_permissions", self.key_permissions),
            web.get(f"{PREFIX}/transaction_summary", self.transaction_summary),
            web.get(f"{PREFIX}/time", self.time),
            *OrderRoutes(self._exchange, self._clock).routes(PREFIX),
        ]
        for prefix in (PREFIX, f"{PREFIX}/market"):
            routes += [
                web.get(f"{prefix}/products", self.products),
                web.get(f"{prefix}/products/{{product_id}}", self.product),
                web.get(f"{prefix}/products/{{product_id}}/candles", self.candles),
                web.get(f"{prefix}/products/{{product_id}}/ticker", self.ticker),
                web.get(f"{prefix}/product_book", self.product_book),
            ]
        return routes

    @web.middleware
    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Token, permissions and pace of every private request; errors in the venue's words."""
        if not request.path.startswith(PREFIX + "/"):
            return await handler(request)
        try:
            if not self._is_public(request.path):
                refusal = self._refuse(request)
                if refusal is not None:
                    return refusal
            answer = await handler(request)
        except BadRequest as error:
            return reply(error.body(), status=error.status)
        except web.HTTPNotFound:
            return reply(not_found("no such path").body(), status=404)
        except web.HTTPMethodNotAllowed:
            return reply({"error": "UNIMPLEMENTED", "code": 12, "message": "Method Not Allowed", "error_details": "", "details": []}, status=405)
        limit = self._account.options.requests_per_s or REQUESTS_PER_S
        answer.headers["x-ratelimit-limit"] = str(limit)
        answer.headers["x-ratelimit-remaining"] = str(max(0, limit - len(self._requests)))
        answer.headers["x-ratelimit-reset"] = "1"
        return answer

    @staticmethod
    def _is_public(path: str) -> bool:
        return path == f"{PREFIX}/time" or path.startswith(f"{PREFIX}/market/")

    def _refuse(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token:
            self.turned_away.append("no bearer token")
            return web.Response(status=401, text="Unauthorized")
        try:
            self._gatekeeper.check(token, now_ns=self._clock.now_ns(), uri=f"{request.method} {request.host}{request.rel_url.raw_path}")
        except Unauthorized as error:
            self.turned_away.append(str(error))
            log.info("turned away: %s", error)
            return reply({"error": "UNAUTHORIZED", "code": 16, "message": "Unauthorized"}, status=401)
        options = self._account.options
        if not (options.can_view if request.method == "GET" else options.can_trade):
            denied = BadRequest("Missing required scopes", status=403, error="PERMISSION_DENIED")
            return reply(denied.body(), status=403)
        return self.rate_limited() if self._is_too_fast(options.requests_per_s) else None

    def _is_too_fast(self, limit: int | None) -> bool:
        now_ns = self._clock.now_ns()
        while self._requests and self._requests[0] <= now_ns - NS_PER_S:
            self._requests.popleft()
        if limit is not None and len(self._requests) >= limit:
            return True
        self._requests.append(now_ns)
        return False

    async def accounts(self, request: web.Request) -> web.Response:
        wallets = list(self._account.wallets.values())
        shown, cursor = page(wallets, request.query, page_max=250, default=ACCOUNTS_DEFAULT, id_of=lambda wallet: wallet.uuid)
        accounts = [self._wallet(wallet.currency) for wallet in shown]
        return reply({"accounts": accounts, "has_next": bool(cursor), "cursor": cursor, "size": len(accounts)})

    async def account(self, request: web.Request) -> web.Response:
        for wallet in self._account.wallets.values():
            if wallet.uuid == request.match_info["uuid"]:
                return reply({"account": self._wallet(wallet.currency)})
        raise not_found("account not found")

    def _wallet(self, currency: str) -> dict[str, object]:
        wallet = self._account.wallets[currency]
        opened = rfc3339(self._account.opened_ns)
        return {
            "uuid": wallet.uuid,
            "name": f"{currency} Wallet",
            "currency": currency,
            "available_balance": money(self._account.available(currency), currency),
            "default": True,
            "active": True,
            "created_at": opened,
            "updated_at": opened,
            "deleted_at": None,
            "type": "ACCOUNT_TYPE_FIAT" if currency == "USD" else "ACCOUNT_TYPE_CRYPTO",
            "ready": True,
            "hold": money(self._account.held(currency), currency),
            "retail_portfolio_id": self._account.portfolio_id,
            "platform": "ACCOUNT_PLATFORM_CONSUMER",
        }

    async def products(self, request: web.Request) -> web.Response:
        wanted = request.query.getall("product_ids", [])
        kind = request.query.get("product_type", "SPOT")
        shown = [self._market_data.product(each) for each in self._products if kind == "SPOT" and (not wanted or each.product_id in wanted)]
        return reply({"products": shown, "num_products": len(shown)})

    async def product(self, request: web.Request) -> web.Response:
        return reply(self._market_data.product(self._named(request)))

    def _named(self, request: web.Request) -> Product:
        return self._products.find(request.match_info.get("product_id") or request.query.get("product_id", ""))

    async def best_bid_ask(self, request: web.Request) -> web.Response:
        wanted = request.query.getall("product_ids", []) or [product.product_id for product in self._products]
        return reply({"pricebooks": [self._market_data.pricebook(self._products.find(each)) for each in wanted]})

    async def product_book(self, request: web.Request) -> web.Response:
        return reply(self._market_data.product_book(self._named(request)))

    async def ticker(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "100")
        if not limit.isdecimal() or int(limit) < 1:
            raise BadRequest(f'parsing field "limit": {limit!r}')
        return reply(self._market_data.ticker(self._named(request), int(limit)))

    async def candles(self, request: web.Request) -> web.Response:
        return reply({"candles": self._market_data.candles(self._named(request), request.query)})

    async def key_permissions(self, _request: web.Request) -> web.Response:
        options = self._account.options
        return reply(
            {
                "can_view": options.can_view,
                "can_trade": options.can_trade,
                "can_transfer": options.can_transfer,
                "portfolio_uuid": self._account.portfolio_id,
                "portfolio_type": "DEFAULT",
            }
        )

    async def transaction_summary(self, _request: web.Request) -> web.Response:
        fills, options = self._account.fills, self._account.options
        volume = float(sum((fill.price * fill.size for fill in fills), Decimal(0)))
        fees = float(sum((fill.fee for fill in fills), Decimal(0)))
        tier = {
            "pricing_tier": "Advanced 1",
            "usd_from": "0",
            "usd_to": "10000",
            "taker_fee_rate": text(options.taker_fee_rate),
            "maker_fee_rate": text(options.maker_fee_rate),
            "aop_from": "",
            "aop_to": "",
        }
        return reply(
            {
                "total_volume": volume,
                "total_fees": fees,
                "fee_tier": tier,
                "margin_rate": None,
                "goods_and_services_tax": None,
                "advanced_trade_only_volume": volume,
                "advanced_trade_only_fees": fees,
                "coinbase_pro_volume": 0,
                "coinbase_pro_fees": 0,
                "total_balance": "",
                "has_promo_fee": False,
            }
        )

    async def time(self, _request: web.Request) -> web.Response:
        now_ns = self._clock.now_ns()
        return reply({"iso": rfc3339(now_ns), "epochSeconds": str(now_ns // NS_PER_S), "epochMillis": str(now_ns // 1_000_000)})
