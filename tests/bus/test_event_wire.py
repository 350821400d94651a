"""The fast decoder of events: it refuses what the general one refuses, and reads the same from what both accept."""

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.codec import EVENT_LIMITS, MalformedMessage, unpack
from bus.envelope import decode_event

GOOD = {
    "v": 1,
    "source": "oanda",
    "type": "order_filled",
    "payload": {},
    "ts": "2025-10-16T17:55:27.021043Z",
    "epoch": "0123456789abcdef",
    "seq": 7,
    "prev": "0" * 32,
}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(payload=st.dictionaries(st.text(max_size=8), values, max_size=6))
def test_both_decoders_read_the_same_payload(payload: dict[str, object]) -> None:
    body = msgpack.packb({**GOOD, "payload": payload})
    assert decode_event(body).payload == unpack(body, EVENT_LIMITS)["payload"] == payload


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "binary": b"x",
    "empty binary": b"",
    "extension": msgpack.ExtType(4, b"x"),
    "timestamp": msgpack.Timestamp(5),
    "257 items": [1] * 257,
    "65 keys": {str(number): 1 for number in range(65)},
    "long text": "x" * 8193,
    "deep": nested(15),
    "a number as key": {1: 2},
    "a long key": {"x" * 8193: 2},
    "binary as key": {b"x": 2},
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("place", ["alone", "in a list", "in a map"])
def test_what_has_no_place_in_a_payload_is_refused_wherever_it_stands(value: object, place: str) -> None:
    held = {"alone": value, "in a list": [1, value], "in a map": {"a": value}}[place]
    with pytest.raises(MalformedMessage):
        decode_event(msgpack.packb({**GOOD, "payload": {"x": held}}))


@pytest.mark.parametrize("filling", [0, 9000], ids=["short", "long"])
@pytest.mark.parametrize(
    "change", [{"v": 1.0}, {"v": True}, {"v": 2}, {"seq": 7.0}, {"seq": True}, {"seq": 2**63}, {"seq": 0}, {"prev": 5}, {"ts": None}]
)
def test_a_short_body_and_a_long_one_are_held_to_the_same(change: dict[str, object], filling: int) -> None:
    payload = {"a": "x" * (filling // 2), "b": "x" * (filling // 2)}
    assert decode_event(msgpack.packb({**GOOD, "payload": payload})).payload == payload
    with pytest.raises(MalformedMessage):
        decode_event(msgpack.packb({**GOOD, "payload": payload, **change}))
    for name in GOOD:
        with pytest.raises(MalformedMessage):
            decode_event(msgpack.packb({key: value for key, value in {**GOOD, "payload": payload}.items() if key != name}))


@pytest.mark.parametrize("value", [b"forged", "forged", 1, None, {"a": 1}], ids=str)
@pytest.mark.parametrize("name", ["body", " body"])
def test_the_bytes_an_event_came_in_are_no_field_that_could_be_sent(name: str, value: object) -> None:
    body = msgpack.packb({**GOOD, name: value})
    try:
        event = decode_event(body)
    except MalformedMessage:
        assert type(value) is bytes  # bytes have no place in a message that has to be read slowly
    else:
        assert event.body == body


def test_nesting_beyond_any_stack_is_refused() -> None:
    start = msgpack.packb({**GOOD, "payload": {"x": None}})
    place = start.index(b"\xa1x\xc0") + 2
    for opening in (b"\x91", b"\x81\xa1a"):
        with pytest.raises(MalformedMessage):
            decode_event(start[:place] + opening * 20_000 + b"\x01" + start[place + 1 :])
        with pytest.raises(MalformedMessage):
            decode_event(start[:place].replace(b"payload", b"unknown") + opening * 20_000 + b"\x01" + start[place + 1 :])


def test_the_limits_themselves_are_let_through() -> None:
    payload = {"list": [1] * 256, "map": {str(number): 1 for number in range(64)}, "text": "x" * 8192, "deep": nested(14), "int": -(2**63)}
    assert decode_event(msgpack.packb({**GOOD, "payload": payload})).payload == payload


def test_more_than_64_kib_are_refused_before_they_are_read() -> None:
    with pytest.raises(MalformedMessage, match="at most 65536"):
        decode_event(b"\xc1" * 65_537)


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_event(body)


@settings(max_examples=300)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_one_changed_byte_is_refused_or_read_as_an_event(place: int, byte: int) -> None:
    body = bytearray(msgpack.packb({**GOOD, "payload": {"a": [1, 2.5, None, True], "b": {"c": "d"}}}))
    body[place % len(body)] = byte
    try:
        event = decode_event(bytes(body))
    except MalformedMessage:
        return
    assert event.body == bytes(body)
