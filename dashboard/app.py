"""The dashboard's server: the page, the event stream, Rick's comments, sessions, the programs' status, and the two proxies, on one port.

It owns nothing durable: what it shows it has from the bus, from the owners' replay sockets and from the servers behind it; a restart loses nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from aiohttp import web

from bus.consumer import Heartbeat
from bus.heartbeat import HeartbeatTask
from bus.publisher import Publisher
from bus.replay import ReplayClient
from bus.sse import EventStream
from dashboard.export import ExportApi
from dashboard.narration import SOURCE as RICK
from dashboard.narration import NarrationApi, Replay
from dashboard.proxy import ARENA, MARKET, Proxy
from dashboard.replays import PatientReplay
from dashboard.session_api import SessionApi, mode_of
from dashboard.sessions import Sessions, carrying_cookies, set_cookie
from dashboard.static_files import StaticFiles, load_static_files
from dashboard.status import Heard, StatusApi
from dashboard.upstreams import Upstream
from runtime.clock import NS_PER_S, Clock, SystemClock
from runtime.http import Route, build_app, json_answer, serve
from runtime.http_guard import reads_are_open
from runtime.introspection import Introspector
from runtime.own_servers import gateway_url, market_data_url, own_certificate
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
    sessions: Sessions
    gateway: Upstream
    market_data: Upstream
    replays: Mapping[str, Replay]
    stream: Handler
    heard: Callable[[], Mapping[str, Heard]]
    seen: Callable[[], Mapping[str, tuple[str, int]]]
    clock: Clock


def dashboard_app(settings: Settings, parts: Parts) -> web.Application:
    """The application; ``runtime.http.serve`` listens for it."""
    host, sessions = settings.dashboard.host, parts.sessions
    routes = [
        *parts.static.routes(),
        _stream_route(parts.stream),
        *NarrationApi(parts.replays[RICK]).routes(),
        *ExportApi(parts.replays, parts.clock).routes(),
        *SessionApi(
            sessions,
            brokers=BROKERS,
            heartbeats=lambda: _payloads(parts),
            build=parts.static.build,
            live_expected=settings.execution_enabled,
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
    routes = [replace(route, handler=carrying_cookies(route.handler)) for route in routes]
    app = build_app("dashboard", settings, routes, host=host, authenticator=sessions, title="RBOT Arena dashboard")
    app.on_response_prepare.append(set_cookie)
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


def heard_now(beats: Mapping[str, Heartbeat], clock: Clock) -> dict[str, Heard]:
    """Heartbeats with their ages."""
    now_ns = clock.boot_ns()
    return {name: Heard(payload=beat.payload, age_ms=max(0, now_ns - beat.received_ns) * 1000 // NS_PER_S) for name, beat in beats.items()}


def _payloads(parts: Parts) -> Mapping[str, Mapping[str, object]]:
    return {name: heard.payload for name, heard in parts.heard().items()}


def _mode(settings: Settings, parts: Parts) -> str:
    return mode_of(BROKERS, _payloads(parts), live_expected=settings.execution_enabled)


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``. What is not up yet (gateway, narrator, bus) is found when it is; the server starts without it."""
    offset_file = settings.test.clock_offset_file
    clock = SystemClock(Path(offset_file) if offset_file else None)
    static = load_static_files()
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(Upstream("gateway", gateway_url(settings), settings.http))
        introspector = await stack.enter_async_context(Introspector(gateway.url, tls=own_certificate(settings.http)))
        sessions = Sessions(
            settings, gateway=gateway, introspector=introspector, clock=clock, open_reads=reads_are_open(settings, settings.dashboard.host)
        )
        stream = await stack.enter_async_context(EventStream(settings, static.build, sessions.principal, quotes=True, clock=clock))
        parts = Parts(
            static=static,
            sessions=sessions,
            gateway=gateway,
            market_data=await stack.enter_async_context(Upstream("market_data", market_data_url(settings), settings.http)),
            replays={name: PatientReplay(await stack.enter_async_context(ReplayClient(settings.replay_address(name)))) for name in (*BROKERS, RICK)},
            stream=stream.handle,
            heard=lambda: heard_now(stream.heartbeats(), clock),
            seen=lambda: {source: (place.epoch, place.seq) for source, place in stream.cursor().items()},
            clock=clock,
        )
        app = dashboard_app(settings, parts)
        app.on_shutdown.append(stream.end_streams)
        publisher = stack.enter_context(Publisher(settings.bus_pub_address))
        heartbeat = HeartbeatTask(
            "dashboard",
            publisher,
            lambda: {"mode": _mode(settings, parts), "metrics": stream.metrics()},
            clock,
            float(settings.bus.heartbeat_s),
        )
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(heartbeat.run())
            try:
                await serve(app, settings.dashboard.host, settings.dashboard.port, stop)
            finally:
                beating.cancel()
