"""The order path's own shape and nothing of its work: what the bare handler becomes once an answer has crossed ZeroMQ and been synced to disk.

    python -m benchmarks.lean_server            prints its port; starts the adapter below as a second process

POST → one DEALER, all requests of a loop's turn in one message → an adapter that writes two rows an order, all that is queued in one
transaction of SQLite with ``synchronous=FULL`` → one message back → answers. No token, no checks, no orders, no events, no hash chain, no bus,
no other programs. The difference between this and the bare handler is the price of two processes and a sync; that between the arena and this is
the price of what the arena does.
"""

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import msgpack
import zmq
from aiohttp import web

from runtime.program import loop_factory

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE events (seq INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
"""


class Commands:
    """A DEALER whose answers are drained by the loop's reader."""

    def __init__(self, endpoint: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.connect(endpoint)
        self._loop.add_reader(self._socket.fileno(), self._drain)
        self._waiting: dict[int, asyncio.Future[object]] = {}
        self._outgoing: list[tuple[int, object]] = []
        self._last = 0

    async def ask(self, body: object) -> object:
        self._last += 1
        answer = self._waiting[self._last] = self._loop.create_future()
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append((self._last, body))
        return await answer

    def _send(self) -> None:
        self._socket.send(msgpack.packb(self._outgoing))
        self._outgoing = []
        self._drain()  # the socket's file descriptor is edge-triggered: a send may swallow the edge

    def _drain(self) -> None:
        with contextlib.suppress(zmq.Again):
            while True:
                for number, reply in msgpack.unpackb(self._socket.recv(zmq.NOBLOCK)):
                    self._waiting.pop(number).set_result(reply)


def adapter(endpoint: str, home: Path) -> None:
    """Answer for ever: take what is there, commit it, answer it."""
    journal = sqlite3.connect(home / "lean.db", isolation_level=None)
    journal.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;" + SCHEMA)
    router: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
    router.bind(endpoint)
    last = 0
    while True:
        messages = [router.recv_multipart()]
        with contextlib.suppress(zmq.Again):
            while True:
                messages.append(router.recv_multipart(zmq.NOBLOCK))
        replies = []
        journal.execute("BEGIN IMMEDIATE")
        for peer, batch in messages:
            answers = []
            for number, body in msgpack.unpackb(batch):
                last += 1
                journal.execute("INSERT INTO orders VALUES (?, ?)", (last, msgpack.packb(body)))
                journal.execute("INSERT INTO events VALUES (?, ?)", (last, msgpack.packb({"seq": last, "type": "order_accepted", "payload": body})))
                answers.append((number, {"ok": True, "order_id": f"paper-oanda-{last}", "status": "PENDING", "mode": "paper"}))
            replies.append((peer, msgpack.packb(answers)))
        journal.execute("COMMIT")
        for reply in replies:
            router.send_multipart(reply)


async def gateway(endpoint: str) -> None:
    commands = Commands(endpoint)

    async def order(request: web.Request) -> web.Response:
        return web.json_response(await commands.ask(await request.json()), status=201)

    app = web.Application()
    app.router.add_post("/brokers/oanda/orders", order)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(runner.addresses[0][1], flush=True)
    await stop.wait()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lean-", dir="/tmp") as home:
        endpoint = f"ipc://{home}/adapter"
        with subprocess.Popen([sys.executable, "-m", "benchmarks.lean_server", home]) as second:
            try:
                with asyncio.Runner(loop_factory=loop_factory()) as runner:
                    runner.run(gateway(endpoint))
            finally:
                second.terminate()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        adapter(f"ipc://{sys.argv[1]}/adapter", Path(sys.argv[1]))
    else:
        main()
