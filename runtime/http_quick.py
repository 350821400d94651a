"""Requests that want nothing special, answered without aiohttp's request, task and routing: a third of an order's time in the gateway.

The quick way is for what nearly every request of a flood is: HTTP/1.1, a path named for it, the whole body in the packet, a head with nothing in
it but a host of ours and one token, on a connection that waits for nothing else. It refuses nothing. Whatever is not exactly so, or what the handler
does not take, goes the long way (runtime/http.py), where each refusal has its one place; so nothing may have happened when a handler says no.
"""

import asyncio
import logging
import re
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
_LENGTH = re.compile(rb"\r\ncontent-length: ?([1-9][0-9]{0,3})\r\n", re.IGNORECASE)
_LENGTH_DIGITS_MAX = 4
_BODY_BYTES_MAX = 10**_LENGTH_DIGITS_MAX - 1
_ZERO = ord("0")

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


class _Known(NamedTuple):
    """A head that was found plain, cut in two where its Content-Length stands, and what it said."""

    before: bytes
    after: bytes
    handler: QuickHandler
    token: str


class QuickLane:
    """The quick way of one connection.

    A client sends the same head again and again. A packet that begins with the bytes of the last plain head, but for the number of its length, and
    goes on with exactly so many bytes, says what it says without being parsed: a quarter of what was left of an order's time.

    Args:
        address: the peer's.
        write: takes the bytes of each answer, in a later turn of the loop than the one that began it.
    """

    def __init__(self, routes: QuickRoutes, address: str, write: Callable[[bytes], None]) -> None:
        self._routes = routes
        self._address = address
        self._write = write
        self._known: _Known | None = None

    def begin_again(self, packet: bytes) -> bool:
        """Begin to answer a packet that needs no parser; it must stand where a request may begin. False when it does need it."""
        known = self._known
        if known is None or not packet.startswith(known.before):
            return False
        start = len(known.before)
        end = packet.find(b"\r", start, start + _LENGTH_DIGITS_MAX + 1)
        digits = packet[start:end]
        if end < 0 or not digits.isdigit() or digits[0] == _ZERO or not packet.startswith(known.after, end):
            return False
        body = packet[end + len(known.after) :]
        return len(body) == int(digits) and self._hand_over(known, body)

    def forget(self) -> None:
        """A packet goes to the parser: what comes after it need not be the begin of a request."""
        self._known = None

    def begin(self, packet: bytes, head: object, content: StreamReader) -> bool:
        """Begin to answer the request that aiohttp has read from ``packet``. False when it must go the long way."""
        if not isinstance(head, RawRequestMessage):  # what could not be parsed
            return False
        handler = self._routes.handlers.get(head.path)
        if handler is None or head.method != "POST" or head.version != HttpVersion11 or head.should_close or head.upgrade or head.chunked:
            return False
        if not 0 < content.total_bytes <= _BODY_BYTES_MAX or not content.is_eof() or content.exception() is not None:
            return False
        body = content._buffer[0]  # noqa: SLF001 - aiohttp has no public way to take a body as it is
        token = self._token_of(head.raw_headers)
        if token is None or len(body) != content.total_bytes:
            return False
        known = _Known(b"", b"", handler, token)
        if not self._hand_over(known, body):
            return False
        self._known = _cut(packet[: -len(body)], head, known)
        return True

    def _hand_over(self, known: _Known, body: bytes) -> bool:
        asked = Asked(known.token, body, self._address, self._routes.next_id())
        try:
            begun = known.handler(asked)
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


def _cut(raw: bytes, head: RawRequestMessage, known: _Known) -> _Known | None:
    """``known`` with the bytes of ``head``; None when ``raw`` is not all of its bytes, or not in the usual form."""
    length = _LENGTH.search(raw)
    is_whole = raw.startswith(b"POST %b HTTP/1.1\r\n" % head.path.encode()) and raw.count(b"\r\n") == len(head.raw_headers) + 2
    if length is None or not is_whole or not raw.endswith(b"\r\n\r\n"):
        return None
    return known._replace(before=raw[: length.start(1)], after=raw[length.end(1) :])


def _failed(error: Exception) -> Begun:
    future = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future, lambda failed: failed.result()
