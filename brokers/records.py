"""Values as they are kept in a column: JSON in which every Decimal is a string, so what is read back is equal to the last digit.

Fields that hold their default, the very object, are left out: half of a fresh bracket's are, and a field that a later version adds then reads as its
default. One that is equal but another object is written, which reads the same.
"""

from collections.abc import Callable
from dataclasses import fields
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Generic, TypeVar

import msgspec

ValueT = TypeVar("ValueT")


class RecordCodec(Generic[ValueT]):
    """Turns one kind of frozen dataclass into text and back."""

    def __init__(self, kind: type[ValueT]) -> None:
        described = fields(kind)  # type: ignore[arg-type]  # a dataclass
        self._names = [field.name for field in described]
        self._defaults: list[object] = [field.default for field in described]  # MISSING where there is none: nothing is that
        self._held: Callable[[Any], Any] = attrgetter(*self._names)
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string").encode
        self._decode: Callable[[str | bytes], ValueT] = msgspec.json.Decoder(kind).decode

    def text(self, value: ValueT) -> str:
        held = self._held(value)
        kept = compress(zip(self._names, held, strict=True), map(is_not, held, self._defaults))
        return self._encode(dict(kept)).decode()

    def value(self, text: str) -> ValueT:
        return self._decode(text)
