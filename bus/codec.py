"""The wire's bytes: one msgpack map a message, under limits that hold before and after decoding.

Whoever can reach a socket can send anything, so nothing is decoded that has not been measured, and nothing is handed on whose shape was not looked
at: plain maps with text keys, depth at most 16, finite numbers, no binary, no extension types. Every message gets a fresh decoder: one that is used
again after an error may crash (CVE-2026-57585).

Money is ``Decimal`` inside and a number on the wire: an integer when whole, else the float64 whose shortest form has the same digits. Fifteen
significant digits always survive that round trip and sixteen may not, so more are refused, never rounded.

Source: docs/protocol.md, sections 1 and 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import msgpack
import msgspec

from trading.errors import InvalidRequest

BODY_BYTES_MAX = 65_536
REPLY_BYTES_MAX = 2_097_152
SIGNIFICANT_DIGITS_MAX = 15

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
# Below 1e-300 a float64 loses digits and above 1e300 it may overflow; no price is near either.
_EXPONENT_MAX = 300

_PLAIN = frozenset({str, int, float, bool, type(None)})

_encode_plain = msgspec.msgpack.Encoder().encode


class MalformedMessage(InvalidRequest):
    """Bytes that are no message: too long, not msgpack, or of a shape that is refused."""

    default_code = "MALFORMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one message may hold.

    ``unique_keys`` refuses a map that names a key twice, where two readers could disagree about which value counts. It costs a third of the
    decoding (measured: 2.4 to 3.7 µs for an event), so only what outsiders send is read that way: an event's bytes were made from a dict by
    its owner, and the chain vouches for them.
    """

    body_bytes: int = BODY_BYTES_MAX
    text_bytes: int = 8192
    array_items: int = 256
    map_keys: int = 64
    binary_bytes: int = 0
    depth: int = 16
    unique_keys: bool = True


EVENT_LIMITS = Limits(unique_keys=False)
REQUEST_LIMITS = Limits()
REPLY_LIMITS = Limits(body_bytes=REPLY_BYTES_MAX, array_items=500)
# A page of a journal is a list of bodies, each decoded later under the limits of an event.
REPLAY_LIMITS = Limits(body_bytes=REPLY_BYTES_MAX, array_items=500, binary_bytes=BODY_BYTES_MAX)


def pack(message: object) -> bytes:
    """The msgpack bytes of ``message``; a Decimal in it becomes a number by :func:`to_wire`.

    Raises:
        ValueError: a value that the wire does not carry.
    """
    try:
        packed: bytes = msgpack.packb(message, default=_encode_other)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"cannot be sent: {error}") from error
    return packed


def pack_plain(message: dict[str, object]) -> bytes:
    """The same bytes for a message of plain values, as :func:`encode_payload` makes them, in a third of the time. A Decimal would become text.

    Raises:
        ValueError: half a surrogate pair, or an integer that does not fit 64 bits.
    """
    try:
        return _encode_plain(message)
    except OverflowError as error:
        raise ValueError(f"cannot be sent: {error}") from error


def is_flat_and_plain(message: object) -> bool:
    """Whether ``message`` is a map of nothing but texts, numbers of the wire, booleans and nulls: what ``pack_plain`` may write."""
    return type(message) is dict and _PLAIN.issuperset(map(type, message.values()))


def unpack(body: bytes, limits: Limits = REQUEST_LIMITS) -> dict[str, object]:
    """The one map in ``body``.

    Raises:
        MalformedMessage: over a limit, not msgpack, or not a map.
    """
    message = unpack_value(body, limits)
    if type(message) is not dict:
        raise MalformedMessage("a message is one map")
    return message


def unpack_value(body: bytes, limits: Limits = REQUEST_LIMITS) -> object:
    """The one value in ``body``: a map, or the array of maps of a batch.

    Raises:
        MalformedMessage: over a limit or not msgpack.
    """
    if len(body) > limits.body_bytes:
        raise MalformedMessage(f"a message has at most {limits.body_bytes} bytes, this one has {len(body)}")
    try:
        message = msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_unique if limits.unique_keys else None,
            max_str_len=limits.text_bytes,
            max_bin_len=limits.binary_bytes,
            max_array_len=limits.array_items,
            max_map_len=limits.map_keys,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise MalformedMessage(f"not a message: {error or type(error).__name__}") from None
    _check(message, limits.depth, binary=limits.binary_bytes > 0)
    return message


def _unique(pairs: list[tuple[object, object]]) -> dict[object, object]:
    message = dict(pairs)
    if len(message) != len(pairs):
        raise ValueError("a map names a key twice")
    return message


def _check(value: object, depth: int, *, binary: bool) -> None:
    """Refuse what the decoder lets through: NaN, infinities, deep nesting, keys of empty binary, extension types of no length."""
    kind = type(value)
    if kind is dict:
        if depth == 0:
            raise MalformedMessage("nested too deeply")
        for key, item in value.items():  # type: ignore[attr-defined]  # a dict: its type was looked at above
            if type(key) is not str:
                raise MalformedMessage("keys are text")
            inner = type(item)
            if inner is str or inner is int:  # the most frequent two, without a call
                continue
            _check(item, depth - 1, binary=binary)
    elif kind is list:
        if depth == 0:
            raise MalformedMessage("nested too deeply")
        for item in value:  # type: ignore[attr-defined]  # a list or tuple: likewise
            _check(item, depth - 1, binary=binary)
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # a float: likewise
            raise MalformedMessage("numbers are finite")
    elif kind is bytes:
        if not binary:
            raise MalformedMessage("binary has no place here")
    elif not (kind is str or kind is int or kind is bool or value is None):
        raise MalformedMessage(f"{kind.__name__} has no place here")


