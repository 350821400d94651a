"""What every HTTP answer of the arena looks like: JSON, one error shape, and the same guarding headers on all of them.

Money in an answer is a number (DESIGN 2.7): an integer when whole, else the float64 whose shortest form has the same digits. The bytes of an answer
depend on its data alone, key order included, so a replayed answer is the first one byte for byte.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from http import HTTPStatus

import msgspec
from aiohttp import ClientConnectionResetError, HttpVersion10, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time

# S-W6, to the letter. `arena` is the page's one Trusted Types policy.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types arena"
)
GUARD_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "arena",  # aiohttp would name itself, Python and both versions
}
REQUEST_ID = web.RequestKey("request_id", str)
_ENCODER = msgspec.json.Encoder()
_JSON = "application/json; charset=utf-8"
_JSON_LINE = f"Content-Type: {_JSON}\r\n"
# What most answers carry besides their own headers, written once.
_GUARD_LINES = "".join(f"{name}: {value}\r\n" for name, value in GUARD_HEADERS.items())
_GUARD_NAMES = frozenset(name.lower() for name in GUARD_HEADERS)
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_HSTS = "Strict-Transport-Security: max-age=31536000\r\n"
_FORBIDDEN_IN_HEADERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# More than this still unsent: the client does not read, and gets nothing more until it does.
_UNSENT_BYTES_MAX = 64 * 1024


class Answer(web.Response):
    """An answer with a body in memory; it leaves in one write, with the guarding headers and the request's id.

    aiohttp writes a head header by header; most of ours is constant, and doing it here halves what an answer costs. ``headers`` holds only the
    answer's own; one that it sets itself wins over the guarding header of that name.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._eof_sent or self._payload_writer is not None:
            return self._payload_writer
        self._req = request
        self._payload_writer = request.writer
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        return request.writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp's signature
        request = self._req
        if self._eof_sent or request is None:
            return
        body = self._body if isinstance(self._body, bytes) else b""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ClientConnectionResetError("the client has gone")
        transport.write(self._head(request, len(body)).encode() + (b"" if request.method == "HEAD" else body))
        self._eof_sent = True
        self._req = None
        self._payload_writer = None
        self._body_length = len(body)
        if transport.get_write_buffer_size() > _UNSENT_BYTES_MAX:
            await request.writer.drain()

    def _head(self, request: web.BaseRequest, length: int) -> str:
        own = ""
        if self._cookies:
            own += "".join(f"Set-Cookie: {cookie.OutputString()}\r\n" for cookie in self._cookies.values())
        if not self._keep_alive:
            own += "Connection: close\r\n"
        elif request.version == HttpVersion10:
            own += "Connection: keep-alive\r\n"
        return answer_head(self._status, self._headers.items(), own, length, request.get(REQUEST_ID, "-"), tls=request.secure)


def answer_head(
    status: int,
    headers: Iterable[tuple[str, str]],
    more: str,
    length: int,
    request_id: str,
    *,
    tls: bool,
) -> str:
    """The head of an answer: its own ``headers``, the lines in ``more``, and what every answer carries."""
    own = ""
    guards = _GUARD_LINES
    overruled: list[str] = []
    for name, value in headers:
        if _FORBIDDEN_IN_HEADERS.search(value) is not None:
            raise ValueError(f"the header {name} holds a control character")
        own += f"{name}: {value}\r\n"
        if name.lower() in _GUARD_NAMES:
            overruled.append(name.lower())
    if overruled:
        guards = "".join(f"{guard}: {text}\r\n" for guard, text in GUARD_HEADERS.items() if guard.lower() not in overruled)
    if tls:
        more += _HSTS
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    return f"{line}{own}{more}Content-Length: {length}\r\nX-Request-ID: {request_id}\r\nDate: {rfc822_formatted_time()}\r\n{guards}\r\n"


class ApiError(Exception):
    """A refusal as HTTP tells it: ``status``, a stable ``code``, what to do about it, and the values it is about.

    ``headers`` go on the answer (``Retry-After``); ``close`` ends the connection after it, for bodies not worth reading on.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details: dict[str, object] = dict(details or {})
        self.headers: dict[str, str] = dict(headers or {})
        self.close = close


def wire_number(value: Decimal) -> int | float:
    """``value`` as the number that travels: whole ones as int, others as the float64 with the same shortest digits."""
    return int(value) if value == value.to_integral_value() else float(value)


def plain(value: object) -> object:
    """``value`` with every Decimal inside turned into the number that travels; maps and lists are copied only as deep as they go."""
    kind = type(value)
    if kind is Decimal:
        return wire_number(value)  # type: ignore[arg-type]  # an int, float or Decimal by now
    if kind is dict:
        if _SCALARS.issuperset(map(type, value.values())):  # type: ignore[attr-defined]  # a dict: its type was looked at
            return value
        return {key: item if type(item) in _SCALARS else plain(item) for key, item in value.items()}  # type: ignore[attr-defined]  # a dict
    if kind is list or kind is tuple:
        return [item if type(item) in _SCALARS else plain(item) for item in value]  # type: ignore[attr-defined]  # a list or tuple: likewise
    if kind in _SCALARS:
        return value
    return plain(msgspec.to_builtins(value, builtin_types=(Decimal,)))


_SCALARS = frozenset({str, int, float, bool, type(None)})


def json_bytes(data: object) -> bytes:
    """``data`` (maps, lists, scalars, Decimals, dataclasses, msgspec structs) as JSON."""
    return _ENCODER.encode(plain(data))


def plain_json_answer(status: int, headers: Mapping[str, str], data: object, request_id: str, *, tls: bool) -> bytes:
    """What :func:`json_answer` becomes on a connection of HTTP/1.1 that stays open, without the object round it: an eighth of an order's time."""
    body = json_bytes(data)
    return answer_head(status, headers.items(), _JSON_LINE, len(body), request_id, tls=tls).encode() + body


def json_answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of JSON; ``headers`` are added or win."""
    answer = Answer(body=json_bytes(data), status=status, headers=headers)
    answer.headers.setdefault("Content-Type", _JSON)
    return answer


def error_body(code: str, message: str, details: Mapping[str, object], request_id: str) -> dict[str, object]:
    """The one shape of every refusal."""
    return {"ok": False, "code": code, "message": message, "details": dict(details), "request_id": request_id}


def internal_body(request_id: str) -> dict[str, object]:
    """The body of a 500."""
    return error_body("INTERNAL", "this is a fault of ours; the log has more under the request id", {}, request_id)


def error_data(error: ApiError, request_id: str, extra: Mapping[str, object] | None = None) -> dict[str, object]:
    """``error`` as a body; ``extra`` fields (a minted client_order_id) are put into it."""
    return {**error_body(error.code, error.message, error.details, request_id), **(extra or {})}


def error_answer(error: ApiError, request_id: str, *, extra: Mapping[str, object] | None = None) -> web.Response:
    """``error`` as an answer, see :func:`error_data`."""
    answer = json_answer(error_data(error, request_id, extra), error.status, error.headers)
    if error.close:
        answer.force_close()
    return answer


def file_answer(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that is not JSON (a page, a style sheet, metrics), guarded the same."""
    answer = Answer(body=body, headers=headers)
    answer.headers["Content-Type"] = content_type
    return answer
