"""Fan-out: what a delivery to one of many readers costs, beside a C program that writes the same bytes to each; and how many a second at the most.

python -m benchmarks.fan_out
"""

import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.harness import ROOT, Figure, pairs, write_results

SECONDS = float(os.environ.get("ARENA_BENCH_SECONDS", "4"))
PACED = ((100, 200), (1_000, 20), (5_000, 4))  # clients, events a second
SATURATION = (1_000, 1_500)
FRAME_BYTES = 540  # a fill with its id line, as the product sends it


class Server:
    """A program that prints its port, takes bursts as lines, and answers each with a line of JSON."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port

    async def burst(self, rate: float, seconds: float) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{rate} {seconds} {FRAME_BYTES}\n".encode())
        answer: dict[str, float] = json.loads(await self._process.stdout.readline())
        return answer


@contextlib.asynccontextmanager
async def serving(*command: str) -> AsyncIterator[Server]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
    try:
        assert process.stdout is not None
        yield Server(process, int(await process.stdout.readline()))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()


async def fan_out(server: Server, clients: int, rate: float) -> dict[str, float]:
    """One burst to fresh readers: processor seconds of the server, bytes that arrived."""
    pipe = asyncio.subprocess.PIPE
    load = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sse_load", str(server.port), str(clients), "/events", cwd=ROOT, stdin=pipe, stdout=pipe
    )
    assert load.stdin is not None
    assert load.stdout is not None
    if await load.stdout.readline() != b"ready\n":
        raise RuntimeError("the readers were not let in")
    answer = await server.burst(rate, SECONDS)
    await asyncio.sleep(0.5)  # what is under way arrives
    load.stdin.write(b"enough\n")
    answer |= json.loads(await load.stdout.readline())
    await load.wait()
    return answer


async def main() -> list[Figure]:
    figures: list[Figure] = []
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        print("no C compiler: the fan-out is not compared")
        return figures
    with tempfile.TemporaryDirectory() as directory:
        binary = Path(directory) / "fan_out_limit"
        compiling = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", str(binary), str(ROOT / "benchmarks/fan_out_limit.c"))
        if await compiling.wait() != 0:
            raise RuntimeError("the limit does not compile")
        async with serving(sys.executable, "-m", "benchmarks.fan_out_server") as ours, serving(str(binary)) as bare:
            for clients, rate in PACED:
                figure = Figure(name=f"fan-out, {clients:,} readers, {rate} events/s", unit="µs CPU a delivery", limit_is="one write each, in C")

                async def product(clients: int = clients, rate: int = rate) -> float:
                    answer = await fan_out(ours, clients, rate)
                    return answer["cpu_s"] / (answer["events"] * clients) * 1e6

                async def limit(clients: int = clients, rate: int = rate) -> float:
                    answer = await fan_out(bare, clients, rate)
                    return answer["cpu_s"] / answer["written"] * 1e6

                await pairs(figure, product, limit)
                if clients == 1_000:
                    figure.reach, figure.reached = "≤ 1.5 × C", (figure.ratio or 9) <= 1.5
                figures.append(figure)
            clients, rate = SATURATION
            most = Figure(name=f"fan-out, {clients:,} readers, {rate} events/s", unit="deliveries/s", reach="≥ 400,000/s")
            costs = Figure(name="CPU a delivery there", unit="µs")

            async def saturated() -> float:
                answer = await fan_out(ours, clients, rate)
                costs.product.append(answer["cpu_s"] / (answer["events"] * clients) * 1e6)
                return answer["bytes"] / FRAME_BYTES / (answer["seconds"] + 0.5)

            await pairs(most, saturated, None)
            most.reached = statistics.median(most.product) >= 400_000
            figures += [most, costs]
    return figures


if __name__ == "__main__":
    if results := asyncio.run(main()):
        write_results("fan_out", results)
