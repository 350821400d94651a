"""Which heads go the quick way, and which of them need no parser: whatever is special, or not the same again, is read as any other."""

import asyncio
import json
import re

import pytest

from tests.arena_gateway.fakes import SEED_ORDER, Desk
from tests.arena_gateway.quick import ORDER, PATH, arrived, connected, order, seen
from tests.runtime.raw_http import exchange, read_answer


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["X-Request-ID: mine"], 201),
        (["Idempotency-Key: mine"], 201),
        (["Connection: close"], 201),
        (["Expect: 100-continue"], 100),
        (["Sec-Fetch-Site: same-origin"], 201),
        (["X-Forwarded-For: 10.0.0.1"], 201),
        (["Content-Encoding: gzip"], 415),
        (["Origin: http://evil.example"], 403),
        (["Sec-Fetch-Site: cross-site"], 403),
        (["Authorization: Bearer another"], 401),
        (["Expect: tea"], 417),
    ],
)
async def test_a_head_with_something_special_goes_the_long_way(desk: Desk, more: list[str], status: int) -> None:
    assert (await exchange(desk.port, await order(desk, ORDER, *more)))[0] == status
    assert desk.oanda.begun == 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"scheme": "bearer"}, 201),
        ({"scheme": "Basic"}, 401),
        ({"scheme": "Bearer x"}, 401),
        ({"version": "1.0"}, 201),
        ({"path": PATH + "?x=1"}, 400),
        ({"path": "/brokers/other/orders"}, 404),
        ({"role": "viewer"}, 403),
        ({"body": b'{"side":"BUY","side":"BUY"}'}, 400),
    ],
)
async def test_what_must_be_refused_or_looked_at_goes_the_long_way(desk: Desk, change: dict[str, str], status: int) -> None:
    assert (await exchange(desk.port, await order(desk, **change)))[0] == status  # type: ignore[arg-type]  # a test's table
    assert desk.oanda.begun == 0


@pytest.mark.parametrize(("size", "status", "begun"), [(9_999, 201, 1), (10_000, 201, 0), (64 * 1024, 201, 0), (64 * 1024 + 1, 413, 0)])
async def test_a_long_body_goes_the_long_way_and_a_body_too_long_is_refused(desk: Desk, size: int, status: int, begun: int) -> None:
    """Also one of mostly spaces, which is plain to the end."""
    assert (await exchange(desk.port, await order(desk, ORDER.ljust(size))))[0] == status
    assert desk.oanda.begun == begun


async def test_two_tokens_are_refused_though_they_are_one(desk: Desk) -> None:
    raw = await order(desk)
    twice = re.sub(rb"(Authorization: [^\r]+\r\n)", rb"\1\1", raw)
    assert (await exchange(desk.port, twice))[0] == 401
    assert desk.oanda.begun == 0


async def test_a_foreign_host_is_refused_and_a_body_that_comes_later_is_waited_for(desk: Desk, parsed: list[bytes]) -> None:
    raw = await order(desk)
    assert (await exchange(desk.port, raw.replace(b"Host: 127.0.0.1", b"Host: evil.example")))[0] == 421
    async with connected(desk) as (reader, writer):
        writer.write(raw[:-10])
        await seen(parsed, raw[:-10])
        writer.write(raw[-10:])
        assert (await read_answer(reader))[0] == 201
    assert desk.oanda.begun == 0


def of_length(raw: bytes, body: bytes, length: bytes) -> bytes:
    """``raw``'s head over another body."""
    return re.sub(rb"(Content-Length: )[0-9]+", rb"\g<1>" + length, raw.partition(b"\r\n\r\n")[0]) + b"\r\n\r\n" + body


