"""Times as text: RFC 3339, UTC, microseconds, ``Z``. Inside, a time is an integer of nanoseconds since 1970; text exists only at the edges."""

from datetime import UTC, datetime
from functools import lru_cache


def to_text(ns: int) -> str:
    """``2025-10-16T11:55:27.021050Z`` for nanoseconds since 1970; what is below a microsecond is cut, not rounded."""
    seconds, rest_ns = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest_ns // 1000:06d}Z"


@lru_cache(16)  # events of one second share its text
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def from_text(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 text with a zone.

    Raises:
        ValueError: not RFC 3339, or without a zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; end it in Z for UTC")
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
