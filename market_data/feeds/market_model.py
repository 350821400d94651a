"""The synthetic market's numbers: how nervous, how wide, how busy each instrument is, and at which hours.

Two markets, ``forex`` and ``crypto``. Each has moods (log-volatility) that fade at their own pace, and now and then news. An instrument follows its
market's factors by its loadings, which is what makes EUR/USD and GBP/USD rise together and USD/JPY fall, and adds something of its own. The
levels were set beside the recorded quotes of OANDA 2014-05 and of Binance and Coinbase; docs/market-data.md shows both.

Times of day are New York's: the forex day ends there at 17:00, and with it the spreads open.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_S = 86_400
HOUR_S = 3_600
MINUTE_S = 60

Curve = tuple[tuple[float, float], ...]
"""A daily curve as (hour in New York, value) knots from 0 to 24, straight lines between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """One part of a market's log-volatility: it wanders with standard deviation ``sd`` and forgets within ``memory_s``."""

    sd: float
    memory_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClass:
    """What the instruments of one market share.

    ``news_per_day`` releases strike at random, more likely at busy hours; each moves the market's factors by about ``news_minutes`` minutes' worth of
    movement at once, and leaves a ``shock`` that fades within ``shock_memory_s`` and widens spreads and swings while it lasts.
    """

    slow: Mood
    fast: Mood
    own: Mood
    news_per_day: float
    news_size: float
    shock_memory_s: float
    volatility: Curve
    spread: Curve
    activity: Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One instrument.

    ``start`` is the first mid price, as text. ``day_volatility`` is the standard deviation of a day's log return. ``loadings`` are the shares of the
    dollar's and of crypto's common factor in its movement; the rest is its own. ``pull_days`` is how slowly it is drawn back to ``start``: a market
    that runs for months must not wander to absurd levels. ``spread`` is the usual spread in price units at the quietest hour; ``spread_min_ticks``
    the least. Sizes (crypto only) are log-normal about ``size`` with a floor ``size_min``.
    """

    market: str
    start: str
    day_volatility: float
    loadings: tuple[float, float]
    pull_days: float
    spread: float
    spread_min_ticks: int
    quotes_per_s: float
    size: float | None = None
    size_min: float = 0.0


MARKETS: Mapping[str, MarketClass] = {
    "forex": MarketClass(
        slow=Mood(sd=0.30, memory_s=8 * HOUR_S),
        fast=Mood(sd=0.35, memory_s=20 * MINUTE_S),
        own=Mood(sd=0.25, memory_s=4 * MINUTE_S),
        news_per_day=4.0,
        news_size=3.0,
        shock_memory_s=90.0,
        volatility=(
            (0, 0.55),
            (2, 0.75),
            (3, 1.15),
            (5, 1.0),
            (7, 1.05),
            (8, 1.6),
            (10, 1.5),
            (11.5, 1.05),
            (15, 0.7),
            (17, 0.5),
            (19, 0.45),
            (24, 0.55),
        ),
        spread=(
            (0, 1.1),
            (2, 1.1),
            (4, 1.05),
            (7, 1.0),
            (12, 1.0),
            (15, 1.05),
            (16.5, 1.3),
            (16.9, 2.2),
            (17.05, 3.2),
            (17.5, 1.9),
            (19, 1.4),
            (20, 1.1),
            (24, 1.1),
        ),
        activity=((0, 0.6), (2, 0.9), (4, 1.2), (7, 1.2), (8, 1.8), (10, 1.7), (12, 1.1), (15, 0.8), (17, 0.5), (20, 0.5), (24, 0.6)),
    ),
    "crypto": MarketClass(
        slow=Mood(sd=0.35, memory_s=12 * HOUR_S),
        fast=Mood(sd=0.40, memory_s=30 * MINUTE_S),
        own=Mood(sd=0.25, memory_s=5 * MINUTE_S),
        news_per_day=6.0,
        news_size=3.0,
        shock_memory_s=120.0,
        volatility=((0, 0.9), (4, 0.9), (8, 1.1), (10, 1.3), (14, 1.15), (18, 0.95), (24, 0.9)),
        spread=((0, 1.0), (24, 1.0)),
        activity=((0, 0.9), (8, 1.1), (10, 1.25), (16, 1.0), (24, 0.9)),
    ),
}

# Day volatilities: about 5, 6 and 7 % a year for the currency pairs, 45 and 60 % for the coins.
PROFILES: Mapping[str, Profile] = {
    "EUR_USD": Profile(
        market="forex",
        start="1.16700",
        day_volatility=0.0032,
        loadings=(0.82, 0.0),
        pull_days=10,
        spread=0.00011,
        spread_min_ticks=6,
        quotes_per_s=3.2,
    ),
    "GBP_USD": Profile(
        market="forex",
        start="1.33000",
        day_volatility=0.0038,
        loadings=(0.74, 0.0),
        pull_days=10,
        spread=0.00016,
        spread_min_ticks=9,
        quotes_per_s=2.8,
    ),
    "USD_JPY": Profile(
        market="forex",
        start="152.000",
        day_volatility=0.0044,
        loadings=(-0.58, 0.0),
        pull_days=10,
        spread=0.013,
        spread_min_ticks=7,
        quotes_per_s=2.8,
    ),
    "BTC-USD": Profile(
        market="crypto",
        start="42500.00",
        day_volatility=0.0235,
        loadings=(0.10, 0.88),
        pull_days=20,
        spread=0.60,
        spread_min_ticks=1,
        quotes_per_s=4.0,
        size=1.0,
        size_min=0.001,
    ),
    "ETH-USD": Profile(
        market="crypto",
        start="2250.00",
        day_volatility=0.0310,
        loadings=(0.08, 0.84),
        pull_days=20,
        spread=0.06,
        spread_min_ticks=1,
        quotes_per_s=3.6,
        size=12.0,
        size_min=0.01,
    ),
}


def at_hour(curve: Curve, hour: float) -> float:
    """The value of ``curve`` at ``hour`` in New York, 0 to 24."""
    index = bisect_right(curve, (hour, math.inf))
    if index >= len(curve):
        return curve[-1][1]
    (left, low), (right, high) = curve[index - 1], curve[index]
    return low + (high - low) * (hour - left) / (right - left)


def new_york_hour(time_s: float) -> float:
    """The time of day in New York, in hours, of a time in seconds since 1970."""
    return (time_s + _offset_s(int(time_s // HOUR_S))) % DAY_S / HOUR_S


@lru_cache(64)
def _offset_s(hour_number: int) -> int:
    """New York's offset in the UTC hour ``hour_number``; it changes only on the hour."""
    offset = datetime.fromtimestamp(hour_number * HOUR_S, UTC).astimezone(ZoneInfo("America/New_York")).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0