async def test_the_same_head_again_needs_no_parser_whatever_its_length(desk: Desk, parsed: list[bytes]) -> None:
    first = await order(desk)
    async with connected(desk) as (reader, writer):
        for change in ({}, {}, {"units": 1}, {"client_order_id": "x" * 48}, {"ttl_min": 5}):
            body = json.dumps({**SEED_ORDER, **change}).encode()
            writer.write(of_length(first, body, str(len(body)).encode()))
            assert (await read_answer(reader))[0] == 201
            sent = dict(desk.oanda.calls[-1].args)
            assert {**sent, "client_order_id": 0} == {**SEED_ORDER, **change, "client_order_id": 0}
    assert [packet for packet in parsed if packet.startswith(b"POST /brokers")] == [first]
    assert desk.oanda.begun == 5


NEXT = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    ("length", "more", "statuses"),
    [
        (b"%d", NEXT, [201, 421]),  # two in one packet
        (b"+%d", b"", [400]),
        (b"%dx", b"", [400]),
        (b"", b"", [400]),
        (b"-%d", b"", [400]),
        (b"0", NEXT, [400]),  # the body is then no request
        (b"9%d", b"", []),
        (b"99999%d", b"", [413]),
        (b"%d\r\nOrigin: http://evil.example", b"", [403]),
        (b"%d\r\nHost: evil.example", b"", [400]),
        (b"%d\r\nContent-Length: %d", b"", [400]),
        (b"%d\r\nTransfer-Encoding: chunked", b"", [400]),
        (b"%d\r\nX-Request-ID: mine", b"", [201]),
    ],
)
async def test_a_head_that_is_not_the_same_again_is_parsed(desk: Desk, parsed: list[bytes], length: bytes, more: bytes, statuses: list[int]) -> None:
    first = await order(desk)
    async with connected(desk) as (reader, writer):
        writer.write(first)
        assert (await read_answer(reader))[0] == 201
        packet = of_length(first, ORDER + more, length.replace(b"%d", b"%d" % len(ORDER)))
        writer.write(packet)
        assert [(await read_answer(reader))[0] for _ in statuses] == statuses
        await seen(parsed, packet)
    assert desk.oanda.begun == 1
    assert len(desk.oanda.calls) == 1 + statuses.count(201)


async def test_a_packet_in_the_middle_of_a_head_is_no_request(desk: Desk, parsed: list[bytes]) -> None:
    """What was sent while an order was on its way is part of what comes next, whatever that looks like by itself."""
    raw = await order(desk)
    async with connected(desk) as (reader, writer):
        writer.write(raw)
        assert (await read_answer(reader))[0] == 201
        desk.oanda.release = asyncio.Event()
        writer.write(raw)
        await arrived(desk, 2)
        writer.write(b"POST /nowhere HTTP/1.1\r\nX-Odd: ")
        await seen(parsed, b"POST /nowhere HTTP/1.1\r\nX-Odd: ")
        desk.oanda.release.set()
        assert (await read_answer(reader))[0] == 201
        writer.write(raw)
        assert (await read_answer(reader))[0] == 404
        for start in (b"GET /nowhere HTTP/1.1\r\nX-Odd: ", b"\r\n"):
            writer.write(start)
            await seen(parsed, start)
            writer.write(raw)
            assert (await read_answer(reader))[0] == (404 if start[0] == ord("G") else 201)
    assert len(desk.oanda.calls) == 3


async def test_half_a_head_and_the_other_half_is_not_remembered(desk: Desk, parsed: list[bytes]) -> None:
    raw = await order(desk)
    prefix = b"POST /brokers/oanda/orders HTTP/1.1\r\nX-Odd: "
    async with connected(desk) as (reader, writer):
        for _ in range(2):
            writer.write(prefix)
            await seen(parsed, prefix)
            writer.write(raw)
            assert (await read_answer(reader))[0] == 201
        writer.write(raw)
        assert (await read_answer(reader))[0] == 201
    assert parsed.count(raw) == 3


async def test_the_same_head_again_is_refused_once_its_token_is_ended(desk: Desk) -> None:
    raw = await order(desk)
    async with connected(desk) as (reader, writer):
        for status in (201, 201):
            writer.write(raw)
            assert (await read_answer(reader))[0] == status
        assert (await desk.call("POST", "/auth/logout", token=await desk.token(), json={})).status == 200
        writer.write(raw)
        assert (await read_answer(reader))[0] == 401
