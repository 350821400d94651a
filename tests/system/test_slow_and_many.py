"""Slow and many: thousands of idle event streams, hundreds that never read, connections that say half a word; nobody else pays for them."""

import asyncio
import contextlib
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.system.accounting.collect import SseWatcher, read_journal
from tests.system.accounting.evidence import Shown
from tests.system.stack import Stack
from tests.system.test_chaos_bus import flood

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
LONG = float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) >= 120
IDLE, MUTE, READING, SECONDS = (5000, 200, 50, 30) if LONG else (300, 40, 10, 6)
# What a reader that never reads may cost: our send buffer (64 KiB asked for, which the kernel doubles), the transport's 64 KiB, and the page that it
# waits with; the growth of the ring meanwhile is shared out among few here.
MUTE_BYTES_MAX = 512 * 1024
IDLE_BYTES_MAX = 40 * 1024
CLOSED_S_MAX = 30


def rss_bytes(pid: int) -> int:
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def send_queues(port: int) -> list[int]:
    """Bytes in the kernel's send buffer of every established connection of the server on ``port``."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01"]


async def connect_stream(port: int, query: str, *, receive_bytes: int | None = None) -> socket.socket:
    """A raw socket that asked for an event stream; nobody reads it."""
    connection = socket.socket()
    connection.setblocking(False)
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, f"GET /events?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return connection


async def latencies(stack: Stack, seconds: float) -> list[float]:
    """Seconds from POST to answer, ten orders a second, measured by another process."""
    command = [sys.executable, str(Path(__file__).with_name("order_latency.py")), str(stack.gateway_port), await stack.token(), str(seconds)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    took: list[float] = json.loads(out)
    return took


async def watch_kernel(port: int, peak: list[int]) -> None:
    """Keep the most that lay in the kernel's send buffers at once in ``peak[0]``."""
    while True:
        peak[0] = max(peak[0], sum(send_queues(port)))
        await asyncio.sleep(0.5)


async def test_idle_and_mute_streams_cost_a_bounded_memory_and_slow_nobody() -> None:
    """Idle streams whose filter matches nothing, streams that never read, and readers, at 100 events a second: the readers miss nothing."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    async with Stack({"ARENA_AUTH__ORDERS_PER_S_MAX": "1000"}) as stack, contextlib.AsyncExitStack() as opened:
        pid = stack.pid("gateway")
        await stack.token()
        stop = asyncio.Event()
        flooding = asyncio.create_task(flood(stack, stop, orders_per_s=50, batch=5))
        quiet = await latencies(stack, SECONDS / 2)
        base = rss_bytes(pid)
        idle = [await connect_stream(stack.gateway_port, "types=protection_lost&replay=0") for _ in range(IDLE)]
        for each in idle:
            opened.callback(each.close)
        await stack.until(lambda: len(send_queues(stack.gateway_port)) >= IDLE, "every idle stream to be taken", seconds=60)
        with_idle = rss_bytes(pid)
        mute = [await connect_stream(stack.gateway_port, "replay=500", receive_bytes=4096) for _ in range(MUTE)]
        for each in mute:
            opened.callback(each.close)
        watchers = [SseWatcher(stack, f"reader {number}", f"{stack.gateway}/events") for number in range(READING)]
        watching = [asyncio.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            async with asyncio.timeout(30):
                await watcher.is_ready.wait()
        peak = [0]
        watching.append(asyncio.create_task(watch_kernel(stack.gateway_port, peak)))
        crowded = await latencies(stack, SECONDS)
        with_mute, kernel = rss_bytes(pid), peak[0]
        stop.set()
        await flooding
        journals = {source: await read_journal(stack, source) for source in ("oanda", "rick")}
        last = {(source, journal[-1].seq) for source, journal in journals.items()}

        def complete() -> bool:
            return all(last <= {(item.source, item.seq) for item in watcher.connections[-1].items if isinstance(item, Shown)} for watcher in watchers)

        await stack.until(complete, "every reader to have everything", seconds=30)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        idle_bytes = (with_idle - base) / IDLE
        # The readers' own share is in it, and the ring's, which grows with the events: the bound is generous to neither, but they are few.
        mute_bytes = (max(0, with_mute - with_idle) + kernel) / MUTE
        ratio = statistics.median(crowded) / statistics.median(quiet)
        line = {"check": "slow and many", "idle": IDLE, "mute": MUTE, "reading": READING, "idle_kib": round(idle_bytes / 1024, 1)}
        line |= {"mute_kib": round(mute_bytes / 1024, 1), "kernel_kib_of_mute": round(kernel / MUTE / 1024, 1)}
        line |= {
            "quiet_ms": round(1000 * statistics.median(quiet), 1),
            "crowded_ms": round(1000 * statistics.median(crowded), 1),
            "ratio": round(ratio, 2),
        }
        print(json.dumps(line))
        for watcher in watchers:
            assert len(watcher.connections) == 1, "a reader that reads was cut off"
            for source in journals:
                seqs = [item.seq for item in watcher.connections[0].items if isinstance(item, Shown) and item.source == source]
                assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert idle_bytes < IDLE_BYTES_MAX
        assert mute_bytes < MUTE_BYTES_MAX
        # Twice the quiet figure, and what a busy test machine may add to one of the two.
        assert statistics.median(crowded) < 2 * statistics.median(quiet) + 0.02, line


async def test_connections_that_say_half_a_word_are_closed_within_thirty_seconds(stack: Stack) -> None:
    """Silence, half a header, and a body that comes a byte a second: the server ends each, and answers others meanwhile."""
    rng = random.Random(SEED)
    host = f"Host: 127.0.0.1:{stack.gateway_port}\r\n"
    beginnings = {
        "silent": b"",
        "half a header": f"GET /health HTTP/1.1\r\n{host}X-Slow: ".encode(),
        "slow body": f"POST /auth/login HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{".encode(),
    }

    async def until_closed(name: str, beginning: bytes) -> tuple[str, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.gateway_port)
        began = time.monotonic()
        writer.write(beginning)

        async def drip() -> None:
            while name != "silent":
                await asyncio.sleep(1)
                writer.write(rng.choice([b" ", b"a"]))

        dripping = asyncio.create_task(drip())
        try:
            async with asyncio.timeout(CLOSED_S_MAX + 5):
                with contextlib.suppress(ConnectionError):
                    while await reader.read(1024):
                        pass
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
            writer.close()
        return name, time.monotonic() - began

    closings = asyncio.gather(*(until_closed(*each) for each in beginnings.items() for _ in range(5)))
    assert (await stack.place())[0] == 201
    closed = await closings
    print(json.dumps({"check": "half a word", "closed_s": {name: round(max(s for n, s in closed if n == name), 1) for name in beginnings}}))
    assert max(seconds for _, seconds in closed) < CLOSED_S_MAX
