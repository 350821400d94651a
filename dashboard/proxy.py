"""``/api/arena/…`` and ``/api/market/…``: the page's way to the gateway and to market data, with its login as the bearer token.

A caller with a token of its own is passed on with that: a foreign page cannot have one. Only what is listed passes: methods, paths, headers in both
directions, sizes. Nothing is followed, nothing is sent twice, and a change whose answer was lost is said to be unknown, never failed: 503 stands only
for what was not sent. Registration, tokens and the bare event stream do not pass: the gateway takes who calls from loopback at its word in places,
and everybody behind this proxy calls from loopback.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from dashboard.cookies import Login
from dashboard.sessions import Sessions, login_required
from dashboard.upstreams import SAFE_METHODS, Answer, AnswerTooLarge, NoAnswer, NothingSent, Upstream, caller_headers
from runtime.http import ApiError, Route, json_answer, read_body
from runtime.http_answers import GUARD_HEADERS, REQUEST_ID, error_body
from runtime.introspection import bearer_token
from runtime.settings import Settings

PATH_CHARS_MAX = 512
_SEGMENTS = re.compile(r"[A-Za-z0-9_@~-][A-Za-z0-9_.@~-]*(/[A-Za-z0-9_@~-][A-Za-z0-9_.@~-]*)*")
_QUERY = re.compile(r"[A-Za-z0-9_.~%&=+,:@;/!*'()|-]{0,2048}")
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,48}")

_REQUEST_HEADERS = ("Content-Type", "Accept", "Idempotency-Key")
_ANSWER_HEADERS = ("content-type", "location", "retry-after", "idempotent-replayed", "allow", "etag", "last-modified")
_PLACING = re.compile(r"brokers/[a-z0-9_]+/orders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A path that passes, as a full match of it, and the methods it passes with."""

    path: re.Pattern[str]
    methods: frozenset[str]


def _passage(path: str, methods: str) -> Passage:
    return Passage(path=re.compile(path), methods=frozenset(methods.split()))


ARENA: tuple[Passage, ...] = (
    _passage(r"brokers/[a-z0-9_]+(/.+)?", "GET POST PATCH DELETE"),
    _passage(r"orders|events/history|health(/ready)?|auth/me", "GET"),
    _passage(r"auth/api-keys(/.+)?|admin/.+", "GET POST PATCH DELETE"),
)
MARKET: tuple[Passage, ...] = (_passage(r"health(/ready)?|instruments|quotes|candles", "GET"),)


