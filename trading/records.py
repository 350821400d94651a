"""Records: the flat form in which brackets, fills and trades go to a store and come back, digit for digit.

A record maps field names to text, whole numbers, booleans and None; a Decimal is its own text, an enumeration its value. A bracket's order is a
record inside the record. What a record of an earlier version lacks takes the field's default.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

ValueT = TypeVar("ValueT")

Record = dict[str, Any]


def to_record(value: object) -> Record:
    """The record of a frozen dataclass value (Bracket, BracketOrder, Fill, Trade)."""
    return {name: _plain(getattr(value, name)) for name in _names(type(value))}


def from_record(kind: type[ValueT], record: Mapping[str, Any]) -> ValueT:
    """The value that ``record`` was made from.

    Raises:
        TypeError: a field without a default is missing.
        ValueError, ArithmeticError: text that is no such number or name.
    """
    readers = _readers(kind)
    return kind(**{name: readers[name](value) for name, value in record.items() if name in readers})


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, StrEnum):
        return str(value)
    return to_record(value) if is_dataclass(value) else value


def _names(kind: Any) -> tuple[str, ...]:
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in fields(kind))
    return names


def _readers(kind: Any) -> dict[str, Callable[[Any], Any]]:
    readers = _READERS.get(kind)
    if readers is None:
        hints = get_type_hints(kind)
        readers = _READERS[kind] = {name: _reader(hints[name]) for name in _names(kind)}
    return readers


# Field names and readers of each kind, worked out once: records are written for every order.
_NAMES: dict[Any, tuple[str, ...]] = {}
_READERS: dict[Any, dict[str, Callable[[Any], Any]]] = {}


def _reader(hint: Any) -> Callable[[Any], Any]:
    if isinstance(hint, UnionType):
        inner = _reader(next(part for part in get_args(hint) if part is not type(None)))
        return lambda value: None if value is None else inner(value)
    if hint is Decimal:
        return Decimal
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value: from_record(hint, value)
    return lambda value: value
