"""What the venues' candles say in words of ours: from the simulators, and from answers that make no sense."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from market_data.candles import Granularity, Ohlc
from market_data.feeds.coinbase_past import PAGE, CoinbasePast
from market_data.feeds.oanda import OandaAccess
from market_data.feeds.oanda_past import OandaPast
from market_data.feeds.past import PastPrices
from market_data.feeds.venue_stream import Unreadable, VenueRefuses
from runtime.clock import ManualClock
from runtime.outbound import AnswerUnusable
from runtime.secret_files import Secret
from tests.market_data.conftest import MONDAY_NS, S
from tests.market_data.passing_time import PassingTime
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import DrivenClock
from tests.venues.common.server import serve
from tests.venues.oanda.venue import OandaVenue

MONDAY_S = MONDAY_NS // S
MIDNIGHT_S = MONDAY_S - MONDAY_S % 86_400


def oanda_at(url: str) -> OandaPast:
    return OandaPast(OandaAccess(rest_url=url, stream_url=url, account="1", token=Secret("t")))


async def test_oandas_candles_have_bid_ask_and_mid_and_the_last_one_grows():
    clock = DrivenClock(MONDAY_NS)
    async with OandaVenue(clock=clock) as venue:
        for bid in ("1.10000", "1.10030", "1.09990", "1.10010"):
            venue.quotes.set("EUR_USD", bid=Decimal(bid), ask=Decimal(bid) + Decimal("0.00010"))
            await clock.advance(20)
        past = OandaPast(OandaAccess(rest_url=venue.base_url, stream_url=venue.stream_url, account=venue.account_id, token=Secret(venue.token)))
        whole, growing = await past.candles("EUR_USD", Granularity.M1, from_s=MONDAY_S, to_s=MONDAY_S + 3600)
        assert await past.candles("EUR_USD", Granularity.M1, from_s=MONDAY_S, to_s=MONDAY_S + 60) == [whole]
        assert await past.candles("EUR_USD", Granularity.H1, from_s=MONDAY_S + 3600, to_s=MONDAY_S + 7200) == []
    assert (whole.start_s, growing.start_s) == (MONDAY_S, MONDAY_S + 60)
    assert whole.bid == Ohlc(*map(Decimal, ("1.08500", "1.10030", "1.08500", "1.09990")))
    assert growing.ask == Ohlc(*[Decimal("1.10020")] * 4)
    assert (whole.count, growing.count) == (4, 1)
    assert venue.hits.orders() == 0


async def test_coinbases_candles_are_of_trades_need_no_key_and_come_in_pages():
    clock = DrivenClock(MIDNIGHT_S * S)
    pause = PassingTime(ManualClock())
    async with CoinbaseVenue(clock=clock) as venue:
        for hour in range(PAGE + 50):
            await clock.advance(3600 if hour else 0)
            venue.quote("BTC-USD", str(60_000 + hour), str(60_001 + hour))
        end_s = MIDNIGHT_S + (PAGE + 50) * 3600
        candles = await CoinbasePast(venue.base_url, sleep=pause).candles("BTC-USD", Granularity.H1, from_s=MIDNIGHT_S, to_s=end_s)
        assert [candle.start_s for candle in candles] == list(range(MIDNIGHT_S, end_s, 3600))
        assert venue.hits.orders() == 0
    assert candles[-1].mid == candles[-1].bid == candles[-1].ask
    assert candles[-1].mid.close == Decimal("60349.5")
    assert {candle.count for candle in candles} == {0}
    assert pause.slept == [0.2, 0.2]


@asynccontextmanager
async def answering(answer: Any, status: int = 200) -> AsyncIterator[str]:
    """A venue that says one thing to everybody."""

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with serve(app) as port:
        yield f"http://127.0.0.1:{port}"


def past_at(venue: str, url: str) -> PastPrices:
    return oanda_at(url) if venue == "oanda" else CoinbasePast(url, sleep=PassingTime(ManualClock()))


GOOD: dict[str, dict[str, Any]] = {
    "oanda": {
        "complete": True,
        "volume": 3,
        "time": "2025-11-24T14:00:00.000000000Z",
        **{side: {"o": "1.1", "h": "1.3", "l": "1.0", "c": "1.2"} for side in ("bid", "ask", "mid")},
    },
    "coinbase": {"start": str(MONDAY_S), "open": "1.1", "high": "1.3", "low": "1.0", "close": "1.2", "volume": "7"},
}
BAD: list[tuple[str, Any]] = [
    ("oanda", {"time": "2025-11-24T14:00:01Z"}),
    ("oanda", {"time": None}),
    ("oanda", {"volume": "3"}),
    ("oanda", {"bid": None}),
    ("oanda", {"ask": {"o": "1.1", "h": "1.0", "l": "1.0", "c": "1.0"}}),
    ("oanda", {"mid": {"o": "0", "h": "0", "l": "0", "c": "0"}}),
    ("coinbase", {"start": str(MONDAY_S + 1)}),
    ("coinbase", {"start": "now"}),
    ("coinbase", {"low": "1.15"}),
    ("coinbase", {"high": None}),
    ("coinbase", {"open": "NaN"}),
]


@pytest.mark.parametrize(("venue", "wrong"), BAD)
async def test_a_candle_that_cannot_be_is_left_out_and_the_others_stay(venue: str, wrong: dict[str, Any]):
    async with answering({"candles": [GOOD[venue], {**GOOD[venue], **wrong}, 7]}) as url:
        (candle,) = await past_at(venue, url).candles("EUR_USD", Granularity.M1, from_s=MONDAY_S, to_s=MONDAY_S + 60)
    assert candle.mid == Ohlc(*map(Decimal, ("1.1", "1.3", "1.0", "1.2")))


@pytest.mark.parametrize("venue", ["oanda", "coinbase"])
@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ({}, 200, Unreadable),
        ([], 200, AnswerUnusable),
        ({}, 503, AnswerUnusable),
        ({}, 429, AnswerUnusable),
        ({}, 401, VenueRefuses),
        ({}, 404, VenueRefuses),
    ],
)
async def test_an_answer_that_is_none_says_whether_to_ask_again(venue: str, answer: Any, status: int, error: type[Exception]):
    async with answering(answer, status) as url:
        with pytest.raises(error):
            await past_at(venue, url).candles("EUR_USD", Granularity.M1, from_s=MONDAY_S, to_s=MONDAY_S + 60)
