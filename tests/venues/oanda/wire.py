"""How v20 writes things: every decimal as text, money with four decimals, times with nine or as seconds since 1970.

Documents are built of plain dicts; a time in one is a ``Stamp`` until it is written, for each client chooses its form.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

NS_PER_S = 1_000_000_000

Doc = dict[str, Any]

_MONEY = Decimal("0.0001")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True, order=True)
class Stamp:
    """A time, nanoseconds since 1970, not yet written."""

    ns: int

    def text(self, *, unix: bool) -> str:
        """``1234567890.000000123`` or ``2009-02-13T23:31:30.000000123Z``."""
        seconds, rest = divmod(self.ns, NS_PER_S)
        if unix:
            return f"{seconds}.{rest:09d}"
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def round_money(amount: Decimal) -> Decimal:
    """``amount`` as the account books it: four decimals."""
    return amount.quantize(_MONEY, rounding=ROUND_HALF_EVEN) + 0


def money(amount: Decimal) -> str:
    return f"{round_money(amount):f}"


def number(value: Decimal) -> str:
    """The number as it is, without an exponent and without zeros that say nothing."""
    whole = value.to_integral_value()
    return f"{whole if value == whole else value.normalize():f}"


def price(value: Decimal, decimals: int) -> str:
    """Padded with zeros to the instrument's precision; a price that has more decimals (in a reject) is shown as it came."""
    padded = value.quantize(Decimal(1).scaleb(-decimals))
    return f"{padded if padded == value else value:f}"


def encode(doc: Doc, *, unix: bool = False) -> bytes:
    """``doc`` as JSON in one line."""

    def default(value: object) -> str:
        if isinstance(value, Stamp):
            return value.text(unix=unix)
        raise TypeError(f"{value!r} cannot be written")

    return json.dumps(doc, default=default, separators=(",", ":")).encode()


def read_decimal(text: object) -> Decimal:
    """A number written as text; ValueError for anything else, a JSON number included."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is no decimal number in a string")
    return Decimal(text)


def read_time(text: object) -> int:
    """Nanoseconds since 1970 of RFC 3339 with its zone, or of seconds since 1970; ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time in a string")
    if _DECIMAL.fullmatch(text):
        return int(Decimal(text) * NS_PER_S)
    matched = _RFC3339.fullmatch(text)
    if matched is None:
        raise ValueError(f"{text!r} is no RFC 3339 time with a zone")
    seconds = int(datetime.fromisoformat(matched[1] + matched[3].replace("Z", "+00:00")).timestamp())
    return seconds * NS_PER_S + int((matched[2] or "0").ljust(9, "0"))
