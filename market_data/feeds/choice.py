"""Which feeds the settings ask for, opened and ready to give quotes.

Live feeds stand side by side, each for the instruments of its own venue, and none stands in for another: a venue without its feed has no prices.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from market_data.book import QuoteBook
from market_data.candle_store import CandleStore
from market_data.feeds import coinbase, oanda, replay
from market_data.feeds.base import AbsentFeed, Feed
from market_data.feeds.coinbase_past import CoinbasePast
from market_data.feeds.history import synthetic_history
from market_data.feeds.live import LiveFeed
from market_data.feeds.oanda_past import OandaPast
from market_data.feeds.past import PastPrices
from market_data.feeds.replay import ReplayFeed, ReplayRefused, open_recordings
from market_data.feeds.simulated import SimulatedFeed
from market_data.feeds.simulation import Market
from market_data.feeds.venue_stream import VenueStream
from runtime.clock import Clock
from runtime.program import CannotStart
from runtime.settings import MarketDataSettings
from trading.instruments import Instruments

log = logging.getLogger("market_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFeeds:
    """The feeds; of the ``live`` ones that could start, what their venue remembers of the past."""

    feeds: Sequence[Feed]
    live: Sequence[tuple[LiveFeed, PastPrices]] = ()


def candles_key(settings: MarketDataSettings) -> str:
    """What the candles of these feeds are kept under. All live ones share one key: an instrument has one venue, so they never meet."""
    return "live" if settings.is_live else settings.feed[0]


async def open_feeds(
    settings: MarketDataSettings, environ: Mapping[str, str], instruments: Instruments, *, store: CandleStore, book: QuoteBook, clock: Clock
) -> OpenFeeds:
    """The feeds, their candles of an earlier run left or cleared as they need, their first history written.

    Raises:
        CannotStart: settings, credentials or files that none of them can work with.
    """
    if settings.is_live:
        return _live_feeds(settings, environ, instruments, book, clock)
    if settings.feed[0] == replay.NAME:
        try:
            recordings = await asyncio.to_thread(open_recordings, settings.replay_files, instruments, Path.cwd())
            feed = ReplayFeed(recordings, settings.replay_speed, clock)
        except ReplayRefused as error:
            raise CannotStart(str(error)) from None
        await store.clear()
        return OpenFeeds(feeds=[feed])
    market = Market(instruments)
    if market.unknown:
        log.warning("some instruments have no synthetic market and get no quotes", extra={"instruments": ", ".join(market.unknown)})
    simulation = SimulatedFeed(market, settings.seed, clock, snapshot=await store.snapshot())
    if await store.is_empty() and market.instruments:
        await store.write(await asyncio.to_thread(synthetic_history, market, simulation.state), simulation.snapshot())
    return OpenFeeds(feeds=[simulation])


def _live_feeds(settings: MarketDataSettings, environ: Mapping[str, str], instruments: Instruments, book: QuoteBook, clock: Clock) -> OpenFeeds:
    feeds: list[Feed] = []
    remembered: list[tuple[LiveFeed, PastPrices]] = []
    for venue in settings.feed:
        mine = instruments.for_venue(venue)
        try:
            stream, past = _client_of(venue, mine, settings, environ)
        except CannotStart as error:
            log.error("a live feed cannot start", extra={"feed": venue, "reason": str(error)})
            feeds.append(AbsentFeed(venue, str(error)))
        else:
            feed = LiveFeed(stream, mine, clock)
            feed.on_lost(partial(book.lose, list(mine)))
            feeds.append(feed)
            remembered.append((feed, past))
    if all(isinstance(feed, AbsentFeed) for feed in feeds):
        raise CannotStart("; ".join(feed.status.detail for feed in feeds))
    unquoted = [name for name, instrument in instruments.items() if instrument.venue not in settings.feed]
    if unquoted:
        log.warning("some instruments have no feed and get no quotes", extra={"instruments": ", ".join(unquoted), "feed": ",".join(settings.feed)})
    return OpenFeeds(feeds=feeds, live=remembered)


def _client_of(venue: str, instruments: Instruments, settings: MarketDataSettings, environ: Mapping[str, str]) -> tuple[VenueStream, PastPrices]:
    if not instruments:
        raise CannotStart(f"conf/instruments.toml has no instrument of {venue}: there is nothing to ask it for")
    if venue == oanda.VENUE:
        access = oanda.read_access(environ)
        return oanda.OandaStream(access, list(instruments)), OandaPast(access)
    stream, rest = coinbase.read_addresses(environ)
    return coinbase.CoinbaseStream(stream, rest, instruments, on_gap=settings.coinbase_gap), CoinbasePast(rest)
