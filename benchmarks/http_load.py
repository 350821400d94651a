"""A load generator for one POST, lean enough to leave the server its core: raw protocols, requests rendered once.

    python -m benchmarks.http_load closed 127.0.0.1 8787 /path 64 5 HEADERS_AND_BODY_FILE     64 connections, 5 s, next after the answer
    python -m benchmarks.http_load open   127.0.0.1 8787 /path 500 5 HEADERS_AND_BODY_FILE    500 a second, latency from when each was due

The file holds ``{"bodies": [...], "tokens": [...]}``; connection i uses token i modulo their number. Prints one JSON line: rate, p50_ms, p99_ms,
refused (answers other than 2xx), unanswered, answered, cpu_share (of a core, used by this program itself).
"""

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks.open_loop import PATIENCE_S, OpenLoop

OPEN_CONNECTIONS = 128


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = requests
        self._turn = 0
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.again = False
        self.latencies: list[float] = []
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream's transport

    def send(self, began: float) -> None:
        assert self._transport is not None
        self._began = began
        self._transport.write(self._requests[self._turn % len(self._requests)])
        self._turn += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) < head_end + 4 + length:
            return
        if head[9:10] != b"2":
            self.refused += 1
        self._buffer = b""
        now = time.perf_counter()
        self.latencies.append(now - self._began)
        if self.again:
            self.send(now)


def render(host: str, port: int, path: str, body: str, token: str | None) -> bytes:
    head = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


async def connect(host: str, port: int, path: str, count: int, plan: dict[str, list[str]]) -> list[Connection]:
    loop = asyncio.get_running_loop()
    tokens = plan["tokens"] or [""]
    made = []
    for number in range(count):
        requests = [render(host, port, path, body, tokens[number % len(tokens)]) for body in plan["bodies"]]
        connection = Connection(requests)
        await loop.create_connection(partial(_given, connection), host, port)
        made.append(connection)
    return made


def _given(connection: Connection) -> Connection:
    return connection


async def closed(connections: list[Connection], seconds: float) -> float:
    began = time.perf_counter()
    for connection in connections:
        connection.again = True
        connection.send(time.perf_counter())
    await asyncio.sleep(seconds)
    for connection in connections:
        connection.again = False
    return time.perf_counter() - began


async def run_closed(host: str, port: int, path: str, count: int, seconds: float, plan: dict[str, list[str]]) -> tuple[list[float], int, float]:
    """Latencies, how many were refused, and how long it took."""
    connections = await connect(host, port, path, count, plan)
    took = await closed(connections, seconds)
    return [latency for connection in connections for latency in connection.latencies], sum(each.refused for each in connections), took


def main(mode: str, host: str, port: int, path: str, amount: float, seconds: float, file: str) -> None:
    plan = json.loads(Path(file).read_text())
    unanswered = 0
    if mode == "closed":
        latencies, refused, took = asyncio.run(run_closed(host, port, path, int(amount), seconds, plan))
    else:
        tokens = plan["tokens"] or [""]
        requests = [render(host, port, path, body, token) for token in tokens for body in plan["bodies"]]
        loop = OpenLoop(host, port, OPEN_CONNECTIONS, lambda number, _: requests[number % len(requests)])
        began = time.perf_counter()
        unanswered = loop.run(amount, int(amount * seconds))
        took = time.perf_counter() - began
        latencies, refused = loop.latencies + [PATIENCE_S] * unanswered, loop.refused
    latencies.sort()
    answer = {
        "rate": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "refused": refused,
        "unanswered": unanswered,
        "answered": len(latencies) - unanswered,
        "cpu_share": time.process_time() / took,  # near 1 it is this program that is measured
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    mode, host, port, path, amount, seconds, file = sys.argv[1:]
    main(mode, host, int(port), path, float(amount), float(seconds), file)
