"""OANDA's candles (v20, ``/instruments/{name}/candles``): bid, ask and mid, as our own are. ``volume`` counts the prices of a stretch.

Only what divides an hour is asked for: the venue's longer candles begin at 17:00 in New York, ours at UTC's hours and midnights.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote as percent_encoded

from market_data.candles import Candle, Granularity, Ohlc
from market_data.feeds.oanda import OandaAccess, refusal_of
from market_data.feeds.past import ohlc_of
from market_data.feeds.venue_stream import Unreadable, time_of
from runtime.clock import NS_PER_S
from runtime.outbound import AnswerUnusable, Outbound
from runtime.timestamps import to_text

COUNT_MAX = 2_000  # the venue gives 5,000, of which the longest do not fit into one answer of ours
_OK = 200
_NAMES = {"open": "o", "high": "h", "low": "l", "close": "c"}


class OandaPast:
    """Candles of the venue behind ``access``."""

    granularities: Sequence[Granularity] = (Granularity.S5, Granularity.M1, Granularity.M15, Granularity.H1)

    def __init__(self, access: OandaAccess) -> None:
        self._access = access

    async def candles(self, instrument: str, granularity: Granularity, *, from_s: int, to_s: int) -> list[Candle]:
        """See ``PastPrices``; at most ``COUNT_MAX``. ``to_s`` is not sent: the venue refuses a time that its clock has not reached."""
        target = (
            f"/v3/instruments/{percent_encoded(instrument, safe='')}/candles?price=MBA&granularity={granularity.value}&count={COUNT_MAX}"
            f"&from={percent_encoded(to_text(from_s * NS_PER_S), safe='')}"
        )
        async with Outbound(self._access.rest_url, connections_max=1) as outbound:
            answer = await outbound.request("GET", target, headers=self._access.headers)
        if answer.status != _OK:
            raise refusal_of(answer) or AnswerUnusable(f"the venue answered {answer.status}", answer.status)
        found = answer.json_object().get("candles")
        if not isinstance(found, list):
            raise Unreadable("candles is no list")
        candles = [candle for each in found if (candle := _read(each, instrument, granularity)) is not None]
        return [candle for candle in candles if candle.start_s < to_s]


def _read(fields: object, instrument: str, granularity: Granularity) -> Candle | None:
    try:
        assert isinstance(fields, dict)
        start_s = time_of(fields, "time") // NS_PER_S
        sides: Mapping[str, Ohlc] = {side: ohlc_of(fields.get(side), _NAMES) for side in ("bid", "ask", "mid")}
        count = fields.get("volume")
        if start_s != granularity.start_of(start_s) or type(count) is not int or count < 0:
            return None
        return Candle(instrument=instrument, granularity=granularity, start_s=start_s, count=count, **sides)
    except (AssertionError, Unreadable):
        return None
