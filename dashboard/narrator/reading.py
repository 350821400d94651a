"""Reading an event's payload without trusting it.

Rick comments on every journalled event, so no payload may stop him: a field that is missing or of another type reads as None and the comment does
without it. Text is made printable and cut here, once; it stays text (``<b>`` is four characters), the page shows it as such.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache

import msgspec

# Instrument names have at most 25 characters and order ids fewer than 48; a longer word is not one of ours.
WORD_CHARS_MAX = 48


def clean(text: str, chars_max: int = WORD_CHARS_MAX) -> str:
    """``text`` on one line: what is not printable becomes a space, and what is too long is cut with an ellipsis."""
    if len(text) <= chars_max and text.isprintable():
        return text
    line = "".join(char if char.isprintable() else " " for char in text[: chars_max + 1])
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


# A msgspec.Struct and no dataclass, as the others that each event makes: these are made in a tenth of the time.
class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One journalled event of a broker as Rick reads it; (source, epoch, seq) names it for good."""

    source: str
    epoch: str
    seq: int
    type: str
    payload: Mapping[str, object]

    @property
    def order_id(self) -> str | None:
        """The bracket it is about; None where it is about the source as a whole."""
        return self.word("order_id")

    def word(self, key: str, chars_max: int = WORD_CHARS_MAX) -> str | None:
        """The field as printable text, or None where it is no text or empty."""
        value = self.payload.get(key)
        if type(value) is str and 0 < len(value) <= chars_max and value.isprintable():
            return value
        return clean(value, chars_max) if isinstance(value, str) and value else None

    def number(self, key: str) -> Decimal | None:
        """The field as an exact number, or None where it is no finite number."""
        return number(self.payload.get(key))

    def mapping(self, key: str) -> Mapping[str, object]:
        """The field as a mapping; empty where it is none."""
        value = self.payload.get(key)
        return value if isinstance(value, Mapping) else {}


def number(value: object) -> Decimal | None:
    """``value`` exactly as its shortest digits say, or None where it is no finite number (a bool is none)."""
    if type(value) is float and value:
        return _of_float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact if exact.is_finite() else None


@lru_cache(4096)  # prices lie on ticks and sizes are round: few are new. Not for 0.0, which would be -0.0's too
def _of_float(value: float) -> Decimal | None:
    exact = Decimal(repr(value))
    return exact if exact.is_finite() else None
