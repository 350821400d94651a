"""bus/codec.py: the limits hold for anything that anybody sends, and money keeps its digits."""

from decimal import Decimal
from enum import StrEnum

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.codec import (
    BODY_BYTES_MAX,
    EVENT_LIMITS,
    REPLAY_LIMITS,
    REPLY_LIMITS,
    REQUEST_LIMITS,
    Limits,
    MalformedMessage,
    encode_payload,
    from_wire,
    pack,
    pack_plain,
    to_wire,
    unpack,
    unpack_value,
)

# Everything of at most 15 significant digits, from 64-bit integers down to 300 places.
money = st.builds(lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**15) + 1, 10**15 - 1), st.integers(-280, 3))


def nested(levels: int) -> dict[str, object]:
    message: dict[str, object] = {}
    for _ in range(levels - 1):
        message = {"m": message}
    return message


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_malformed(body: bytes) -> None:
    for limits in (REQUEST_LIMITS, EVENT_LIMITS, REPLAY_LIMITS):
        try:
            message = unpack(body, limits)
        except MalformedMessage:
            continue
        assert type(message) is dict


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20) | st.binary(max_size=4) | money,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=30,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=6))
def test_what_may_be_written_can_be_read_back(payload: dict[str, object]) -> None:
    """Whatever encode_payload lets through, every reader accepts and sees the same, whichever of the two ways it was written."""
    try:
        plain = encode_payload(payload)
    except ValueError:
        return
    packed = pack_plain({"payload": plain})
    assert packed == pack({"payload": plain})
    assert unpack(packed, EVENT_LIMITS) == {"payload": plain}


def test_half_a_surrogate_pair_does_not_travel() -> None:
    for write in (pack, pack_plain):
        with pytest.raises(ValueError, match="surrogates"):
            write({"text": "\ud800"})


@given(money)
def test_money_comes_back_with_its_digits(value: Decimal) -> None:
    number = unpack(pack({"n": value}))["n"]
    assert isinstance(number, (int, float))
    assert number == to_wire(value)
    assert from_wire(number) == value


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        ("100", 100),
        ("1E+2", 100),
        ("100.00", 100),
        ("-0", 0),
        ("1.16700", 1.167),
        ("0.00000001", 1e-8),
        ("123456789012345", 123456789012345),
        ("12345678901234.5", 12345678901234.5),
        ("0.100000000000000000000", 0.1),
        ("1000000000000000000", 10**18),
    ],
)
def test_money_travels_as_the_shortest_number(value: str, wire: float) -> None:
    number = to_wire(Decimal(value))
    assert number == wire
    assert type(number) is type(wire)


@pytest.mark.parametrize(
    "value", ["1234567890.123456", "0.1000000000000001", "1234567890123456", "1E+19", "1E-301", "NaN", "sNaN", "Infinity", "-Infinity"]
)
def test_money_that_would_change_on_the_way_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        to_wire(Decimal(value))


@pytest.mark.parametrize("number", [True, float("nan"), float("inf"), 0.1 + 0.2, 10**15 + 1, "1.5", None])
def test_numbers_that_are_no_money_are_refused(number: object) -> None:
    with pytest.raises(ValueError):
        from_wire(number)  # type: ignore[arg-type]


def test_a_message_over_the_size_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(MalformedMessage, match="at most 65536 bytes"):
        unpack(b"\xc1" * (BODY_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "message",
    [
        {"n": float("nan")},
        {"n": [1.5, float("-inf")]},
        {"b": b""},
        {"b": b"x"},
        {"t": "x" * 8193},
        {"a": list(range(257))},
        {str(key): key for key in range(65)},
        {1: "keys are text"},
        {b"": "keys are text"},
        {"e": msgpack.ExtType(5, b"")},
        {"e": msgpack.ExtType(5, b"x")},
        {"e": msgpack.Timestamp(1)},
        nested(17),
        ["not a map"],
        7,
        None,
    ],
    ids=repr,
)
def test_a_message_over_a_limit_is_malformed(message: object) -> None:
    with pytest.raises(MalformedMessage):
        unpack(msgpack.packb(message), EVENT_LIMITS)


@pytest.mark.parametrize(
    "message",
    [
        {"t": "x" * 8192},
        {"a": list(range(256))},
        {str(key): key for key in range(64)},
        nested(16),
        {"n": 1.5, "none": None, "yes": True, "i": -(2**63)},
    ],
    ids=lambda message: str(message)[:30],
)
def test_a_message_at_the_limit_is_read(message: dict[str, object]) -> None:
    assert unpack(msgpack.packb(message), EVENT_LIMITS) == message


def test_nesting_of_thousands_is_malformed_and_not_a_crash() -> None:
    for opener in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(MalformedMessage):
            unpack_value(opener * 10_000 + b"\xc0")


def test_a_key_that_is_named_twice_is_refused_where_outsiders_write() -> None:
    body = b"\x82\xa1a\x01\xa1a\x02"
    with pytest.raises(MalformedMessage, match="twice"):
        unpack(body, REQUEST_LIMITS)
    assert unpack(body, EVENT_LIMITS) == {"a": 2}


def test_bytes_after_the_message_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        unpack(pack({"a": 1}) + b"\x01")


def test_text_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        unpack(b"\x81\xa1a\xa2\xff\xfe")


def test_binary_is_read_only_where_pages_of_a_journal_travel() -> None:
    body = pack({"events": [b"x" * BODY_BYTES_MAX] * 3})
    assert unpack(body, REPLAY_LIMITS)["events"] == [b"x" * BODY_BYTES_MAX] * 3
    with pytest.raises(MalformedMessage):
        unpack(body, REPLY_LIMITS)
    with pytest.raises(MalformedMessage):
        unpack(pack({"events": [b"x" * (BODY_BYTES_MAX + 1)]}), REPLAY_LIMITS)


class Colour(StrEnum):
    RED = "red"


def test_a_payload_becomes_what_its_readers_will_see() -> None:
    plain = encode_payload({"c": Colour.RED, "price": Decimal("1.50"), "t": (1, Decimal(2)), "m": {"x": None}})
    assert plain == {"c": "red", "price": 1.5, "t": [1, 2], "m": {"x": None}}
    assert type(plain["c"]) is str


@pytest.mark.parametrize(
    "payload",
    [
        {"n": float("nan")},
        {"n": Decimal("NaN")},
        {"n": Decimal("0.12345678901234567")},
        {"n": 2**63},
        {"n": [2**63]},
        {"b": b"x"},
        {"s": {1, 2}},
        {"o": object()},
        {"t": "ü" * 4097},
        {"a": [0] * 257},
        {str(key): key for key in range(65)},
        {1: 1},
        nested(16),
    ],
    ids=lambda payload: f"{next(iter(payload))} {type(next(iter(payload.values()))).__name__}",
)
def test_a_payload_that_readers_would_refuse_is_refused_by_its_writer(payload: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode_payload(payload)


def test_what_does_not_travel_is_refused_by_pack() -> None:
    for value in (object(), {1, 2}, 2**64, Decimal("Infinity")):
        with pytest.raises(ValueError):
            pack({"v": value})


def test_limits_are_arguments() -> None:
    small = Limits(body_bytes=10, text_bytes=2)
    assert unpack(pack({"a": "xy"}), small) == {"a": "xy"}
    with pytest.raises(MalformedMessage):
        unpack(pack({"a": "xyz"}), small)
    with pytest.raises(MalformedMessage):
        unpack(pack({"abcdefgh": 123}), small)