class Proxy:
    """One upstream behind one prefix.

    Args:
        prefix: ``/api/arena``.
    """

    def __init__(self, prefix: str, upstream: Upstream, passages: tuple[Passage, ...], sessions: Sessions, settings: Settings) -> None:
        self._prefix = prefix
        self._upstream = upstream
        self._passages = passages
        self._sessions = sessions
        self._settings = settings

    def routes(self, methods: tuple[str, ...], *, auth: str) -> list[Route]:
        """The routes below the prefix. They keep their own time: what became of a change is known only when the upstream has said so."""
        return [
            Route(
                method=method,  # type: ignore[arg-type]  # the callers' literals are methods
                path=self._prefix + "/{path:.+}",
                handler=self.handle,
                summary=f"{self._upstream.name.replace('_', ' ')}'s own routes, with the login as bearer token",
                auth=auth,  # type: ignore[arg-type]  # as above
                tag="passed on",
                free_query=True,
                timeout_s=None,
                codes={401: ("LOGIN_REQUIRED",), 404: ("NOT_PROXIED",), 502: ("UPSTREAM_ANSWER_TOO_LARGE",), 504: ("UPSTREAM_TIMEOUT",)},
            )
            for method in methods
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass one request on and its answer back."""
        path = self._allowed_path(request)
        changes = request.method not in SAFE_METHODS
        body = await read_body(request)
        own_token = bearer_token(request)
        login = await self._sessions.login_of(request) if own_token is None else None
        if changes and own_token is None:
            login = self._sessions.check_change(request, login)
        try:
            answer = await self._send(request, path, body, login)
            if answer.status == web.HTTPUnauthorized.status_code and login is not None:
                # Revoked early, or the gateway has a new key; it did nothing yet, so the same once more with a fresh token is no repeat.
                login = await self._sessions.renewed(request, login)
                if login is None:
                    raise login_required()
                answer = await self._send(request, path, body, login)
        except NothingSent as error:
            raise self._upstream.down() from error
        except (NoAnswer, AnswerTooLarge) as error:
            if changes:
                return _unknown(request, path, body)
            if isinstance(error, AnswerTooLarge):
                raise ApiError(502, "UPSTREAM_ANSWER_TOO_LARGE", "the answer is larger than the page takes; ask for less of it") from error
            raise ApiError(504, "UPSTREAM_TIMEOUT", f"the {self._upstream.name.replace('_', ' ')} did not answer in time; try again") from error
        return self._answer(answer)

    def _allowed_path(self, request: web.Request) -> str:
        raw = request.rel_url.raw_path.removeprefix(self._prefix + "/")
        passages = [one for one in self._passages if one.path.fullmatch(raw)] if len(raw) <= PATH_CHARS_MAX and _SEGMENTS.fullmatch(raw) else []
        if not passages:
            raise ApiError(404, "NOT_PROXIED", f"this does not pass through the dashboard: ask the {self._upstream.name.replace('_', ' ')} itself")
        allowed = sorted(method for one in passages for method in one.methods)
        if request.method not in allowed:
            raise ApiError(405, "METHOD_NOT_ALLOWED", f"this passes with {', '.join(allowed)}", {"allowed": allowed}, {"Allow": ", ".join(allowed)})
        if _QUERY.fullmatch(request.rel_url.raw_query_string) is None:
            raise ApiError(400, "INVALID_PARAMETER", "the query is too long, or has characters that must be percent-encoded")
        return raw

    async def _send(self, request: web.Request, path: str, body: bytes, login: Login | None) -> Answer:
        headers = caller_headers(request, self._settings)
        headers |= {name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers}
        if login is not None:
            headers["Authorization"] = f"Bearer {login.access}"
        elif "Authorization" in request.headers:
            headers["Authorization"] = request.headers["Authorization"]
        query = request.rel_url.raw_query_string
        return await self._upstream.call(request.method, f"/{path}{'?' + query if query else ''}", headers=headers, body=body)

    def _answer(self, answer: Answer) -> web.Response:
        headers = {**GUARD_HEADERS, **{name.title(): answer.headers[name] for name in _ANSWER_HEADERS if name in answer.headers}}
        location = headers.get("Location", "")
        if location.startswith("/") and not location.startswith("//"):
            headers["Location"] = self._prefix + location
        else:
            headers.pop("Location", None)
        return web.Response(status=answer.status, body=answer.body, headers=headers)


def _unknown(request: web.Request, path: str, body: bytes) -> web.Response:
    """A change was sent and its answer did not come (DESIGN 2.3). Trying again is safe only for an order that has an id to be recognised by."""
    message = "this was sent and its answer did not come: look up what became of it before anything else"
    answer: dict[str, object] = error_body("UNKNOWN", message, {}, request[REQUEST_ID])
    client_order_id = _client_order_id(request.headers, body) if request.method == "POST" and _PLACING.fullmatch(path) else None
    answer |= {"status": "UNKNOWN", "retry_safe": client_order_id is not None}
    headers = {}
    if client_order_id is not None:
        answer["client_order_id"] = client_order_id
        headers["Location"] = f"/api/arena/{path}?client_order_id={client_order_id}"
    return json_answer(answer, web.HTTPAccepted.status_code, headers)


def _client_order_id(headers: Mapping[str, str], body: bytes) -> str | None:
    """The id the caller gave the order; None where it gave none and the gateway's own is not known."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    for found in (headers.get("Idempotency-Key"), parsed.get("client_order_id") if isinstance(parsed, dict) else None):
        if isinstance(found, str) and _CLIENT_ORDER_ID.fullmatch(found):
            return found
    return None
