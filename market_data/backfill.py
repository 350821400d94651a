"""The holes in a live chart, filled from the venue's own candles: what was before the first start, and what was while we or the line were away.

Whatever our own quotes drew stays: a candle that lies partly in a hole gets the venue's extremes, and its open or close only where the hole took
ours. It is done once a connection stands, in the background: no quote waits for it, and a venue that gives no candles costs the chart its past and
nothing else.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from market_data.candles import Candle, CandleBuilder, Granularity, Ohlc, fold
from market_data.feeds.base import Sleep
from market_data.feeds.live import LiveFeed
from market_data.feeds.past import PastPrices
from market_data.feeds.venue_stream import Unreadable, VenueRefuses
from market_data.recorder import Recorder
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import OutboundError

# How far back a first chart reaches: two hours of S5, a day of minutes, five days of quarters of an hour, a month of hours.
REACH_S: Mapping[Granularity, int] = {
    Granularity.S5: 2 * 3600,
    Granularity.M1: 86_400,
    Granularity.M15: 5 * 86_400,
    Granularity.H1: 30 * 86_400,
}
# What is put together from what; the longest says where asking begins, so that no folded candle is a part of one.
FOLDED: Mapping[Granularity, Sequence[Granularity]] = {Granularity.M1: (Granularity.M5,), Granularity.H1: (Granularity.H4, Granularity.D)}
RETRY_S = 300.0
# A line that breaks every few seconds is not followed by a dozen requests each time.
HOLE_S_MIN = 10

log = logging.getLogger("market_data")


@dataclass(frozen=True, slots=True)
class Hole:
    """From when until when nothing of ours was recorded, in seconds since 1970."""

    from_s: int
    to_s: int


class Backfill:
    """Fills the holes of ``feed``'s instruments.

    Args:
        recorded_until_s: the end of what an earlier run has recorded; 0 without one.
        sleep: a test's own.
    """

    def __init__(
        self,
        feed: LiveFeed,
        past: PastPrices,
        *,
        recorder: Recorder,
        builder: CandleBuilder,
        clock: Clock,
        recorded_until_s: int,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._feed = feed
        self._past = past
        self._recorder = recorder
        self._builder = builder
        self._clock = clock
        self._sleep = sleep
        self._from_s: int | None = recorded_until_s  # where the hole begins that is still to be filled
        self._wanted = asyncio.Event()
        self._wanted.set()
        self.whole = asyncio.Event()  # while no hole is known that could still be filled
        self.filled = 0
        feed.on_lost(lambda: self._want(self._now_s()))

    async def run(self) -> None:
        """Fill after each connecting, until cancelled."""
        while True:
            await self._wanted.wait()
            await self._feed.connected.wait()
            from_s, self._from_s = self._from_s, None
            self._wanted.clear()
            assert from_s is not None  # it is set before it is wanted
            hole = Hole(from_s, self._now_s())
            if hole.to_s - hole.from_s >= HOLE_S_MIN and not await self._fill(hole):
                self._want(from_s)
                await self._sleep(RETRY_S)
            elif self._from_s is None:
                self.whole.set()

    def _want(self, from_s: int) -> None:
        self._from_s = from_s if self._from_s is None else min(from_s, self._from_s)
        self._wanted.set()
        self.whole.clear()

    async def _fill(self, hole: Hole) -> bool:
        """Whether all of it could be asked for."""
        try:
            for name in self._feed.instruments:
                for granularity in self._past.granularities:
                    await self._fill_from(name, granularity, hole)
        except (OutboundError, Unreadable) as error:
            log.warning("the past could not be asked for", extra={"feed": self._feed.name, "reason": str(error), "again_in_s": RETRY_S})
            return False
        except VenueRefuses as refusal:
            log.warning("the venue gives no candles", extra={"feed": self._feed.name, "reason": str(refusal)})
        else:
            log.info("the chart's past is filled", extra={"feed": self._feed.name, "candles": self.filled})
        return True

    async def _fill_from(self, name: str, granularity: Granularity, hole: Hole) -> None:
        longest = FOLDED.get(granularity, (granularity,))[-1]
        from_s = longest.start_of(max(hole.from_s, hole.to_s - REACH_S[granularity]))
        theirs = await self._past.candles(name, granularity, from_s=from_s, to_s=hole.to_s)
        for each in (granularity, *FOLDED.get(granularity, ())):
            await self._lay_in(name, each, theirs if each is granularity else fold(theirs, each), hole)

    async def _lay_in(self, name: str, granularity: Granularity, theirs: Sequence[Candle], hole: Hole) -> None:
        wanted = [candle for candle in theirs if candle.start_s + granularity.seconds > hole.from_s]
        if not wanted:
            return
        stretches = (hole.to_s - wanted[0].start_s) // granularity.seconds + 2
        kept = await self._recorder.candles(name, granularity, count=stretches, from_s=wanted[0].start_s)
        ours = {candle.start_s: candle for candle in kept}
        for candle in wanted:
            mended = merged(ours.get(candle.start_s), candle, hole)
            self._builder.adopt(mended, still_growing=candle.start_s + granularity.seconds > hole.to_s)
            self.filled += 1

    def _now_s(self) -> int:
        return self._clock.wall_ns() // NS_PER_S


def recorded_until_s(kept: Iterable[Candle], instruments: Collection[str]) -> int:
    """The end of what ``kept``, the newest candle of each series, tells of ``instruments``; 0 without any. Every quote is in a 5-second candle."""
    starts = [candle.start_s for candle in kept if candle.granularity is Granularity.S5 and candle.instrument in instruments]
    return max(starts, default=-Granularity.S5.seconds) + Granularity.S5.seconds


def merged(ours: Candle | None, theirs: Candle, hole: Hole) -> Candle:
    """One candle of what we saw before or after ``hole``, None for nothing, and what the venue saw."""
    if ours is None:
        return theirs
    has_open = theirs.start_s < hole.from_s
    has_close = theirs.start_s + theirs.granularity.seconds > hole.to_s

    def side(mine: Ohlc, other: Ohlc) -> Ohlc:
        return Ohlc(
            open=mine.open if has_open else other.open,
            high=max(mine.high, other.high),
            low=min(mine.low, other.low),
            close=mine.close if has_close else other.close,
        )

    return replace(
        theirs,
        bid=side(ours.bid, theirs.bid),
        ask=side(ours.ask, theirs.ask),
        mid=side(ours.mid, theirs.mid),
        count=max(ours.count, theirs.count),
    )
