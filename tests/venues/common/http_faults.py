"""Faults of HTTP, as a middleware before everything else a venue does."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.venues.common.clock import VenueClock
from tests.venues.common.control import CONTROL_PREFIX
from tests.venues.common.faults import HTTP_KINDS, Fault, FaultScript, Kind

# Requests that are late, so that their server can end with them.
LATE: web.AppKey[set[asyncio.Task[web.StreamResponse]]] = web.AppKey("late", set)


def http_faults(script: FaultScript, clock: VenueClock, *, rate_limited: Callable[[], web.Response]) -> Middleware:
    """A middleware that lets requests go wrong as ``script`` says.

    Args:
        rate_limited: the venue's own way of saying 429.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(CONTROL_PREFIX):
            return await handler(request)
        fault = script.take(HTTP_KINDS, method=request.method, path=request.path)
        if fault is None:
            return await handler(request)
        match fault.kind:
            case Kind.RATE_LIMIT:
                return rate_limited()
            case Kind.DROP_BEFORE:
                return drop(request)
            case Kind.ERROR_BEFORE:
                return _server_error(fault)
            case Kind.SLOW_BEFORE:
                await request.read()
                return await _late(request, handler, clock.sleep(fault.seconds))
        answer = await handler(request)
        match fault.kind:
            case Kind.DROP_AFTER:
                return drop(request)
            case Kind.ERROR_AFTER:
                return _server_error(fault)
            case Kind.SLOW_AFTER:
                await clock.sleep(fault.seconds)
            case Kind.BROKEN_JSON | Kind.MISSING_FIELDS | Kind.EXTRA_FIELDS:
                return _damaged(fault, answer)
        return answer

    return middleware


async def _late(request: web.Request, handler: Handler, delay: Awaitable[None]) -> web.StreamResponse:
    """What was sent is done after ``delay``, whether or not the client still waits for it: a request that is on its way cannot be taken back."""

    async def arrive() -> web.StreamResponse:
        await delay
        return await handler(request)

    late = asyncio.create_task(arrive())
    request.app[LATE].add(late)
    late.add_done_callback(request.app[LATE].discard)
    return await asyncio.shield(late)


def drop(request: web.Request) -> web.Response:
    """End the connection under the client, without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _server_error(fault: Fault) -> web.Response:
    # What a proxy in front of a venue answers: no JSON, no code.
    return web.Response(status=fault.status, text=f"<html><body><h1>{fault.status}</h1></body></html>", content_type="text/html")


def _damaged(fault: Fault, answer: web.StreamResponse) -> web.StreamResponse:
    if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes):
        return answer  # a stream has faults of its own
    match fault.kind:
        case Kind.BROKEN_JSON:
            body = answer.body[: max(1, len(answer.body) * 2 // 3)]
        case Kind.MISSING_FIELDS:
            body = json.dumps(without(json.loads(answer.body), fault.fields)).encode()
        case _:
            body = json.dumps(with_more(json.loads(answer.body))).encode()
    return web.Response(status=answer.status, body=body, content_type="application/json")


def without(body: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """``body`` without the fields named, dotted from the top; without its first key when it has none of them."""
    damaged: dict[str, Any] = json.loads(json.dumps(body))
    found = False
    for name in fields:
        *way, last = name.split(".")
        inner: Any = damaged
        for step in way:
            inner = inner.get(step) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            del inner[last]
            found = True
    if not found and damaged:
        del damaged[next(iter(damaged))]
    return damaged


def with_more(value: Any) -> Any:
    """``value`` with one more key in every object in it."""
    if isinstance(value, dict):
        return {**{name: with_more(each) for name, each in value.items()}, "keyOfTheFuture": {"value": "1"}}
    return [with_more(each) for each in value] if isinstance(value, list) else value
