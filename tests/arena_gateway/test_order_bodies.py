"""Orders that make no sense: refused with a code of their own before anything is sent on."""

import io
from collections.abc import AsyncIterator

import pytest

from tests.arena_gateway.fakes import SEED_ORDER, Desk


@pytest.mark.parametrize("bad", ["", "a" * 49, "a b", "a/b", "ä", 5, True, ["x"], "a\n"])
async def test_an_id_of_another_form_is_refused_before_anything_is_sent(desk: Desk, bad: object) -> None:
    answer = await desk.place({**SEED_ORDER, "client_order_id": bad})
    assert (answer.status, answer.body["code"]) == (400, "CLIENT_ORDER_ID_INVALID")
    assert desk.oanda.calls == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "FIELD"),
        (b"{", "JSON_MALFORMED"),
        (b"[]", "JSON_NOT_AN_OBJECT"),
        (b"\xff\xfe", "JSON_MALFORMED"),
        (b'{"units": NaN}', "NUMBER_NOT_FINITE"),
        (b'{"units": Infinity}', "NUMBER_NOT_FINITE"),
        (b'{"units": 1e999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"units": 1e-999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"units": ' + b"9" * 4000 + b"}", "NUMBER_OUT_OF_RANGE"),
        (b'{"units": ' + b"9" * 5000 + b"}", "JSON_MALFORMED"),
        (b'{"side":"BUY","units": true}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": "NaN"}', "NUMBER_NOT_FINITE"),
        (b'{"side":"BUY","units": "1e999"}', "NUMBER"),
        (b'{"side":"BUY","units": "hundred"}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": [1]}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": {"$gt": 1}}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": 1, "units": 2}', "DUPLICATE_KEY"),
        (b'{"side":"BUY","lots": 1}', "UNKNOWN_FIELD"),
        (b'{"side":"buy","units": 1}', "INVALID_FIELD"),
        (b'{"side":"BUY","units": 1.2345678901234567}', "NUMBER_TOO_LONG"),
        (b"[" * 20_000, "JSON_TOO_DEEP"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "JSON_TOO_DEEP"),
        (b'{"instrument":"' + b"A" * 257 + b'"}', "STRING_TOO_LONG"),
        (b"{" + b",".join(b'"k%d":1' % n for n in range(65)) + b"}", "JSON_TOO_LARGE"),
        (b'{"instrument":[' + b"1," * 100 + b"1]}", "JSON_TOO_LARGE"),
        (b'{"instrument":"\\ud800"}', "JSON_MALFORMED"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_and_nothing_is_sent(desk: Desk, body: bytes, code: str) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=body)
    assert answer.status in {400, 422}
    assert answer.body["code"].startswith(code) or code == "FIELD"
    assert answer.body["ok"] is False
    assert set(answer.body) == {"ok", "code", "message", "details", "request_id", "client_order_id"}
    assert answer.headers["X-Request-ID"] == answer.body["request_id"]
    assert desk.oanda.calls == []


async def test_a_body_over_64_kib_is_413(desk: Desk) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=b"x" * (64 * 1024 + 1))
    assert (answer.status, answer.body["code"]) == (413, "BODY_TOO_LARGE")
    chunked = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=_chunks(b"x" * 1024, 100))
    assert chunked.status == 413


async def test_ten_megabytes_are_413_and_not_a_broken_connection(desk: Desk) -> None:
    answer = await desk.call("POST", "/brokers/oanda/orders", token=await desk.token(), data=io.BytesIO(b"x" * 10_000_000))
    assert answer.status == 413


async def _chunks(piece: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece
