"""The quick way of a plain order: the same answers as the long way, on connections that behave the same, and only for what is plain."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web

from arena_gateway import placing
from runtime import http_server
from runtime.http_server import Connection
from tests.arena_gateway.fakes import SEED_ORDER, AuthSettings, Desk, open_desk
from tests.runtime.raw_http import Parsed, exchange, is_closed, read_answer
from trading.errors import NotAllowed, OrderDenied, OutcomeUnknown, Unavailable

ORDER = json.dumps(SEED_ORDER).encode()
PATH = "/brokers/oanda/orders"


async def order(
    desk: Desk, body: bytes = ORDER, *more: str, path: str = PATH, version: str = "1.1", scheme: str = "Bearer", role: str = "trader"
) -> bytes:
    token = await desk.token(role)
    desk.accounts.directory.resolve(token)  # a token that is seen for the first time goes the long way
    lines = (f"POST {path} HTTP/{version}", f"Host: 127.0.0.1:{desk.port}", f"Authorization: {scheme} {token}", f"Content-Length: {len(body)}", *more)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def comparable(answer: Parsed) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but its date, the request's id, and what counts orders."""
    status, headers, body = answer
    same = [
        (name, re.sub("oanda-[0-9]", "oanda-N", value)) for name, value in headers.items() if name not in {"x-request-id", "date", "content-length"}
    ]
    return status, same, re.sub(rb'"request_id":"[^"]+"|oanda-[0-9]|oanda@[^"]*', b"N", body)


