"""What a hostile peer sends to a ZeroMQ socket: whole messages through libzmq, and raw bytes that are no ZMTP at all."""

import contextlib
import random
import socket
import struct
from collections.abc import Callable, Iterator

import msgpack
import zmq

REQUEST = msgpack.packb({"v": 1, "id": "1", "op": "order.list", "args": {}})
ORDER = {
    "instrument": "EUR_USD", "side": "BUY", "units": 100, "entry_price": 1.1655, "stop_loss_price": 1.16, "take_profit_price": 1.17,
}  # fmt: skip
GREETING = b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
READY = b"\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"


def bodies(dice: random.Random) -> Iterator[bytes]:
    """Message bodies without end: random, cut, mutated, over a limit, of other shapes and versions. None is a good command."""
    kinds: list[Callable[[], bytes]] = [
        lambda: dice.randbytes(dice.randrange(0, 300)),
        lambda: REQUEST[: dice.randrange(len(REQUEST))],
        lambda: _mutated(REQUEST, dice),
        lambda: msgpack.packb([1] * dice.randrange(300)),
        lambda: msgpack.packb(
            {"v": 1, "id": "1", "op": dice.choice(["", "x" * 300, "order.place", "__class__"]), "args": dice.choice([None, [], 5])}
        ),
        lambda: msgpack.packb({"v": dice.choice([0, 2, -1, "1", None, 1e308]), "id": "1", "op": "order.list", "args": {}}),
        lambda: msgpack.packb({"v": 1, "id": "1", "op": "order.place", "args": ORDER}),  # no deadline
        lambda: msgpack.packb({"v": 1, "id": "1", "op": "order.place", "args": ORDER, "ttl_ms": -1, "sent_wall_ns": 1}),
        lambda: msgpack.packb({"v": 1, "id": "1", "op": "order.place", "args": ORDER, "ttl_ms": 3000, "sent_wall_ns": 1}),  # half a century late
        lambda: msgpack.packb({"v": 1, "id": "1", "op": "order.list", "args": {}, "actor": dice.choice([{}, 5, {"user": "x", "role": "root"}])}),
        lambda: b"\x81" * dice.randrange(1, 2000),  # maps in maps
        lambda: b"\x91" * dice.randrange(1, 2000) + b"\x01",
        lambda: b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
        lambda: b"\xc6\xff\xff\xff\xff" + dice.randbytes(10),
        lambda: b"\x82\xa1v\x01\xa1v\x01",  # a key twice
        lambda: msgpack.packb({"v": 1, "id": "1", "op": "order.list", "args": {"limit": float("nan")}}),
        lambda: msgpack.packb({"v": 1, "id": "\ud800".encode("utf-8", "surrogatepass"), "op": "order.list", "args": {}}),
        lambda: msgpack.packb(msgpack.ExtType(5, dice.randbytes(20))),
        lambda: b"x" * dice.choice([65_535, 65_536, 65_537, 200_000]) if dice.random() < 0.02 else b"",
    ]
    while True:
        yield dice.choice(kinds)()


def _mutated(data: bytes, dice: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        out[dice.randrange(len(out))] = dice.randrange(256)
    return bytes(out)


def flood(address: str, kind: int, count: int, dice: random.Random) -> int:
    """Send ``count`` hostile messages to ``address`` as a ``kind`` of socket, a new connection each thousand; returns how many were handed over.

    Each is one frame, or many; a subscription flood when ``kind`` is XSUB.
    """
    sent, body = 0, bodies(dice)
    with zmq.Context() as context:
        while sent < count:
            with context.socket(kind) as peer:
                peer.setsockopt(zmq.LINGER, 200)
                peer.setsockopt(zmq.SNDTIMEO, 2000)
                peer.connect(address)
                for _ in range(min(1000, count - sent)):
                    with contextlib.suppress(zmq.Again):
                        peer.send_multipart(_frames(kind, body, dice))
                    sent += 1
    return sent


def _frames(kind: int, body: Iterator[bytes], dice: random.Random) -> list[bytes]:
    if kind == zmq.XSUB:
        return [dice.choice([b"\x01", b"\x00", b"\x02", b""]) + next(body)[:200]]
    if kind == zmq.DEALER:
        return [*([b""] * dice.randrange(2)), *(next(body) for _ in range(dice.choice([1, 1, 1, 1, 2, 5, 9, 30])))]
    topic = dice.choice([b"oanda.order_filled.", b"oanda.heartbeat.", b"quote.oanda.EUR_USD.", b"", next(body)[:300]])
    return [topic, *(next(body) for _ in range(dice.choice([0, 1, 1, 1, 2, 12])))]


def raw(connect: Callable[[], socket.socket], count: int, dice: random.Random) -> int:
    """``count`` connections that speak no good ZMTP: cut handshakes, random bytes, HTTP, never-ending multiparts, over-long frames."""
    for _ in range(count):
        with contextlib.suppress(OSError), connect() as peer:
            peer.settimeout(2)
            peer.sendall(_nonsense(dice))
            if dice.random() < 0.2:
                peer.shutdown(socket.SHUT_WR)
    return count


def _nonsense(dice: random.Random) -> bytes:
    start = GREETING + READY
    return dice.choice(
        [
            lambda: dice.randbytes(dice.randrange(1, 400)),
            lambda: start[: dice.randrange(len(start))],
            lambda: _mutated(start, dice),
            lambda: GREETING.replace(b"NULL", dice.choice([b"PLAI", b"CURV", b"XXXX"])) + dice.randbytes(100),
            lambda: start + b"\x01\x05hello" * dice.randrange(1, 2000),  # MORE on each frame, and no last one
            lambda: start + b"\x02" + struct.pack(">Q", dice.choice([2**63, 2**40, 65_537])) + b"x" * 1000,
            lambda: b"POST /" + b"a" * dice.randrange(200) + b" HTTP/1.1\r\nContent-Length: 9\r\n\r\n\x01\x00\x01\x00\x05hello",
            lambda: b"\x01\x00" + dice.randbytes(100),  # ZMTP 1.0
            lambda: b"\xff" + bytes(8) + b"\x7f\x01\x05" + dice.randbytes(100),  # ZMTP 2.0
        ]
    )()
