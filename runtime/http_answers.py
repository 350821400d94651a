"""What every HTTP answer of the arena looks like: JSON, one error shape, and the same guarding headers on all of them.

Money in an answer is a number (DESIGN 2.7): an integer when whole, else the float64 whose shortest form has the same digits. The bytes of an answer
depend on its data alone, key order included, so a replayed answer is the first one byte for byte.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
from aiohttp import web
from multidict import CIMultiDict

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
_JSON_HEADERS = CIMultiDict({**GUARD_HEADERS, "Content-Type": "application/json; charset=utf-8"})

REQUEST_ID = web.RequestKey("request_id", str)
_ENCODER = msgspec.json.Encoder()


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
        return wire_number(value)  # type: ignore[arg-type]
    if kind is dict:
        return {key: item if type(item) in _SCALARS else plain(item) for key, item in value.items()}  # type: ignore[attr-defined]
    if kind is list or kind is tuple:
        return [item if type(item) in _SCALARS else plain(item) for item in value]  # type: ignore[attr-defined]
    if kind in _SCALARS:
        return value
    return plain(msgspec.to_builtins(value, builtin_types=(Decimal,)))


_SCALARS = frozenset({str, int, float, bool, type(None)})


def json_bytes(data: object) -> bytes:
    """``data`` (maps, lists, scalars, Decimals, dataclasses, msgspec structs) as JSON."""
    return _ENCODER.encode(plain(data))


def json_answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of JSON with the guarding headers; ``headers`` are added or win."""
    all_headers = _JSON_HEADERS.copy()
    if headers:
        all_headers.update(headers)
    return web.Response(body=json_bytes(data), status=status, headers=all_headers)


def error_body(code: str, message: str, details: Mapping[str, object], request_id: str) -> dict[str, object]:
    """The one shape of every refusal."""
    return {"ok": False, "code": code, "message": message, "details": dict(details), "request_id": request_id}


def error_answer(error: ApiError, request_id: str, *, extra: Mapping[str, object] | None = None) -> web.Response:
    """``error`` as an answer; ``extra`` fields (a minted client_order_id) are put into its body."""
    body = error_body(error.code, error.message, error.details, request_id)
    if extra:
        body.update(extra)
    answer = json_answer(body, error.status, {**error.headers, "X-Request-ID": request_id})
    if error.close:
        answer.force_close()
    return answer


def file_answer(body: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer that is not JSON (a page, a style sheet, metrics), guarded the same."""
    all_headers = CIMultiDict(GUARD_HEADERS)
    all_headers["Content-Type"] = content_type
    if headers:
        all_headers.update(headers)
    return web.Response(body=body, headers=all_headers)
