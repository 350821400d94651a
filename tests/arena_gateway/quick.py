"""What the tests of the quick way share: a plain order's bytes, and waiting for what becomes of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.arena_gateway.fakes import SEED_ORDER, Desk

ORDER = json.dumps(SEED_ORDER).encode()
PATH = "/brokers/oanda/orders"


async def order(
    desk: Desk, body: bytes = ORDER, *more: str, path: str = PATH, version: str = "1.1", scheme: str = "Bearer", role: str = "trader"
) -> bytes:
    token = await desk.token(role)
    desk.accounts.directory.resolve(token)  # a token that is seen for the first time goes the long way
    lines = (f"POST {path} HTTP/{version}", f"Host: 127.0.0.1:{desk.port}", f"Authorization: {scheme} {token}", f"Content-Length: {len(body)}", *more)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(desk: Desk) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def seen(parsed: list[bytes], packet: bytes) -> None:
    """Return when ``packet`` was parsed last."""
    async with asyncio.timeout(30):
        while parsed[-1:] != [packet]:
            await asyncio.sleep(0.001)


async def arrived(desk: Desk, count: int = 1) -> None:
    async with asyncio.timeout(30):
        while desk.oanda.begun < count:
            await asyncio.sleep(0.001)
