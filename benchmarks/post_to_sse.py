"""From POST sent to the event's line at a viewer of the dashboard's stream, through journal, bus and both servers.

python -m benchmarks.post_to_sse
"""

import asyncio
import json
import os
import statistics
import sys
import time

from benchmarks.arena import ORDER, Arena, running_arena
from benchmarks.harness import ROOT, Figure, pairs, percentile, write_results
from benchmarks.order_path import sync_times_ms

SECONDS = float(os.environ.get("ARENA_BENCH_SECONDS", "4"))
LOADS = ((1, 1), (50, 1), (200, 1), (50, 20), (200, 20))  # orders a second, viewers


async def open_stream(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET /arena/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    if b" 200 " not in await reader.readline():
        raise RuntimeError("the dashboard gives no stream")
    return reader, writer


async def watch(reader: asyncio.StreamReader, sent: dict[str, float], latencies: list[float]) -> None:
    """Note for each of our orders how long its ``oco_placed`` took."""
    mark = b'"client_order_id":"'
    while line := await reader.readline():
        if b'"oco_placed"' in line and (at := line.find(mark)) >= 0:
            began = sent.get(line[at + len(mark) :].split(b'"', 1)[0].decode())
            if began is not None:
                latencies.append((time.perf_counter() - began) * 1000)


async def load(gateway: int, dashboard: int, token: str, per_second: float, viewers: int) -> dict[str, float]:
    sent: dict[str, float] = {}
    latencies: list[float] = []
    streams = [await open_stream(dashboard) for _ in range(viewers)]
    watchers = [asyncio.create_task(watch(reader, sent, latencies)) for reader, _ in streams]
    await asyncio.sleep(0.5)  # what a stream begins with is read
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(32):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", gateway))
    posts = set()
    began, count = time.perf_counter(), max(5, int(per_second * SECONDS))
    for number in range(count):
        due = began + number / per_second
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        name = f"b{time.time_ns()}"
        sent[name] = due
        post = asyncio.create_task(place(idle, gateway, token, name))
        posts.add(post)
        post.add_done_callback(posts.discard)
    give_up = time.monotonic() + 5
    while len(latencies) < count * viewers and time.monotonic() < give_up:
        await asyncio.sleep(0.05)
    for watcher in watchers:
        watcher.cancel()
    for _, writer in streams:
        writer.close()
    missing = count * viewers - len(latencies)
    latencies += [5_000.0] * missing
    return {"p50_ms": statistics.median(latencies), "p99_ms": percentile(latencies, 0.99), "missing": missing}


async def place(idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]], port: int, token: str, name: str) -> None:
    reader, writer = await idle.get()
    body = json.dumps({**ORDER, "client_order_id": name})
    head = f"POST /brokers/oanda/orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write((head + body).encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b" 201 " not in answer:
        raise RuntimeError(answer.decode())
    await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n", 1)[0]))
    idle.put_nowait((reader, writer))


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
        print(json.dumps(asyncio.run(load(int(gateway_port), int(dashboard_port), bearer, float(rate), int(readers)))))
    else:
        write_results("post_to_sse", asyncio.run(main()))
