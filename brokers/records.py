"""Values as they are kept in a column: JSON in which every Decimal is a string, so what is read back is equal to the last digit.

Fields that hold their default, the very object, are left out: half of a fresh bracket's are, and a field that a later version adds then reads as its
default. One that is equal but another object is written, which reads the same.
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
        described = fields(kind)  # type: ignore[arg-type]  # a dataclass
        # msgspec leaves out defaults of its own structures alone, so a value is put into one that has its fields. The default of a field that
        # has none is an object that nothing else is.
        with_defaults = [(field.name, object, object() if field.default is MISSING else field.default) for field in described]
        self._structure = msgspec.defstruct(kind.__name__, with_defaults, omit_defaults=True)
        self._held: Callable[[Any], Any] = attrgetter(*[field.name for field in described])
        self._encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="string").encode
        self._decode: Callable[[str | bytes], ValueT] = msgspec.json.Decoder(kind).decode

    def text(self, value: ValueT) -> str:
        return self._encode(self._structure(*self._held(value))).decode()

    def value(self, text: str) -> ValueT:
        return self._decode(text)
