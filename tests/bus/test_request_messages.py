"""bus/request_messages.py: whatever arrives becomes requests, refusals or MalformedMessage; nothing else."""

from collections.abc import Callable
from decimal import Decimal

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import request_reading
from bus.codec import REPLY_LIMITS, MalformedMessage, pack
from bus.deadline import DEADLINE_OPS
from bus.reply_reading import read_outcomes
from bus.request_client import RequestClient
from bus.request_messages import (
    Refused,
    Reply,
    Request,
    outcome_of,
    read_replies,
    read_slowly,
    split_envelope,
    write_answer,
    write_batch,
    write_error,
)
from bus.request_reading import read_requests
from runtime.clock import ManualClock
from trading.errors import KINDS, ArenaError, OrderDenied, OutcomeUnknown, Unavailable

GOOD = {"v": 1, "id": "7", "op": "order.get", "args": {"order_id": "paper-oanda-1"}}


def read_one(message: object) -> Request | Refused:
    (request,), _ = read_requests(msgpack.packb(message), received_boot_ns=5)
    return request


def test_a_request_is_read() -> None:
    actor = {"user": "ann@test", "role": "trader", "live": False}
    assert read_one({**GOOD, "actor": actor}) == Request(
        id="7", op="order.get", args={"order_id": "paper-oanda-1"}, actor=actor, deadline=None, received_boot_ns=5
    )
    without_args = read_one({key: value for key, value in GOOD.items() if key != "args"})
    assert isinstance(without_args, Request)
    assert without_args.args == {}


@pytest.mark.parametrize("op", sorted(DEADLINE_OPS))
def test_a_command_without_a_deadline_is_refused(op: str) -> None:
    refused = read_one({**GOOD, "op": op})
    assert isinstance(refused, Refused)
    assert (refused.id, refused.error.code) == ("7", "DEADLINE_REQUIRED")
    accepted = read_one({**GOOD, "op": op, "ttl_ms": 3000, "sent_wall_ns": 1})
    assert isinstance(accepted, Request)
    assert accepted.deadline is not None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"v": 2}, "MALFORMED"),
        ({"v": True}, "MALFORMED"),
        ({"op": "order"}, "MALFORMED"),
        ({"op": "Order.Place"}, "MALFORMED"),
        ({"op": "order.get\n"}, "MALFORMED"),
        ({"op": 5}, "MALFORMED"),
        ({"args": []}, "MALFORMED"),
        ({"args": None}, "MALFORMED"),
        ({"actor": "ann"}, "MALFORMED"),
        ({"ttlms": 3000}, "UNKNOWN_FIELD"),
        ({"ttl_ms": 3000}, "DEADLINE_REQUIRED"),
    ],
    ids=str,
)
def test_what_is_wrong_with_a_request_is_said_to_its_id(change: dict[str, object], code: str) -> None:
    refused = read_one({**GOOD, **change})
    assert isinstance(refused, Refused)
    assert (refused.id, refused.error.code) == ("7", code)


@pytest.mark.parametrize("request_id", [None, "", "x" * 65, 7, ["7"]])
def test_a_request_without_an_id_is_malformed(request_id: object) -> None:
    refused = read_one({**GOOD, "id": request_id})
    assert isinstance(refused, Refused)
    assert (refused.id, refused.error.code) == (None, "MALFORMED")


def test_in_an_array_each_has_its_own_fate() -> None:
    requests, is_array = read_requests(pack([GOOD, 5, {**GOOD, "id": "8", "v": 3}, {**GOOD, "id": "9"}]), received_boot_ns=0)
    assert is_array
    assert [(type(request), request.id) for request in requests] == [(Request, "7"), (Refused, None), (Refused, "8"), (Request, "9")]


@pytest.mark.parametrize("message", [[], [GOOD] * 65, 7, "text", None], ids=lambda message: str(message)[:20])
def test_what_is_no_request_and_no_array_of_them_is_malformed(message: object) -> None:
    with pytest.raises(MalformedMessage):
        read_requests(pack(message), received_boot_ns=0)


@given(st.binary(max_size=200) | st.builds(pack, st.recursive(st.none() | st.integers(0, 9) | st.text(max_size=3), st.lists, max_leaves=5)))
def test_any_bytes_are_requests_or_malformed(body: bytes) -> None:
    try:
        requests, _ = read_requests(body, received_boot_ns=0)
    except MalformedMessage:
        return
    assert all(isinstance(request, (Request, Refused)) for request in requests)


fields = st.fixed_dictionaries(
    {},
    optional={
        name: st.none()
        | st.booleans()
        | st.integers(-3, 40_000)
        | st.text(max_size=4)
        | st.just(good)
        | st.dictionaries(st.text(max_size=2), st.integers(-9, 9))
        for name, good in {**GOOD, "actor": {}, "ttl_ms": 3000, "sent_wall_ns": 1, "boot_id": "b", "sent_boottime_ns": 1, "x": 0}.items()
    },
)


