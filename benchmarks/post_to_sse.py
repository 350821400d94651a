"""From POST sent to the event's line at a viewer of the dashboard's stream, through journal, bus and both servers.

python -m benchmarks.post_to_sse
"""

import asyncio
import json
import os
import socket
import statistics
import sys
import time

from benchmarks.arena import ORDER, Arena, running_arena
from benchmarks.harness import ROOT, Figure, pairs, percentile, write_results
from benchmarks.http_load import render as render_post
from benchmarks.open_loop import PATIENCE_S, OpenLoop
from benchmarks.order_path import PATH, sync_times_ms

SECONDS = float(os.environ.get("ARENA_BENCH_SECONDS", "4"))
CONNECTIONS = 32
MARK = b'"client_order_id":"'
LOADS = ((1, 1), (50, 1), (200, 1), (50, 20), (200, 20))  # orders a second, viewers


def open_stream(port: int) -> socket.socket:
    viewer = socket.create_connection(("127.0.0.1", port))
    viewer.sendall(f"GET /arena/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    head = b""
    while b"event: ready" not in head:
        if not (more := viewer.recv(1 << 20)):
            raise RuntimeError(f"the dashboard gives no stream: {head[:200]!r}")
        head += more
    return viewer


class Viewer:
    """Notes for each of our orders how long its ``oco_placed`` took."""

    def __init__(self, sent: dict[bytes, float], latencies: list[float]) -> None:
        self._sent = sent
        self._latencies = latencies
        self._rest = b""

    def take(self, data: bytes, now: float) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if b'"oco_placed"' in line and (at := line.find(MARK)) >= 0:
                began = self._sent.get(line[at + len(MARK) :].split(b'"', 1)[0])
                if began is not None:
                    self._latencies.append((now - began) * 1000)


def load(gateway: int, dashboard: int, token: str, per_second: float, viewers: int) -> dict[str, float]:
    sent: dict[bytes, float] = {}
    latencies: list[float] = []
    run = time.time_ns()

    def render(number: int, due: float) -> bytes:
        name = f"b{run}-{number}"
        sent[name.encode()] = due
        return render_post("127.0.0.1", gateway, PATH, json.dumps({**ORDER, "client_order_id": name}), token)

    loop = OpenLoop("127.0.0.1", gateway, CONNECTIONS, render)
    for _ in range(viewers):
        loop.watch(open_stream(dashboard), Viewer(sent, latencies).take)
    count = max(5, int(per_second * SECONDS))
    loop.run(per_second, count, lambda: len(latencies) >= count * viewers)
    if loop.refused:
        raise RuntimeError(f"{loop.refused} refused: not a run")
    missing = count * viewers - len(latencies)
    latencies += [PATIENCE_S * 1000] * missing
    return {"p50_ms": statistics.median(latencies), "p99_ms": percentile(latencies, 0.99), "missing": missing}


async def measured(arena: Arena, per_second: float, viewers: int) -> dict[str, float]:
    """One run in a process of its own."""
    words = [str(arena.gateway_port), str(arena.dashboard_port), arena.token, str(per_second), str(viewers)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.post_to_sse", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the load failed")
    answer: dict[str, float] = json.loads(out)
    return answer


async def main() -> list[Figure]:
    figures = []
    async with running_arena() as arena:
        for per_second, viewers in LOADS:
            name = f"POST to SSE, {per_second} orders/s, {viewers} viewer{'s' if viewers > 1 else ''}"
            figure = Figure(name=f"{name}, p50", unit="ms", limit_is="one fdatasync")
            tail = Figure(name=f"{name}, p99", unit="ms")

            async def product(per_second: float = per_second, viewers: int = viewers, tail: Figure = tail) -> float:
                answer = await measured(arena, per_second, viewers)
                tail.product.append(answer["p99_ms"])
                return answer["p50_ms"]

            async def limit() -> float:
                return statistics.median(await asyncio.to_thread(sync_times_ms))

            await pairs(figure, product, limit)
            figure.reach = "≤ fdatasync + 5 ms"
            figure.reached = figure.median <= statistics.median(figure.limit) + 5
            figures += [figure, tail]
    return figures


if __name__ == "__main__":
    if len(sys.argv) > 1:
        gateway_port, dashboard_port, bearer, rate, readers = sys.argv[1:]
        print(json.dumps(load(int(gateway_port), int(dashboard_port), bearer, float(rate), int(readers))))
    else:
        write_results("post_to_sse", asyncio.run(main()))
