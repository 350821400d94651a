"""A running arena under hostile peers on every socket: no program restarts, nobody else is stopped, and nothing is placed or published."""

import asyncio
import queue
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
import pytest_asyncio
import zmq
import zmq.asyncio

from tests.security.fuzzing import amount, dice
from tests.security.hostile_zmq import flood, raw
from tests.system.stack import PROGRAMS, SEED_ORDER, Stack

pytestmark = pytest.mark.system
MESSAGES = amount(3_000, 200_000)
CONNECTIONS = amount(150, 5_000)


@pytest_asyncio.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with Stack() as shared:
        yield shared


def _pids(stack: Stack) -> dict[str, int]:
    return {name: stack.pid(name) for name in PROGRAMS}


async def _page(stack: Stack, source: str, after: int, limit: int = 500) -> dict[str, Any]:
    """What an owner's replay socket answers."""
    with zmq.asyncio.Context.instance().socket(zmq.REQ) as asking:
        asking.setsockopt(zmq.LINGER, 0)
        asking.connect(f"ipc://{stack.home}/run/{source}-replay.sock")
        async with asyncio.timeout(30):
            await asking.send(msgpack.packb({"v": 1, "id": "1", "op": "events.since", "args": {"epoch": None, "after": after, "limit": limit}}))
            page: dict[str, Any] = msgpack.unpackb(await asking.recv())["result"]
            return page


async def _journals(stack: Stack) -> dict[str, int]:
    """How many events each owner has."""
    return {source: int((await _page(stack, source, 0, 1))["last_seq"]) for source in ("oanda", "coinbase")}


async def _events(stack: Stack, source: str, after: int) -> list[dict[str, Any]]:
    """The events behind ``after``."""
    found: list[dict[str, Any]] = []
    while page := (await _page(stack, source, after + len(found)))["events"]:
        found += [msgpack.unpackb(body) for body in page]
    return found


async def _still_serves(stack: Stack) -> None:
    """An order placed now is answered, and heard on a stream that was open all the while."""
    status, placed = await stack.place(order={**SEED_ORDER})
    assert status == 201, placed


IPC = {
    "oanda-orders.sock": zmq.DEALER,
    "coinbase-orders.sock": zmq.DEALER,
    "oanda-replay.sock": zmq.DEALER,
    "rick-replay.sock": zmq.DEALER,
    "bus-pub.sock": zmq.PUB,
    "bus-sub.sock": zmq.XSUB,
}


@pytest.mark.timeout(3600 if MESSAGES > 10_000 else 110)
@pytest.mark.parametrize("name", IPC)
async def test_a_hostile_peer_on_a_socket_of_the_house_restarts_nothing_and_places_nothing(stack: Stack, name: str) -> None:
    """Whoever may open the file is one of us; a bug of ours, or a bad tool, must still stop no one else."""
    pids, before = _pids(stack), await _journals(stack)
    path = stack.home / "run" / name

    def connect() -> socket.socket:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(str(path))
        return peer

    throwing = asyncio.create_task(asyncio.to_thread(flood, f"ipc://{path}", IPC[name], MESSAGES, dice(name)))
    orders = 0
    while not throwing.done():  # others are served meanwhile
        await _still_serves(stack)
        orders += 1
        await asyncio.sleep(0.1)
    assert throwing.result() == MESSAGES
    assert await asyncio.to_thread(raw, connect, CONNECTIONS, dice(name)) == CONNECTIONS
    await _still_serves(stack)
    assert _pids(stack) == pids
    # What the flood asked for in due form came too late: that is refused, and the refusal is journalled (R7). Nothing else of it is.
    for source, seq in before.items():
        for event in await _events(stack, source, seq):
            ours = source == "oanda" and event["payload"].get("placed_by") == "trader@test"
            assert ours or event["type"] == "order_rejected", event


