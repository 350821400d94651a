"""What the tests of requests share: a handler that does what it is told, and a bare socket's question."""

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import zmq
import zmq.asyncio

from bus.requests import Request
from trading.errors import OrderDenied

ACTOR = {"user": "ann@test", "role": "trader", "live": False}
ROOT = Path(__file__).parents[2]


class Adapter:
    """A handler that does what the operation says, and keeps what reached it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.release = asyncio.Event()
        self.arrived = asyncio.Event()

    async def __call__(self, request: Request) -> Mapping[str, object]:
        self.requests.append(request)
        self.arrived.set()
        match request.op:
            case "test.deny":
                raise OrderDenied("off tick", code="PRICE_OFF_TICK", details={"below": Decimal("1.16")})
            case "test.bug":
                raise RuntimeError("oops")
            case "test.nonsense":
                return {"result": object()}
            case "test.huge" | "position.close":
                return {"result": ["x" * 8000] * 300}
            case "test.large":
                return {"result": ["x" * 8000] * 100}
            case "test.block":
                time.sleep(0.05)
            case "test.wait" | "order.cancel":
                await self.release.wait()
        return {"result": {"echo": dict(request.args)}, "last_event": {"epoch": "0123456789abcdef", "seq": 3}}


async def ask(socket: zmq.asyncio.Socket, *frames: bytes) -> list[bytes]:
    await socket.send_multipart(frames)
    async with asyncio.timeout(30):
        return await socket.recv_multipart()


def request(op: str = "test.echo", **fields: object) -> dict[str, object]:
    return {"v": 1, "id": "1", "op": op, **fields}
