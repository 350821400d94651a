"""The dashboard's server: the page, the event stream, Rick's comments, sessions, the programs' status, and the two proxies, on one port.

It owns nothing durable: what it shows it has from the bus, from the owners' replay sockets and from the servers behind it; a restart loses nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from dashboard.export import ExportApi
from dashboard.narration import SOURCE as RICK
from dashboard.narration import NarrationApi, Replay
from dashboard.proxy import ARENA, MARKET, Proxy
from dashboard.session_api import SessionApi
from dashboard.sessions import Sessions, set_cookies
from dashboard.static_files import StaticFiles
from dashboard.status import Heard, StatusApi
from dashboard.upstreams import Upstream
from runtime.clock import NS_PER_S, Clock
from runtime.http import Route, build_app, json_answer
from runtime.http_guard import reads_are_open
from runtime.introspection import Introspector
from runtime.routes import Handler
from runtime.settings import Settings

BROKERS = ("oanda", "coinbase")


class Health(msgspec.Struct):
    """Alive, and which build of the page it serves."""

    ok: bool
    build: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the server is made of, open and ready.

    ``replays`` are the sources' journals by name, ``rick`` among them; ``stream`` answers ``/arena/events``; ``heard`` gives the latest heartbeats by
    program, ``seen`` how far this dashboard has come in each source.
    """

    static: StaticFiles
    gateway: Upstream
    market_data: Upstream
    introspector: Introspector
    replays: Mapping[str, Replay]
    stream: Handler
    heard: Callable[[], Mapping[str, Heard]]
    seen: Callable[[], Mapping[str, tuple[str, int]]]
    clock: Clock


def dashboard_app(settings: Settings, parts: Parts) -> web.Application:
    """The application; ``runtime.http.serve`` listens for it."""
    host = settings.dashboard.host
    sessions = Sessions(
        settings, gateway=parts.gateway, introspector=parts.introspector, clock=parts.clock, open_reads=reads_are_open(settings, host)
    )
    routes = [
        *parts.static.routes(),
        _stream_route(parts.stream),
        *NarrationApi(parts.replays[RICK]).routes(),
        *ExportApi(parts.replays, parts.clock).routes(),
        *SessionApi(
            sessions,
            brokers=BROKERS,
            heartbeats=lambda: {name: heard.payload for name, heard in parts.heard().items()},
            build=parts.static.build,
        ).routes(),
        *StatusApi(
            supervisor_socket=settings.run_dir / "supervisor.sock",
            heard=parts.heard,
            seen=parts.seen,
            stale_ms=int(settings.bus.silence_s_max * 1000),
            clock=parts.clock,
        ).routes(),
        *Proxy("/api/arena", parts.gateway, ARENA, sessions, settings).routes(("GET", "POST", "PATCH", "DELETE"), auth="public"),
        *Proxy("/api/market", parts.market_data, MARKET, sessions, settings).routes(("GET",), auth="read"),
        _health_route(parts),
    ]
    app = build_app("dashboard", settings, routes, host=host, authenticator=sessions, title="RBOT Arena dashboard")
    app.on_response_prepare.append(set_cookies)
    return app


def _stream_route(stream: Handler) -> Route:
    return Route(
        method="GET",
        path="/arena/events",
        handler=stream,
        summary="Every event as it happens (SSE), with quotes when asked",
        tag="events",
        stream=True,
    )


def _health_route(parts: Parts) -> Route:
    async def health(_: web.Request) -> web.StreamResponse:
        return json_answer({"ok": True, "build": parts.static.build})

    return Route(method="GET", path="/health", handler=health, summary="Whether it is alive", auth="public", tag="status", response=Health)


def heard_now(beats: Mapping[str, tuple[Mapping[str, object], int]], clock: Clock) -> dict[str, Heard]:
    """Heartbeats with their ages, from payloads and the boot-clock times they came at."""
    now_ns = clock.boot_ns()
    return {name: Heard(payload=payload, age_ms=max(0, now_ns - came_ns) * 1000 // NS_PER_S) for name, (payload, came_ns) in beats.items()}
