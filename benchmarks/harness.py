"""What every benchmark shares: a limit and a product side by side, interleaved, and the table that comes of it.

These machines are noisy: only ratios within one run mean something. Each figure is therefore taken in pairs, limit then product, at least five times,
and given as median with its spread (the second lowest to the second highest).
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAIRS = int(os.environ.get("ARENA_BENCH_PAIRS", "5"))


@dataclass(kw_only=True)
class Figure:
    """One line of the table. ``reach`` is what it must be, in words; ``reached`` says whether it is."""

    name: str
    unit: str
    product: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)
    limit_is: str = ""
    reach: str = ""
    reached: bool | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.product)

    @property
    def ratio(self) -> float | None:
        """Product over limit, pair by pair, median."""
        return statistics.median(ours / bare for ours, bare in zip(self.product, self.limit, strict=True)) if self.limit else None

    def row(self) -> list[str]:
        limit = f"{shorten(statistics.median(self.limit))} ({self.limit_is})" if self.limit else "–"
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}"
        mark = {None: "", True: " ✓", False: " ✗"}[self.reached]
        return [self.name, f"{shorten(self.median)} {self.unit}", spread(self.product), limit, ratio, self.reach + mark]


def spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    inner = ordered[1:-1] if len(ordered) >= 4 else ordered
    return f"{shorten(inner[0])}–{shorten(inner[-1])}"


def shorten(value: float) -> str:
    """Three significant digits, thousands with commas."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


async def pairs(
    figure: Figure, product: Callable[[], Awaitable[float]], limit: Callable[[], Awaitable[float]] | None, *, count: int = PAIRS
) -> Figure:
    """Measure ``count`` pairs, the limit first in every other one."""
    for number in range(count):
        sides = [(figure.limit, limit), (figure.product, product)]
        for values, measure in sides if number % 2 == 0 else reversed(sides):
            if measure is not None:
                values.append(await measure())
    return figure


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def markdown(figures: Sequence[Figure]) -> str:
    head = ["what", "median", "spread", "limit beside it", "ratio", "reach"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(figure.row())} |" for figure in figures)])


def write_results(name: str, figures: Sequence[Figure]) -> None:
    """``results/<name>.json`` and ``.md``; the table also on the terminal."""
    RESULTS.mkdir(exist_ok=True)
    stamp = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "cpus": os.cpu_count(), "python": sys.version.split()[0], "pairs": PAIRS}
    (RESULTS / f"{name}.json").write_text(
        json.dumps({**stamp, "figures": [asdict(figure) | {"ratio": figure.ratio} for figure in figures]}, indent=1) + "\n"
    )
    table = markdown(figures)
    (RESULTS / f"{name}.md").write_text(f"Measured {stamp['at']}, {stamp['cpus']} cores, Python {stamp['python']}, {PAIRS} pairs.\n\n{table}\n")
    print(table, flush=True)


@contextlib.asynccontextmanager
async def helper(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of this folder in a process of its own, ready when it has printed a line; ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{module}", *arguments, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answer_of(module: str, *arguments: str) -> dict[str, float]:
    """The one JSON line that a load generator prints."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", f"benchmarks.{module}", *arguments, cwd=ROOT, stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} failed")
    answer: dict[str, float] = json.loads(out.splitlines()[-1])
    return answer
