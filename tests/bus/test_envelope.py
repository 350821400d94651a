"""bus/envelope.py: what is encoded is decoded, what is forged is refused, and the chain is over the bytes."""

from decimal import Decimal
from hashlib import blake2b

import msgpack
import pytest

from bus.codec import MalformedMessage, pack
from bus.envelope import GENESIS, chain_hash, decode_event, encode_event, make_event

T = 1_760_637_327_021_043_999
GOOD = {
    "v": 1,
    "source": "oanda",
    "type": "order_filled",
    "payload": {"price": 1.5},
    "ts": "2025-10-16T17:55:27.021043Z",
    "epoch": "0123456789abcdef",
    "seq": 7,
    "prev": GENESIS,
}


def test_an_event_reads_back_as_it_was_made() -> None:
    event = make_event("oanda", "order_filled", {"price": Decimal("1.50")}, T, epoch="0123456789abcdef", seq=7, prev=GENESIS)
    assert decode_event(event.body) == event
    assert event.payload == {"price": 1.5}
    assert event.ts == "2025-10-16T17:55:27.021043Z"
    assert msgpack.unpackb(event.body) == GOOD


def test_a_quote_has_no_epoch_seq_or_prev() -> None:
    event = decode_event(encode_event("oanda", "quote", {"bid": Decimal(1)}, T))
    assert (event.epoch, event.seq, event.prev) == (None, None, None)
    assert set(msgpack.unpackb(event.body)) == {"v", "source", "type", "payload", "ts"}


def test_the_order_of_the_fields_is_fixed_because_the_chain_is_over_the_bytes() -> None:
    event = make_event("oanda", "order_filled", {"price": Decimal("1.5")}, T, epoch="0123456789abcdef", seq=7, prev=GENESIS)
    assert list(msgpack.unpackb(event.body)) == list(GOOD)


def test_a_field_from_a_later_version_is_left_alone() -> None:
    assert decode_event(pack({**GOOD, "extra": 1})).seq == 7


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": True},
        {"v": 1.0},
        {"source": "Oanda"},
        {"source": "oanda.x"},
        {"source": 1},
        {"source": ["oanda"]},
        {"type": ""},
        {"type": None},
        {"payload": None},
        {"payload": []},
        {"ts": "2025-10-16 11:55:27"},
        {"ts": "2025-10-16T11:55:27.021043Z\n"},
        {"ts": 5},
        {"epoch": None},
        {"epoch": "0123456789ABCDEF"},
        {"epoch": "0123456789abcdef0"},
        {"epoch": 5},
        {"seq": None},
        {"seq": 0},
        {"seq": True},
        {"seq": 1.0},
        {"prev": None},
        {"prev": "0" * 31},
        {"prev": "g" * 32},
    ],
    ids=str,
)
def test_a_field_of_the_wrong_shape_is_malformed(change: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        decode_event(pack({**GOOD, **change}))


@pytest.mark.parametrize("name", ["v", "source", "type", "payload", "ts", "epoch", "seq", "prev"])
def test_a_missing_field_is_malformed(name: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_event(pack({key: value for key, value in GOOD.items() if key != name}))


def test_an_event_over_64_kib_is_refused_by_its_writer() -> None:
    with pytest.raises(ValueError, match="at most 65536"):
        encode_event("oanda", "order_filled", {str(n): "x" * 8000 for n in range(9)}, T)


def test_a_source_that_is_no_name_is_refused_by_its_writer() -> None:
    with pytest.raises(ValueError, match="names"):
        encode_event("Oanda", "order_filled", {}, T)


def test_the_chain_is_blake2b_of_sixteen_bytes_over_the_body() -> None:
    body = encode_event("oanda", "order_filled", {}, T, epoch="0" * 16, seq=1, prev=GENESIS)
    assert chain_hash(body) == blake2b(body, digest_size=16).hexdigest()
    assert chain_hash(body) != chain_hash(body[:-1] + b"1")


def test_a_payload_deeper_than_the_fast_types_is_read_all_the_same_and_too_deep_is_refused() -> None:
    def nested(depth: int) -> bytes:
        inner: object = 1
        for _ in range(depth):
            inner = {"in": inner}
        fields = {"v": 1, "source": "oanda", "type": "reconciled", "payload": {"in": inner}, "ts": "2026-01-01T00:00:00.000000Z"}
        return msgpack.packb(fields)  # type: ignore[no-any-return]

    assert decode_event(nested(10)).payload["in"]
    with pytest.raises(MalformedMessage):
        decode_event(nested(20))