COMMAND = {
    "v": 1, "id": "7", "op": "order.place", "args": {"instrument": "EUR_USD", "units": 100, "entry_price": 1.1655, "note": None}, "actor":
    {"user": "ann@test", "role": "trader", "live": False}, "ttl_ms": 3000, "sent_wall_ns": 1_760_637_327_021_043_000, "boot_id": "b",
    "sent_boottime_ns": 5,
}  # fmt: skip
ODD: tuple[object, ...] = (None, True, 0, -1, 1.0, "", "x" * 65, 2**63, {}, {"a": {}}, [1], b"1")


def test_what_the_client_writes_is_read_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the order of fields change in one place alone, nothing would break; every order would cost 6 µs more, and nobody would see why."""

    def read_slowly(body: bytes, **_: object) -> None:
        raise AssertionError(f"{body!r} was read value by value")

    monkeypatch.setattr(request_reading, "read_slowly", read_slowly)
    client = RequestClient("ipc:///nowhere", clock=ManualClock())
    for op in sorted(DEADLINE_OPS):
        plain = client._body("7", op, COMMAND["args"], COMMAND["actor"], 3000)  # type: ignore[arg-type]  # a map, as it is sent
        body = client._body("7", op, {**COMMAND["args"], "units": Decimal(100)}, COMMAND["actor"], 3000)  # type: ignore[arg-type, dict-item]  # likewise
        assert plain == body, "two writers, the same bytes"
        for message, count in ((body, 1), (write_batch([body] * 16), 16)):
            requests, is_array = read_requests(message, received_boot_ns=5)
            assert (len(requests), is_array) == (count, count > 1)
            assert all(isinstance(request, Request) and request.op == op for request in requests)


def told(read: Callable[..., tuple[list[Request | Refused], bool]], body: bytes) -> object:
    """What ``read`` makes of ``body``, in a form that can be compared."""
    try:
        requests, is_array = read(body, received_boot_ns=5, batch_max=3)
    except MalformedMessage as error:
        return str(error)
    return [request if isinstance(request, Request) else write_error(request.id, request.error) for request in requests], is_array


def without_its_first(body: bytes, sign: bytes, instead: bytes) -> bytes:
    assert sign in body
    return body.replace(sign, instead, 1)


@pytest.mark.parametrize(
    "body",
    [
        pack(COMMAND),
        pack([COMMAND, COMMAND]),
        pack([COMMAND] * 4),  # more than there may be
        pack([]),
        pack([COMMAND, 5]),
        pack(dict(reversed(COMMAND.items()))),
        *(pack({key: value for key, value in COMMAND.items() if key != left_out}) for left_out in COMMAND),
        *(pack({**COMMAND, key: odd}) for key in COMMAND for odd in ODD),
        *(pack({**COMMAND, "args": {"units": odd}}) for odd in (float("nan"), float("inf"), 2**64 - 1, -0.0, b"1", [1], {"a": 1}, "x" * 8193)),
        pack({**COMMAND, "args": {f"k{number}": number for number in range(65)}}),
        pack({**COMMAND, "x": 1}),
        without_its_first(pack(COMMAND), b"\xa4live", b"\xa4user"),  # a key twice
        without_its_first(pack(COMMAND), b"\xa4note", b"\xa5units"[:1] + b"nots"),
        without_its_first(pack(COMMAND), b"\xa1v\x01", b"\xa1v\xcc\x01"),  # a number written longer than it must be
        without_its_first(pack(COMMAND), b"\xcb?\xf2\xa5\xe3S\xf7\xce\xd9", b"\xca?\x95/\x1b"),  # a float of 32 bits
        without_its_first(pack(COMMAND), b"ann", b"a\xffn"),  # no UTF-8
        pack(COMMAND) + b"\xc0",
        pack(COMMAND)[:-1],
    ],
    ids=lambda body: str(body[:40]),
)
def test_the_quick_reading_of_commands_says_what_the_slow_one_says(body: bytes) -> None:
    assert told(read_requests, body) == told(read_slowly, body)


@given(st.data())
def test_a_command_with_a_byte_changed_is_read_alike_by_both(data: st.DataObject) -> None:
    body = bytearray(pack([COMMAND, COMMAND]))
    for _ in range(data.draw(st.integers(1, 2))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert told(read_requests, bytes(body)) == told(read_slowly, bytes(body))


@given(st.lists(fields, min_size=1, max_size=4))
def test_any_array_of_maps_has_as_many_answers_as_maps(messages: list[dict[str, object]]) -> None:
    requests, _ = read_requests(pack(messages), received_boot_ns=0)
    assert len(requests) == len(messages)


@pytest.mark.parametrize(
    ("frames", "envelope"),
    [
        ([b"peer", b"", b"body"], [b"peer", b""]),
        ([b"peer", b"\x00\x00\x00\x01", b"", b"body"], [b"peer", b"\x00\x00\x00\x01", b""]),
        ([b"peer", b"hop", b"hop", b"", b"body"], [b"peer", b"hop", b"hop", b""]),
        ([b"", b"", b"body"], [b"", b""]),
        ([b"peer", b"body"], None),
        ([b"peer"], None),
        ([b"peer", b""], None),
        ([b"peer", b"", b"body", b"more"], None),
        ([b"peer", b"", b"", b"body"], None),
        ([b"peer", *[b"hop"] * 6, b"", b"body"], None),
        ([], None),
    ],
    ids=str,
)
def test_the_envelope_ends_at_the_first_empty_frame(frames: list[bytes], envelope: list[bytes] | None) -> None:
    parts = split_envelope(frames)
    assert parts == (None if envelope is None else (envelope, b"body"))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_error_comes_out_as_the_kind_it_went_in(kind: str) -> None:
    error = KINDS[kind]("do this", code="SOME_CODE", details={"below": Decimal("1.16"), "n": None})
    (reply,) = read_replies(write_error("7", error), REPLY_LIMITS)
    raised = outcome_of(reply)
    assert type(raised) is KINDS[kind]
    assert isinstance(raised, ArenaError)
    assert (raised.code, raised.message, raised.details) == ("SOME_CODE", "do this", {"below": 1.16, "n": None})


def test_an_error_of_a_class_below_a_kind_travels_as_that_kind() -> None:
    class TooLarge(OrderDenied):
        pass

    (reply,) = read_replies(write_error("7", TooLarge("no")), REPLY_LIMITS)
    assert type(outcome_of(reply)) is OrderDenied


def test_details_that_do_not_travel_do_not_cost_the_answer() -> None:
    (reply,) = read_replies(write_error("7", Unavailable("no", details={"what": object()})), REPLY_LIMITS)
    raised = outcome_of(reply)
    assert isinstance(raised, Unavailable)
    assert raised.details == {}


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"ok": 1},
        {"ok": "true"},
        {"ok": False},
        {"ok": False, "error": "no"},
        {"ok": False, "error": {"kind": "Rejected", "code": "X", "message": "?"}},
    ],
    ids=str,
)
def test_an_answer_without_a_meaning_that_we_know_is_unknown_and_never_a_success(reply: dict[str, object]) -> None:
    assert isinstance(outcome_of(reply), OutcomeUnknown)


def test_an_answer_carries_money_as_numbers_and_the_last_event() -> None:
    body = write_answer("7", {"result": {"price": Decimal("1.50"), "units": Decimal(100)}, "last_event": {"epoch": "e", "seq": 3}})
    (reply,) = read_replies(body, REPLY_LIMITS)
    assert outcome_of(reply) == Reply(result={"price": 1.5, "units": 100}, last_event={"epoch": "e", "seq": 3})


def test_an_answer_that_does_not_fit_says_so() -> None:
    (reply,) = read_replies(write_answer("7", {"result": ["x" * 1000] * 10}, bytes_max=9000), REPLY_LIMITS)
    raised = outcome_of(reply)
    assert isinstance(raised, ArenaError)
    assert raised.code == "REPLY_TOO_LARGE"


def test_a_batch_is_an_array_of_what_was_packed() -> None:
    assert msgpack.unpackb(write_batch([pack({"n": n}) for n in range(64)])) == [{"n": n} for n in range(64)]
    assert msgpack.unpackb(write_batch([pack(1)])) == [1]


@pytest.mark.parametrize(
    "body",
    [
        write_answer("7", {"result": {"order_id": "x", "units": 100, "price": 1.5, "replayed": True, "note": None}, "last_event": {"seq": 3}}),
        write_answer("7", {"result": {"orders": [{"legs": []}]}}),
        write_answer("7", {"result": None}),
        write_answer("7", {"result": {"one": "x" * 5000, "other": "x" * 5000}}, bytes_max=20_000),
        write_error("7", OrderDenied("no", code="TOO_MUCH")),
        write_batch([write_answer("7", {"result": {"a": 1}}), write_error("8", OrderDenied("no"))]),
        write_batch([write_answer("7", {"result": {"a": 1}}), write_answer("8", {"result": {"b": [1]}})]),
        pack({"v": 1, "id": 7, "ok": True, "result": {}}),
        pack({"ok": True, "result": {"a": 1}}),
        pack({"v": 1, "id": "7", "ok": True, "result": {"a": -(2**63)}, "and": "more"}),
    ],
)
def test_replies_that_are_read_in_one_step_say_what_they_say_value_by_value(body: bytes) -> None:
    slowly = [(reply.get("id"), outcome_of(reply)) for reply in read_replies(body, REPLY_LIMITS)]
    assert [(request_id, str(outcome)) for request_id, outcome in read_outcomes(body, REPLY_LIMITS)] == [(key, str(value)) for key, value in slowly]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_reply_with_a_number_that_is_none_is_refused_either_way(number: float) -> None:
    with pytest.raises(MalformedMessage):
        read_outcomes(msgpack.packb({"v": 1, "id": "7", "ok": True, "result": {"price": number}}), REPLY_LIMITS)
