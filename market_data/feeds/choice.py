"""Which feed the settings ask for, opened and ready to give quotes."""

import asyncio
import logging
from pathlib import Path

from market_data.candle_store import CandleStore
from market_data.feeds import replay, simulated
from market_data.feeds.base import Feed
from market_data.feeds.history import synthetic_history
from market_data.feeds.replay import ReplayFeed, ReplayRefused, open_recordings
from market_data.feeds.simulated import SimulatedFeed
from market_data.feeds.simulation import Market
from runtime.clock import Clock
from runtime.program import CannotStart
from runtime.settings import MarketDataSettings
from trading.instruments import Instruments

LIVE_FEEDS = ("oanda", "coinbase")

log = logging.getLogger("market_data")


def refuse_live_feed(settings: MarketDataSettings) -> None:
    """Raise CannotStart where live prices are asked for: no feed of this version has them."""
    if settings.feed in LIVE_FEEDS:
        raise CannotStart(
            f"market_data.feed is {settings.feed}, and this version has no live prices: ARENA_MARKET_DATA__FEED is {simulated.NAME} or {replay.NAME}"
        )


async def open_feed(settings: MarketDataSettings, instruments: Instruments, store: CandleStore, clock: Clock) -> Feed:
    """The feed, its candles of an earlier run left or cleared as it needs, its first history written.

    Raises:
        CannotStart: settings or files that it cannot work with.
    """
    if settings.feed == replay.NAME:
        try:
            recordings = await asyncio.to_thread(open_recordings, settings.replay_files, instruments, Path.cwd())
            feed = ReplayFeed(recordings, settings.replay_speed, clock)
        except ReplayRefused as error:
            raise CannotStart(str(error)) from None
        await store.clear()
        return feed
    market = Market(instruments)
    if market.unknown:
        log.warning("some instruments have no synthetic market and get no quotes", extra={"instruments": ", ".join(market.unknown)})
    simulation = SimulatedFeed(market, settings.seed, clock, snapshot=await store.snapshot())
    if await store.is_empty() and market.instruments:
        await store.write(await asyncio.to_thread(synthetic_history, market, simulation.state), simulation.snapshot())
    return simulation
