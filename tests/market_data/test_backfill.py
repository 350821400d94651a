"""Holes in a live chart: which candles are asked for, how they are laid beside ours, and that nothing of ours is lost."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from market_data.backfill import RETRY_S, Backfill, Hole, merged, recorded_until_s
from market_data.candle_store import CandleStore
from market_data.candles import Candle, CandleBuilder, Granularity, Ohlc
from market_data.feeds.live import LiveFeed
from market_data.feeds.venue_stream import VenueRefuses
from market_data.recorder import Recorder
from runtime.clock import ManualClock
from runtime.outbound import NotSent
from tests.market_data.conftest import MONDAY_NS, S, quote
from tests.market_data.passing_time import PassingTime
from tests.market_data.test_live_feed import ScriptedStream
from trading.instruments import Instruments

MONDAY_S = MONDAY_NS // S  # 14:00


def flat(price: str) -> Ohlc:
    return Ohlc(*[Decimal(price)] * 4)


def candle(start_s: int, granularity: Granularity = Granularity.M1, price: str = "1.10", count: int = 7) -> Candle:
    return Candle(instrument="EUR_USD", granularity=granularity, start_s=start_s, bid=flat(price), ask=flat(price), mid=flat(price), count=count)


class Memory:
    """A venue that remembers one price for ever, and minutes and hours."""

    granularities = (Granularity.M1, Granularity.H1)

    def __init__(self) -> None:
        self.asked: list[tuple[str, Granularity, int, int]] = []
        self.trouble: list[Exception] = []

    async def candles(self, instrument: str, granularity: Granularity, *, from_s: int, to_s: int) -> list[Candle]:
        if self.trouble:
            raise self.trouble.pop(0)
        self.asked.append((instrument, granularity, from_s, to_s))
        return [replace(candle(start_s, granularity), instrument=instrument) for start_s in range(from_s, to_s, granularity.seconds)]


class Rig:
    """A feed that a test connects and loses by hand, between a venue's memory and a store."""

    def __init__(self, store: CandleStore, instruments: Instruments, clock: ManualClock, recorded_s: int) -> None:
        self.clock = clock
        self.time = PassingTime(clock)
        self.memory = Memory()
        self.builder = CandleBuilder()
        self.recorder = Recorder(store, self.builder, lambda: None)
        self.feed = LiveFeed(ScriptedStream(clock), instruments.for_venue("oanda"), clock)
        self.backfill = Backfill(
            self.feed,
            self.memory,
            recorder=self.recorder,
            builder=self.builder,
            clock=clock,
            recorded_until_s=recorded_s,
            sleep=self.time,
        )

    def lose(self) -> None:
        self.feed.connected.clear()
        for tell in self.feed._when_lost:
            tell()

    async def filled(self) -> None:
        """Connect, and wait until no hole is left."""
        self.feed.connected.set()
        async with asyncio.timeout(30):
            await self.backfill.whole.wait()

    async def chart(self, granularity: Granularity, count: int = 5000) -> Sequence[Candle]:
        return await self.recorder.candles("EUR_USD", granularity, count=count)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[CandleStore]:
    async with CandleStore(tmp_path / "market_data.db", "live") as opened:
        yield opened


