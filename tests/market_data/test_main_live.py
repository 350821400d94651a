"""The program on live prices: two venues side by side, each for its own instruments, and nothing standing in for one that is missing."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from bus.doors import Doors
from bus.envelope import decode_event
from bus.proxy import Proxy
from market_data.__main__ import main
from runtime.program import CannotStart
from runtime.settings import MarketDataSettings, Settings, SettingsError, load_settings
from tests.market_data.conftest import ROOT
from tests.market_data.program import feeding, get, quoted, running
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.oanda.venue import OandaVenue


def addresses(venue: CoinbaseVenue) -> dict[str, str]:
    """Where it is, and no key."""
    return {"COINBASE_WS_URL": venue.ws_url, "COINBASE_BASE_URL": venue.base_url}


async def test_both_venues_quote_their_own_instruments_with_read_only_credentials(settings: Settings):
    async with OandaVenue() as oanda, CoinbaseVenue() as coinbase:
        environ = oanda.addresses() | addresses(coinbase)
        async with running(feeding(settings, feed=("oanda", "coinbase")), environ) as url:
            quotes = await quoted(url, 5)
            health = await get(url + "/health")
            metrics = await get(url + "/metrics", as_json=False)
        assert {name: (one["source"], one["feed"], one["synthetic"]) for name, one in quotes.items()} == {
            **dict.fromkeys(("EUR_USD", "GBP_USD", "USD_JPY"), ("oanda", "oanda", False)),
            **dict.fromkeys(("BTC-USD", "ETH-USD"), ("coinbase", "coinbase", False)),
        }
        assert (health["feed"]["name"], health["feed"]["state"]) == ("oanda,coinbase", "running")
        assert [one["counts"]["connections"] for one in health["feeds"]] == [1, 1]
        assert 'arena_feed_up{feed="coinbase"} 1.0' in metrics
        assert oanda.hits.orders() == coinbase.hits.orders() == 0


async def test_quotes_reach_the_bus_under_their_venue_with_its_time_and_ours(settings: Settings):
    async with Proxy(settings.run_dir, Doors()), CoinbaseVenue() as venue:
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
            socket.subscribe(b"quote.coinbase.BTC-USD.")
            socket.connect(settings.bus_sub_address)
            async with running(feeding(settings, feed=("coinbase",)), addresses(venue)) as url:
                await quoted(url, 2)
                bid = Decimal(61000)
                while not await socket.poll(50):
                    bid += 1
                    venue.quotes.set("BTC-USD", bid=bid, ask=bid + 1)
                event = decode_event((await socket.recv_multipart())[1])
    assert (event.source, event.payload["feed"], event.payload["synthetic"]) == ("coinbase", "coinbase", False)
    assert (
        abs(event.payload["time_ns"] / 1e9 - event.payload["sent_boottime_ns"] / 1e9) > 3600
    )  # one is the venue's date, the other this machine's uptime


async def test_one_venue_without_credentials_says_what_to_set_and_the_other_goes_on(settings: Settings):
    async with CoinbaseVenue() as venue, running(feeding(settings, feed=("oanda", "coinbase")), addresses(venue)) as url:
        quotes = await quoted(url, 2)
        health = await get(url + "/health")
        assert set(quotes) == {"BTC-USD", "ETH-USD"}
        assert (await get(url + "/quotes"))["unquoted"] == ["EUR_USD", "GBP_USD", "USD_JPY"]
    assert health["status"] == "degraded"
    assert [(one["name"], one["state"]) for one in health["feeds"]] == [("oanda", "failed"), ("coinbase", "running")]
    assert "OANDA_API_TOKEN_FILE" in health["trouble"]
    assert "OANDA_ACCOUNT_ID_FILE" in health["trouble"]


@pytest.mark.parametrize(
    ("feed", "environ", "said"),
    [
        (("oanda",), {}, "OANDA_API_TOKEN and OANDA_ACCOUNT_ID are not set"),
        (("oanda",), {"OANDA_ACCOUNT_ID": "101-001-1-001"}, "OANDA_API_TOKEN is not set"),
        (("oanda",), {"OANDA_API_TOKEN_FILE": "/nowhere", "OANDA_ACCOUNT_ID": "1"}, "OANDA_API_TOKEN_FILE=/nowhere cannot be opened"),
        (("coinbase",), {"COINBASE_WS_URL": "ws://example.org"}, "use wss://"),
        (("coinbase",), {"COINBASE_WS_URL": "ws://127.0.0.1:1"}, "set both or neither"),
        (("coinbase",), {"COINBASE_BASE_URL": "http://127.0.0.1:1"}, "set both or neither"),
    ],
)
async def test_a_program_with_no_feed_at_all_refuses_to_start_in_a_sentence(
    settings: Settings, feed: tuple[str, ...], environ: dict[str, str], said: str
):
    with pytest.raises(CannotStart, match=said):
        await main(feeding(settings, feed=feed), asyncio.Event(), environ=environ)


async def test_a_venue_that_is_lost_makes_its_quotes_stale_at_once_and_the_others_stay_fresh(settings: Settings):
    async with OandaVenue() as oanda, CoinbaseVenue() as coinbase:
        environ = oanda.addresses() | addresses(coinbase)
        async with running(feeding(settings, feed=("oanda", "coinbase")), environ) as url:
            await quoted(url, 5)
            coinbase.hub.close_all()
            async with asyncio.timeout(30):
                while not (await quoted(url, 5))["BTC-USD"]["stale"]:
                    await asyncio.sleep(0.01)
            quotes = await quoted(url, 5)
            assert not quotes["EUR_USD"]["stale"]
            async with asyncio.timeout(30):
                while (await quoted(url, 5))["BTC-USD"]["stale"]:
                    await asyncio.sleep(0.05)


async def test_live_candles_outlive_a_restart_and_never_mix_with_synthetic_ones(settings: Settings):
    async with running(settings) as url:
        await quoted(url, 5)
    async with CoinbaseVenue() as venue:
        live = feeding(settings, feed=("coinbase",))
        for runs in (1, 2):
            async with running(live, addresses(venue)) as url:
                await quoted(url, 2)
                candles = await get(url + "/candles?instrument=BTC-USD&granularity=D")
            assert candles["feed"] == "coinbase"
            assert [one["count"] for one in candles["candles"]][-1] >= runs


def test_feeds_that_cannot_stand_together_are_refused_by_name(tmp_path: Path):
    def load(feed: str) -> tuple[str, ...]:
        environ = {"ARENA_CONF": str(ROOT / "conf" / "arena.toml"), "ARENA_HOME": str(tmp_path), "ARENA_MARKET_DATA__FEED": feed}
        return load_settings(environ).market_data.feed

    assert load("oanda,coinbase") == ("oanda", "coinbase")
    assert load("coinbase") == ("coinbase",)
    assert MarketDataSettings().feed == ("simulated",)
    for wrong in ("simulated,oanda", "replay,simulated", "oanda,oanda", "binance", ","):
        with pytest.raises(SettingsError, match="feed"):
            load(wrong)


async def test_what_the_market_did_before_the_program_was_there_is_in_its_chart(settings: Settings):
    """The venue saw 1.20 and our first quote is 1.10: today's candle has both, and the newest quote as its close."""
    async with OandaVenue() as venue:
        for bid in ("1.20000", "1.10000"):
            venue.quotes.set("EUR_USD", bid=Decimal(bid), ask=Decimal(bid) + Decimal("0.00010"))
        async with running(feeding(settings, feed=("oanda",)), venue.addresses()) as url:
            async with asyncio.timeout(30):
                while True:
                    candles = (await get(url + "/candles?instrument=EUR_USD&granularity=D"))["candles"]
                    if candles and max(candle["bid"]["high"] for candle in candles) == Decimal("1.2"):
                        break
                    await asyncio.sleep(0.02)
            assert candles[-1]["bid"]["close"] == Decimal("1.1")
        assert venue.hits.orders() == 0