@pytest.mark.timeout(3600 if MESSAGES > 10_000 else 110)
async def test_hostile_bytes_on_the_bus_port_stop_nobody(stack: Stack) -> None:
    pids, address = _pids(stack), f"tcp://127.0.0.1:{stack.bus_port}"
    heard: queue.Queue[bytes] = queue.Queue()
    done = threading.Event()
    neighbour = asyncio.create_task(asyncio.to_thread(_listen, address, heard, done))
    try:
        await asyncio.to_thread(heard.get, True, 30)
        assert await asyncio.to_thread(flood, address, zmq.XSUB, MESSAGES, dice("tcp subscriptions")) == MESSAGES
        await asyncio.to_thread(raw, lambda: socket.create_connection(("127.0.0.1", stack.bus_port)), CONNECTIONS * 4, dice("tcp bytes"))
        for kind in (zmq.PUB, zmq.DEALER, zmq.REQ, zmq.PUSH, zmq.PAIR):
            await asyncio.to_thread(_knock, kind, address)
        while not heard.empty():
            heard.get_nowait()
        await _still_serves(stack)
        await asyncio.to_thread(heard.get, True, 30)  # raises Empty when the neighbour hears nothing any more
    finally:
        done.set()
        await neighbour
    assert _pids(stack) == pids


def _listen(address: str, heard: "queue.Queue[bytes]", done: threading.Event) -> None:
    """A well-behaved subscriber, on the same port all the while."""
    with zmq.Context() as context, context.socket(zmq.SUB) as other:
        other.setsockopt(zmq.LINGER, 0)
        other.setsockopt(zmq.SUBSCRIBE, b"oanda.")
        other.connect(address)
        while not done.is_set():
            if other.poll(100):
                heard.put(other.recv_multipart()[0])


def _knock(kind: int, address: str) -> None:
    """A socket of another kind that would speak where only listening is offered."""
    with zmq.Context() as context, context.socket(kind) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        peer.setsockopt(zmq.SNDTIMEO, 300)
        peer.connect(address)
        try:
            peer.send_multipart([b"oanda.order_filled.", b"forged"] if kind != zmq.REQ else [b"forged"])
        except zmq.Again:
            return


@pytest.mark.timeout(110)
async def test_posts_of_200_path_lengths_to_every_tcp_port_deliver_nothing(stack: Stack) -> None:
    """F1: a page's POST whose bytes would be an order or an event to a socket that takes ZMTP 1.0. Every TCP port the arena listens on is tried."""
    ports = _listening(stack)
    assert ports == {stack.gateway_port, stack.dashboard_port, stack.market_port, stack.bus_port}
    before, pids = await _journals(stack), _pids(stack)
    order = msgpack.packb({"v": 1, "id": "1", "op": "order.place", "args": {**SEED_ORDER}})
    frames = b"\x01\x00" + b"".join(bytes([len(part) + 1, 0]) + part for part in (b"", order[:200]))
    heard: list[list[bytes]] = []
    with zmq.asyncio.Context.instance().socket(zmq.SUB) as listener:
        listener.setsockopt(zmq.LINGER, 0)
        listener.setsockopt(zmq.SUBSCRIBE, b"")
        listener.connect(f"ipc://{stack.home}/run/bus-sub.sock")
        for port in sorted(ports):
            for length in range(1, 201):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                head = b"POST /%b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: https://evil.example\r\n" % (b"x" * length, port)
                writer.write(head + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (len(frames) * 3) + frames * 3)
                writer.close()
        while await listener.poll(1000 if not heard else 50):
            heard.append(await listener.recv_multipart())
            if len(heard) > 200:
                break
    assert all(frames[0].split(b".")[0] in {b"oanda", b"coinbase", b"rick", b"quote", b"gateway", b"dashboard", b"market_data"} for frames in heard)
    assert all(len(frames) == 2 and b"x" * 20 not in frames[1] for frames in heard)
    assert await _journals(stack) == before
    assert _pids(stack) == pids


def _listening(stack: Stack) -> set[int]:
    """The TCP ports that processes of this arena listen on, from the kernel's own tables."""
    inodes = set()
    for pid in stack.processes():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].rpartition(":")
                assert address in {"0100007F", "00000000000000000000000001000000"}, "listens beyond loopback"
                found.add(int(port, 16))
    return found


def test_nobody_but_the_owner_opens_a_socket_of_the_house(stack: Stack, as_another_user: Callable[[str], int]) -> None:
    """Another user of this machine connects to none of them: the directory is closed, and each file besides."""
    for path in sorted((stack.home / "run").glob("*.sock")):
        code = as_another_user(f"import socket; s=socket.socket(socket.AF_UNIX); s.connect({str(path)!r})")
        assert code != 0, f"{path.name} lets another user in"
    assert as_another_user("import socket") == 0, "the other user can run Python at all"
