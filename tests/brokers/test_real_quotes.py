"""No quote but the venue's own is let through to an account of real money."""

import logging
from decimal import Decimal

import pytest

from brokers.quote_intake import Received
from brokers.real_quotes import RealQuotes
from trading.quotes import Quote


def quote(feed: str, *, synthetic: bool = False) -> Received:
    price = Quote(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), time_ns=1, synthetic=synthetic, feed=feed)
    return Received(quote=price, sent_boot_ns=1)


def test_only_the_venues_own_prices_come_through_and_the_reason_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[Received] = []
    quotes = RealQuotes("oanda", taken.append)
    with caplog.at_level(logging.ERROR):
        for foreign in (quote("simulated", synthetic=True), quote("replay"), quote("coinbase"), quote("oanda", synthetic=True)):
            quotes.take(foreign)
    assert (taken, quotes.refused, len(caplog.records)) == ([], 4, 1)
    assert "ARENA_MARKET_DATA__FEED" in caplog.text
    own = quote("oanda")
    quotes.take(own)
    assert taken == [own]
