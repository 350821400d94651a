"""The listening side of every HTTP server: one socket, bounded connections, bounded waits, an orderly end.

aiohttp's parser and connection are used as they are; what is added: a cap on connections (streams have slots of their own and do not count), a time
for a head that trickles in, and refusals of unparsable heads in the arena's one error shape.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runtime.http_answers import ApiError, error_answer
from runtime.http_guard import is_loopback
from runtime.http_quick import QuickLane, QuickRoutes
from runtime.program import CannotStart

CONNECTIONS_MAX = 2_000
CONNECTIONS_PER_ADDRESS_MAX = 100
HEAD_S_MAX = 10.0
KEEPALIVE_S = 15.0
# After an answer that did not read the whole body: long enough for the client to see the answer, short enough to be no free upload.
LINGER_S = 2.0
REQUEST_LINE_BYTES_MAX = 4 * 1024
HEADER_BYTES_MAX = 8 * 1024
HEADERS_MAX = 64
SHUTDOWN_S = 5.0
_SWEEP_S = 1.0

log = logging.getLogger(__name__)

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """One client connection."""

    __slots__ = ("_held", "_lane", "address", "counted", "head_since")

    def __init__(self, manager: "ArenaServer", **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.address = ""
        self.counted = False
        self.head_since: float | None = None
        self._lane: QuickLane | None = None
        # What aiohttp's own loop over requests waits on, out of its sight while a request is answered the quick way.
        self._held: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        server = self._manager
        if not isinstance(server, ArenaServer) or not server.admit(self):
            self.force_close()
        elif server.quick is not None:
            self._lane = QuickLane(server.quick, self.address, self._answer_quickly)

    def connection_lost(self, exc: BaseException | None) -> None:
        server = self._manager
        if isinstance(server, ArenaServer):
            server.release(self)
        self._lane = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp looks again at what it has
            super().data_received(data)
            return
        lane = self._free_lane()
        if lane is not None and lane.begin_again(data):
            self._hold()
            return
        if self._lane is not None:
            self._lane.forget()
        requests = self._request_count
        waiter, self._waiter = self._waiter, None  # so that it is not woken before it is clear which way the request goes
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if self._messages and waiter is not None and not waiter.done():
            if lane is not None and len(self._messages) == 1 and lane.begin(data, *self._messages[0]):
                self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                self._hold()
            else:
                waiter.set_result(None)  # aiohttp takes it from here
        if self._request_count != requests:
            self.head_since = None
        elif not self._is_busy and self.head_since is None:
            self.head_since = self._loop.time()

    def _free_lane(self) -> QuickLane | None:
        """The quick way (runtime/http_quick.py), while nothing of this connection is being read, worked on or sent."""
        waiter, transport = self._waiter, self.transport
        ends = self._close or self._force_close
        if ends or waiter is None or waiter.done() or self._messages or transport is None or transport.get_write_buffer_size():
            return None
        return self._lane

    def _hold(self) -> None:
        """From now on a request is answered the quick way: aiohttp's loop over requests is not to be woken."""
        self._held, self._waiter = self._waiter, None
        self._request_in_progress = True

    def _answer_quickly(self, answer: bytes) -> None:
        if self.transport is not None:
            self.transport.write(answer)
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():  # the server is stopping and has waited for this answer
            self._handler_waiter.set_result(None)
        self._let_go()
        if self._close:
            self.force_close()
        elif self._messages and self._waiter is not None and not self._waiter.done():  # what came meanwhile
            self._waiter.set_result(None)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None and not self._force_close:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _let_go(self) -> None:
        """Let aiohttp see what it waits on."""
        if self._held is not None:
            self._waiter, self._held = self._held, None

    def force_close(self) -> None:
        self._let_go()
        super().force_close()

    @property
    def _is_busy(self) -> bool:
        return self._current_request is not None or self._held is not None

    def head_is_late(self, now: float) -> bool:
        """Whether a head began to arrive and did not end in time."""
        return self.head_since is not None and not self._is_busy and now - self.head_since > HEAD_S_MAX

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What aiohttp itself refuses: a head it cannot parse (400), or an error nobody caught (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun when its handler failed")
        if status == web.HTTPInternalServerError.status_code:
            log.error("a request failed", exc_info=exc)
            return error_answer(ApiError(500, "INTERNAL", "this is a fault of ours; the log has more under the request id", close=True), "-")
        if "version" in (message or "").lower():
            return error_answer(ApiError(505, "HTTP_VERSION_NOT_SUPPORTED", "only HTTP/1.0 and HTTP/1.1 are spoken here", close=True), "-")
        return error_answer(ApiError(status, "HTTP_MALFORMED", "the request's head is not HTTP, or too large", close=True), "-")


class ArenaServer(web.Server):
    """Makes connections and counts them."""

    def __init__(
        self, handler: RequestHandler, *, request_factory: Any, proxies: tuple[str, ...], quick: QuickRoutes | None = None, **kwargs: Any
    ) -> None:
        super().__init__(handler, request_factory=request_factory, **kwargs)
        self.quick = quick
        self._connection_kwargs = kwargs
        self._proxies = frozenset(proxies)
        self._open = 0
        self._per_address: Counter[str] = Counter()
        self.refused = 0

    def __call__(self) -> Connection:
        return Connection(self, loop=asyncio.get_running_loop(), **self._connection_kwargs)

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        many = self._per_address[connection.address] >= CONNECTIONS_PER_ADDRESS_MAX
        exempt = is_loopback(connection.address) or connection.address in self._proxies
        if self._open >= CONNECTIONS_MAX or (many and not exempt):
            self.refused += 1
            return False
        self._open += 1
        self._per_address[connection.address] += 1
        connection.counted = True
        return True

    def release(self, connection: Connection) -> None:
        """Count a connection out: it ended, or it became a stream, which has a slot of its own."""
        if connection.counted:
            connection.counted = False
            self._open -= 1
            self._per_address[connection.address] -= 1
            if not self._per_address[connection.address]:
                del self._per_address[connection.address]

    async def sweep(self) -> None:
        """Close connections whose head trickles in too slowly; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = loop.time()
            for connection in self.connections:
                if isinstance(connection, Connection) and connection.head_is_late(now):
                    connection.force_close()


class _Runner(web.ServerRunner):
    """Ends streams (``on_shutdown``) after the socket is closed and before open requests are waited for."""

    def __init__(self, server: ArenaServer, app: web.Application) -> None:
        super().__init__(server, shutdown_timeout=SHUTDOWN_S)
        self._app = app

    async def shutdown(self) -> None:
        await self._app.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An open server: where it is."""

    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def bind(host: str, port: int, *, setting: str) -> socket.socket:
    """A bound socket for ``host`` and ``port`` (0: any free one).

    Raises:
        CannotStart: the port is taken or not ours to bind; ``setting`` is what to change.
    """
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise CannotStart(f"{setting.replace('PORT', 'HOST')}={host} is no address of this machine: {error.strerror}") from error
    sock = socket.socket(info[0], info[1])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(info[4])
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"port {port} on {host} is taken: stop the other program, or set {setting} to a free port") from error
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}; set {setting} to a port that may be bound") from error
    sock.setblocking(False)
    return sock