@asynccontextmanager
async def connected(desk: Desk) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    try:
        yield reader, writer
    finally:
        writer.close()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The packets that the parser was given."""
    packets: list[bytes] = []
    feed = web.RequestHandler.data_received

    def note(self: web.RequestHandler, data: bytes) -> None:
        packets.extend([data] if data else [])
        feed(self, data)

    monkeypatch.setattr(web.RequestHandler, "data_received", note)
    return packets


async def seen(parsed: list[bytes], packet: bytes) -> None:
    """Return when ``packet`` was parsed last."""
    async with asyncio.timeout(30):
        while parsed[-1:] != [packet]:
            await asyncio.sleep(0.001)


async def arrived(desk: Desk, count: int = 1) -> None:
    async with asyncio.timeout(30):
        while desk.oanda.begun < count:
            await asyncio.sleep(0.001)


REFUSALS = [
    OrderDenied("off tick", code="PRICE_OFF_TICK", details={"below": 1.16}),
    NotAllowed("no grant", code="LIVE_NOT_GRANTED"),
    Unavailable("busy", code="ADAPTER_BUSY", details={"retry_after_s": 7}),
    OutcomeUnknown("no answer came in time"),
    OutcomeUnknown("a bug", code="INTERNAL"),
]


@pytest.mark.parametrize("answer", [None, *REFUSALS], ids=str)
async def test_both_ways_answer_the_same_bytes(desk: Desk, answer: Exception | None) -> None:
    if answer is not None:
        desk.oanda.answers["order.place"] = answer
    body = json.dumps({**SEED_ORDER, "client_order_id": "mine"}).encode()
    # Two users, so that neither repeats the other.
    quick = comparable(await exchange(desk.port, await order(desk, body)))
    long = comparable(await exchange(desk.port, await order(desk, body, "X-Request-ID: mine", role="admin")))
    assert quick == long
    assert desk.oanda.begun == 1
    placed = [call for call in desk.oanda.calls if call.op == "order.place"]
    assert list(placed[0].args.items()) == list(placed[1].args.items())


async def test_a_repeat_is_the_first_answer_whichever_way_it_comes(desk: Desk) -> None:
    body = json.dumps({**SEED_ORDER, "client_order_id": "mine"}).encode()
    answers = [await exchange(desk.port, await order(desk, body, *more)) for more in ((), (), ("X-Request-ID: mine",))]
    assert [status for status, _, _ in answers] == [201, 200, 200]
    assert len({body for _, _, body in answers}) == 1
    assert answers[1][1]["idempotent-replayed"] == "true"
    assert desk.oanda.begun == 2


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


async def test_a_brake_and_a_stop_send_orders_the_long_way(desk: Desk) -> None:
    desk.gateway.braking.want(("oanda",), "HALTED", "", "somebody")
    await exchange(desk.port, await order(desk))
    assert [call.op for call in desk.oanda.calls] == ["trading_state.set", "order.place"]
    desk.gateway.dispatcher.draining = True
    assert (await exchange(desk.port, await order(desk)))[0] == 503
    assert desk.oanda.begun == 0


async def test_the_rate_counts_both_ways_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=time.perf_counter, time_ns=time.time_ns)
    monkeypatch.setattr(placing, "time", standing)
    async with open_desk(tmp_path, auth=AuthSettings(orders_per_s_max=1, orders_burst_max=2)) as desk:
        statuses = [(await exchange(desk.port, await order(desk, ORDER, *more)))[0] for more in ((), ("X-Request-ID: x",), (), ())]
        assert (statuses, desk.oanda.begun) == ([201, 201, 429, 429], 1)
        assert [entry.outcome for entry in desk.accounts.collected.take() if entry.action == "order.place"] == ["ok", "RATE_LIMITED"]


async def test_what_comes_meanwhile_is_answered_after_it_and_in_order(desk: Desk, parsed: list[bytes]) -> None:
    desk.oanda.release = asyncio.Event()
    async with connected(desk) as (reader, writer):
        writer.write(await order(desk))
        await arrived(desk)
        get = f"GET /brokers/nobody/orders HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\n\r\n".encode()
        for packet in (get, await order(desk, b"{") + get):
            writer.write(packet)
            await seen(parsed, packet)
        desk.oanda.release.set()
        assert [(await read_answer(reader))[0] for _ in range(4)] == [201, 404, 400, 404]
        writer.write(await order(desk) + await order(desk))
        assert [(await read_answer(reader))[0] for _ in range(2)] == [201, 201]
        writer.write(await order(desk))
        assert (await read_answer(reader))[0] == 201
    assert desk.oanda.begun == 2  # of two in one packet neither


async def test_a_bug_is_500_and_the_connection_goes_on(desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(desk) as (reader, writer):
        desk.oanda.answers["order.place"] = {"nothing": "of it"}
        writer.write(await order(desk))
        status, headers, body = await read_answer(reader)
        assert (status, json.loads(body)["code"]) == (500, "INTERNAL")
        assert any(getattr(record, "request_id", None) == headers["x-request-id"] and record.levelno == logging.ERROR for record in caplog.records)
        with monkeypatch.context() as patch:
            patch.setattr(desk.gateway.dispatcher, "is_braked", lambda _: 1 / 0)
            writer.write(await order(desk))
            assert (await read_answer(reader))[0] == 500
        del desk.oanda.answers["order.place"]
        writer.write(await order(desk))
        assert (await read_answer(reader))[0] == 201


async def test_an_order_on_its_way_is_answered_by_a_server_that_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "SHUTDOWN_S", 60)
    async with asyncio.timeout(30), open_desk(tmp_path) as desk:
        desk.oanda.release = asyncio.Event()
        reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
        writer.write(await order(desk))
        await arrived(desk)
        asyncio.get_running_loop().call_later(0.1, desk.oanda.release.set)
    assert (await read_answer(reader))[0] == 201
    assert await is_closed(reader, 5)
    writer.close()


async def test_a_client_that_goes_while_its_order_is_on_its_way_disturbs_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.oanda.release = asyncio.Event()
    async with connected(desk) as (_, writer):
        writer.write(await order(desk))
        await arrived(desk)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        desk.oanda.release.set()
        await asyncio.sleep(0.05)
    assert (await exchange(desk.port, await order(desk)))[0] == 201
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_connection_waits_for_its_order_and_is_closed_when_it_is_silent_after_it(
    desk: Desk, parsed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the end of the keep-alive time nor half a head may cut an order short that is on its way."""
    opened: list[Connection] = []
    made = Connection.connection_made
    monkeypatch.setattr(Connection, "connection_made", lambda self, transport: opened.append(self) or made(self, transport))
    raw = await order(desk)
    desk.oanda.release = asyncio.Event()

    def let_keepalive_end() -> None:
        opened[-1]._next_keepalive_close_time = 0
        opened[-1]._process_keepalive()

    async with connected(desk) as (reader, writer):
        writer.write(raw)
        await arrived(desk)
        writer.write(b"GET /hea")
        await seen(parsed, b"GET /hea")
        let_keepalive_end()
        assert not opened[-1].head_is_late(asyncio.get_running_loop().time() + 1_000)
        desk.oanda.release.set()
        assert (await read_answer(reader))[0] == 201
        assert opened[-1]._keepalive_handle is not None
        writer.write(b"lth HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % desk.port)
        assert (await read_answer(reader))[0] == 200
        writer.write(raw)
        assert (await read_answer(reader))[0] == 201
        assert opened[-1]._next_keepalive_close_time > asyncio.get_running_loop().time()
        let_keepalive_end()
        assert await is_closed(reader, 30)


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


async def test_a_token_is_verified_the_long_way_and_known_after_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = await order(desk)
    directory = desk.accounts.directory
    directory._remembered.clear()
    verified: list[str] = []
    verify = directory._verify
    monkeypatch.setattr(directory, "_verify", lambda token, digest: verified.append(token) or verify(token, digest))
    assert [(await exchange(desk.port, raw))[0] for _ in range(3)] == [201] * 3
    assert (len(verified), desk.oanda.begun) == (1, 2)
    assert (await exchange(desk.port, raw.replace(b"Bearer ", b"Bearer x")))[0] == 401
    assert (len(verified), desk.oanda.begun) == (2, 2)


async def test_an_api_key_goes_the_quick_way_with_its_own_rights(desk: Desk) -> None:
    await desk.token()
    user = desk.accounts.user_called("trader@test")
    for scopes, status, begun in ((["paper"], 201, 1), (["read"], 403, 1)):
        _, secret = await desk.accounts.create_key(user, name="bot", scopes=scopes, days=None, address="")
        raw = re.sub(rb"Bearer [^\r]+", b"Bearer " + secret.encode(), await order(desk))
        assert (await exchange(desk.port, raw))[0] == status
        assert desk.oanda.begun == begun
    assert desk.oanda.calls[-1].actor == {"user": "trader@test", "role": "trader", "live": False}


async def test_the_same_head_again_is_refused_once_its_token_is_ended(desk: Desk) -> None:
    raw = await order(desk)
    async with connected(desk) as (reader, writer):
        for status in (201, 201):
            writer.write(raw)
            assert (await read_answer(reader))[0] == status
        assert (await desk.call("POST", "/auth/logout", token=await desk.token(), json={})).status == 200
        writer.write(raw)
        assert (await read_answer(reader))[0] == 401
