"""What a test of the whole arena reads and speaks besides plain HTTP: event streams and supervisord's socket."""

import asyncio
import json
import socket
import xmlrpc.client
from collections.abc import AsyncIterator, Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import aiohttp


async def sse_frames(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Each frame that carries data, as ``{"event": name or None, "id": cursor or None, "data": decoded}``."""
    frame: dict[str, Any] = {"event": None, "id": None}
    data = b""
    async for raw in response.content:
        line = raw.rstrip(b"\r\n")
        if not line:
            if data:
                yield {**frame, "data": json.loads(data)}
            frame, data = {"event": None, "id": None}, b""
        elif line.startswith(b"data:"):
            data += line[5:].strip()
        elif line.startswith(b"id:"):
            frame["id"] = line[3:].strip().decode()
        elif line.startswith(b"event:"):
            frame["event"] = line[6:].strip().decode()


async def next_event(frames: AsyncIterator[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool], *, seconds: float = 15) -> dict[str, Any]:
    """The next unnamed frame whose event is ``wanted``."""
    async with asyncio.timeout(seconds):
        async for frame in frames:
            if frame["event"] is None and wanted(frame["data"]):
                return frame
    raise AssertionError("the stream ended")


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over supervisord's Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> HTTPConnection:
        path = self._path

        class Connection(HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.sock.settimeout(5)
                self.sock.connect(str(path))

        connection = Connection("localhost")
        self._connection = (host, connection)  # where the base class looks for what it must close
        return connection
