"""The order path: JSON POST → token → ZeroMQ → journal and sync → answer, against a bare aiohttp handler that does nothing.

python -m benchmarks.order_path
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from functools import partial

from benchmarks.arena import running_arena
from benchmarks.harness import Figure, answer_of, helper, pairs, percentile, write_results

SECONDS = float(os.environ.get("ARENA_BENCH_SECONDS", "4"))
PATH = "/brokers/oanda/orders"
PROGRAMS = ("oanda", "arena_gateway", "dashboard.narrator", "dashboard", "bus")
COMMENTARY_S = 1.0  # Rick and the streams may be behind when the last order is answered; what they do then is part of its price


async def load(mode: str, port: int, amount: float, plan: str) -> dict[str, float]:
    answer = await answer_of("http_load", mode, "127.0.0.1", str(port), PATH, str(amount), str(SECONDS), plan)
    if answer["refused"] or answer["unanswered"]:
        raise RuntimeError(f"{answer['refused']:.0f} refused, {answer['unanswered']:.0f} unanswered: not a run")
    return answer


async def printed_port(server: asyncio.subprocess.Process) -> int:
    assert server.stdout is not None
    return int(await server.stdout.readline())


def sync_times_ms(count: int = 300) -> list[float]:
    """What one append and fdatasync of a bare file takes, each in turn; on the disk where the arenas of the benchmarks live."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        times = []
        for _ in range(count):
            began = time.perf_counter()
            os.write(file.fileno(), b"x" * 512)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


async def main() -> list[Figure]:
    figures: list[Figure] = []
    async with running_arena() as arena, helper("bare_server") as bare, helper("lean_server") as lean:
        bare_port, lean_port = await printed_port(bare), await printed_port(lean)
        plan = arena.plan()
        for connections in (64, 16, 1):
            figure = Figure(name=f"orders, {connections} connections, closed loop", unit="/s", limit_is="bare aiohttp handler")

            generator = Figure(name="the load generator there", unit="of a core", limit_is="the same, before the bare handler")
            costs = {name: Figure(name=f"processor time an order, {name}", unit="µs") for name in PROGRAMS}

            async def product(connections: int = connections, generator: Figure = generator, costs: dict[str, Figure] = costs) -> float:
                before = arena.cpu_s()
                answer = await load("closed", arena.gateway_port, connections, plan)
                await asyncio.sleep(COMMENTARY_S)
                after = arena.cpu_s()
                for name, cost in costs.items():
                    cost.product.append((after[name] - before[name]) / answer["answered"] * 1e6)
                generator.product.append(answer["cpu_share"])
                return answer["rate"]

            async def limit(connections: int = connections, generator: Figure = generator) -> float:
                answer = await load("closed", bare_port, connections, plan)
                generator.limit.append(answer["cpu_share"])
                return answer["rate"]

            await pairs(figure, product, limit)
            figures.append(figure)
            if connections == 64:
                figure.reach, figure.reached = "≥ 0.75 of bare", (figure.ratio or 0) >= 0.75
                figures += [generator, *costs.values()]
                shape = Figure(name="the same shape without the arena's work", unit="/s", limit_is="bare aiohttp handler")

                async def rate_of(port: int) -> float:
                    return (await load("closed", port, 64, plan))["rate"]

                figures.append(await pairs(shape, partial(rate_of, lean_port), partial(rate_of, bare_port)))

        single = Figure(name="one connection, p50", unit="ms", limit_is="one fdatasync", reach="≤ fdatasync + 1 ms")

        async def single_p50() -> float:
            return (await load("closed", arena.gateway_port, 1, plan))["p50_ms"]

        async def sync_p50() -> float:
            return statistics.median(await asyncio.to_thread(sync_times_ms))

        await pairs(single, single_p50, sync_p50)
        single.reached = single.median <= statistics.median(single.limit) + 1
        figures.append(single)

        for rate in (100, 500, 1000):
            figure = Figure(name=f"open loop {rate}/s, p99", unit="ms", limit_is="fdatasync p99")

            # What the load generator and two processes on a loopback connection cost by themselves, in the same minute.
            nothing = Figure(name=f"open loop {rate}/s, p99, the bare handler", unit="ms")

            async def open_p99(rate: int = rate, nothing: Figure = nothing) -> float:
                nothing.product.append((await load("open", bare_port, rate, plan))["p99_ms"])
                return (await load("open", arena.gateway_port, rate, plan))["p99_ms"]

            async def sync_p99() -> float:
                return percentile(await asyncio.to_thread(sync_times_ms, 1000), 0.99)

            await pairs(figure, open_p99, sync_p99)
            if rate == 500:
                figure.reach, figure.reached = "≤ 3 × fdatasync p99", (figure.ratio or 99) <= 3
            figures += [figure, nothing]
    return figures


if __name__ == "__main__":
    write_results("order_path", asyncio.run(main()))
    sys.exit(0)
