"""The simulated feed: the synthetic market in real time, over restarts, pauses and clocks that are set."""

import logging
from collections.abc import AsyncIterator, Sequence

import pytest

from market_data.feeds.base import FeedState
from market_data.feeds.simulated import SimulatedFeed
from market_data.feeds.simulation import Market
from runtime.clock import ManualClock
from tests.market_data.conftest import S
from tests.market_data.passing_time import PassingTime
from trading.instruments import Instruments
from trading.quotes import Quote


@pytest.fixture(scope="module")
def market(instruments: Instruments) -> Market:
    return Market(instruments)


def feed_of(market: Market, clock: ManualClock, *, seed: int = 1, snapshot: str | None = None) -> SimulatedFeed:
    return SimulatedFeed(market, seed, clock, snapshot=snapshot, sleep=PassingTime(clock))


async def take(batches: AsyncIterator[Sequence[Quote]], count: int) -> list[Quote]:
    quotes: list[Quote] = []
    while len(quotes) < count:
        quotes.extend(await anext(batches))
    return quotes


async def test_quotes_come_when_they_are_due_and_bear_the_time_of_the_clock(market: Market, clock: ManualClock):
    feed = feed_of(market, clock)
    batches = feed.batches()
    for _ in range(100):
        batch = await anext(batches)
        assert batch
        assert all(0 <= clock.wall_ns() - one.time_ns < 0.1 * S for one in batch)
    assert feed.status.state is FeedState.RUNNING


async def test_the_same_seed_and_clock_give_the_same_quotes(market: Market):
    first, again = ManualClock(), ManualClock()
    assert await take(feed_of(market, first).batches(), 200) == await take(feed_of(market, again).batches(), 200)


async def test_after_a_restart_it_goes_on_from_its_last_prices(market: Market, clock: ManualClock):
    feed = feed_of(market, clock)
    before = {one.instrument: one for one in await take(feed.batches(), 2_000)}
    clock.advance(3600)
    restarted = feed_of(market, clock, snapshot=feed.snapshot())
    after: dict[str, Quote] = {}
    for one in await take(restarted.batches(), 50):
        after.setdefault(one.instrument, one)
    for name, last in before.items():
        assert abs(after[name].mid - last.mid) / last.mid < 0.001
    assert min(one.time_ns for one in after.values()) >= max(one.time_ns for one in before.values()) + 3590 * S


async def test_another_seed_keeps_the_prices_that_open_orders_stand_on(market: Market, clock: ManualClock):
    feed = feed_of(market, clock)
    await take(feed.batches(), 2_000)
    reseeded = feed_of(market, clock, seed=99, snapshot=feed.snapshot())
    assert {name: mark.log_price for name, mark in reseeded.state.marks.items()} == {name: mark.log_price for name, mark in feed.state.marks.items()}
    same = feed_of(market, clock, snapshot=feed.snapshot())
    assert await take(reseeded.batches(), 50) != await take(same.batches(), 50)


@pytest.mark.parametrize("snapshot", ["", "{}", "not json", '{"version":99,"state":null}', '{"version":1,"state":{}}'])
async def test_a_snapshot_that_cannot_be_read_begins_the_market_anew(market: Market, clock: ManualClock, snapshot: str):
    assert feed_of(market, clock, snapshot=snapshot).state == feed_of(market, clock).state


async def test_nobody_is_shown_an_hour_of_quotes_at_once_after_the_machine_slept(market: Market, clock: ManualClock):
    feed = feed_of(market, clock)
    batches = feed.batches()
    last = (await take(batches, 100))[-1]
    prices = {name: mark.log_price for name, mark in feed.state.marks.items()}
    clock.advance(3600)
    batch = await anext(batches)
    assert len(batch) <= len(market.instruments)
    assert all(one.time_ns >= last.time_ns + 3599 * S for one in batch)
    assert all(abs(feed.state.marks[name].log_price - price) < 1e-4 for name, price in prices.items())


@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_a_wall_clock_that_is_set_moves_the_markets_time_and_not_its_prices(
    market: Market, clock: ManualClock, caplog: pytest.LogCaptureFixture, seconds: int
):
    """R32: no flood after a step forward, no silence of an hour after a step back."""
    feed = feed_of(market, clock)
    batches = feed.batches()
    await take(batches, 100)
    clock.step_wall(seconds)
    with caplog.at_level(logging.WARNING):
        after = await take(batches, 100)
    assert all(abs(one.time_ns - clock.wall_ns()) < 60 * S for one in after)
    assert "the wall clock was set" in caplog.text


async def test_without_an_instrument_it_can_quote_it_ends_and_says_so(clock: ManualClock):
    feed = feed_of(Market(Instruments([])), clock)
    assert [batch async for batch in feed.batches()] == []
    assert feed.status.state is FeedState.ENDED
    assert "none of the configured instruments" in feed.status.detail
