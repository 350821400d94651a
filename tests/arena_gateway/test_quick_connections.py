"""A connection on which an order goes the quick way behaves as any other: order, keep-alive, a stop, a client that goes, a bug."""

import asyncio
import json
import logging
from pathlib import Path

import aiohttp
import pytest

from runtime import http_server
from runtime.http_connection import Connection
from tests.arena_gateway.fakes import Desk, open_desk
from tests.arena_gateway.quick import arrived, connected, order, seen
from tests.runtime.raw_http import exchange, is_closed, read_answer


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


async def test_a_client_that_goes_while_its_order_is_on_its_way_disturbs_nobody(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_gone, lost = asyncio.Event(), Connection.connection_lost
    monkeypatch.setattr(Connection, "connection_lost", lambda self, error: is_gone.set() or lost(self, error))
    desk.oanda.release = asyncio.Event()
    async with connected(desk) as (_, writer):
        raw = await order(desk)
        desk.accounts.collected.take()
        writer.write(raw)
        await arrived(desk)
        writer.transport.abort()
        async with asyncio.timeout(30):
            await is_gone.wait()
            desk.oanda.release.set()
            # Written down as the answer is made: whether anybody is there to read it is looked at right after.
            while [(entry.action, entry.outcome) for entry in desk.accounts.collected.take()] != [("order.place", "ok")]:
                await asyncio.sleep(0.001)
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
        assert not opened[-1].head_is_late(asyncio.get_running_loop().time() + 1_000, http_server.HEAD_S_MAX)
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


async def test_with_an_aiohttp_that_was_not_tried_orders_go_the_ordinary_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp, "__version__", "3.15.0")
    async with open_desk(tmp_path) as desk, connected(desk) as (reader, writer):
        for _ in range(3):
            writer.write(await order(desk))
            assert (await read_answer(reader))[0] == 201
        assert (desk.oanda.begun, len(desk.oanda.calls)) == (0, 3)
