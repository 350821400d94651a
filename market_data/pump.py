"""From the feed to everybody: each quote is published on the bus, takes its place in the book and is counted into the candles.

Each feed has a pump of its own. The program outlives its feeds: when one ends or fails, quotes stop, ages grow, and heartbeats and HTTP say why.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing

from bus.envelope import encode_event
from bus.publisher import Publisher
from bus.topics import quote_topic
from market_data.book import QuoteBook
from market_data.candles import CandleBuilder
from market_data.feeds.base import Feed
from runtime.clock import Clock
from trading.instruments import Instrument
from trading.quotes import Quote

log = logging.getLogger("market_data")


def encode_quote(quote: Quote, venue: str, sent_boot_ns: int) -> bytes:
    """The body of one quote on the bus: its source is the venue, its ``ts`` the market's time (docs/protocol.md)."""
    payload: dict[str, object] = {"instrument": quote.instrument, "bid": quote.bid, "ask": quote.ask}
    if quote.bid_size is not None and quote.ask_size is not None:
        payload |= {"bid_size": quote.bid_size, "ask_size": quote.ask_size}
    payload |= {"synthetic": quote.synthetic, "feed": quote.feed, "time_ns": quote.time_ns, "sent_boottime_ns": sent_boot_ns}
    return encode_event(venue, "quote", payload, quote.time_ns)


class Pump:
    """Moves quotes from ``feed`` to ``publisher``, ``book`` and ``candles``.

    Args:
        publisher: the one for quotes, which carries nothing else: a flood of quotes must evict no fact.
    """

    def __init__(
        self,
        feed: Feed,
        instruments: Mapping[str, Instrument],
        *,
        publisher: Publisher,
        book: QuoteBook,
        candles: CandleBuilder,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._instruments = instruments
        self._publisher = publisher
        self._book = book
        self._candles = candles
        self._clock = clock

    async def run(self) -> None:
        """Pump until the feed ends; returns then. An exception out of the feed is a bug and comes out here."""
        async with aclosing(self._feed.batches()) as batches:
            async for batch in batches:
                now_ns = self._clock.boot_ns()
                for quote in batch:
                    venue = self._instruments[quote.instrument].venue
                    self._publisher.publish(quote_topic(venue, quote.instrument), encode_quote(quote, venue, now_ns))
                    if self._book.receive(quote, now_ns):
                        self._candles.add(quote)
                await asyncio.sleep(0)  # a feed that is behind never waits, and the others must have their turn
        log.warning("the feed has ended", extra={"feed": self._feed.name, "state": self._feed.status.state.value, "detail": self._feed.status.detail})