def to_wire(value: Decimal) -> int | float:
    """``value`` as it travels: an integer when whole, else the float64 whose shortest form has the same digits.

    Raises:
        ValueError: not finite, more than 15 significant digits, or out of range. Computed money is quantised first.
    """
    text = str(value)
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that travels")
    if len(text) <= SIGNIFICANT_DIGITS_MAX and "E" not in text:  # nearly every price and size: no more than 15 digits, whatever they are
        if "." not in text:
            return int(text)
        number = float(text)
        return int(number) if number.is_integer() else number
    if len(value.as_tuple().digits) > SIGNIFICANT_DIGITS_MAX:
        value = _without_trailing_zeros(value)
    if value == value.to_integral_value():
        whole = int(value) if value.adjusted() < 19 else _INT_MAX + 1
        if not _INT_MIN <= whole <= _INT_MAX:
            raise ValueError(f"{value} does not fit 64 bits")
        return whole
    if value.adjusted() < -_EXPONENT_MAX:
        raise ValueError(f"{value} is too small to travel")
    return float(value)


def _without_trailing_zeros(value: Decimal) -> Decimal:
    """``value`` with at most 15 digits, or ValueError. Not ``normalize()``: that one rounds to the context's precision."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    kept = len(digits)
    while kept > 1 and digits[kept - 1] == 0:
        kept -= 1
    first = next((index for index, digit in enumerate(digits) if digit), kept - 1)
    if kept - first > SIGNIFICANT_DIGITS_MAX:
        raise ValueError(f"{value} has more than {SIGNIFICANT_DIGITS_MAX} significant digits: quantise it first")
    return Decimal((sign, digits[first:kept], exponent + len(digits) - kept))


def from_wire(number: int | float) -> Decimal:
    """The Decimal that ``number`` stands for: the digits of its shortest form, no more.

    Raises:
        ValueError: a bool, not finite, or more than 15 significant digits.
    """
    if type(number) is int:
        value = Decimal(number)
    elif type(number) is float and math.isfinite(number):
        value = Decimal(int(number)) if number.is_integer() and abs(number) < 1e15 else Decimal(repr(number))
    else:
        raise ValueError(f"{number!r} is not a number")
    if len(value.as_tuple().digits) > SIGNIFICANT_DIGITS_MAX:
        value = _without_trailing_zeros(value)
    return value


def encode_payload(payload: Mapping[str, object], limits: Limits = EVENT_LIMITS) -> dict[str, object]:
    """A plain copy of ``payload`` as a reader of the wire will see it: Decimals are numbers, enums text, tuples lists.

    Checked against the limits of a reader, so that nothing is journalled that every consumer would then refuse.

    Raises:
        ValueError: a value that the wire does not carry.
    """
    return _encode_map(payload, limits, limits.depth - 1)


def _encode_map(values: Mapping[str, object], limits: Limits, depth: int) -> dict[str, object]:
    if depth <= 0 or len(values) > limits.map_keys:
        raise ValueError("nested too deeply, or a map with too many keys")
    encoded = dict(values)
    short = limits.text_bytes // 4  # of so few characters no text is too long
    for key, value in values.items():
        if type(key) is not str:
            return _encode_map(_with_plain_keys(values), limits, depth)
        kind = type(value)
        if value is None or (kind is str and len(value) <= short):  # type: ignore[arg-type]  # the most frequent, without a call
            continue
        if kind is Decimal:
            encoded[key] = to_wire(value)  # type: ignore[arg-type]  # a Decimal by then
        elif not (kind is int and _INT_MIN <= value <= _INT_MAX):  # type: ignore[operator]  # an int by then
            encoded[key] = _encode(value, limits, depth)
    return encoded


def _with_plain_keys(values: Mapping[str, object]) -> dict[str, object]:
    for key in values:
        if not isinstance(key, str):
            raise ValueError(f"{key!r} is no key: keys are text")  # noqa: TRY004 (one kind of error for every value that does not travel)
    return {str.__str__(key): value for key, value in values.items()}


def _encode(value: object, limits: Limits, depth: int) -> object:
    kind = type(value)
    if kind is Decimal:
        return to_wire(value)  # type: ignore[arg-type]  # an int, float or Decimal by now
    if isinstance(value, str):
        if len(value) * 4 > limits.text_bytes and len(value.encode()) > limits.text_bytes:
            raise ValueError(f"text of more than {limits.text_bytes} bytes")
        return value if kind is str else str.__str__(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        raise ValueError(f"{value} does not fit 64 bits")
    if kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # a float by now
            raise ValueError(f"{value} is not a number that travels")
        return value
    if isinstance(value, Mapping):
        return _encode_map(value, limits, depth - 1)
    if isinstance(value, (list, tuple)):
        if depth <= 1 or len(value) > limits.array_items:
            raise ValueError("nested too deeply, or an array with too many items")
        return [item if type(item) is int and _INT_MIN <= item <= _INT_MAX else _encode(item, limits, depth - 1) for item in value]
    raise ValueError(f"{kind.__name__} does not travel")


def _encode_other(value: object) -> object:
    """What msgpack itself cannot write: Decimals and mappings that are not dicts."""
    if type(value) is Decimal:
        return to_wire(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel")
