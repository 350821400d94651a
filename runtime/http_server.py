"""The listening side of every HTTP server: one socket, bounded connections, bounded waits, an orderly end.

aiohttp's parser and connection are used as they are (runtime/http_connection.py); what is added here: a cap on connections (streams have slots of
their own and do not count), a time for a head that trickles in, and the quick way, where that is known to fit.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from runtime.http_connection import Connection, QuickConnection, fits_aiohttp
from runtime.http_guard import is_loopback
from runtime.http_quick import QuickRoutes
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

RequestHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ArenaServer(web.Server):
    """Makes connections and counts them."""

    def __init__(
        self, handler: RequestHandler, *, request_factory: Any, proxies: tuple[str, ...], quick: QuickRoutes | None = None, **kwargs: Any
    ) -> None:
        super().__init__(handler, request_factory=request_factory, **kwargs)
        self.quick = quick if quick is not None and fits_aiohttp() else None
        self._connection_kwargs = kwargs
        self._proxies = frozenset(proxies)
        self._open = 0
        self._per_address: Counter[str] = Counter()
        self.refused = 0

    def __call__(self) -> Connection:
        if self.quick is not None:
            return QuickConnection(self, self, self.quick, loop=asyncio.get_running_loop(), **self._connection_kwargs)
        return Connection(self, self, loop=asyncio.get_running_loop(), **self._connection_kwargs)

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
                if isinstance(connection, Connection) and connection.head_is_late(now, HEAD_S_MAX):
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
