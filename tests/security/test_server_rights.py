"""Every route of market data and of the dashboard, by every role, in paper and live: the tables of docs/security.md, before the real gateway."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from arena_gateway.users import open_users
from dashboard.app import Parts as DashboardParts
from dashboard.app import dashboard_app
from dashboard.cookies import new_login
from dashboard.sessions import Sessions
from dashboard.static_files import load_static_files
from dashboard.upstreams import Upstream
from market_data.app import Parts as MarketParts
from market_data.app import market_app
from market_data.book import QuoteBook
from market_data.candle_store import CandleStore
from market_data.candles import CandleBuilder
from market_data.feeds.base import ScriptedFeed
from market_data.metrics import MarketMetrics
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import SystemClock
from runtime.http import listening
from runtime.http_guard import reads_are_open
from runtime.introspection import Introspector
from runtime.settings import DashboardSettings, Settings
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk, settings_at
from tests.arena_gateway.test_rights import ALLOWED, BODIES, STRONG
from tests.dashboard.conftest import NoReplay
from tests.security.rights import routes_of
from trading.instruments import Instruments

ROLES = (None, "viewer", "trader", "admin")
TURNED_AWAY = frozenset({"TOKEN_REQUIRED", "TOKEN_INVALID", "LOGIN_REQUIRED", "ROLE_REQUIRED"})


@dataclass
class Servers:
    """The three servers of one arena, with a token for each role."""

    gateway: Desk
    market: str
    dashboard: str
    cookie: str
    logins: Mapping[str, tuple[str, str]]
    market_routes: set[tuple[str, str]]
    dashboard_routes: set[tuple[str, str]]

    async def ask(self, method: str, url: str, **more: Any) -> tuple[int, str]:
        """``(status, code)``; a stream's first bytes are enough."""
        async with self.gateway.http.request(method, url, allow_redirects=False, **more) as answer:
            body = await answer.json() if answer.content_type == "application/json" else {}
            return answer.status, str(body.get("code", "")) if isinstance(body, dict) else ""


async def _one_event(_: web.Request) -> web.StreamResponse:
    return web.Response(text="stream")


@contextlib.asynccontextmanager
async def servers(home: Path, instruments: Instruments, *, live: bool) -> AsyncIterator[Servers]:
    settings: Settings = settings_at(home, execution_enabled=live, dashboard=DashboardSettings(port=0))
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_desk(home, execution_enabled=live))
        logins = {}
        with open_users(settings) as users:
            for role in ROLES[1:]:
                users.add(f"{role}@desk", STRONG, str(role), by="host")
        for role in ROLES[1:]:
            body = (await gateway.login(f"{role}@desk", STRONG)).body
            logins[str(role)] = (body["access_token"], body["refresh_token"])
        clock = SystemClock()
        asked = await stack.enter_async_context(Introspector(gateway.url))
        feed, book, builder = ScriptedFeed([]), QuoteBook(settings.paper.quote_stale_s), CandleBuilder()
        store = await stack.enter_async_context(CandleStore(home / "market_data.db", "scripted"))
        recorder = Recorder(store, builder, feed.snapshot)
        stream = QuoteStream(book, instruments, clock, files_max=1024, authenticator=asked)
        metrics = MarketMetrics(feeds=[feed], instruments=instruments, book=book, recorder=recorder, stream=stream, clock=clock)
        market_parts = MarketParts(
            instruments=instruments, feeds=[feed], book=book, recorder=recorder, stream=stream, metrics=metrics, clock=clock
        )  # fmt: skip
        market = market_app(settings, market_parts, asked)
        market_listener = await stack.enter_async_context(listening(market, "127.0.0.1", 0))
        upstream = await stack.enter_async_context(Upstream("gateway", gateway.url, settings.http))
        sessions = Sessions(settings, gateway=upstream, introspector=asked, clock=clock, open_reads=reads_are_open(settings, "127.0.0.1"))
        dashboard_parts = DashboardParts(
            static=load_static_files(home / "static"), sessions=sessions, gateway=upstream,
            market_data=await stack.enter_async_context(Upstream("market_data", market_listener.url, settings.http)),
            replays=dict.fromkeys(("oanda", "coinbase", "rick"), NoReplay()), stream=_one_event, heard=dict, seen=dict, clock=clock,
        )  # fmt: skip
        app = dashboard_app(settings, dashboard_parts)
        listener = await stack.enter_async_context(listening(app, "127.0.0.1", 0))
        yield Servers(
            gateway=gateway, market=market_listener.url, dashboard=listener.url, cookie=sessions.cookies.name, logins=logins,
            market_routes=_routes(market), dashboard_routes=_routes(app),
        )  # fmt: skip


def _routes(app: web.Application) -> set[tuple[str, str]]:
    return {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None and route.method != "HEAD"}


def _may(access: str, role: str | None, *, live: bool) -> bool:
    return role in ALLOWED[access] and not (live and role is None and access == "read")


async def test_the_tables_name_every_route_of_both_servers(tmp_path: Path, instruments: Instruments) -> None:
    """Files beside the page, which the build makes, are what `GET /assets/{name}` stands for."""
    async with servers(tmp_path, instruments, live=False) as running:
        assert running.market_routes == set(routes_of("market data"))
        beside = {("GET", f"/{name}") for name in load_static_files(tmp_path / "static").files if "/" not in name and name != "index.html"}
        assert running.dashboard_routes - beside == set(routes_of("dashboard"))