def tls_context(cert_file: str, key_file: str) -> ssl.SSLContext | None:
    """The server's TLS, or None without a certificate.

    Raises:
        CannotStart: a file is missing or not what it should be.
    """
    if not cert_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert_file, key_file or None)
    except OSError as error:
        raise CannotStart(f"ARENA_HTTP__TLS_CERT_FILE={cert_file} or its key cannot be used: {error}") from error
    return context


@asynccontextmanager
async def open_server(
    app: web.Application,
    sock: socket.socket,
    wrap: Callable[[RequestHandler], RequestHandler],
    *,
    tls: ssl.SSLContext | None,
    proxies: tuple[str, ...] = (),
    quick: QuickRoutes | None = None,
) -> AsyncIterator[Listener]:
    """Start ``app`` and serve it on ``sock`` until the block ends; then end streams, wait 5 s for open requests, and clean up.

    ``wrap`` is put round the application's handler: it sees every request before routing, except those that go the quick way, ``quick``.
    """
    starter = web.AppRunner(app, access_log=None)
    await starter.setup()
    inner = starter.server
    assert inner is not None
    server = ArenaServer(
        wrap(inner.request_handler),
        request_factory=inner.request_factory,
        proxies=proxies,
        quick=quick,
        access_log=None,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGER_S,
        max_line_size=REQUEST_LINE_BYTES_MAX,
        max_field_size=HEADER_BYTES_MAX,
        max_headers=HEADERS_MAX,
        auto_decompress=False,
    )
    runner = _Runner(server, app)
    await runner.setup()
    sweeper = asyncio.create_task(server.sweep(), name="http-sweep")
    try:
        await web.SockSite(runner, sock, ssl_context=tls, backlog=1024).start()
        host, port = sock.getsockname()[:2]
        yield Listener(host=host, port=port, tls=tls is not None)
    finally:
        sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeper
        await runner.cleanup()
        await app.cleanup()
        sock.close()
