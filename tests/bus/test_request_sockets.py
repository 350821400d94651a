"""Requests on the wire: other people's sockets, frames that are none, who may open the file."""

import asyncio
import os
import threading
from pathlib import Path

import msgpack
import pytest
import zmq
import zmq.asyncio

from bus.codec import pack
from bus.request_server import socket_path
from bus.requests import RequestClient, RequestServer
from runtime.program import CannotStart
from tests.bus.requesting import Adapter, ask, request


def test_a_bare_req_socket_is_served(run_dir: Path) -> None:
    """What a reader of docs/protocol.md writes in another language: one synchronous REQ, no library of ours."""
    outcome: dict[str, object] = {}

    def somebody_else(address: str) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 30_000
            socket.connect(address)
            for number in range(3):
                socket.send(msgpack.packb({"v": 1, "id": str(number), "op": "order.get", "args": {"n": number}}))
                outcome[str(number)] = msgpack.unpackb(socket.recv())

    async def serve() -> None:
        async with RequestServer(f"ipc://{run_dir}/o.sock", Adapter(), name="orders"):
            await asyncio.to_thread(somebody_else, f"ipc://{run_dir}/o.sock")

    with asyncio.Runner() as runner:
        runner.run(serve())
    last_event = {"epoch": "0123456789abcdef", "seq": 3}
    assert outcome == {str(n): {"v": 1, "id": str(n), "ok": True, "result": {"echo": {"n": n}}, "last_event": last_event} for n in range(3)}


async def test_a_relaxed_correlating_req_gets_the_answer_to_its_latest_question(server: RequestServer, address: str, adapter: Adapter) -> None:
    """The late answer to its first question comes too, and is not taken for the second."""
    loop = asyncio.get_running_loop()

    def somebody_else() -> bytes:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 30_000
            socket.req_relaxed, socket.req_correlate = 1, 1
            socket.connect(address)
            socket.send(pack(request("test.wait")))
            asyncio.run_coroutine_threadsafe(adapter.arrived.wait(), loop).result(10)
            loop.call_soon_threadsafe(adapter.release.set)
            socket.send(pack({**request("test.echo"), "id": "2"}))
            return socket.recv()

    assert msgpack.unpackb(await asyncio.to_thread(somebody_else))["id"] == "2"


async def test_the_envelope_comes_back_unchanged(raw: zmq.asyncio.Socket) -> None:
    for envelope in ([b""], [b"hop", b""], [b"a", b"b", b"c", b"d", b"e", b""]):
        frames = await ask(raw, *envelope, pack(request()))
        assert frames[:-1] == envelope
        assert msgpack.unpackb(frames[-1])["ok"] is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"POST / HTTP/1.1\r\n",
        pack([request()] * 65),
        pack([]),
        pack(7),
        msgpack.packb({**request(), "args": {"n": float("nan")}}),
        msgpack.packb({**request(), "args": {"b": b"x"}}),
        b"\x82\xa1v\x01\xa1v\x01",
        b"\x81\xa1a" * 100 + b"\x01",
    ],
    ids=lambda body: repr(body)[:30],
)
async def test_a_body_that_cannot_be_read_is_answered_and_counted(raw: zmq.asyncio.Socket, server: RequestServer, body: bytes) -> None:
    frames = await ask(raw, b"", body)
    reply = msgpack.unpackb(frames[-1])
    assert (reply["id"], reply["ok"], reply["error"]["code"]) == (None, False, "MALFORMED")
    assert server.metrics()["orders_malformed"] == 1


@pytest.mark.parametrize("frames", [[b"body"], [b"", b"body", b"more"], [b"a"] * 7 + [b"", b"body"], [b""], [b"", b"", b"body"]], ids=str)
async def test_frames_without_a_form_are_dropped_and_the_next_request_is_served(
    raw: zmq.asyncio.Socket, server: RequestServer, frames: list[bytes]
) -> None:
    await raw.send_multipart(frames)
    assert msgpack.unpackb((await ask(raw, b"", pack(request())))[-1])["ok"] is True
    assert server.metrics()["orders_malformed"] == 1


async def test_a_frame_over_64_kib_costs_its_sender_the_connection_and_nobody_else(
    raw: zmq.asyncio.Socket, client: RequestClient, adapter: Adapter
) -> None:
    await raw.send_multipart([b"", b"\x00" * 65_537])
    await client.call("test.echo", {}, timeout_s=30)
    assert [seen.op for seen in adapter.requests] == ["test.echo"]


async def test_the_socket_file_is_for_its_owner_alone_whatever_the_umask(run_dir: Path, adapter: Adapter) -> None:
    path = run_dir / "orders.sock"
    old = os.umask(0o022)
    try:
        async with RequestServer(f"ipc://{path}", adapter, name="orders"):
            assert path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(old)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:5999", "no ipc"),
        ("ipc://relative.sock", "no ipc"),
        ("ipc:///absent-directory/o.sock", "does not exist"),
        ("ipc:///tmp/o.sock", "open to other users"),
    ],
)
async def test_an_address_that_is_not_private_is_refused(address: str, reason: str) -> None:
    with pytest.raises(CannotStart, match=reason):
        async with RequestServer(address, Adapter(), name="orders"):
            pass


def test_a_path_too_long_for_a_socket_is_refused_with_its_length(run_dir: Path) -> None:
    with pytest.raises(CannotStart, match="has 130 bytes and a Unix socket path may have 107"):
        socket_path("ipc:///" + "x" * 129)


def test_many_threads_of_bare_req_sockets_are_served_side_by_side(run_dir: Path) -> None:
    answers: list[int] = []

    def somebody(number: int) -> None:
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.rcvtimeo = 30_000
            socket.connect(f"ipc://{run_dir}/o.sock")
            for _ in range(20):
                socket.send(pack(request(args={"n": number})))
                answers.append(msgpack.unpackb(socket.recv())["result"]["echo"]["n"])

    async def serve() -> None:
        async with RequestServer(f"ipc://{run_dir}/o.sock", Adapter(), name="orders"):
            threads = [threading.Thread(target=somebody, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)

    with asyncio.Runner() as runner:
        runner.run(serve())
    assert sorted(answers) == sorted(list(range(8)) * 20)
