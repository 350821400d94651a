"""tests/vectors: bytes written once and never again. What they say is what every reader and writer of the protocol must agree on, ours included."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgpack
import pytest

from bus.codec import REPLAY_LIMITS, REPLY_LIMITS, MalformedMessage, from_wire, pack, to_wire, unpack
from bus.envelope import GENESIS, chain_hash, decode_event, encode_event
from bus.request_messages import Refused, Request, outcome_of, read_replies
from bus.request_reading import read_requests
from bus.topics import event_topic, quote_topic
from runtime.timestamps import from_text

VECTORS = Path(__file__).parents[1] / "vectors"
INDEX: dict[str, Any] = json.loads((VECTORS / "index.json").read_text())


def cases(name: str) -> Any:
    return pytest.mark.parametrize("case", INDEX[name], ids=lambda case: case["file"])


def bytes_of(case: dict[str, Any]) -> bytes:
    return (VECTORS / case["file"]).read_bytes()


@cases("events")
def test_an_event_reads_as_it_says_and_is_written_as_the_same_bytes(case: dict[str, Any]) -> None:
    body, decoded = bytes_of(case), case["decoded"]
    assert msgpack.unpackb(body) == decoded
    event = decode_event(body)
    assert {"v": 1, **{name: getattr(event, name) for name in decoded if name != "v"}} == decoded
    journalled = {name: decoded[name] for name in ("epoch", "seq", "prev") if name in decoded}
    assert encode_event(event.source, event.type, event.payload, from_text(event.ts), **journalled) == body


@cases("events")
def test_an_events_topic_is_made_of_its_source_and_type(case: dict[str, Any]) -> None:
    decoded = case["decoded"]
    is_quote = decoded["type"] == "quote"
    topic = quote_topic(decoded["source"], decoded["payload"]["instrument"]) if is_quote else event_topic(decoded["source"], decoded["type"])
    assert topic.decode() == case["topic"]


def test_the_chain_is_the_hash_of_the_bytes_before() -> None:
    prev = GENESIS
    for number in (1, 2, 3):
        case = next(case for case in INDEX["events"] if case["file"] == f"chain-{number}.msgpack")
        assert decode_event(bytes_of(case)).prev == prev
        prev = chain_hash(bytes_of(case))
        assert prev == case["hash"]


@cases("malformed_events")
def test_a_malformed_event_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        decode_event(bytes_of(case))


@cases("requests")
def test_a_request_is_read(case: dict[str, Any]) -> None:
    requests, is_array = read_requests(bytes_of(case), received_boot_ns=0)
    decoded = case["decoded"] if is_array else [case["decoded"]]
    assert len(requests) == len(decoded)
    for request, expected in zip(requests, decoded, strict=True):
        assert isinstance(request, Request)
        assert (request.id, request.op, request.args, request.actor) == (expected["id"], expected["op"], expected["args"], expected.get("actor"))
        found = request.deadline and (
            request.deadline.ttl_ms,
            request.deadline.sent_wall_ns,
            request.deadline.boot_id,
            request.deadline.sent_boottime_ns,
        )
        assert found == (tuple(map(expected.get, ("ttl_ms", "sent_wall_ns", "boot_id", "sent_boottime_ns"))) if "ttl_ms" in expected else None)


@cases("refused_requests")
def test_a_refused_request_has_its_code(case: dict[str, Any]) -> None:
    try:
        (request,), _ = read_requests(bytes_of(case), received_boot_ns=0)
    except MalformedMessage as error:
        request = Refused(id=None, error=error)
    assert isinstance(request, Refused)
    assert request.error.code == case["code"]


@cases("replies")
def test_a_reply_is_read(case: dict[str, Any]) -> None:
    decoded = case["decoded"] if isinstance(case["decoded"], list) else [case["decoded"]]
    for reply, expected in zip(read_replies(bytes_of(case), REPLY_LIMITS), decoded, strict=True):
        assert reply == expected
        outcome = outcome_of(reply)
        if expected["ok"]:
            assert outcome.result == expected["result"]  # type: ignore[union-attr]
        else:
            assert (type(outcome).__name__, outcome.code) == (expected["error"]["kind"], expected["error"]["code"])  # type: ignore[union-attr]


def test_a_page_holds_the_bodies_as_journalled() -> None:
    case = INDEX["replay"]
    result: Any = unpack(bytes_of(case), REPLAY_LIMITS)["result"]
    bodies = [(VECTORS / name).read_bytes() for name in case["events"]]
    assert result == {"epoch": case["epoch"], "first_seq": case["first_seq"], "last_seq": case["last_seq"], "events": bodies}


@pytest.mark.parametrize("case", INDEX["money"], ids=lambda case: case["decimal"])
def test_money_is_these_bytes(case: dict[str, str]) -> None:
    value = Decimal(case["decimal"])
    packed = bytes.fromhex(case["msgpack"])
    assert pack(value) == packed
    assert from_wire(msgpack.unpackb(packed)) == value


@pytest.mark.parametrize("text", INDEX["refused_money"])
def test_money_that_would_change_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        to_wire(Decimal(text))


def test_every_file_is_described() -> None:
    described = {case["file"] for name in ("events", "malformed_events", "requests", "refused_requests", "replies") for case in INDEX[name]}
    assert {path.name for path in VECTORS.glob("*.msgpack")} == described | {INDEX["replay"]["file"]}
