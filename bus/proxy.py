"""The proxy: what publishers send on one side comes out to subscribers on the other. It keeps nothing and looks into nothing.

* libzmq's own loop moves the messages, on a thread of its own; no Python runs for a message.
* Publishers connect to ``ipc://run/bus-pub.sock``: whoever reaches that side can speak as any source (S-Z2), so the file permission is its guard. On
  TCP they are only where the owner asked for it, with CURVE and a list of keys of their own.
* Subscribers connect to ``ipc://run/bus-sub.sock``, and on loopback to a TCP port. A TCP socket of ZeroMQ takes a plain HTTP POST for an old ZMTP
  peer; with ZAP_DOMAIN set it refuses those (F1, S-Z1).
* Beyond loopback, and where reads need a token, TCP speaks CURVE with named clients and with nobody else; bus/doors.py decides which it is.
* A subscriber that does not read loses messages beyond the high-water mark and heals from the owners; nobody waits for it (never XPUB_NODROP).
* A second bind of an ``ipc`` path silently steals it, so the proxy holds ``run/bus.lock`` and takes over a socket file only when nobody
  listens on it.
"""

import asyncio
import errno
import fcntl
import os
import socket as unix
import threading
from pathlib import Path
from types import TracebackType

import zmq

from bus.curve import KeyRing
from bus.doors import Doors
from bus.sockets import new_socket
from bus.zap import ZapHandler
from runtime.program import CannotStart

# Without a handler behind it, all this does is refuse peers of ZMTP 1.0 and 2.0, which is what an HTTP request passes for.
PLAIN_DOMAIN = b"arena"
PRIVATE_FILE = 0o600


class Proxy:
    """A running proxy; an async context manager.

    Args:
        run_dir: where the two sockets and the lock live; a directory nobody else may enter.
        doors: the TCP ports to open; port 0 takes a free one (see ``sub_port``, ``pub_port``).
        ring: the keys for CURVE; needed where ``doors`` says so.
    Raises:
        CannotStart: on entering, when another proxy runs here, a socket or the port is taken, or the directory is open to others.
    """

    def __init__(self, run_dir: Path, doors: Doors, ring: KeyRing | None = None) -> None:
        self._run_dir = run_dir
        self._doors = doors
        self._ring = ring
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._lock: int | None = None
        self._thread: threading.Thread | None = None
        self._ended: asyncio.Future[None] | None = None
        self._zap: ZapHandler | None = None
        self.sub_port: int | None = None
        self.pub_port: int | None = None

    async def __aenter__(self) -> "Proxy":
        self._lock = _take_lock(self._run_dir)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        inward, outward = new_socket(context, zmq.XSUB), new_socket(context, zmq.XPUB)
        try:
            self._bind(context, inward, outward)
        except BaseException:
            inward.close()
            outward.close()
            context.term()  # which also ends the handler's thread; its socket is its own to close
            os.close(self._lock)
            raise
        self._context = context
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._ended = ended
        self._thread = threading.Thread(target=_forward, args=(inward, outward, loop, ended), name="bus-proxy")
        self._thread.start()
        return self

    async def wait(self) -> None:
        """Return when the proxy was closed; raise what ended it otherwise."""
        assert self._ended is not None
        await asyncio.shield(self._ended)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._context is not None
        assert self._thread is not None
        assert self._lock is not None
        # Ending the context is the one thing libzmq's loop answers to from another thread; the loop's thread then closes its sockets.
        await asyncio.to_thread(self._context.term)
        await asyncio.to_thread(self._thread.join)
        if self._zap is not None:
            await asyncio.to_thread(self._zap.join)
        os.close(self._lock)

    def _bind(self, context: "zmq.Context[zmq.Socket[bytes]]", inward: "zmq.Socket[bytes]", outward: "zmq.Socket[bytes]") -> None:
        # A listener keeps the options its socket had when it was bound: the paths are bound first, and so never ask for keys.
        _bind_path(inward, self._run_dir / "bus-pub.sock")
        _bind_path(outward, self._run_dir / "bus-sub.sock")
        doors = self._doors
        if doors.curve or doors.publishers is not None:
            assert self._ring is not None, "CURVE needs keys"
            _, secret = self._ring.server_pair()
            self._zap = ZapHandler(context, self._ring)
            _speak_curve(inward, secret, b"arena.publishers")
            if doors.curve:
                _speak_curve(outward, secret, b"arena.subscribers")
        if not doors.curve:
            outward.setsockopt(zmq.ZAP_DOMAIN, PLAIN_DOMAIN)
        if doors.publishers is not None:
            self.pub_port = _bind_tcp(inward, *doors.publishers, setting="ARENA_BUS__PUB_PORT")
        if doors.subscribers is not None:
            self.sub_port = _bind_tcp(outward, *doors.subscribers, setting="ARENA_BUS__SUB_PORT")


def _speak_curve(socket: "zmq.Socket[bytes]", secret: str, domain: bytes) -> None:
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret.encode())
    socket.setsockopt(zmq.ZAP_DOMAIN, domain)


def _forward(inward: "zmq.Socket[bytes]", outward: "zmq.Socket[bytes]", loop: asyncio.AbstractEventLoop, ended: "asyncio.Future[None]") -> None:
    """The proxy's thread: move messages until the context ends, then close both sockets, which lets it."""
    failure: Exception | None = None
    try:
        zmq.proxy(inward, outward)
    except zmq.ContextTerminated:
        pass
    except zmq.ZMQError as error:
        failure = error
    inward.close(linger=0)
    outward.close(linger=0)
    loop.call_soon_threadsafe(_settle, ended, failure)


def _settle(ended: "asyncio.Future[None]", failure: Exception | None) -> None:
    if ended.done():
        return
    if failure is None:
        ended.set_result(None)
    else:
        ended.set_exception(failure)


def _take_lock(run_dir: Path) -> int:
    status = run_dir.stat()
    if status.st_mode & 0o077:
        raise CannotStart(f"{run_dir} can be entered by other users, who could speak as any source: chmod 700 {run_dir}")
    handle = os.open(run_dir / "bus.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise CannotStart(f"another bus runs in {run_dir}: stop it, or choose another ARENA_HOME") from None
    return handle


def _bind_path(socket: "zmq.Socket[bytes]", path: Path) -> None:
    if _is_listened_on(path):
        raise CannotStart(f"another process listens on {path}: stop it, or choose another ARENA_HOME")
    path.unlink(missing_ok=True)
    try:
        socket.bind(f"ipc://{path}")
    except zmq.ZMQError as error:
        raise CannotStart(f"cannot listen on {path}: {error}") from error
    path.chmod(PRIVATE_FILE)


def _is_listened_on(path: Path) -> bool:
    with unix.socket(unix.AF_UNIX, unix.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(os.fspath(path))
    return code not in {errno.ENOENT, errno.ECONNREFUSED}  # a full backlog (EAGAIN) has a listener too


def _bind_tcp(socket: "zmq.Socket[bytes]", host: str, port: int, *, setting: str) -> int:
    address = f"tcp://{host}:{port or '*'}"
    if ":" in host:
        socket.setsockopt(zmq.IPV6, 1)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotStart(f"port {port} on {host} is taken: stop what listens there, or set {setting} to a free one") from error
        raise CannotStart(f"cannot listen on {address}: {error}") from error
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return int(endpoint.rstrip(b"\0").rpartition(b":")[2])
