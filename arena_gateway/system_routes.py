"""The stream, the history, and how the arena is: health, readiness, metrics."""

from collections.abc import Callable, Mapping
from typing import Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry

from arena_gateway.accounts import Accounts
from arena_gateway.answers import Component, HealthAnswer, HistoryAnswer, ReadyAnswer
from arena_gateway.beats import Beat, Beats
from arena_gateway.requests import HistoryQuery
from bus.stream_filter import EVERYTHING, Filter, read_filter
from runtime.http import REQUEST_ID, ApiError, json_answer, read_query
from runtime.http_answers import error_body
from runtime.http_guard import is_loopback
from runtime.metrics import metrics_answer
from runtime.openapi import VERSION
from runtime.routes import Route
from runtime.timestamps import to_text

# Who must be heard for the arena to be ready; a beat older than this is silence (three beats).
PROGRAMS = ("oanda", "coinbase", "market_data", "gateway", "dashboard", "rick")
NEEDED = ("oanda", "coinbase", "market_data")
SILENT_S = 3.0
FILTERS = ("types", "sources", "instruments")


class Stream(Protocol):
    """What the gateway uses of ``bus.sse.EventStream``."""

    async def handle(self, request: web.Request) -> web.StreamResponse: ...

    async def history(
        self, *, after: str | None = None, before: str | None = None, limit: int = 100, wanted: Filter = EVERYTHING
    ) -> Mapping[str, object]: ...


class SystemRoutes:
    """The handlers and their table.

    Args:
        registry: what ``/metrics`` shows.
        mode: live or paper, as the brokers themselves say.
    """

    def __init__(self, accounts: Accounts, stream: Stream, beats: Beats, registry: CollectorRegistry, *, mode: Callable[[], str]) -> None:
        self._accounts = accounts
        self._settings = accounts.settings
        self._stream = stream
        self._beats = beats
        self._registry = registry
        self._mode = mode
        self._started_ns = accounts.clock.wall_ns()

    def table(self) -> list[Route]:
        return [
            Route(
                method="GET", path="/events", handler=self._stream.handle, summary="All events as they happen (SSE), the last 50 first",
                auth="read", tag="events", stream=True,
            ),
            Route(
                method="GET", path="/events/history", handler=self.history, summary="Events page by page", auth="read", tag="events",
                query=HistoryQuery, response=HistoryAnswer, codes={400: ("CURSOR_INVALID",)},
            ),
            Route(
                method="GET", path="/health", handler=self.health, summary="Whether the gateway lives", auth="public", tag="system",
                response=HealthAnswer, free_query=True,
            ),
            Route(
                method="GET", path="/health/ready", handler=self.ready, summary="Whether the arena can take orders, program by program",
                auth="public", tag="system", response=ReadyAnswer, codes={401: ("TOKEN_REQUIRED", "TOKEN_INVALID"), 503: ("NOT_READY",)},
            ),
            Route(
                method="GET", path="/metrics", handler=self.metrics, summary="Prometheus metrics of all programs", auth="public", tag="system",
                content_type="text/plain", codes={401: ("TOKEN_REQUIRED", "TOKEN_INVALID")},
            ),
        ]  # fmt: skip

    async def history(self, request: web.Request) -> web.StreamResponse:
        query = read_query(request, HistoryQuery)
        if query.after is not None and query.before is not None:
            raise ApiError(400, "CURSOR_INVALID", "give after or before, not both", {"parameters": ["after", "before"]})
        wanted = read_filter({name: value for name in FILTERS if (value := getattr(query, name)) is not None})
        page = await self._stream.history(after=query.after, before=query.before, limit=query.limit, wanted=wanted)
        return json_answer({"ok": True, **page})

    async def health(self, request: web.Request) -> web.StreamResponse:
        if not await self._may_see_details(request):
            return json_answer({"ok": True})
        return json_answer({"ok": True, "program": "gateway", "version": VERSION, "mode": self._mode(), "started_at": to_text(self._started_ns)})

    async def ready(self, request: web.Request) -> web.StreamResponse:
        await self._refuse_strangers(request)
        beats = self._beats.all()
        components = {program: component(beats.get(program)) for program in PROGRAMS}
        missing = [program for program in NEEDED if components[program]["status"] in {"silent", "starting", "stopping"}]
        if not missing:
            return json_answer({"ok": True, "components": components})
        body = error_body("NOT_READY", f"not heard or not up yet: {', '.join(missing)}", {"missing": missing}, request[REQUEST_ID])
        return json_answer({**body, "components": components}, 503, {"Retry-After": "1"})

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        await self._refuse_strangers(request)
        return metrics_answer(self._registry)

    async def _refuse_strangers(self, request: web.Request) -> None:
        if not await self._may_see_details(request):
            raise ApiError(401, "TOKEN_REQUIRED", "from another machine this needs a token", headers={"WWW-Authenticate": "Bearer"})

    async def _may_see_details(self, request: web.Request) -> bool:
        """On loopback everybody, elsewhere who has a token (S-O3)."""
        return (is_loopback(self._settings.gateway.host) and not self._settings.http.trusted_proxies) or (
            await self._accounts.principal(request) is not None
        )


def component(beat: Beat | None) -> Component:
    """One program as readiness shows it."""
    if beat is None:
        return {"status": "silent", "age_s": None, "mode": None, "trading_state": None, "last_seq": None}
    age_s = beat.get("age_s")
    heard = isinstance(age_s, int | float) and age_s <= SILENT_S
    mode, state, last_seq = beat.get("mode"), beat.get("trading_state"), beat.get("last_seq")
    return {
        "status": str(beat.get("status") or "ok") if heard else "silent",
        "age_s": round(age_s, 3) if isinstance(age_s, int | float) else None,
        "mode": mode if isinstance(mode, str) else None,
        "trading_state": state if isinstance(state, str) else None,
        "last_seq": last_seq if isinstance(last_seq, int) else None,
    }
