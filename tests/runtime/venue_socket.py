"""A venue reduced to a socket: it reads a request's head and does what the test says, however wrong, and remembers what arrived."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Act = Callable[[asyncio.StreamWriter, int], Awaitable[None]]


class VenueSocket:
    """``act(writer, number)`` answers request ``number`` (0, 1 …); ``heads`` are the requests as they came."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self.heads: list[str] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length:")), 0)
                await reader.readexactly(length)
                self.heads.append(head)
                await self._act(writer, len(self.heads) - 1)
        writer.close()


@asynccontextmanager
async def venue_socket(act: Act, tls: ssl.SSLContext | None = None) -> AsyncIterator[VenueSocket]:
    venue = VenueSocket(act)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0, ssl=tls)
    venue.port = server.sockets[0].getsockname()[1]
    try:
        yield venue
    finally:
        server.close()


def answering(*raw: bytes, close: bool = False) -> Act:
    """Answers in turn, the last one for all that follow; with ``close`` the connection ends after each."""

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(raw[min(number, len(raw) - 1)])
        await writer.drain()
        if close:
            writer.close()

    return act


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body
