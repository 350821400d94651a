"""Coinbase's candles (Advanced Trade, ``/market/products/{id}/candles``), which need no key.

They are of **trades**: there is no bid and no ask in them, so all three of ours show the traded price, and ``count`` is 0. From the first quote on
our own candles have both sides.
"""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote as percent_encoded

from market_data.candles import Candle, Granularity
from market_data.feeds.base import Sleep
from market_data.feeds.past import ohlc_of
from market_data.feeds.venue_stream import Unreadable, VenueRefuses, text_of
from runtime.outbound import AnswerUnusable, Outbound

PAGE = 300  # the venue gives at most 350
# Public requests are limited to ten a second for each address.
PAUSE_S = 0.2
_OK = 200
_NAMES = {name: name for name in ("open", "high", "low", "close")}
_GRANULARITIES = {Granularity.M1: "ONE_MINUTE", Granularity.M15: "FIFTEEN_MINUTE", Granularity.H1: "ONE_HOUR"}


class CoinbasePast:
    """Candles of the venue at ``rest_url``.

    Args:
        sleep: a test's own.
    """

    granularities: Sequence[Granularity] = tuple(_GRANULARITIES)

    def __init__(self, rest_url: str, *, sleep: Sleep = asyncio.sleep) -> None:
        self._rest_url = rest_url
        self._sleep = sleep

    async def candles(self, instrument: str, granularity: Granularity, *, from_s: int, to_s: int) -> list[Candle]:
        """See ``PastPrices``."""
        found: dict[int, Candle] = {}
        async with Outbound(self._rest_url, connections_max=1) as outbound:
            for start_s in range(from_s, to_s, PAGE * granularity.seconds):
                end_s = min(to_s, start_s + PAGE * granularity.seconds)
                for candle in await _page(outbound, instrument, granularity, start_s, end_s):
                    found[candle.start_s] = candle
                await self._sleep(PAUSE_S)
        return [found[start_s] for start_s in sorted(found) if from_s <= start_s < to_s]


async def _page(outbound: Outbound, instrument: str, granularity: Granularity, start_s: int, end_s: int) -> list[Candle]:
    product = percent_encoded(instrument, safe="")
    answer = await outbound.request(
        "GET",
        f"/api/v3/brokerage/market/products/{product}/candles?start={start_s}&end={end_s}&granularity={_GRANULARITIES[granularity]}&limit={PAGE}",
    )
    if answer.status in {400, 401, 403, 404}:
        raise VenueRefuses(f"Coinbase refuses candles of {instrument} ({answer.status}): check the coinbase instruments of conf/instruments.toml")
    if answer.status != _OK:
        raise AnswerUnusable(f"the venue answered {answer.status}", answer.status)
    found = answer.json_object().get("candles")
    if not isinstance(found, list):
        raise Unreadable("candles is no list")
    return [candle for each in found if (candle := _read(each, instrument, granularity)) is not None]


def _read(fields: object, instrument: str, granularity: Granularity) -> Candle | None:
    try:
        start = text_of(fields, "start")
        prices = ohlc_of(fields, _NAMES)
    except Unreadable:
        return None
    if not start.isascii() or not start.isdecimal() or len(start) > 11 or int(start) % granularity.seconds:
        return None
    return Candle(instrument=instrument, granularity=granularity, start_s=int(start), bid=prices, ask=prices, mid=prices, count=0)
