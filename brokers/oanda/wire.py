"""How v20 writes values, and reading them back strictly.

Numbers are decimals in quotes, times RFC 3339 in UTC, ids whole numbers in quotes. A reader here returns the value or raises ``Malformed``; it never
guesses: an answer without what it must have leaves the outcome of a request in doubt, and that is for the caller to say. Whatever else an answer
holds is passed over, since the live API sends keys and words that no published file names.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from runtime import timestamps

Json = Mapping[str, object]

# The account's counter of transactions; 64 bits are nineteen digits.
_ID = re.compile(r"\d{1,19}", re.ASCII)
# No price, size or balance has more characters; longer ones are not worth an exact arithmetic.
_NUMBER = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)


class Malformed(ValueError):
    """The venue's JSON is not what it must be; the message names the key and holds no value."""


def text(data: Json, key: str) -> str:
    """The text under ``key``, not empty."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{key} is no text")
    return value


def text_or(data: Json, key: str, default: str = "") -> str:
    """The text under ``key``, ``default`` where there is none: for what only explains."""
    value = data.get(key)
    return value if isinstance(value, str) else default


def number(data: Json, key: str) -> Decimal:
    """The decimal under ``key``, in quotes or as JSON's own number."""
    value = data.get(key)
    if type(value) is int or (isinstance(value, Decimal) and value.is_finite()):
        return Decimal(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise Malformed(f"{key} is no number")
    return Decimal(value)


def number_or(data: Json, key: str, default: Decimal) -> Decimal:
    """As ``number``, ``default`` where the key is absent or null; what is there and no number is Malformed all the same."""
    return default if data.get(key) is None else number(data, key)


def identity(data: Json, key: str) -> str:
    """A transaction's, order's or trade's id: a whole number above zero, as text."""
    if not counter(data, key):
        raise Malformed(f"{key} is no id")
    return text(data, key)


def identity_or_none(data: Json, key: str) -> str | None:
    """As ``identity``, None where the key is absent or null."""
    return None if data.get(key) is None else identity(data, key)


def counter(data: Json, key: str) -> int:
    """An id as the number it is counted with; 0 stands for an account that has no transaction yet."""
    value = data.get(key)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise Malformed(f"{key} is no id")
    return int(value)


def flag(data: Json, key: str) -> bool:
    value = data.get(key)
    if not isinstance(value, bool):
        raise Malformed(f"{key} is neither true nor false")
    return value


def part(data: Json, key: str) -> Json:
    """The object under ``key``."""
    found = part_or_none(data, key)
    if found is None:
        raise Malformed(f"{key} is missing")
    return found


def part_or_none(data: Json, key: str) -> Json | None:
    """The object under ``key``; None where it is absent or null, Malformed where it is something else."""
    value = data.get(key)
    if value is not None and not isinstance(value, dict):
        raise Malformed(f"{key} is no object")
    return value


def parts(data: Json, key: str) -> Sequence[Json]:
    """The objects of the array under ``key``, which must be there."""
    if data.get(key) is None:
        raise Malformed(f"{key} is missing")
    return parts_or_none(data, key)


def parts_or_none(data: Json, key: str) -> Sequence[Json]:
    """The objects of the array under ``key``, none where it is absent or null."""
    value = data.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"{key} is no array of objects")
    return value


def time_ns(data: Json, key: str) -> int:
    """The time under ``key`` as nanoseconds since 1970, cut to microseconds: what happened first is told by ids, never by times."""
    written = text(data, key)
    try:
        return timestamps.from_text(written)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{key} is no time with a zone") from error


def write_time(at_ns: int) -> str:
    """``2026-10-02T20:00:00.000000000Z``; a time without its Z was read in another zone."""
    return f"{timestamps.to_text(at_ns).removesuffix('Z')}000Z"


def write_number(value: Decimal) -> str:
    """Plain digits without an exponent."""
    return f"{value:f}"


def write_price(price: Decimal, decimals: int) -> str:
    """``price`` padded to ``decimals``.

    Raises:
        ValueError: it has more. A price a person chose is never rounded: it was refused long before, so here it is a bug.
    """
    padded = f"{price:.{decimals}f}"
    if Decimal(padded) != price:
        raise ValueError(f"{price} has more than {decimals} decimals")
    return padded
