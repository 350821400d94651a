"""The simulated feed's statistics beside recorded quotes: the table of docs/market-data.md.

    python benchmarks/feed_statistics.py simulated --hours 120            # every configured instrument; about 7 minutes
    python benchmarks/feed_statistics.py tests/data/oanda-eurusd-2014-05-02.csv.gz [more files]

Spreads are in hundredths of a percent of the price (basis points), returns are one-minute log returns of the mid. Minutes without a quote break the
chain of returns, so that a weekend is no return.
"""

import argparse
import math
import statistics
import tomllib
from array import array
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from market_data.feeds.simulation import Market
from trading.instruments import Instruments
from trading.quote_files import SCALE, iter_blocks

CONF = Path(__file__).parent.parent / "conf" / "instruments.toml"
WARM_UP_H = 12  # the first hours of a first market are calm on purpose
MONDAY_NS = 1_763_942_400_000_000_000  # 2025-11-24 00:00 UTC
HOUR_NS = 3_600_000_000_000


class Series:
    """The quotes of one instrument, kept as arrays: a fortnight of ticks is half a million rows."""

    def __init__(self) -> None:
        self.times_s, self.bids, self.asks = array("d"), array("d"), array("d")

    def add(self, time_ns: int, bid: float, ask: float) -> None:
        self.times_s.append(time_ns / 1e9)
        self.bids.append(bid)
        self.asks.append(ask)


def recorded(path: Path) -> dict[str, Series]:
    series = Series()
    for block in iter_blocks(path):
        for time_ns, bid, ask in zip(block.times_ns, block.bids, block.asks, strict=True):
            series.add(time_ns, bid / SCALE, ask / SCALE)
    return {path.name: series}


def simulated(hours: float, seed: int) -> dict[str, Series]:
    market = Market(Instruments.from_config(tomllib.loads(CONF.read_text(), parse_float=Decimal)))
    state = market.begin(seed, MONDAY_NS - WARM_UP_H * HOUR_NS)
    found = {name: Series() for name in market.instruments}
    while state.time_ns < MONDAY_NS + hours * HOUR_NS:
        state, quote = market.next_quote(state)
        if quote.time_ns >= MONDAY_NS:
            found[quote.instrument].add(quote.time_ns, float(quote.bid), float(quote.ask))
    return found


def minute_returns(series: Series) -> list[float]:
    mids: dict[int, float] = {}
    for time_s, bid, ask in zip(series.times_s, series.bids, series.asks, strict=True):
        mids[int(time_s // 60)] = (bid + ask) / 2
    return [math.log(mids[minute] / mids[minute - 1]) for minute in sorted(mids) if minute - 1 in mids]


def autocorrelation(values: list[float], lag: int) -> str:
    return f"{statistics.correlation(values[:-lag], values[lag:]):.2f}" if len(values) > 4 * lag else "-"


def lines(series: Series) -> Iterator[str]:
    gaps = sorted(later - earlier for earlier, later in pairwise(series.times_s) if later - earlier < 3600)
    spreads = sorted((ask - bid) / (ask + bid) * 2e4 for bid, ask in zip(series.bids, series.asks, strict=True))
    returns = minute_returns(series)
    sizes = [abs(one) for one in returns]
    mean, deviation = statistics.fmean(returns), statistics.pstdev(returns)

    def at(values: list[float], share: float) -> float:
        return values[min(len(values) - 1, int(share * len(values)))]

    yield f"quotes {len(series.times_s)}, {len(gaps) / sum(gaps):.2f} a second; gap median {at(gaps, 0.5):.2f} s, 90 % {at(gaps, 0.9):.2f} s"
    yield "spread bp " + ", ".join(
        f"{label} {at(spreads, share):.3f}"
        for label, share in (("5 %", 0.05), ("50 %", 0.5), ("75 %", 0.75), ("95 %", 0.95), ("99 %", 0.99), ("max", 1))
    )
    kurtosis = statistics.fmean(((one - mean) / deviation) ** 4 for one in returns)
    yield f"one-minute returns {len(returns)}: deviation {deviation * 1e4:.2f} bp, kurtosis {kurtosis:.1f}"
    yield (
        "autocorrelation of |returns| "
        + ", ".join(f"lag {lag}: {autocorrelation(sizes, lag)}" for lag in (1, 5, 30, 60))
        + f"; of returns, lag 1: {autocorrelation(returns, 1)}"
    )
    hours: dict[int, list[float]] = {}
    for time_s, bid, ask in zip(series.times_s, series.bids, series.asks, strict=True):
        hours.setdefault(int(time_s // 3600) % 24, []).append((ask - bid) / (ask + bid) * 2e4)
    if len(hours) == 24:
        yield "median spread bp by UTC hour " + " ".join(f"{statistics.median(hours[hour]):.2f}" for hour in range(24))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", help="'simulated', or quote files")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for what in arguments.what:
        for name, series in (simulated(arguments.hours, arguments.seed) if what == "simulated" else recorded(Path(what))).items():
            print(name)
            for line in lines(series):
                print("   ", line)


if __name__ == "__main__":
    main()
