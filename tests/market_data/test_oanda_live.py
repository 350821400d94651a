"""The OANDA feed against the venue's simulator, over real HTTP: quotes, heartbeats, faults, refusals, closed markets."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from market_data.feeds.base import FeedState
from market_data.feeds.oanda import OandaAccess, OandaStream, read_access
from runtime.secret_files import Secret
from tests.market_data.live_watch import OpenMarket, Watcher
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.venue import OandaVenue
from trading.instruments import Instruments

HEARTBEAT_S = 0.1
# Only where silence is waited for, since a busy machine is silent too.
SILENCE_S = 1.5


@pytest.fixture
async def venue() -> AsyncIterator[OandaVenue]:
    async with OandaVenue(heartbeat_s=HEARTBEAT_S) as running:
        yield running


def access_to(venue: OandaVenue) -> OandaAccess:
    return read_access(venue.addresses())


def watching(venue: OandaVenue, instruments: Instruments, *, access: OandaAccess | None = None, silence_s: float = 30.0) -> Watcher:
    return Watcher(OandaStream(access or access_to(venue), list(instruments.for_venue("oanda")), silence_s=silence_s), instruments)


def move(venue: OandaVenue, bid: str, ask: str, instrument: str = "EUR_USD") -> None:
    venue.quotes.set(instrument, bid=Decimal(bid), ask=Decimal(ask), bid_size=Decimal(500_000), ask_size=Decimal(250_000))


async def test_the_snapshot_and_every_move_come_with_sizes(venue: OandaVenue, instruments: Instruments):
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: all(watcher.bids(name) for name in ("EUR_USD", "GBP_USD", "USD_JPY")))
        move(venue, "1.16001", "1.16013")
        await watcher.until(lambda: Decimal("1.16001") in watcher.bids("EUR_USD"))
    last = next(quote for quote in watcher.quotes if quote.bid == Decimal("1.16001"))
    assert (last.ask, last.bid_size, last.ask_size) == (Decimal("1.16013"), Decimal(500_000), Decimal(250_000))
    assert (last.synthetic, last.feed) == (False, "oanda")
    assert watcher.feed.counts() == {"connections": 1, "garbage": 0, "crossed": 0, "older": 0, "late": 0, "unknown": 0, "gap": 0}
    assert venue.hits.orders() == 0


async def test_a_calm_market_is_told_of_by_heartbeats(instruments: Instruments):
    """Nothing moves, and each heartbeat says that what stands still stands, in the venue's own time."""
    async with OandaVenue(heartbeat_s=HEARTBEAT_S, clock=OpenMarket()) as venue, watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: len(watcher.bids("EUR_USD")) >= 4)
    assert len({quote.time_ns for quote in watcher.quotes if quote.instrument == "EUR_USD"}) == 1


async def test_a_mute_stream_is_cut_in_time_and_comes_back(venue: OandaVenue, instruments: Instruments):
    async with watching(venue, instruments, silence_s=SILENCE_S).reading() as watcher:
        await watcher.until(lambda: watcher.bids("EUR_USD"))
        venue.faults.add(Fault(kind=Kind.STREAM_MUTE, times=None))
        await watcher.until(lambda: watcher.lost)
        assert watcher.feed.status.state is FeedState.RECONNECTING
        venue.faults.clear()
        move(venue, "1.15001", "1.15013")
        await watcher.until(lambda: Decimal("1.15001") in watcher.bids("EUR_USD"))
        assert watcher.feed.status.state is FeedState.RUNNING


@pytest.mark.parametrize("kind", [Kind.STREAM_CUT, Kind.STREAM_CUT_MID_LINE])
async def test_a_cut_connection_is_opened_again_and_half_a_line_is_no_price(venue: OandaVenue, instruments: Instruments, kind: Kind):
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("EUR_USD"))
        venue.faults.add(Fault(kind=kind))
        await watcher.until(lambda: watcher.lost == 1)
        move(venue, "1.15001", "1.15013")
        await watcher.until(lambda: Decimal("1.15001") in watcher.bids("EUR_USD"))
        assert watcher.feed.counts()["connections"] == 2
        assert 0.5 <= watcher.waits_s[0] <= 1


async def test_a_bad_token_is_a_sentence_without_the_token_and_is_asked_about_in_minutes(venue: OandaVenue, instruments: Instruments):
    wrong = replace(access_to(venue), token=Secret("not-the-t0ken"))
    async with watching(venue, instruments, access=wrong).reading() as watcher:
        await watcher.until(lambda: watcher.lost >= 5)
        assert watcher.feed.status.state is FeedState.REFUSED
        assert "OANDA_API_TOKEN_FILE" in watcher.feed.status.detail
        assert "not-the-t0ken" not in watcher.feed.status.detail
        assert not watcher.quotes
    assert watcher.waits_s[0] >= 30
    assert watcher.waits_s[4] >= 300


async def test_an_unknown_account_is_a_refusal(venue: OandaVenue, instruments: Instruments):
    wrong = replace(access_to(venue), account="101-001-9999999-001")
    async with watching(venue, instruments, access=wrong).reading() as watcher:
        await watcher.until(lambda: watcher.lost)
        assert watcher.feed.status.state is FeedState.REFUSED
        assert "OANDA_ACCOUNT_ID" in watcher.feed.status.detail


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_trouble_of_the_venue_passes(venue: OandaVenue, instruments: Instruments, status: int):
    venue.faults.add(Fault(kind=Kind.ERROR_BEFORE, status=status, times=3), Fault(kind=Kind.RATE_LIMIT, times=2))
    async with watching(venue, instruments).reading() as watcher:
        await watcher.until(lambda: watcher.bids("EUR_USD"))
        assert watcher.lost == 5
        assert max(watcher.waits_s) <= 16


@pytest.mark.parametrize("kind", [Kind.MARKET_HALTED, Kind.WEEKEND])
async def test_a_closed_market_has_no_quotes_and_the_connection_stays(venue: OandaVenue, instruments: Instruments, kind: Kind):
    venue.faults.add(Fault(kind=kind, times=None))
    async with watching(venue, instruments).reading() as watcher:
        async with asyncio.timeout(30):
            await watcher.feed.connected.wait()
            while len(watcher.feed.status.halted) < 3:
                await asyncio.sleep(0.01)
        assert watcher.feed.status.state is FeedState.RUNNING
        assert not watcher.quotes
        venue.faults.clear()
        move(venue, "1.15001", "1.15013")
        await watcher.until(lambda: watcher.bids("EUR_USD"))
        assert watcher.lost == 0
        assert "EUR_USD" not in watcher.feed.status.halted
