"""The simulated venue: one account, its quotes, its faults, and the two servers in front of them.

In a test::

    async with OandaVenue(clock=DrivenClock()) as venue:
        venue.quotes.set("EUR_USD", bid=Decimal("1.10000"), ask=Decimal("1.10010"))
        ...  # a client at venue.base_url and venue.stream_url, with venue.token

As a program: ``python -m tests.venues.oanda``.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

from aiohttp import web

from brokers.paper.market import Standing
from tests.venues.common.clock import RealClock, VenueClock
from tests.venues.common.control import Hits, add_control_routes, count_hits
from tests.venues.common.faults import FaultScript
from tests.venues.common.http_faults import http_faults
from tests.venues.common.quotes import QuoteBoard, begin
from tests.venues.common.server import LOOPBACK, serve, tasks
from tests.venues.oanda import closing, placing, triggers, views
from tests.venues.oanda.account import Account, AccountConfig
from tests.venues.oanda.doors import ACCOUNT, SHAPER, TOKEN, Shaper, guard, rate_limit, rate_limited
from tests.venues.oanda.pricing import TICKS, Ticks, add_pricing_routes
from tests.venues.oanda.routes import add_routes
from tests.venues.oanda.specs import FIRST_QUOTES, instruments
from tests.venues.oanda.streams import HEARTBEAT_S, STREAMS, Streams, add_streams
from tests.venues.oanda.wire import NS_PER_S, Doc, encode

TOKEN_DEFAULT = "simulated-oanda-token"
REQUESTS_PER_S = 120  # what the vendor allows one address


class OandaVenue:
    """An async context manager; the servers run inside it.

    Args:
        port, stream_port: 0 takes a free port; streams are served on the first port too, and on one of their own unless ``stream_port`` is None.
        requests_per_s: beyond, 429; None is no limit.
    """

    def __init__(
        self,
        *,
        config: AccountConfig | None = None,
        clock: VenueClock | None = None,
        faults: FaultScript | None = None,
        token: str = TOKEN_DEFAULT,
        port: int = 0,
        stream_port: int | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        requests_per_s: int | None = REQUESTS_PER_S,
    ) -> None:
        self.clock = clock or RealClock()
        self.faults = faults or FaultScript()
        self.hits = Hits()
        self.token = token
        self.quotes = QuoteBoard(instruments(), self.clock)
        self.account = Account(config or AccountConfig(), board=self.quotes, clock=self.clock, faults=self.faults)
        self.streams = Streams(self.account, heartbeat_s=heartbeat_s)
        self.shaper: Shaper = lambda _request, doc: doc
        self.port, self.stream_port = port, stream_port
        self._requests_per_s = requests_per_s
        self._ticks = Ticks()
        self._changed = asyncio.Event()
        self._halted: set[str] = set()
        self._stack = contextlib.AsyncExitStack()
        self.quotes.on_quote(self._ticks.note)
        self.quotes.on_quote(self._trade)
        self.faults.on_change(self._open_and_close)
        self.account.log.listen(lambda _transaction: self._changed.set())
        begin(self.quotes, FIRST_QUOTES)

    @property
    def base_url(self) -> str:
        """Of REST; ``/v3`` comes after it."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Of the streams."""
        return f"http://{LOOPBACK}:{self.stream_port or self.port}"

    @property
    def account_id(self) -> str:
        return self.account.config.id

    def addresses(self) -> dict[str, str]:
        """As a program prints them: the environment that points our adapter here."""
        return {
            "OANDA_BASE_URL": self.base_url,
            "OANDA_STREAM_URL": self.stream_url,
            "OANDA_ACCOUNT_ID": self.account_id,
            "OANDA_API_TOKEN": self.token,
        }

    async def __aenter__(self) -> Self:
        self.port = await self._stack.enter_async_context(serve(self._app(), port=self.port))
        if self.stream_port is not None:
            self.stream_port = await self._stack.enter_async_context(serve(self._app(), port=self.stream_port))
        await self._stack.enter_async_context(tasks(self._expire()))
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stack.aclose()

    # ── the control routes lead here ──

    def state(self) -> dict[str, Any]:
        """The account as it is, and its whole log."""
        account = self.account
        docs: Doc = {
            "account": views.whole_account(account),
            "orders": [order.as_json() for order in account.orders.values()],
            "trades": [views.trade_doc(account, trade, detail=True) for trade in account.trades.values()],
            "transactions": account.log.transactions,
            "streams": len(self.streams.open),
        }
        return dict(json.loads(encode(docs)))

    def set_state(self, wanted: Mapping[str, Any]) -> None:
        """How the account is, and what happens to it.

        ``financing``: an amount credited (below zero: charged) now; ``dividend``: the same for EUR_USD; ``transfer``: paid in or out. ``hedging``,
        ``stops_exclude_each_other``: see AccountConfig. ``note``: the text of a transaction whose type no published file knows; the real venue gets
        new ones, too. ``flatten``: every order cancelled and every trade closed, as by hand.
        """
        known = {"financing", "dividend", "transfer", "hedging", "stops_exclude_each_other", "note", "flatten"}
        if unknown := sorted(set(wanted) - known):
            raise ValueError(f"{unknown[0]} cannot be set; {', '.join(sorted(known))} can")
        config = self.account.config
        self.account.config = replace(
            config,
            hedging=bool(wanted.get("hedging", config.hedging)),
            stops_exclude_each_other=bool(wanted.get("stops_exclude_each_other", config.stops_exclude_each_other)),
        )
        if wanted.get("flatten"):
            for order in list(self.account.pending.values()):
                if not order.request.is_exit:
                    placing.cancel(self.account, str(order.id))
            for trade in list(self.account.open.values()):
                closing.close_trade(self.account, str(trade.id), {})
        if "financing" in wanted:
            self.account.charge_financing(Decimal(wanted["financing"]))
        if "dividend" in wanted:
            self.account.adjust_dividend("EUR_USD", Decimal(wanted["dividend"]))
        if "transfer" in wanted:
            self.account.transfer(Decimal(wanted["transfer"]))
        if "note" in wanted:
            self.account.log.batch().write("ACCOUNT_NOTE", note=str(wanted["note"]))

    # ── inside ──

    def _app(self) -> web.Application:
        faults = http_faults(self.faults, self.clock, rate_limited=rate_limited)
        app = web.Application(middlewares=[count_hits, rate_limit(self._requests_per_s), faults, guard])
        app[ACCOUNT], app[TOKEN], app[STREAMS], app[TICKS] = self.account, self.token, self.streams, self._ticks
        app[SHAPER] = self.shaper
        add_streams(app)  # first: /transactions/stream is no transaction called "stream"
        add_routes(app)
        add_pricing_routes(app)
        add_control_routes(app, self)
        return app

    def _trade(self, standing: Standing) -> None:
        triggers.on_quote(self.account, standing.quote.instrument)

    def _open_and_close(self) -> None:
        """A market that closes says so in a last price; one that opens again trades at once on what is quoted."""
        for name in self.account.specs:
            is_halted = self.account.is_halted(name)
            if is_halted != (name in self._halted):
                self._halted ^= {name}
                self.quotes.repeat(name)

    async def _expire(self) -> None:
        """End orders when their time comes."""
        while True:
            triggers.on_time(self.account)
            ends_ns = triggers.next_expiry_ns(self.account)
            self._changed.clear()
            waiting = asyncio.create_task(self._changed.wait())
            sleeping = None if ends_ns is None else asyncio.create_task(self.clock.sleep(max(0.0, (ends_ns - self.clock.now_ns()) / NS_PER_S)))
            try:
                await asyncio.wait({waiting, *([sleeping] if sleeping else [])}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                if sleeping is not None:
                    sleeping.cancel()
