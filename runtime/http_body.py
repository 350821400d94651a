"""Reading what a client sent: bounded, within a time, and to the letter.

JSON is read as RULES S-H1 says: size, then the text (no NaN, no Infinity, fractions as Decimal, no key twice), then its measures (depth, keys, string
and list lengths, numbers a float64 can hold), then the declared type. Every refusal is an ``ApiError`` with a code of its own.
"""

import asyncio
import dataclasses
import json
from collections.abc import Hashable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NoReturn, TypeVar, cast

import msgspec
from aiohttp import StreamReader, web

from runtime.http_answers import ApiError

T = TypeVar("T")

BODY_BYTES_MAX = 64 * 1024
AUTH_BODY_BYTES_MAX = 8 * 1024
BODY_S_MAX = 10.0

DEPTH_MAX = 16
KEYS_MAX = 64
STRING_CHARS_MAX = 256
LIST_ITEMS_MAX = 100
# The powers of ten a float64 holds with all its digits; beyond them a number is no price, size or time.
NUMBER_EXPONENT_MAX = 30
_INTEGER_MAX = 10**NUMBER_EXPONENT_MAX


async def read_body(request: web.Request, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The whole body.

    Raises:
        ApiError: 413 over ``bytes_max``, 408 when it is not there after 10 s (aiohttp itself waits for ever: measured).
    """
    content = request.content
    if content.is_eof():  # nearly always: a small body comes in the same packet as its head
        body = _whole_body(content, bytes_max)
    elif (request.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    else:
        try:
            async with asyncio.timeout(BODY_S_MAX):
                parts: list[bytes] = []
                size = 0
                while part := await content.readany():
                    size += len(part)
                    if size > bytes_max:
                        raise _too_large(bytes_max)
                    parts.append(part)
                body = b"".join(parts)
        except TimeoutError:
            raise ApiError(408, "BODY_TIMEOUT", "the body did not arrive within 10 s; send it again", close=True) from None
    if len(body) > bytes_max:
        raise _too_large(bytes_max)
    return body


def _whole_body(content: StreamReader, bytes_max: int) -> bytes:
    """A body that is all there. ``read_nowait`` also looks after the flow of one that is still coming, for five times the price."""
    if 0 < content.total_bytes <= bytes_max and content.exception() is None:
        chunks = content._buffer  # noqa: SLF001 - aiohttp has no public way to take it as it is
        if len(chunks) == 1 and len(chunks[0]) == content.total_bytes:
            return chunks[0]
    return content.read_nowait()


async def read_json(request: web.Request, kind: type[T], bytes_max: int = BODY_BYTES_MAX, *, string_max: int = STRING_CHARS_MAX) -> T:
    """The body as a valid ``kind`` (a dataclass or msgspec struct). An empty body is read as ``{}``."""
    return convert(parse_object(await read_body(request, bytes_max) or b"{}", string_max=string_max), kind)


async def read_object(request: web.Request, bytes_max: int = BODY_BYTES_MAX) -> dict[str, Any]:
    """The body as a map whose measures are right; which fields it may have is the caller's to check."""
    return parse_object(await read_body(request, bytes_max) or b"{}")


def parse_object(body: bytes, *, string_max: int = STRING_CHARS_MAX) -> dict[str, Any]:
    """The JSON object in ``body``; ``string_max`` is for the one body that carries an access token.

    Raises:
        ApiError: 400, with the code of what is wrong.
    """
    try:
        value = _DECODER.decode(body.decode())
    except ApiError:
        raise
    except RecursionError:
        raise ApiError(400, "JSON_TOO_DEEP", f"the body nests deeper than {DEPTH_MAX} levels") from None
    except ValueError as error:  # also UnicodeDecodeError and integers of thousands of digits
        raise ApiError(400, "JSON_MALFORMED", f"the body is not JSON: {_short(error)}") from None
    if type(value) is not dict:
        raise ApiError(400, "JSON_NOT_AN_OBJECT", "the body must be a JSON object: {…}")
    _measure(value, 1, string_max)
    return value


def convert(value: Mapping[str, Any], kind: type[T]) -> T:
    """``value`` as a ``kind``; fields it does not have are refused by name."""
    known = _field_names(cast("Hashable", kind))
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ApiError(
            400,
            "UNKNOWN_FIELD",
            f"unknown field {unknown[0]}; known are {', '.join(sorted(known))}",
            {"fields": sorted(unknown), "known": sorted(known)},
        )
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        raise ApiError(400, "INVALID_FIELD", message, {"path": message.rpartition("`$")[2].rstrip("`").lstrip(".")}) from None


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query parameters as a ``kind``; numbers and booleans are read from their text.

    Raises:
        ApiError: 400 for an unknown parameter, one given twice, or a value of the wrong type.
    """
    query = request.query
    if not query:
        return convert({}, kind)
    known = _field_names(cast("Hashable", kind))
    values: dict[str, str] = {}
    for name, text in query.items():
        if name not in known:
            raise ApiError(400, "UNKNOWN_PARAMETER", f"unknown parameter {name[:64]}; known are {', '.join(sorted(known))}", {"known": sorted(known)})
        if name in values:
            raise ApiError(400, "INVALID_PARAMETER", f"{name} is given twice", {"parameter": name})
        if len(text) > STRING_CHARS_MAX * 4:  # a cursor lists every source
            raise ApiError(400, "INVALID_PARAMETER", f"{name} is too long", {"parameter": name})
        values[name] = text
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        message = str(error)
        raise ApiError(400, "INVALID_PARAMETER", message, {"parameter": message.rpartition("`$")[2].rstrip("`").lstrip(".")}) from None


@lru_cache(maxsize=256)
def _field_names(kind: Hashable) -> frozenset[str]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return frozenset(field.name for field in dataclasses.fields(kind))
    return frozenset(cast("Any", kind).__struct_encode_fields__)


def _refuse_constant(text: str) -> NoReturn:
    raise ApiError(400, "NUMBER_NOT_FINITE", f"{text} is no number JSON knows")


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ApiError(400, "DUPLICATE_KEY", f"{twice[:64]} is given twice", {"field": twice[:64]})
    if len(result) > KEYS_MAX:
        raise ApiError(400, "JSON_TOO_LARGE", f"an object has more than {KEYS_MAX} keys")
    return result


# Made once: json.loads would make one a call. A byte order mark is no whitespace to it, so such a body is malformed, as the standard has it.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=Decimal, object_pairs_hook=_read_pairs)


def _measure(value: Any, depth: int, string_max: int) -> None:
    """Check what the parser cannot: depth, lengths, and how large or small a number is."""
    if depth > DEPTH_MAX:
        raise ApiError(400, "JSON_TOO_DEEP", f"the body nests deeper than {DEPTH_MAX} levels")
    if type(value) is dict:
        for key in value:
            if len(key) > STRING_CHARS_MAX:
                raise ApiError(400, "STRING_TOO_LONG", f"a key has more than {STRING_CHARS_MAX} characters")
        items: Any = value.values()
    else:
        if len(value) > LIST_ITEMS_MAX:
            raise ApiError(400, "JSON_TOO_LARGE", f"a list has more than {LIST_ITEMS_MAX} items")
        items = value
    for item in items:
        kind = type(item)
        if kind is str:
            if len(item) > string_max:
                raise ApiError(400, "STRING_TOO_LONG", f"a string has more than {string_max} characters")
            if not item.isascii() and any("\ud800" <= char <= "\udfff" for char in item):
                raise ApiError(400, "JSON_MALFORMED", "a string holds half a surrogate pair, which no text can hold")
        elif kind is int:
            if not -_INTEGER_MAX <= item <= _INTEGER_MAX:
                raise ApiError(400, "NUMBER_OUT_OF_RANGE", "a whole number is out of range")
        elif kind is Decimal:
            if not -NUMBER_EXPONENT_MAX <= item.adjusted() <= NUMBER_EXPONENT_MAX and item:
                raise ApiError(400, "NUMBER_OUT_OF_RANGE", f"{str(item)[:40]} is out of range")
        elif kind is dict or kind is list:
            _measure(item, depth + 1, string_max)


def _too_large(bytes_max: int) -> ApiError:
    return ApiError(413, "BODY_TOO_LARGE", f"the body has more than {bytes_max} bytes", {"bytes_max": bytes_max}, close=True)


def _short(error: ValueError) -> str:
    """What the parser says, without the document it quotes."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno} column {error.colno}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "a number has too many digits"
