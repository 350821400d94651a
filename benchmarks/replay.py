"""How fast ``arena replay`` goes through recorded quotes, the start of its process included, and whether resting orders slow it down.

python -m benchmarks.replay
"""

import asyncio
import csv
import json
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.harness import ROOT, Figure, pairs, write_results

QUOTES = 1_000_000
RESTING = (0, 400, 4_000)
BEGIN = datetime(2026, 11, 16, 0, 0, tzinfo=UTC)  # a Monday


def write_quotes(path: Path) -> None:
    """A quiet walk of a million quotes round 1.1650, a fifth of a second apart."""
    walk, bid = random.Random(7), 116_500
    with path.open("w") as file:
        file.write("time_utc,bid,ask\n")
        for number in range(QUOTES):
            bid += walk.choice((-1, 0, 0, 0, 1)) + (116_500 - bid) // 400
            at = (BEGIN + timedelta(milliseconds=200 * number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            file.write(f"{at},{bid / 1e5:.5f},{(bid + 12) / 1e5:.5f}\n")


def write_plan(path: Path, resting: int) -> None:
    """Forty orders that trade, and ``resting`` ones far below that never do."""
    orders = [
        {"side": "BUY", "entry_price": 1.1648, "stop_loss_price": 1.1620, "take_profit_price": 1.1655, "at": 3_000 * number} for number in range(40)
    ] + [
        {"side": "BUY", "entry_price": round(1.05 - number / 1e5, 5), "stop_loss_price": 1.0, "take_profit_price": 1.2, "at": 0}
        for number in range(resting)
    ]
    with path.open("w") as file:
        for order in sorted(orders, key=lambda order: order["at"]):
            at = (BEGIN + timedelta(seconds=float(order["at"]))).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            file.write(json.dumps({**order, "instrument": "EUR_USD", "units": 1, "ttl_min": 10_000, "at": at}) + "\n")


async def replay(quotes: Path, plan: Path, out: Path) -> float:
    began = time.perf_counter()
    words = ["replay", "--broker", "oanda", "--instrument", "EUR_USD", "--quotes", quotes, "--orders", plan, "--events", out]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.app", *map(str, words), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(said.decode())
    return QUOTES / (time.perf_counter() - began)


async def read_only(quotes: Path) -> float:
    """The limit: the file read with the csv module, nothing done with it."""

    def read() -> int:
        with quotes.open(newline="") as file:
            return sum(1 for _ in csv.reader(file))

    began = time.perf_counter()
    count = await asyncio.to_thread(read)
    return count / (time.perf_counter() - began)


async def main() -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        quotes, plan, out = (Path(directory) / name for name in ("quotes.csv", "plan.jsonl", "events.jsonl"))
        write_quotes(quotes)
        for resting in RESTING:
            write_plan(plan, resting)
            figure = Figure(name=f"arena replay, {resting:,} resting brackets", unit="quotes/s", limit_is="csv.reader alone")
            await pairs(figure, lambda: replay(quotes, plan, out), lambda: read_only(quotes))
            if resting == 400:
                figure.reach, figure.reached = "≥ 400,000/s", figure.median >= 400_000
            figures.append(figure)
    return figures


if __name__ == "__main__":
    write_results("replay", asyncio.run(main()))
