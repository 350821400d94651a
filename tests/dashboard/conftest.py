"""A dashboard on a port of its own, before a fake gateway; each test says what is different."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dashboard.app import Parts, dashboard_app
from dashboard.narration import Page, Replay
from dashboard.sessions import Sessions
from dashboard.static_files import StaticFiles, load_static_files
from dashboard.status import Heard
from dashboard.upstreams import Upstream
from runtime.clock import SystemClock
from runtime.http import Listener, listening
from runtime.http_guard import reads_are_open
from runtime.introspection import Introspector
from runtime.routes import Handler
from runtime.settings import AuthSettings, DashboardSettings, HttpSettings, Settings
from tests.dashboard.fakes import EMAIL, PASSWORD, FakeGateway
from trading.errors import Unavailable


class NoReplay:
    """A narrator that is down."""

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        raise Unavailable("down", code="NARRATOR_DOWN")


@dataclass
class Desk:
    """One running dashboard and the browser in front of it. ``origin`` is the page's own; ``csrf`` is filled by ``log_in``."""

    url: str
    port: int
    gateway: FakeGateway
    market: FakeGateway
    browser: aiohttp.ClientSession
    heard: dict[str, Heard]
    seen: dict[str, tuple[str, int]]
    sessions: Sessions
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def log_in(self) -> dict[str, object]:
        async with self.browser.post(f"{self.url}/api/session", json={"email": EMAIL, "password": PASSWORD}, headers={"Origin": self.url}) as answer:
            assert answer.status == 200, await answer.text()
            state: dict[str, object] = await answer.json()
        self.csrf = str(state["csrf_token"])
        self.headers = {"Origin": self.url, "X-CSRF-Token": self.csrf}
        return state

    async def get(self, path: str, **kwargs: object) -> tuple[int, dict[str, object]]:
        return await self.ask("GET", path, **kwargs)

    async def ask(self, method: str, path: str, **kwargs: object) -> tuple[int, dict[str, object]]:
        async with self.browser.request(method, self.url + path, **kwargs) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.json()


async def _no_stream(_: web.Request) -> web.StreamResponse:
    return web.Response(text="stream")


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    (path / "run").mkdir(mode=0o700)
    yield path
    shutil.rmtree(path)


def settings_for(home: Path, *, read: str = "auto", http: HttpSettings | None = None, live: bool = False) -> Settings:
    return Settings(
        home=home,
        conf=home,
        execution_enabled=live,
        dashboard=DashboardSettings(port=0),
        auth=AuthSettings(read=read),  # type: ignore[arg-type]
        http=http or HttpSettings(),
    )


@contextlib.asynccontextmanager
async def running_desk(
    home: Path,
    *,
    settings: Settings | None = None,
    replay: Replay | None = None,
    replays: Mapping[str, Replay] | None = None,
    static: StaticFiles | None = None,
    stream: Handler | None = None,
) -> AsyncIterator[Desk]:
    the_settings = settings or settings_for(home)
    heard: dict[str, Heard] = {}
    seen: dict[str, tuple[str, int]] = {}
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(FakeGateway().running())
        market = await stack.enter_async_context(FakeGateway(access=gateway.access).running())
        upstream = await stack.enter_async_context(Upstream("gateway", gateway.url, the_settings.http))
        sessions = Sessions(
            the_settings,
            gateway=upstream,
            introspector=await stack.enter_async_context(Introspector(gateway.url)),
            clock=SystemClock(),
            open_reads=reads_are_open(the_settings, "127.0.0.1"),
        )
        parts = Parts(
            static=static or load_static_files(home / "static"),
            sessions=sessions,
            gateway=upstream,
            market_data=await stack.enter_async_context(Upstream("market_data", market.url, the_settings.http)),
            replays={"oanda": NoReplay(), "coinbase": NoReplay(), "rick": replay or NoReplay(), **(replays or {})},
            stream=stream or _no_stream,
            heard=lambda: heard,
            seen=lambda: seen,
            clock=SystemClock(),
        )
        listener: Listener = await stack.enter_async_context(listening(dashboard_app(the_settings, parts), "127.0.0.1", 0))
        browser = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        yield Desk(url=listener.url, port=listener.port, gateway=gateway, market=market, browser=browser, heard=heard, seen=seen, sessions=sessions)


@pytest.fixture
async def desk(home: Path) -> AsyncIterator[Desk]:
    async with running_desk(home) as running:
        yield running


MakeDesk = Callable[..., contextlib.AbstractAsyncContextManager[Desk]]


def said(body: Mapping[str, object]) -> object:
    """The code of a refusal."""
    return body.get("code")
