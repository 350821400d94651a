"""Candles: what the bid, the ask and the mid did in each stretch of time, built from quotes. No I/O and no clock: the quotes' own time decides.

Stretches begin at multiples of their length since 1970, so all boundaries are UTC: an H4 candle begins at 00:00, 04:00, …, a day at midnight. A
stretch without a quote has no candle; nothing is made up. Quotes go into the 5-second candle alone, and each finished one is folded into the longer
ones: the longest chart costs no quote anything.

Time that goes back (a clock that was set, a replay begun anew) finishes the candles at hand and begins the older stretch again; what is kept for
that stretch is then the newer account of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from runtime.clock import NS_PER_S
from trading.quotes import Quote


class Granularity(StrEnum):
    """Lengths of candles, by the names charts and venues use."""

    S5 = "S5"
    M1 = "M1"
    M5 = "M5"
    M15 = "M15"
    H1 = "H1"
    H4 = "H4"
    D = "D"

    @property
    def seconds(self) -> int:
        return _SECONDS[self]

    def start_of(self, time_s: int) -> int:
        """The start of the stretch that ``time_s`` falls in, both in seconds since 1970."""
        return time_s - time_s % _SECONDS[self]


_SECONDS = {
    Granularity.S5: 5,
    Granularity.M1: 60,
    Granularity.M5: 300,
    Granularity.M15: 900,
    Granularity.H1: 3600,
    Granularity.H4: 14_400,
    Granularity.D: 86_400,
}
_LONGER = tuple(one for one in Granularity if one is not Granularity.S5)


@dataclass(frozen=True, slots=True)
class Ohlc:
    """First, highest, lowest and last price of a stretch."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal

    def then(self, later: "Ohlc") -> "Ohlc":
        """The two stretches as one."""
        return Ohlc(self.open, max(self.high, later.high), min(self.low, later.low), later.close)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One stretch of one instrument; ``start_s`` in seconds since 1970, ``count`` quotes in it."""

    instrument: str
    granularity: Granularity
    start_s: int
    bid: Ohlc
    ask: Ohlc
    mid: Ohlc
    count: int

    def then(self, later: "Candle") -> "Candle":
        """This candle with a later part of its stretch added."""
        return Candle(
            instrument=self.instrument,
            granularity=self.granularity,
            start_s=self.start_s,
            bid=self.bid.then(later.bid),
            ask=self.ask.then(later.ask),
            mid=self.mid.then(later.mid),
            count=self.count + later.count,
        )

    def as_part_of(self, granularity: Granularity) -> "Candle":
        """This candle as the beginning of the longer one its stretch lies in."""
        start_s = granularity.start_of(self.start_s)
        return Candle(
            instrument=self.instrument, granularity=granularity, start_s=start_s, bid=self.bid, ask=self.ask, mid=self.mid, count=self.count
        )


class _Bar:
    """A price's stretch while it is being quoted; twelve comparisons a quote are the hot path of a fast replay."""

    __slots__ = ("close", "high", "low", "open")

    def __init__(self, price: Decimal) -> None:
        self.open = self.high = self.low = self.close = price

    def add(self, price: Decimal) -> None:
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price

    def ohlc(self) -> Ohlc:
        return Ohlc(self.open, self.high, self.low, self.close)


class _Series:
    """The candles of one instrument that are not finished yet."""

    def __init__(self, instrument: str) -> None:
        self.instrument = instrument
        self.longer: dict[Granularity, Candle] = {}
        self.start_s: int | None = None
        self.count = 0
        self.changed = False

    def begin(self, start_s: int, quote: Quote) -> None:
        self.start_s = start_s
        self.count = 1
        self.bid = _Bar(quote.bid)
        self.ask = _Bar(quote.ask)
        self.mid = _Bar((quote.bid + quote.ask) / 2)

    def shortest(self) -> Candle | None:
        """The 5-second candle so far."""
        if self.start_s is None:
            return None
        return Candle(
            instrument=self.instrument,
            granularity=Granularity.S5,
            start_s=self.start_s,
            bid=self.bid.ohlc(),
            ask=self.ask.ohlc(),
            mid=self.mid.ohlc(),
            count=self.count,
        )


class CandleBuilder:
    """Turns quotes into candles of every granularity, for any number of instruments."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}
        self._finished: list[Candle] = []

    def resume(self, candles: Iterable[Candle]) -> None:
        """Take up unfinished candles again after a restart: quotes of the same stretch are added to them.

        5-second candles are left out: what they held is already in the longer ones.
        """
        for candle in candles:
            if candle.granularity is not Granularity.S5:
                self._of(candle.instrument).longer[candle.granularity] = candle

    def add(self, quote: Quote) -> None:
        """Count ``quote`` in."""
        series = self._series.get(quote.instrument) or self._of(quote.instrument)
        time_s = quote.time_ns // NS_PER_S
        start_s = time_s - time_s % 5
        series.changed = True
        if start_s != series.start_s:
            finished = series.shortest()
            if finished is not None:
                self._finish(series, finished)
            self._leave(series, start_s)
            series.begin(start_s, quote)
            return
        series.count += 1
        series.bid.add(quote.bid)
        series.ask.add(quote.ask)
        series.mid.add((quote.bid + quote.ask) / 2)

    def adopt(self, candle: Candle, *, still_growing: bool) -> None:
        """Take a candle that was not built here for what happened in its stretch. While it grows, quotes of that stretch are added to it."""
        series = self._of(candle.instrument)
        if still_growing and candle.granularity is Granularity.S5:
            return  # over in a moment, and ours will do
        if still_growing and (series.start_s is None or candle.granularity.start_of(series.start_s) == candle.start_s):
            series.longer[candle.granularity] = candle
        self._finished.append(candle)

    def drain(self) -> list[Candle]:
        """Every candle that is new or has changed since the last drain, finished ones first and each in its latest form."""
        changed = self._finished
        self._finished = []
        for instrument, series in self._series.items():
            if series.changed:
                series.changed = False
                changed.extend(self.unfinished(instrument))
        return changed

    def unfinished(self, instrument: str) -> list[Candle]:
        """The candles of ``instrument`` as they stand, one of each granularity; none before its first quote."""
        series = self._series.get(instrument)
        latest = None if series is None else series.shortest()
        if series is None or latest is None:
            return []
        return [latest, *(_joined(series.longer.get(granularity), latest.as_part_of(granularity)) for granularity in _LONGER)]

    def _of(self, instrument: str) -> _Series:
        return self._series.setdefault(instrument, _Series(instrument))

    def _finish(self, series: _Series, finished: Candle) -> None:
        """Fold a finished 5-second candle into the longer ones around it."""
        self._finished.append(finished)
        for granularity in _LONGER:
            series.longer[granularity] = _joined(series.longer.get(granularity), finished.as_part_of(granularity))

    def _leave(self, series: _Series, start_s: int) -> None:
        """Let go of the longer candles that ``start_s`` does not lie in: they are finished."""
        for granularity, candle in list(series.longer.items()):
            if candle.start_s != granularity.start_of(start_s):
                self._finished.append(candle)
                del series.longer[granularity]


def _joined(before: Candle | None, part: Candle) -> Candle:
    return part if before is None or before.start_s != part.start_s else before.then(part)


def fold(candles: Iterable[Candle], granularity: Granularity) -> list[Candle]:
    """``candles`` of one instrument, in order of time, put together into longer ones."""
    folded: list[Candle] = []
    for candle in candles:
        part = candle.as_part_of(granularity)
        if folded and folded[-1].start_s == part.start_s:
            folded[-1] = folded[-1].then(part)
        else:
            folded.append(part)
    return folded
