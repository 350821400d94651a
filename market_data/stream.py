"""``/stream``: latest quotes as server-sent events, at most four a second for each instrument.

Nobody is pushed to. Each client's task wakes four times a second and takes what has changed since it last looked, so a slow client skips quotes,
never falls behind, and costs the others nothing; one that takes nothing for ``WRITE_S_MAX`` is cut off. A quote's frame is encoded once for all.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Sequence

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from market_data.answers import quote_answer
from market_data.book import QuoteBook, Standing
from market_data.feeds.base import Sleep
from runtime.clock import Clock
from runtime.http import PRINCIPAL, ApiError, Authenticator, Principal, json_bytes
from runtime.http_guard import is_loopback
from trading.instruments import Instruments

TICK_S = 0.25
COMMENT_S = 15.0
WRITE_S_MAX = 30.0
RECHECK_S = 30.0  # a revoked token ends its streams within a minute (S-A8)
BUFFER_BYTES = 64 * 1024  # R29; the kernel would otherwise hold megabytes for a client that does not read (F10)

# S-H7.
STREAMS_MAX = 6_000
STREAMS_PER_USER_MAX = 20
STREAMS_PER_ADDRESS_MAX = 50
FILES_KEPT = 500

_BUSY = b"event: busy\ndata: {}\nretry: 30000\n\n"
_COMMENT = b": still here\n\n"


class QuoteStream:
    """Serves ``/stream``; put ``close`` into the application's ``on_shutdown``.

    Args:
        files_max: the process's limit on open files, which bounds the streams.
        authenticator: asked again while a stream is open that a token opened.
        sleep: a test's own.
    """

    def __init__(
        self,
        book: QuoteBook,
        instruments: Instruments,
        clock: Clock,
        *,
        files_max: int,
        authenticator: Authenticator | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._book = book
        self._instruments = instruments
        self._clock = clock
        self._sleep = sleep
        self._authenticator = authenticator
        self._streams_max = max(1, min(STREAMS_MAX, files_max - FILES_KEPT))
        self._tasks: set[asyncio.Task[object]] = set()
        self._held: Counter[str] = Counter()
        self._frames: dict[str, tuple[int, bytes]] = {}

    @property
    def clients(self) -> int:
        return len(self._tasks)

    async def close(self, _: web.Application | None = None) -> None:
        """End every stream now."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def serve(self, request: web.Request, names: Sequence[str]) -> web.StreamResponse:
        """Stream the quotes of ``names`` to whoever sent ``request``, until they leave."""
        response = EventSourceResponse(sep="\n", ping_interval=3600, send_timeout=WRITE_S_MAX)
        _bound_buffers(request)
        holders = _holders(request)
        task = asyncio.current_task()
        assert task is not None
        with contextlib.suppress(ConnectionError):  # the client left: that is how streams end
            await response.prepare(request)
            async with response:
                if len(self._tasks) >= self._streams_max or any(self._held[holder] >= most for holder, most in holders):
                    await response.write(_BUSY)
                    return response
                self._tasks.add(task)
                self._held.update(holder for holder, _ in holders)
                try:
                    await self._send(request, response, names)
                finally:
                    self._tasks.discard(task)
                    self._held.subtract(holder for holder, _ in holders)
        return response

    async def _send(self, request: web.Request, response: EventSourceResponse, names: Sequence[str]) -> None:
        sent: dict[str, int] = {}
        checked_ns = spoken_ns = self._clock.boot_ns()
        await self._write(request, response, b'event: ready\nretry: 2000\ndata: {"instruments":' + json_bytes(list(names)) + b"}\n\n")
        while True:
            chunk = self._fresh(names, sent)
            now_ns = self._clock.boot_ns()
            if not chunk and now_ns - spoken_ns >= COMMENT_S * 1e9:
                chunk = _COMMENT
            if chunk:
                await self._write(request, response, chunk)
                spoken_ns = now_ns
            if now_ns - checked_ns >= RECHECK_S * 1e9:
                checked_ns = now_ns
                if not await self._still_allowed(request):
                    return
            await self._sleep(TICK_S)

    def _fresh(self, names: Sequence[str], sent: dict[str, int]) -> bytes:
        """The frames of every instrument that has a newer quote than ``sent`` says; ``sent`` is brought up to date."""
        frames: list[bytes] = []
        for name in names:
            standing = self._book.latest.get(name)
            if standing is not None and sent.get(name) != standing.number:
                sent[name] = standing.number
                frames.append(self._frame(name, standing))
        return b"".join(frames)

    def _frame(self, name: str, standing: Standing) -> bytes:
        known = self._frames.get(name)
        if known is None or known[0] != standing.number:
            answer = quote_answer(standing, self._instruments[name].venue, self._book, self._clock.boot_ns())
            known = self._frames[name] = (standing.number, b"event: quote\ndata: " + json_bytes(answer) + b"\n\n")
        return known[1]

    async def _write(self, request: web.Request, response: EventSourceResponse, chunk: bytes) -> None:
        try:
            async with asyncio.timeout(WRITE_S_MAX):
                await response.write(chunk)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the client does not read") from None

    async def _still_allowed(self, request: web.Request) -> bool:
        """Whether the token that opened the stream is good still; a gateway that cannot be asked ends nothing."""
        if self._authenticator is None or request.get(PRINCIPAL) is None:
            return True
        try:
            return await self._authenticator.principal(request) is not None
        except ApiError as error:
            return error.status != web.HTTPUnauthorized.status_code


def _holders(request: web.Request) -> list[tuple[str, int]]:
    """Who holds a stream's slot, and how many each may hold."""
    principal: Principal | None = request.get(PRINCIPAL)
    holders = [] if principal is None else [(f"user {principal.user}", STREAMS_PER_USER_MAX)]
    peer = None if request.transport is None else request.transport.get_extra_info("peername")
    address = str(peer[0]) if isinstance(peer, tuple) else ""
    return holders if is_loopback(address) else [*holders, (f"address {address}", STREAMS_PER_ADDRESS_MAX)]


def _bound_buffers(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=BUFFER_BYTES)
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
