"""What the arena costs when nobody trades: memory of each program, its share of a core with the default feed, and memory of a reader that only waits.

python -m benchmarks.idle
"""

import asyncio
import os
import time
from pathlib import Path

from benchmarks.arena import Arena, cpu_s, running_arena
from benchmarks.harness import PAIRS, Figure, write_results

CLIENTS = 1_000
SECONDS = float(os.environ.get("ARENA_BENCH_SECONDS", "4")) * 2


def memory_mb(pid: int) -> float:
    """The proportional share: pages that several processes hold count once."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


async def reader_kib(arena: Arena) -> float:
    """What each of a thousand idle streams adds to the gateway."""
    pid = arena.processes["arena_gateway"]
    before = memory_mb(pid)
    streams = []
    for _ in range(CLIENTS):
        reader, writer = await asyncio.open_connection("127.0.0.1", arena.gateway_port)
        writer.write(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{arena.gateway_port}\r\nAccept: text/event-stream\r\n\r\n".encode())
        streams.append((reader, writer))
    for reader, _ in streams:
        await reader.readuntil(b"event: ready")
    after = memory_mb(pid)
    for _, writer in streams:
        writer.close()
    return (after - before) * 1024 / CLIENTS


async def main() -> list[Figure]:
    figures: list[Figure] = []
    async with running_arena() as arena:
        await asyncio.sleep(5)  # starting is over
        programs = dict(sorted(arena.processes.items()))
        cpu = Figure(name="idle arena, processor", unit="% of a core", reach="< 5 %")
        for _ in range(PAIRS):
            began, before = time.monotonic(), sum(map(cpu_s, programs.values()))
            await asyncio.sleep(SECONDS)
            cpu.product.append((sum(map(cpu_s, programs.values())) - before) / (time.monotonic() - began) * 100)
        cpu.reached = cpu.median < 5
        figures.append(cpu)
        memory = {name: memory_mb(pid) for name, pid in programs.items()}
        total = Figure(name="idle arena, memory of all programs", unit="MB", product=[sum(memory.values())], reach="< 400 MB")
        total.reached = total.median < 400
        figures.append(total)
        figures += [Figure(name=f"memory of {name.split()[0]}", unit="MB", product=[value]) for name, value in memory.items()]
        waiting = Figure(name="an idle reader of /events", unit="KiB", product=[await reader_kib(arena)], reach="≤ 12 KiB")
        waiting.reached = waiting.median <= 12
        figures.append(waiting)
    return figures


if __name__ == "__main__":
    write_results("idle", asyncio.run(main()))
