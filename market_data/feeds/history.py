"""Synthetic candles from before the first quote, so that a first chart is not empty. Pure: seed, end and last prices decide everything.

The same market as the live one (``simulation``) is run in coarse steps: hours for a month, minutes for the last day, five seconds for the last two
hours. Each step becomes one candle of its own length. Its high and low are drawn from the law of the extremes of a Brownian path between two known
ends, so that coarse candles have the wicks that fine ones would have given them. The path is then shifted so that it ends at the price the live
market goes on from.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from random import Random

from market_data.candles import Candle, Granularity, Ohlc, fold
from market_data.feeds.market_model import HOUR_S, PROFILES
from market_data.feeds.simulation import Market, MarketState, mid_price, usual_spread
from runtime.clock import NS_PER_S
from trading.instruments import Instrument

# How far back each step length reaches. A day of minutes is what a chart opens on; the hours before it cost little and fill the long charts.
FINE_S = 2 * HOUR_S
MINUTES_S = 24 * HOUR_S
HOURS_S = 30 * 24 * HOUR_S

_SEED_OFFSET = 1 << 63  # the live market draws from seeds below this: its future must not repeat its past


def synthetic_history(market: Market, state: MarketState) -> list[Candle]:
    """Candles of every granularity that end at ``state``'s time and prices."""
    path = list(_path(market, state))
    last = path[-1].after
    candles: list[Candle] = []
    for name, instrument in market.instruments.items():
        shift = state.marks[name].log_price - last[name]
        random = Random(f"{state.seed} {name} wicks")
        steps = [
            _candle(instrument, step, before=step.before[name] + shift, after=step.after[name] + shift, sd=step.sds[name], random=random)
            for step in path
        ]
        candles.extend(_all_granularities(steps))
    return candles


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One step of the whole market: each instrument's log price before and after, and the standard deviation of the way between."""

    granularity: Granularity
    start_s: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    sds: Mapping[str, float]


def _path(market: Market, state: MarketState) -> Iterator[_Step]:
    """The steps of the past, oldest first."""
    end_s = Granularity.S5.start_of(state.time_ns // NS_PER_S)
    fine_s = Granularity.H1.start_of(end_s - FINE_S)
    minutes_s = Granularity.H1.start_of(end_s - MINUTES_S)
    hours_s = Granularity.D.start_of(end_s - HOURS_S)
    past = market.begin(state.seed | _SEED_OFFSET, hours_s * NS_PER_S)
    for granularity, from_s, to_s in (
        (Granularity.H1, hours_s, minutes_s),
        (Granularity.M1, minutes_s, fine_s),
        (Granularity.S5, fine_s, end_s),
    ):
        for start_s in range(from_s, to_s, granularity.seconds):
            before = {name: mark.log_price for name, mark in past.marks.items()}
            past, moves = market.advance(past, (start_s + granularity.seconds) * NS_PER_S)
            after = {name: mark.log_price for name, mark in past.marks.items()}
            sds = {name: move.sd for name, move in moves.items()}
            yield _Step(granularity=granularity, start_s=start_s, before=before, after=after, sds=sds)


def _all_granularities(steps: list[Candle]) -> list[Candle]:
    """The steps themselves and what they fold into; a long candle is folded from every shorter step in its stretch."""
    candles: list[Candle] = []
    shorter: list[Candle] = []  # the granularity before: whatever is shorter still is in it already, so that nothing is folded twice
    for granularity in Granularity:
        shorter = fold(chain((step for step in steps if step.granularity is granularity), shorter), granularity)
        candles.extend(shorter)
    return candles


def _candle(instrument: Instrument, step: _Step, *, before: float, after: float, sd: float, random: Random) -> Candle:
    """One step as a candle."""
    # P(high > h) = exp(-2 (h - a)(h - b) / variance) for a Brownian path from a to b: invert it for the high, and mirrored for the low.
    reach = [math.sqrt((after - before) ** 2 - 2.0 * sd * sd * math.log(1.0 - random.random())) for _ in range(2)]
    high, low = (before + after + reach[0]) / 2, (before + after - reach[1]) / 2
    granularity, start_s = step.granularity, step.start_s
    half = usual_spread(instrument.name, start_s + granularity.seconds / 2) / 2
    mids = [mid_price(instrument.name, log_price) for log_price in (before, high, low, after)]
    bid = _ohlc(instrument, [price - half for price in mids])
    ask = _ohlc(instrument, [price + half for price in mids])
    mid = Ohlc((bid.open + ask.open) / 2, (bid.high + ask.high) / 2, (bid.low + ask.low) / 2, (bid.close + ask.close) / 2)
    count = max(1, round(PROFILES[instrument.name].quotes_per_s * granularity.seconds))
    return Candle(instrument=instrument.name, granularity=granularity, start_s=start_s, bid=bid, ask=ask, mid=mid, count=count)


def _ohlc(instrument: Instrument, prices: list[float]) -> Ohlc:
    tick = instrument.tick
    grid: list[Decimal] = [round(price / float(tick)) * tick for price in prices]
    return Ohlc(*grid)
