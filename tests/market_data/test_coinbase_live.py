"""The Coinbase feed against the venue's simulator, over a real websocket: quotes, faults, and what they are called."""

from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise

import pytest

from market_data.feeds.base import FeedState
from market_data.feeds.coinbase import CoinbaseStream, OnGap
from tests.market_data.live_watch import Watcher
from tests.ports import free_ports
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import DrivenClock
from tests.venues.common.faults import Fault, Kind
from trading.instruments import Instruments

# Two heartbeats and a half; only where silence is waited for, since a busy machine is silent too.
SILENCE_S = 2.5


def watching(venue: CoinbaseVenue, instruments: Instruments, *, on_gap: OnGap = "reconnect", silence_s: float = 30.0) -> Watcher:
    return Watcher(CoinbaseStream(venue.ws_url, venue.base_url, instruments.for_venue("coinbase"), on_gap=on_gap, silence_s=silence_s), instruments)


@pytest.fixture
async def venue() -> AsyncIterator[CoinbaseVenue]:
    async with CoinbaseVenue() as running:
        yield running


async def test_the_snapshot_and_every_move_come_with_sizes_and_without_a_key(venue: CoinbaseVenue, instruments: Instruments):
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD") and watcher.bids("ETH-USD"))
        venue.quote("BTC-USD", "61000.01", "61000.02")
        await watcher.until(lambda: Decimal("61000.01") in watcher.bids("BTC-USD"))
    last = [quote for quote in watcher.quotes if quote.instrument == "BTC-USD"][-1]
    assert (last.ask, last.synthetic, last.feed) == (Decimal("61000.02"), False, "coinbase")
    assert last.bid_size is not None
    assert watcher.feed.counts() == {"connections": 1, "garbage": 0, "crossed": 0, "older": 0, "late": 0, "unknown": 0, "gap": 0}
    assert venue.hits.orders() == 0


async def test_a_mute_stream_is_cut_in_time_and_the_next_connection_is_whole(venue: CoinbaseVenue, instruments: Instruments):
    async with watching(venue, instruments, silence_s=SILENCE_S).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD"))
        venue.faults.add(Fault(kind=Kind.STREAM_MUTE))
        await watcher.until(lambda: watcher.lost)
        assert watcher.feed.status.state is FeedState.RECONNECTING
        assert "nothing came for 2.5 s" in watcher.feed.status.detail
        venue.quote("BTC-USD", "62000", "62001")
        await watcher.until(lambda: Decimal(62000) in watcher.bids("BTC-USD"))
        assert watcher.feed.status.state is FeedState.RUNNING


@pytest.mark.parametrize("kind", [Kind.STREAM_CUT, Kind.STREAM_CUT_MID_LINE])
async def test_a_cut_connection_is_opened_again(venue: CoinbaseVenue, instruments: Instruments, kind: Kind):
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD"))
        venue.faults.add(Fault(kind=kind))
        venue.quote("BTC-USD", "62000", "62001")
        await watcher.until(lambda: Decimal(62000) in watcher.bids("BTC-USD"))
        assert watcher.lost == 1
        assert 0.5 <= watcher.waits_s[0] <= 1


async def test_a_hole_in_the_numbers_ends_the_connection_and_the_snapshot_of_the_next_is_the_truth(venue: CoinbaseVenue, instruments: Instruments):
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD"))
        venue.faults.add(Fault(kind=Kind.STREAM_GAP, path="ticker"))
        venue.quote("BTC-USD", "62000", "62001")  # lost
        venue.quote("BTC-USD", "63000", "63001")
        await watcher.until(lambda: Decimal(63000) in watcher.bids("BTC-USD"))
        assert watcher.feed.counts()["gap"] == 1
        assert watcher.lost == 1
        assert Decimal(62000) not in watcher.bids("BTC-USD")


async def test_where_holes_are_only_logged_the_connection_stays(venue: CoinbaseVenue, instruments: Instruments):
    async with watching(venue, instruments, on_gap="log").reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD"))
        venue.faults.add(Fault(kind=Kind.STREAM_GAP, path="ticker"))
        venue.quote("BTC-USD", "62000", "62001")
        venue.quote("BTC-USD", "63000", "63001")
        await watcher.until(lambda: Decimal(63000) in watcher.bids("BTC-USD"))
        assert (watcher.feed.counts()["gap"], watcher.lost) == (1, 0)


async def test_an_instrument_the_venue_does_not_know_is_a_refusal_in_a_sentence(venue: CoinbaseVenue, instruments: Instruments):
    async with Watcher(CoinbaseStream(venue.ws_url, venue.base_url, ["BTC-USD", "NO-SUCH"]), instruments).reading() as watcher:
        await watcher.until(lambda: watcher.lost)
        assert watcher.feed.status.state is FeedState.REFUSED
        assert "conf/instruments.toml" in watcher.feed.status.detail
    assert watcher.waits_s[0] >= 30


async def test_a_venue_that_is_not_there_is_waited_for(instruments: Instruments):
    (port,) = free_ports(1)
    away = CoinbaseVenue(port=port)
    async with watching(away, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.lost >= 5)
        assert watcher.feed.status.state is FeedState.RECONNECTING
        async with away:
            await watcher.until(lambda: watcher.bids("BTC-USD"))
            assert watcher.feed.status.state is FeedState.RUNNING


async def test_a_product_that_does_not_trade_is_asked_about_before_anybody_could_call_it_stale(instruments: Instruments):
    clock = DrivenClock()
    async with CoinbaseVenue(clock=clock) as venue, watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD") and watcher.bids("ETH-USD"))
        for count in (2, 3, 4):
            await clock.advance(5)
            await watcher.until(lambda count=count: len(watcher.bids("BTC-USD")) >= count and len(watcher.bids("ETH-USD")) >= count)
        times = [quote.time_ns for quote in watcher.quotes if quote.instrument == "BTC-USD"]
        assert venue.hits.counts["GET /api/v3/brokerage/market/product_book"] == 2 * (len(times) - 1)
    assert all(4e9 <= later - earlier <= 6e9 for earlier, later in pairwise(times))  # by the venue's clock
    assert (watcher.feed.counts()["older"], watcher.feed.counts()["late"]) == (0, 0)


async def test_a_book_that_cannot_be_had_costs_nothing_but_its_price(instruments: Instruments):
    clock = DrivenClock()
    async with CoinbaseVenue(clock=clock) as venue, watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("BTC-USD") and watcher.bids("ETH-USD"))
        venue.faults.add(Fault(kind=Kind.BROKEN_JSON, path="product_book"))
        await clock.advance(15)
        venue.quote("BTC-USD", "62000", "62001")
        await watcher.until(lambda: Decimal(62000) in watcher.bids("BTC-USD"))
        assert venue.hits.counts["GET /api/v3/brokerage/market/product_book"] == 1  # half a minute's peace after trouble
        await clock.advance(30)
        await watcher.until(lambda: len(watcher.bids("ETH-USD")) > 1)
        assert watcher.lost == 0
