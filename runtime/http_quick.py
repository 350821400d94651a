"""Requests that want nothing special, answered without aiohttp's request, task and routing: a third of an order's time in the gateway.

The quick way is for what nearly every request of a flood is: HTTP/1.1, a path named for it, the whole body in the packet, a head with nothing in
it but a host of ours and one token, on a connection that waits for nothing else. It refuses nothing. Whatever is not exactly so, or what the handler
does not take, goes the long way (runtime/http.py), where each refusal has its one place; so nothing may have happened when a handler says no.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from aiohttp import HttpVersion11, StreamReader
from aiohttp.http import RawRequestMessage

from runtime.http_answers import internal_body, plain_json_answer
from runtime.http_guard import HeadGuard
from runtime.introspection import TOKEN_CHARS_MAX

# What the long way looks at, or what changes how a request is read or answered; each of them is rare on an order.
_SPECIAL = frozenset(
    {
        b"content-encoding", b"expect", b"forwarded", b"idempotency-key", b"origin", b"sec-fetch-site", b"te", b"trailer", b"transfer-encoding",
        b"upgrade", b"x-forwarded-for", b"x-request-id",
    }
)  # fmt: skip
_QUICK_BODY_BYTES_MAX = 4 * 1024

log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request that came the quick way. ``address`` is the peer's."""

    token: str
    body: bytes
    address: str
    request_id: str


class Told(NamedTuple):
    """An answer of JSON: ``data`` may hold what ``json_answer`` takes."""

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, object]


# What is waited for, and what its future then says as an answer. None: this request goes the long way, and nothing of it has happened.
Reply = asyncio.Future[Any]
Settle = Callable[[Reply], Told]
Begun = tuple[Reply, Settle]
QuickHandler = Callable[[Asked], Begun | None]


class QuickRoutes:
    """What may go the quick way at one server.

    Args:
        handlers: by path, for POST.
        guard: which hosts are the server's own, and whether it speaks TLS.
        next_id: makes ids of requests.
    """

    def __init__(self, handlers: Mapping[str, QuickHandler], guard: HeadGuard, next_id: Callable[[], str]) -> None:
        self.handlers = handlers
        self.guard = guard
        self.next_id = next_id


class QuickLane:
    """The quick way of one connection.

    Args:
        address: the peer's.
        write: takes the bytes of each answer, in a later turn of the loop than the one that began it.
    """

    def __init__(self, routes: QuickRoutes, address: str, write: Callable[[bytes], None]) -> None:
        self._routes = routes
        self._address = address
        self._write = write
        # A client sends the same head again and again: what was looked at last is not looked at twice.
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._token: str | None = None

    def begin(self, head: object, content: StreamReader) -> bool:
        """Begin to answer. False when the request must go the long way."""
        if not isinstance(head, RawRequestMessage):  # what could not be parsed
            return False
        handler = self._routes.handlers.get(head.path)
        if handler is None or head.method != "POST" or head.version != HttpVersion11 or head.should_close or head.upgrade or head.chunked:
            return False
        if not 0 < content.total_bytes <= _QUICK_BODY_BYTES_MAX or not content.is_eof() or content.exception() is not None:
            return False
        body = content._buffer[0]  # noqa: SLF001 - aiohttp has no public way to take a body as it is
        if len(body) != content.total_bytes:
            return False
        if head.raw_headers != self._headers:
            self._headers, self._token = head.raw_headers, self._token_of(head.raw_headers)
        if self._token is None:
            return False
        asked = Asked(self._token, body, self._address, self._routes.next_id())
        try:
            begun = handler(asked)
        except Exception as error:  # noqa: BLE001 (a bug in one request is that request's: it is logged where the answer is made)
            begun = _failed(error)
        if begun is None:
            return False
        future, settle = begun
        future.add_done_callback(partial(self._answer, asked.request_id, settle))
        return True

    def _token_of(self, headers: tuple[tuple[bytes, bytes], ...]) -> str | None:
        """The token of a head in which all is as it should be; None for a head that the long way has to look at."""
        values = {name.lower(): value.decode("ascii", "replace") for name, value in headers}
        scheme, _, token = values.get(b"authorization", "").partition(" ")
        plain = len(values) == len(headers) and _SPECIAL.isdisjoint(values) and self._routes.guard.host_is_ours(values.get(b"host"))
        good = scheme == "Bearer" and token and len(token) <= TOKEN_CHARS_MAX and token.isascii() and " " not in token
        return token if plain and good else None

    def _answer(self, request_id: str, settle: Settle, future: Reply) -> None:
        tls = self._routes.guard.tls
        try:
            status, headers, data = settle(future)
            answer = plain_json_answer(status, headers, data, request_id, tls=tls)
        except Exception:  # the last door of a request, as in runtime/http.py
            log.exception("a request failed", extra={"request_id": request_id})
            answer = plain_json_answer(500, {}, internal_body(request_id), request_id, tls=tls)
        self._write(answer)


def _failed(error: Exception) -> Begun:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future, lambda failed: failed.result()