@pytest.fixture
async def rig(store: CandleStore, instruments: Instruments, clock: ManualClock) -> AsyncIterator[Rig]:
    made = Rig(store, instruments, clock, 0)
    task = asyncio.create_task(made.backfill.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_first_chart_has_a_day_of_minutes_and_a_month_of_hours_with_no_half_candle_at_its_beginning(rig: Rig):
    await rig.filled()
    minutes, hours = await rig.chart(Granularity.M1), await rig.chart(Granularity.H1)
    assert minutes[0].start_s == MONDAY_S - 86_400
    assert hours[0].start_s == (MONDAY_S - 30 * 86_400) // 86_400 * 86_400
    assert {one.count for one in (await rig.chart(Granularity.M5))[:-1]} == {5 * 7}
    assert {one.count for one in (await rig.chart(Granularity.D))[:-1]} == {24 * 7}
    assert {name for name, *_ in rig.memory.asked} == {"EUR_USD", "GBP_USD", "USD_JPY"}


async def test_a_short_interruption_asks_for_nothing(rig: Rig):
    await rig.filled()
    asked = len(rig.memory.asked)
    rig.lose()
    rig.clock.advance(5)
    await rig.filled()
    assert len(rig.memory.asked) == asked


async def test_after_an_outage_only_the_hole_is_asked_for(rig: Rig):
    await rig.filled()
    asked = len(rig.memory.asked)
    rig.clock.advance(1000)
    rig.lose()
    rig.clock.advance(600)
    await rig.filled()
    spans = {granularity: (from_s - MONDAY_S, to_s - MONDAY_S) for _, granularity, from_s, to_s in rig.memory.asked[asked:]}
    assert spans[Granularity.M1] == (900, 1600)  # from a whole five minutes on
    assert spans[Granularity.H1] == (-14 * 3600, 1600)  # from midnight on


async def test_the_growing_candles_are_ours_again_with_what_was_before_them(rig: Rig):
    """Quotes come while the past is being asked for: the venue gives the open, our newest quote the close."""
    rig.builder.add(quote(-1, "1.20", "1.20"))
    rig.clock.advance(-1)
    await rig.filled()
    rig.builder.add(quote(-0.5, "1.30", "1.30"))
    last = (await rig.chart(Granularity.H1))[-1]
    assert last.start_s == MONDAY_S - 3600
    assert last.bid == Ohlc(Decimal("1.10"), Decimal("1.30"), Decimal("1.10"), Decimal("1.30"))
    rig.builder.add(quote(1, "1.40", "1.40"))
    assert [one.bid.close for one in (await rig.chart(Granularity.H1))[-2:]] == [Decimal("1.30"), Decimal("1.40")]


async def test_what_was_filled_is_on_disk_after_the_next_writing(rig: Rig, store: CandleStore):
    await rig.filled()
    await rig.recorder.flush()
    assert len(await store.candles("USD_JPY", Granularity.M1, count=5000)) == 1440


async def test_trouble_is_tried_again_and_a_refusal_is_left_at_that(rig: Rig):
    rig.memory.trouble = [NotSent("no connection"), NotSent("no connection")]
    await rig.filled()
    assert rig.time.slept == [RETRY_S, RETRY_S]
    assert rig.memory.asked[0][2] == MONDAY_S + 600 - 86_400
    asked = len(rig.memory.asked)
    rig.clock.advance(100)
    rig.lose()
    rig.clock.advance(100)
    rig.memory.trouble = [VenueRefuses("no candles")]
    await rig.filled()
    assert len(rig.memory.asked) == asked
    assert len(rig.time.slept) == 2


HOLE = Hole(MONDAY_S + 20, MONDAY_S + 100)


@pytest.mark.parametrize(
    ("start_s", "opens", "closes"),
    [(MONDAY_S, "ours", "theirs"), (MONDAY_S + 60, "theirs", "ours"), (MONDAY_S + 30, "theirs", "theirs")],
)
def test_an_open_or_close_is_the_venues_only_where_the_hole_took_ours(start_s: int, opens: str, closes: str):
    prices = {"ours": Decimal(5), "theirs": Decimal(4)}
    mine = replace(candle(start_s), bid=Ohlc(*map(Decimal, (5, 9, 3, 5))), count=3)
    other = replace(candle(start_s), bid=Ohlc(*map(Decimal, (4, 8, 2, 4))), count=2)
    assert merged(mine, other, HOLE).bid == Ohlc(prices[opens], Decimal(9), Decimal(2), prices[closes])
    assert merged(mine, other, HOLE).count == 3
    assert merged(None, other, HOLE) is other


def test_what_an_earlier_run_has_recorded_ends_with_its_newest_quote():
    kept = [candle(100, Granularity.S5), candle(60, Granularity.M1), replace(candle(200, Granularity.S5), instrument="BTC-USD")]
    assert recorded_until_s(kept, {"EUR_USD"}) == 105
    assert recorded_until_s([], {"EUR_USD"}) == 0
