"""The past as a venue remembers it: candles for a chart that our own quotes cannot draw.

Two clients, ``OandaPast`` and ``CoinbasePast``, each for the granularities its venue has with boundaries in UTC; longer ones are folded from them
(``market_data.backfill``). A candle of the venue's that cannot be is left out: a hole in a chart is better than a spike nobody traded at.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from market_data.candles import Candle, Granularity, Ohlc
from market_data.feeds.venue_stream import Unreadable, decimal_of


class PastPrices(Protocol):
    """A venue's memory."""

    @property
    def granularities(self) -> Sequence[Granularity]:
        """What can be asked for, shortest first."""

    async def candles(self, instrument: str, granularity: Granularity, *, from_s: int, to_s: int) -> list[Candle]:
        """Candles that start in [``from_s``, ``to_s``), oldest first; the last may still grow. Their ``count`` is 0 where the venue counts no quotes.

        Raises:
            VenueRefuses, OutboundError: none could be had.
            Unreadable: the answer makes no sense as a whole.
        """


def ohlc_of(fields: object, names: Mapping[str, str]) -> Ohlc:
    """The four prices in a JSON object, under the ``names`` the venue gives to open, high, low and close.

    Raises:
        Unreadable: one is missing, or they cannot be one candle's.
    """
    if not isinstance(fields, dict):
        raise Unreadable("a candle without prices")
    prices: dict[str, Decimal] = {name: decimal_of(fields.get(theirs), theirs) for name, theirs in names.items()}
    found = Ohlc(**prices)
    if not 0 < found.low <= min(found.open, found.close) <= max(found.open, found.close) <= found.high:
        raise Unreadable("a candle's prices contradict one another")
    return found
