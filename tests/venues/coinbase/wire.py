"""How Coinbase Advanced Trade writes things: every number a decimal string, every time RFC 3339 in UTC with a Z.

A number that a client sent is kept as it was sent (".19" comes back ".19"); only what the venue reckons itself is written here.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal

from runtime.clock import NS_PER_S
from tests.venues.coinbase.refusals import BadRequest
from trading.money import plain

_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)\Z")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z\Z")


def text(value: Decimal) -> str:
    """``value`` without exponent and without trailing zeros."""
    return format(plain(value), "f")


def rfc3339(time_ns: int) -> str:
    """``2026-10-16T17:55:27.021043Z``, to the microsecond; a whole second has no fraction, as protocol buffers write it."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    micros = f".{rest // 1000:06d}" if rest >= 1000 else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{micros}Z"


def rfc3339_nano(time_ns: int) -> str:
    """The same to the nanosecond: how the websocket stamps its messages."""
    seconds, rest = divmod(time_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def read_time(value: object, name: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time in UTC.

    Raises:
        BadRequest: not a string of that form.
    """
    match = _TIME.match(value) if isinstance(value, str) else None
    if match is None:
        raise BadRequest(f'parsing field "{name}": not an RFC 3339 time in UTC: {value!r}')
    try:
        whole = datetime.fromisoformat(match[1] + "+00:00")
    except ValueError:
        raise BadRequest(f'parsing field "{name}": no such time: {value!r}') from None
    return int(whole.timestamp()) * NS_PER_S + int((match[2] or "").ljust(9, "0"))


def read_number(value: object, name: str) -> Decimal:
    """A decimal that was sent as a string; a JSON number is refused, as the venue's own JSON reader refuses it.

    Raises:
        BadRequest: not a string, or not a plain non-negative decimal.
    """
    if not isinstance(value, str):
        raise BadRequest(f'parsing field "{name}": numbers are sent as strings, got {type(value).__name__}')
    if _NUMBER.match(value) is None:
        raise BadRequest(f'parsing field "{name}": not a decimal number: {value!r}')
    return Decimal(value)


def read_text(value: object, name: str, *, empty: bool = False) -> str:
    """A string; an empty one only where ``empty`` says so.

    Raises:
        BadRequest: something else.
    """
    if not isinstance(value, str) or (not value and not empty):
        raise BadRequest(f'parsing field "{name}": a string is needed')
    return value
