"""How many quotes a second ``arena replay`` takes while 10, 1,000 or 100,000 brackets rest, and that their number does not matter.

    .venv/bin/python -m benchmarks.replay_rate tests/data/oanda-eurusd-2014-05-02.csv.gz

The brackets lie far from the market, so that none of them trades; they are placed on the first quote, and what that takes is told apart from the
quotes. CPU seconds of this process, reading and unpacking the file included; the best of five runs. A file of half a million quotes says more than
the short one that comes with the repository.
"""

import sys
import time
from decimal import Decimal
from pathlib import Path

from brokers.paper.config import PaperAccountConfig
from brokers.replay.driver import Replay
from brokers.replay.plan import PlannedOrder
from runtime.settings import load_settings
from trading.instruments import Instruments, Side
from trading.orders import OrderTicket
from trading.quote_files import iter_blocks
from trading.quote_rows import QuoteBlock
from trading.risk_limits import RiskLimits

RESTING = (10, 1_000, 100_000)
RUNS = 5
TICK = Decimal("0.00001")


def bracket(line: int) -> PlannedOrder:
    """Longs some thousand pips below the market and shorts as far above it, each at a price of its own."""
    side, step = (Side.BUY, -1) if line % 2 else (Side.SELL, 1)
    entry = Decimal("1.38500") + step * (Decimal("0.10000") + line % 50_000 * TICK)
    stop, target = entry + step * Decimal("0.20000"), entry - step * Decimal("0.01000")
    ticket = OrderTicket(
        instrument="EUR_USD",
        side=side,
        units=Decimal(1),
        entry_price=entry,
        stop_loss_price=stop,
        take_profit_price=target,
        ttl_min=Decimal(43_200),
        client_order_id=f"bench-{line}",
    )
    return PlannedOrder(line=line, at_ns=0, at="", ticket=ticket)


def run(quotes: Path, plan: list[PlannedOrder]) -> tuple[float, float]:
    """Quotes a second once the brackets rest, and the seconds it took to place them."""
    settings = load_settings({"ARENA_HOME": "/"})
    replay = Replay(
        venue="oanda",
        instrument="EUR_USD",
        instruments=Instruments.from_config(settings.instruments),
        account=PaperAccountConfig.for_venue("oanda", settings.paper),
        limits=RiskLimits(open_orders_max=None),
        plan=plan,
        plan_path=Path("plan"),
        write=len,
    )
    started = time.process_time()
    placed = started
    for block in iter_blocks(quotes):
        if not replay.quotes:
            before = time.process_time()
            replay.feed(first_of(block))
            placed += time.process_time() - before
            block = rest_of(block)  # noqa: PLW2901  the first quote was shown by itself
        if len(block):
            replay.feed(block)
    seconds = time.process_time() - placed
    return (replay.quotes - 1) / seconds, placed - started


def first_of(block: QuoteBlock) -> QuoteBlock:
    return QuoteBlock(times_ns=block.times_ns[:1], bids=block.bids[:1], asks=block.asks[:1], bid_sizes=None, ask_sizes=None)


def rest_of(block: QuoteBlock) -> QuoteBlock:
    return QuoteBlock(times_ns=block.times_ns[1:], bids=block.bids[1:], asks=block.asks[1:], bid_sizes=None, ask_sizes=None)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.replay_rate FILE   (EUR_USD quotes)")
    quotes = Path(sys.argv[1])
    for resting in RESTING:
        plan = [bracket(line) for line in range(resting)]
        rates, placing = zip(*(run(quotes, plan) for _ in range(RUNS if resting < 100_000 else 1)), strict=True)
        print(f"{resting:>7,} resting: {max(rates):>9,.0f} quotes/s; placing them took {min(placing):.2f} s")


if __name__ == "__main__":
    main()
