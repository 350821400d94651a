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
        self.idle: asyncio.Queue[Connection] | None = None

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
        elif self.idle is not None:
            self.idle.put_nowait(self)


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


async def open_loop(connections: list[Connection], per_second: float, seconds: float) -> tuple[float, int]:
    """Requests go out when they are due; one that finds no idle connection waits, and its wait counts."""
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        connection.idle = idle
        idle.put_nowait(connection)
    began = time.perf_counter()
    count = int(per_second * seconds)
    for number in range(count):
        due = began + number / per_second
        wait = due - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        (await idle.get()).send(due)
    try:
        async with asyncio.timeout(5):
            for _ in connections:
                await idle.get()
    except TimeoutError:
        pass
    return time.perf_counter() - began, count


async def main(mode: str, host: str, port: int, path: str, amount: float, seconds: float, file: str) -> None:
    plan = json.loads(Path(file).read_text())
    unanswered = 0
    if mode == "closed":
        connections = await connect(host, port, path, int(amount), plan)
        took = await closed(connections, seconds)
    else:
        connections = await connect(host, port, path, OPEN_CONNECTIONS, plan)
        took, sent = await open_loop(connections, amount, seconds)
        unanswered = sent - sum(len(connection.latencies) for connection in connections)
    latencies = sorted(latency for connection in connections for latency in connection.latencies)
    latencies += [5.0] * unanswered
    answer = {
        "rate": len(latencies) / took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "refused": sum(connection.refused for connection in connections),
        "unanswered": unanswered,
        "answered": len(latencies) - unanswered,
        "cpu_share": time.process_time() / took,  # near 1 it is this program that is measured
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    mode, host, port, path, amount, seconds, file = sys.argv[1:]
    asyncio.run(main(mode, host, int(port), path, float(amount), float(seconds), file))