@pytest.mark.parametrize("live", [False, True], ids=["paper", "live"])
async def test_each_role_may_what_the_tables_say(tmp_path: Path, instruments: Instruments, live: bool) -> None:
    """By bearer token at both servers, and by cookie at the dashboard."""
    deviations, cases = [], 0
    async with servers(tmp_path, instruments, live=live) as running:
        for server, base in (("market data", running.market), ("dashboard", running.dashboard)):
            for (method, path), access in routes_of(server).items():
                if "{path}" in path or (method, path) in {("POST", "/api/session"), ("DELETE", "/api/session")}:
                    continue  # the test below goes through them; a session is about nobody's rights
                for role in ROLES:
                    for by_cookie in (False, True) if server == "dashboard" and role else (False,):
                        cases += 1
                        headers = _headers(running, role, by_cookie=by_cookie)
                        status, code = await running.ask(method, base + path.format(name="none.js"), headers=headers)
                        if (code in TURNED_AWAY) is _may(access, role, live=live) or (code in TURNED_AWAY and status not in {401, 403}):
                            deviations.append((server, method, path, role, by_cookie, status, code))
    assert deviations == []
    assert cases > 100


def _headers(running: Servers, role: str | None, *, by_cookie: bool, csrf: bool = True) -> dict[str, str]:
    if role is None:
        return {}
    access, refresh = running.logins[role]
    if not by_cookie:
        return {"Authorization": f"Bearer {access}"}
    login = new_login(access, refresh)
    assert login is not None
    headers = {"Cookie": f"{running.cookie}={login.login_id}.{refresh}.{access}", "Origin": running.dashboard}
    return headers | ({"X-CSRF-Token": login.csrf_token} if csrf else {})


@pytest.mark.parametrize("live", [False, True], ids=["paper", "live"])
async def test_through_the_dashboard_nobody_may_more_than_at_the_gateway(tmp_path: Path, instruments: Instruments, live: bool) -> None:
    """Each route of the gateway below /api/arena: by nobody, by token, by cookie, and by a cookie without its CSRF token or without our Origin."""
    deviations, cases = [], 0
    async with servers(tmp_path, instruments, live=live) as running:
        for (method, path), access in routes_of("gateway").items():
            passed = path.format(broker="oanda", order_id="paper-oanda-1", instrument="EUR_USD", key_id="none")
            body = BODIES.get((method, path))
            more = {"json": body} if body else {}
            status, code = await running.ask(method, f"{running.dashboard}/api/arena{passed}", **more)
            if code in {"NOT_PROXIED", "METHOD_NOT_ALLOWED"}:
                continue
            for role in ROLES:
                for by_cookie in (False, True) if role else (False,):
                    cases += 1
                    headers = _headers(running, role, by_cookie=by_cookie)
                    status, code = await running.ask(method, f"{running.dashboard}/api/arena{passed}", headers=headers, **more)
                    # The dashboard lets nobody change anything without a login, also where the gateway would say so itself.
                    may = _may(access, role, live=live) and not (role is None and method != "GET")
                    if (code in TURNED_AWAY) is may:
                        deviations.append((method, path, role, by_cookie, status, code))
                if role is None or method == "GET":
                    continue
                before = len(running.gateway.oanda.calls)
                for bent, wanted in (
                    ({**_headers(running, role, by_cookie=True, csrf=False)}, "CSRF_TOKEN_WRONG"),
                    ({**_headers(running, role, by_cookie=True), "X-CSRF-Token": "x"}, "CSRF_TOKEN_WRONG"),
                    ({k: v for k, v in _headers(running, role, by_cookie=True).items() if k != "Origin"}, "ORIGIN_NOT_ALLOWED"),
                    ({**_headers(running, role, by_cookie=True), "Origin": running.market}, "ORIGIN_NOT_ALLOWED"),
                    ({**_headers(running, role, by_cookie=True), "Origin": "null"}, "ORIGIN_NOT_ALLOWED"),
                    ({**_headers(running, role, by_cookie=True), "Sec-Fetch-Site": "same-site"}, "CROSS_SITE"),
                ):
                    cases += 1
                    status, code = await running.ask(method, f"{running.dashboard}/api/arena{passed}", headers=bent, **more)
                    if (status, code) != (403, wanted) or len(running.gateway.oanda.calls) != before:
                        deviations.append((method, path, role, wanted, status, code))
    assert deviations == []
    assert cases > 150


async def test_the_cookie_opens_neither_the_gateway_nor_market_data(tmp_path: Path, instruments: Instruments) -> None:
    """A browser sends a cookie to every port of a host (S-A8); the others do not take it, and in live mode that is a 401."""
    async with servers(tmp_path, instruments, live=True) as running:
        headers = _headers(running, "admin", by_cookie=True)
        only_cookie = {"Cookie": headers["Cookie"]}
        for url in (f"{running.gateway.url}/auth/me", f"{running.gateway.url}/orders", f"{running.market}/quotes"):
            assert (await running.ask("GET", url, headers=only_cookie))[0] == 401
        status, _ = await running.ask("POST", f"{running.gateway.url}/brokers/oanda/orders", headers=only_cookie, json=SEED_ORDER)
        assert status == 401
        assert running.gateway.oanda.calls == []


async def test_a_foreign_page_opens_no_stream_anywhere(tmp_path: Path, instruments: Instruments) -> None:
    """An EventSource of another site, by its own Origin and Sec-Fetch-Site; and a name that was rebound to this address."""
    async with servers(tmp_path, instruments, live=False) as running, aiohttp.ClientSession() as page:
        for url in (f"{running.gateway.url}/events", f"{running.market}/stream", f"{running.dashboard}/arena/events"):
            async with page.get(url, headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}) as answer:
                assert (answer.status, (await answer.json())["code"]) == (403, "CROSS_SITE")
            async with page.get(url, headers={"Host": "evil.example"}) as answer:
                assert (answer.status, (await answer.json())["code"]) == (421, "HOST_NOT_ALLOWED")
                assert "Access-Control-Allow-Origin" not in answer.headers
