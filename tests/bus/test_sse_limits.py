"""Who may open an event stream, how many may, and how each ends: leaving, refused, stopped, or too slow."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

import bus.sse
import bus.stream_client
from runtime.http import ApiError
from runtime.routes import Principal
from tests.bus.served import arena, serving
from tests.bus.sse_reader import open_reader, places

pytestmark = pytest.mark.usefixtures("proxy")


async def test_a_page_of_another_site_is_refused_before_it_takes_a_slot(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(server.url, headers={"Sec-Fetch-Site": "cross-site"}) as reader:
        assert reader.response.status == 403
        assert server.stream.metrics()["arena_sse_clients"] == 0


async def test_over_the_limit_a_reader_is_told_busy_with_200_and_the_slot_is_free_again_after_a_leave(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.sse, "STREAMS_MAX", 1)
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir) as (_, (server,)):
        async with open_reader(server.url) as first:
            await first.until_ready()
            async with open_reader(server.url) as second:
                assert second.response.status == 200
                frame = await second.next()
                assert (frame.name, frame.retry) == ("busy", "30000")
                with pytest.raises(EOFError):
                    await second.next()
        async with asyncio.timeout(30):
            while server.stream.metrics()["arena_sse_clients"]:
                await asyncio.sleep(0.005)
        async with open_reader(server.url) as third:
            await third.until_ready()


async def test_one_user_has_twenty_streams(run_dir: Path) -> None:
    async def who(request: web.Request) -> Principal | None:
        return Principal(user=request.headers["X-User"], role="viewer")

    async with serving(run_dir, authorize=who) as server, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(open_reader(server.url, headers={"X-User": "ann"})) for _ in range(21)]
        first = [await reader.next() for reader in readers]
        assert [frame.name for frame in first] == ["ready"] * 20 + ["busy"]
        other = await stack.enter_async_context(open_reader(server.url, headers={"X-User": "bob"}))
        assert (await other.next()).name == "ready"


def test_fifty_streams_from_one_address_off_loopback() -> None:
    slots = bus.stream_client.Slots(100)
    for _ in range(50):
        assert slots.full(None, "192.0.2.7") is None
        slots.take(None, "192.0.2.7")
    assert slots.full(None, "192.0.2.7") is not None
    assert slots.full(None, "192.0.2.8") is None
    assert slots.full(None, None) is None
    for _ in range(50):
        slots.give_back(None, "192.0.2.7")
    assert slots.full(None, "192.0.2.7") is None
    assert slots.used == 0


async def test_a_token_that_is_no_longer_good_ends_the_stream_and_a_gateway_that_is_down_does_not(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.002)
    verdict: list[ApiError] = []
    asked = asyncio.Event()

    async def who(_: web.Request) -> Principal | None:
        asked.set()
        if verdict:
            raise verdict[0]
        return Principal(user="ann", role="viewer")

    async with serving(run_dir, authorize=who) as server, open_reader(server.url) as reader:
        await reader.until_ready()
        verdict.append(ApiError(503, "GATEWAY_DOWN", "x"))
        for _ in range(2):
            asked.clear()
            await asyncio.wait_for(asked.wait(), 30)
        assert server.stream.metrics()["arena_sse_clients"] == 1
        verdict[0] = ApiError(401, "TOKEN_INVALID", "x")
        with pytest.raises(EOFError):
            await reader.events(1)


async def test_what_authorize_refuses_at_the_door_stays_out(run_dir: Path) -> None:
    async def nobody(_: web.Request) -> Principal | None:
        raise ApiError(401, "TOKEN_INVALID", "x")

    async with serving(run_dir, authorize=nobody) as server, open_reader(server.url) as reader:
        assert reader.response.status == 401


async def test_streams_end_at_once_when_the_server_stops(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when they would be given up on."""
    monkeypatch.setattr(bus.sse, "SHUTDOWN_S", 60)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(run_dir))
        readers = [await stack.enter_async_context(open_reader(server.url)) for _ in range(20)]
        for reader in readers:
            await reader.until_ready()
        async with asyncio.timeout(30):
            await server.stream.end_streams()
            for reader in readers:
                with pytest.raises(EOFError):
                    await reader.next()


async def test_a_reader_that_does_not_read_is_cut_and_the_others_get_everything(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.stream_client, "WRITE_S_MAX", 0.5)
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        host, port = server.base.removeprefix("http://").split(":")
        with socket.socket() as frozen:
            frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            frozen.setblocking(False)
            await asyncio.get_running_loop().sock_connect(frozen, (host, int(port)))
            await asyncio.get_running_loop().sock_sendall(
                frozen, b"GET /events HTTP/1.1\r\nHost: %b\r\n\r\n" % server.base.removeprefix("http://").encode()
            )
            async with asyncio.timeout(30):
                while not server.stream.metrics()["arena_sse_clients"]:
                    await asyncio.sleep(0.005)
            async with open_reader(server.url, replay=0) as reader:
                await reader.until_ready()
                first = owner.last_seq + 1
                for _ in range(40):
                    await owner.append(10, note="x" * 4000)
                assert [seq for _, seq in places(await reader.events(400))] == list(range(first, first + 400))
                async with asyncio.timeout(30):
                    while server.stream.metrics()["arena_sse_clients"] > 1:
                        await asyncio.sleep(0.01)


async def test_a_slow_reader_catches_up_from_the_ring_and_misses_nothing(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)), open_reader(server.url, replay=0) as reader:
        await reader.until_ready()
        transport = reader.response.connection.transport  # type: ignore[union-attr]
        first = owner.last_seq + 1
        transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(100):
            await owner.append(10, note="x" * 2000)
        transport.resume_reading()  # type: ignore[union-attr]
        frames = await reader.events(1000)
        assert [seq for _, seq in places(frames)] == list(range(first, first + 1000))
        await owner.append(1)
        assert places(await reader.events(1)) == [("oanda", owner.last_seq)]


async def test_http_1_0_gets_the_stream_without_chunks(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(1)
        host, port = server.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /events HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        assert b"chunked" not in head.lower()
        assert await asyncio.wait_for(reader.readline(), 30) == b"retry: 2000\n"
        writer.close()
