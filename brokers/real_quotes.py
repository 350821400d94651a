"""Only a venue's own prices reach an account of real money: a simulated or recorded quote must neither price an order nor trigger a stop there."""

import logging
from collections.abc import Callable

from brokers.quote_intake import Received

_log = logging.getLogger(__name__)


class RealQuotes:
    """Hands on the quotes that come from the feed of ``source`` and counts the others, once said."""

    def __init__(self, source: str, take: Callable[[Received], None]) -> None:
        self._source = source
        self._take = take
        self.refused = 0

    def take(self, received: Received) -> None:
        """A quote has come in."""
        quote = received.quote
        if quote.synthetic or quote.feed != self._source:
            if not self.refused:
                _log.error(
                    "prices that are not the venue's own are ignored where money is real: set ARENA_MARKET_DATA__FEED to this venue",
                    extra={"feed": quote.feed, "wanted": self._source},
                )
            self.refused += 1
            return
        self._take(received)
