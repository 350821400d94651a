"""Coinbase Advanced Trade on loopback: everything of this folder put together.

async with CoinbaseVenue() as venue:
    venue.base_url, venue.ws_url, venue.key        # point a client here, with this key
    venue.quote("BTC-USD", "60000", "60010")       # the market moves, and what is due trades
    venue.faults.add(Fault(kind=Kind.DROP_AFTER, method="POST", path="/orders$"))
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.venues.coinbase.account import BALANCES, Account
from tests.venues.coinbase.auth import ApiKey, Gatekeeper, make_key
from tests.venues.coinbase.certificates import server_context
from tests.venues.coinbase.channels import Channels
from tests.venues.coinbase.exchange import Exchange
from tests.venues.coinbase.market_data import MarketData
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.order_views import rest_fill, rest_order
from tests.venues.coinbase.products import SWITCHES, Products
from tests.venues.coinbase.rest import RestApi
from tests.venues.coinbase.websocket import Hub
from tests.venues.coinbase.wire import text
from tests.venues.common.clock import RealClock, VenueClock
from tests.venues.common.conf import instruments_of
from tests.venues.common.control import Hits, add_control_routes, count_hits
from tests.venues.common.faults import FaultScript
from tests.venues.common.http_faults import http_faults
from tests.venues.common.quotes import QuoteBoard, begin
from tests.venues.common.server import serve

KEY_NAME = "organizations/7c5ad5b5-6d1f-4c3e-9a53-000000000001/apiKeys/7c5ad5b5-6d1f-4c3e-9a53-00000000000a"
FIRST_QUOTES = {"BTC-USD": ("59995.00", "60005.00"), "ETH-USD": ("2999.50", "3000.50")}
# What a control request may change of a product besides its switches.
_INCREMENTS = ("base_increment", "quote_increment", "price_increment", "base_min_size", "base_max_size", "quote_min_size", "quote_max_size")


class CoinbaseVenue:
    """One account at one venue.

    Args:
        keys: who may come in; one fresh ES256 key without.
        tls: a folder with a certificate and its key; then it speaks https and wss.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        clock: VenueClock | None = None,
        faults: FaultScript | None = None,
        keys: list[ApiKey] | None = None,
        balances: Mapping[str, Decimal] = BALANCES,
        options: Options | None = None,
        seed: int = 1,
        tls: Path | None = None,
    ) -> None:
        self.clock = clock or RealClock()
        self.faults = faults or FaultScript()
        self.hits = Hits()
        self.keys = keys or [make_key(KEY_NAME)]
        self.quotes = QuoteBoard(instruments_of("coinbase"), self.clock)
        self.products = Products()
        self.account = Account(seed=seed, options=options or Options(), balances=balances, now_ns=self.clock.now_ns())
        self.exchange = Exchange(self.account, self.products, self.quotes, self.clock, self.faults, self._later)
        self.market_data = MarketData(self.products, self.quotes, self.clock, self.exchange.matching)
        self.gatekeeper = Gatekeeper(self.keys)
        self.rest = RestApi(self.exchange, self.market_data, self.gatekeeper, self.clock)
        channels = Channels(self.account, self.products, self.quotes, self.clock, self.exchange.matching, self.market_data)
        self.hub = Hub(channels, self.gatekeeper, self.clock, self.faults)
        self.account.on_order(self.hub.on_order)
        self.quotes.on_quote(lambda standing: self.hub.on_quote(standing.quote))
        begin(self.quotes, FIRST_QUOTES)
        self.secret_file: Path | None = None  # a program says where a client finds the key's secret
        self._port = port
        self._tls = tls
        self._stack = AsyncExitStack()
        self._waiting: set[asyncio.Task[None]] = set()

    @property
    def key(self) -> ApiKey:
        """The first of the keys."""
        return self.keys[0]

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port

    @property
    def base_url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self._port}"

    @property
    def ws_url(self) -> str:
        return f"{'ws' if self._tls is None else 'wss'}://127.0.0.1:{self._port}"

    def addresses(self) -> dict[str, str]:
        """What the environment of a client is to say."""
        addresses = {"COINBASE_BASE_URL": self.base_url, "COINBASE_WS_URL": self.ws_url, "COINBASE_API_KEY": self.key.name}
        return addresses if self.secret_file is None else addresses | {"COINBASE_API_SECRET_FILE": str(self.secret_file)}

    async def __aenter__(self) -> Self:
        tls = None if self._tls is None else server_context(self._tls)
        self._port = await self._stack.enter_async_context(serve(self.application(), port=self._port, tls=tls))
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.hub.close_all()
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self._stack.aclose()

    def application(self) -> web.Application:
        """The server: faults strike before the gate, so that what never arrived spends no token."""
        app = web.Application(
            middlewares=[count_hits, http_faults(self.faults, self.clock, rate_limited=self.rest.rate_limited), self.rest.gate],
            client_max_size=64 * 1024,
        )
        add_control_routes(app, self)
        app.router.add_routes(self.rest.routes())
        app.router.add_get("/", self.hub.serve)
        return app

    def quote(self, product_id: str, bid: str, ask: str, *, bid_size: str | None = None, ask_size: str | None = None) -> None:
        """Move a market; sizes are what can trade at these prices, without limit when left out."""
        sizes = [None if size is None else Decimal(size) for size in (bid_size, ask_size)]
        self.quotes.set(product_id, bid=Decimal(bid), ask=Decimal(ask), bid_size=sizes[0], ask_size=sizes[1])

    def state(self) -> dict[str, Any]:
        """The venue's truth: what is owned, what is on hold, every order and fill, and what is held without a stop."""
        account = self.account
        return {
            "balances": {each.currency: {"total": text(each.total), "hold": text(account.held(each.currency))} for each in account.wallets.values()},
            "orders": [rest_order(order, account) for order in account.orders.values()],
            "fills": [rest_fill(fill, account) for fill in account.fills],
            "unprotected": {product.base: text(account.unprotected(product.base)) for product in self.products},
            "options": {name: _shown(getattr(account.options, name)) for name in Options.__slots__},
            "connections": len(self.hub.connections),
            "turned_away": list(self.rest.turned_away),
        }

    def set_state(self, wanted: Mapping[str, Any]) -> None:
        """``{"balances": {"BTC": "1"}, "products": {"BTC-USD": {"cancel_only": true}}, "options": {...}, "close_streams": true}``."""
        if unknown := sorted(set(wanted) - {"balances", "products", "options", "close_streams"}):
            raise ValueError(f"unknown {unknown[0]}; known are balances, products, options, close_streams")
        options = self.account.options.changed(wanted.get("options", {}))
        for currency, amount in wanted.get("balances", {}).items():
            self.account.wallets[currency].total = Decimal(str(amount))
        for product_id, changes in wanted.get("products", {}).items():
            self._set_product(product_id, changes)
        self.account.options = options
        if wanted.get("close_streams"):
            self.hub.close_all()

    def _set_product(self, product_id: str, changes: Mapping[str, Any]) -> None:
        values: dict[str, object] = {}
        for name, value in changes.items():
            if name in _INCREMENTS:
                values[name] = Decimal(str(value))
            elif (name in SWITCHES and isinstance(value, bool)) or (name == "status" and isinstance(value, str)):
                values[name] = value
            else:
                raise ValueError(f"{product_id}: {name} cannot be {value!r}")
        product = self.products.set_state(product_id, **values)
        self.hub.on_status()
        self.exchange.matching.run(product.book)

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        async def wait() -> None:
            await self.clock.sleep(seconds)
            callback()

        task = asyncio.get_running_loop().create_task(wait())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)


def _shown(value: object) -> object:
    return text(value) if isinstance(value, Decimal) else value
