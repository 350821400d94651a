"""The control routes of a simulator, under ``/_sim/``, where no client of a real venue would ever look.

====================  ==============================================================================================
``POST /_sim/faults``  a fault script (tests/venues/common/faults.py); ``GET`` shows what waits and what has struck
``POST /_sim/quote``   ``{"instrument", "bid", "ask", "bid_size"?, "ask_size"?}``, or a list of them: the market moves there
``POST /_sim/clock``   ``{"advance_s": 60}``, where the clock is a driven one; ``GET`` reads it
``POST /_sim/state``   what the venue lets itself be told (its own page says what); ``GET`` shows the venue's truth, without its API
``GET /_sim/count``    how often each endpoint was hit, refused requests included; ``POST`` starts over
====================  ==============================================================================================
"""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from aiohttp import web

from tests.venues.common.clock import DrivenClock, VenueClock
from tests.venues.common.faults import FaultError, FaultScript
from tests.venues.common.quotes import QuoteBoard

CONTROL_PREFIX = "/_sim/"


class Controlled(Protocol):
    """What the routes below lead to."""

    faults: FaultScript
    quotes: QuoteBoard
    clock: VenueClock
    hits: "Hits"

    def state(self) -> dict[str, Any]:
        """The venue's truth, for tests to compare with what a client believes."""

    def set_state(self, wanted: Mapping[str, Any]) -> None:
        """Change what the venue lets itself be told; ValueError names what it does not."""


class Hits:
    """How often each endpoint was asked: by method and route, ``POST /v3/accounts/{account}/orders``."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, method: str, route: str) -> None:
        self.counts[f"{method} {route}"] += 1

    def orders(self) -> int:
        """Hits of everything that could have changed something at the venue: all methods but GET, HEAD and OPTIONS."""
        return sum(number for name, number in self.counts.items() if name.partition(" ")[0] not in {"GET", "HEAD", "OPTIONS"})

    def as_json(self) -> dict[str, object]:
        return {"hits": dict(sorted(self.counts.items())), "orders": self.orders()}


@web.middleware
async def count_hits(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """The outermost middleware: counts before anything can go wrong. The app has its ``Hits`` under ``HITS``."""
    if not request.path.startswith(CONTROL_PREFIX):
        resource = request.match_info.route.resource
        request.app[HITS].count(request.method, resource.canonical if resource is not None else request.path)
    return await handler(request)


HITS = web.AppKey("hits", Hits)


def add_control_routes(app: web.Application, venue: Controlled) -> None:
    """Let ``venue`` be steered over HTTP."""
    app[HITS] = venue.hits

    async def get_faults(_request: web.Request) -> web.Response:
        return web.json_response(venue.faults.as_json())

    async def post_faults(request: web.Request) -> web.Response:
        try:
            venue.faults.load(await request.json())
        except (FaultError, TypeError, ValueError) as error:
            return _refused(error)
        return web.json_response(venue.faults.as_json())

    async def post_quote(request: web.Request) -> web.Response:
        body = json.loads(await request.read(), parse_float=Decimal)
        try:
            for each in body if isinstance(body, list) else [body]:
                venue.quotes.set(
                    each["instrument"],
                    bid=Decimal(each["bid"]),
                    ask=Decimal(each["ask"]),
                    bid_size=Decimal(each["bid_size"]) if each.get("bid_size") is not None else None,
                    ask_size=Decimal(each["ask_size"]) if each.get("ask_size") is not None else None,
                )
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            return _refused(error)
        return web.json_response({"ok": True})

    async def get_clock(_request: web.Request) -> web.Response:
        return web.json_response({"now_ns": venue.clock.now_ns()})

    async def post_clock(request: web.Request) -> web.Response:
        if not isinstance(venue.clock, DrivenClock):
            return _refused("this venue runs on the machine's clock")
        await venue.clock.advance(float((await request.json())["advance_s"]))
        return web.json_response({"now_ns": venue.clock.now_ns()})

    async def get_state(_request: web.Request) -> web.Response:
        return web.json_response(venue.state())

    async def post_state(request: web.Request) -> web.Response:
        try:
            venue.set_state(json.loads(await request.read(), parse_float=Decimal))
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            return _refused(error)
        return web.json_response(venue.state())

    async def get_count(_request: web.Request) -> web.Response:
        return web.json_response(venue.hits.as_json())

    async def post_count(_request: web.Request) -> web.Response:
        venue.hits.counts.clear()
        return web.json_response(venue.hits.as_json())

    for name, get, post in (
        ("faults", get_faults, post_faults),
        ("clock", get_clock, post_clock),
        ("state", get_state, post_state),
        ("count", get_count, post_count),
    ):
        app.router.add_get(CONTROL_PREFIX + name, get)
        app.router.add_post(CONTROL_PREFIX + name, post)
    app.router.add_post(CONTROL_PREFIX + "quote", post_quote)


def _refused(error: object) -> web.Response:
    return web.json_response({"ok": False, "message": str(error)}, status=400)
