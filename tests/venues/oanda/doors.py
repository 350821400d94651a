"""What stands before every route: the token, the account, the rate, one form of answer; and what every route needs of a request."""

import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.venues.common.control import CONTROL_PREFIX
from tests.venues.oanda.account import Account
from tests.venues.oanda.errors import Malformed, Refusal
from tests.venues.oanda.wire import Doc, encode

ACCOUNT = web.AppKey("account", Account)
TOKEN = web.AppKey("token", str)
REQUEST_ID = web.RequestKey("request_id", str)

# What every answer but a stream's passes through last: planted defects change it, nothing else.
Shaper = Callable[[web.Request, Doc], Doc]
SHAPER: web.AppKey[Shaper] = web.AppKey("shaper")

_INSUFFICIENT = "Insufficient authorization to perform request."


def rate_limited() -> web.Response:
    """429 as v20 says it."""
    return _plain(429, "Rate limit exceeded")


def rate_limit(requests_per_s: int | None) -> Middleware:
    """At most so many requests in any second of the machine's; None is without limit."""
    asked: deque[float] = deque(maxlen=requests_per_s or 0)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if requests_per_s is None or request.path.startswith(CONTROL_PREFIX):
            return await handler(request)
        now = time.monotonic()
        if len(asked) == requests_per_s and now - asked[0] < 1:
            return rate_limited()
        asked.append(now)
        return await handler(request)

    return middleware


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """401 without the token, 404 for another account; every refusal as a JSON body with a RequestID."""
    if request.path.startswith(CONTROL_PREFIX):
        return await handler(request)
    account = request.app[ACCOUNT]
    request_id = account.log.next_request_id()
    request[REQUEST_ID] = request_id
    if request.headers.get("Authorization") != f"Bearer {request.app[TOKEN]}":
        answer: web.StreamResponse = _plain(401, _INSUFFICIENT)
    elif request.match_info.get("account", account.config.id) != account.config.id:
        answer = _plain(404, "The specified account does not exist")
    else:
        try:
            answer = await handler(request)
        except Refusal as refusal:
            answer = respond(request, refusal.body, status=refusal.status)
        except web.HTTPException as error:
            answer = _plain(error.status, error.reason)
    if not answer.prepared:
        answer.headers["RequestID"] = request_id
    return answer


def respond(request: web.Request, doc: Doc, *, status: int = 200, location: str | None = None) -> web.Response:
    """An answer, its times in the form the client asked for."""
    shaped = request.app[SHAPER](request, doc)
    headers = {"Location": location} if location else None
    return web.Response(body=encode(shaped, unix=wants_unix(request)), status=status, headers=headers, content_type="application/json")


def wants_unix(request: web.Request) -> bool:
    """Whether times are wanted as seconds since 1970; RFC 3339 without a wish."""
    return request.headers.get("Accept-Datetime-Format", "RFC3339") == "UNIX"


async def json_of(request: web.Request) -> Any:
    """The body; Malformed when it is no JSON object or does not say that it is JSON."""
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise Malformed("Content-Type", status=415)
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        raise Malformed("body") from None
    if not isinstance(body, dict):
        raise Malformed("body")
    return body


def _plain(status: int, message: str) -> web.Response:
    return web.Response(body=encode({"errorMessage": message}), status=status, content_type="application/json")
