"""Values as they are kept in a column: JSON in which every Decimal is a string, so what is read back is equal to the last digit.

Fields that hold their default are left out: half of a fresh bracket's are, and a field that a later version adds then reads as its default.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

ValueT = TypeVar("ValueT")


class RecordCodec(Generic[ValueT]):
    """Turns one kind of frozen dataclass into text and back."""

    def __init__(self, kind: type[ValueT]) -> None:
        self._defaults: list[tuple[str, object]] = [(field.name, field.default) for field in fields(kind)]  # type: ignore[arg-type]  # a dataclass
        self._held: Callable[[Any], Any] = attrgetter(*(name for name, _ in self._defaults))
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string").encode
        self._decode: Callable[[str | bytes], ValueT] = msgspec.json.Decoder(kind).decode

    def text(self, value: ValueT) -> str:
        kept = {
            name: held
            for (name, default), held in zip(self._defaults, self._held(value), strict=True)
            if held is not default and (default is MISSING or held != default)
        }
        return self._encode(kept).decode()

    def value(self, text: str) -> ValueT:
        return self._decode(text)
