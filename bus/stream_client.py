"""One connection of an event stream, and how many there may be.

Frames are written straight to the transport, whole, and never while more than 64 KiB wait there; so what a connection that does not read costs is
bounded: that, one chunk more, and the kernel's buffer of the same size (R29, F10).
"""

import asyncio
import socket
from collections import Counter
from contextlib import suppress

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from bus.cursor import Cursor
from bus.frames import http_chunk
from bus.stream_filter import NONE, Filter

BUFFER_BYTES_MAX = 64 * 1024
KERNEL_BUFFER_BYTES = 64 * 1024  # the kernel doubles it; unset, it grows to 3.8 MB for a reader that does not read
WRITE_S_MAX = 30.0  # a reader that takes nothing for so long is cut; it comes back with its cursor

STREAMS_PER_USER_MAX = 20
STREAMS_PER_ADDRESS_MAX = 50  # not for loopback, where a proxy or one person's tabs come from


class Client:
    """A reader. ``index`` and ``position`` say what it has had: the next frame of the ring, and how far it is in each source."""

    __slots__ = (
        "_waiter",
        "awaits",
        "filter",
        "index",
        "is_chunked",
        "is_closed",
        "is_ready",
        "position",
        "quotes",
        "replay",
        "request",
        "transport",
        "user_expires_ns",
        "writer",
    )

    def __init__(self, request: web.Request, writer: AbstractStreamWriter, wanted: Filter, *, replay: int, quotes: frozenset[str]) -> None:
        assert request.transport is not None
        self.request = request
        self.transport: asyncio.Transport = request.transport
        self.writer = writer
        self.is_chunked = request.version >= (1, 1)  # HTTP/1.0 has no chunks: its body ends with the connection
        self.filter = wanted
        self.replay = replay
        self.quotes = quotes
        self.index: int | None = None
        self.position = Cursor()
        self.awaits = NONE  # sources nobody has reached yet, of which this reader wants everything
        self.user_expires_ns: int | None = None
        self.is_closed = False
        self.is_ready = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def is_full(self) -> bool:
        return self.transport.get_write_buffer_size() > BUFFER_BYTES_MAX

    def send(self, data: bytes) -> None:
        """Hand whole frames to the transport; nothing happens when it is closing."""
        if not self.transport.is_closing():
            self.transport.write(http_chunk(data) if self.is_chunked else data)

    async def write(self, data: bytes) -> None:
        """Send whole frames and wait until the reader has taken enough; one that takes nothing for 30 s is cut."""
        self.send(data)
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await self.writer.drain()
        except TimeoutError:
            self.cut()
        except ConnectionError:
            self.close()

    async def wait(self, timeout_s: float | None = None) -> None:
        """Until ``wake`` or ``close``, or for ``timeout_s``."""
        if self.is_closed:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        if timeout_s is None:
            await self._waiter  # nearly all readers, nearly all the time: nothing more is kept for them than this
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._waiter
        self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """End the stream after what is buffered."""
        self.is_closed = True
        self.wake()

    def cut(self) -> None:
        """End the stream now; what is buffered is dropped."""
        self.transport.abort()
        self.close()


def new_response() -> EventSourceResponse:
    """An event stream's response. Lines end in LF; TCP gives up on a peer that acknowledges nothing for 30 s; no cache keeps it (S-W6)."""
    response = EventSourceResponse(sep="\n", send_timeout=WRITE_S_MAX)
    response.headers["Cache-Control"] = "no-store"
    return response


async def open_stream(response: EventSourceResponse, request: web.Request) -> AbstractStreamWriter:
    """Send the head and return where to write.

    aiohttp-sse's task of its own for comments is ended: one timer serves all streams.
    """
    writer = await response.prepare(request)
    assert writer is not None
    response.stop_streaming()
    response._ping_task = None  # noqa: SLF001 - ended, it would still cost every idle stream 1.2 KB
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        if raw is not None and raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER_BYTES)
        request.transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
    return writer


class Slots:
    """How many streams there are, in all, by user and by address (S-H7)."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._by_user: Counter[str] = Counter()
        self._by_address: Counter[str] = Counter()

    def full(self, user: str | None, address: str | None) -> str | None:
        """Why there is no slot, or None when there is one. ``address`` is None for this machine itself."""
        if self.used >= self.total:
            return f"all {self.total} streams are taken"
        if user is not None and self._by_user[user] >= STREAMS_PER_USER_MAX:
            return f"one user may open {STREAMS_PER_USER_MAX} streams"
        if address is not None and self._by_address[address] >= STREAMS_PER_ADDRESS_MAX:
            return f"one address may open {STREAMS_PER_ADDRESS_MAX} streams"
        return None

    def take(self, user: str | None, address: str | None) -> None:
        self.used += 1
        for counter, name in ((self._by_user, user), (self._by_address, address)):
            if name is not None:
                counter[name] += 1

    def give_back(self, user: str | None, address: str | None) -> None:
        self.used -= 1
        for counter, name in ((self._by_user, user), (self._by_address, address)):
            if name is not None:
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]
