"""The program as a whole: it starts on an empty home, goes on after a restart, and says in one sentence why it cannot start."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from bus.doors import Doors
from bus.envelope import Event, decode_event
from bus.proxy import Proxy
from market_data.__main__ import main
from runtime.program import CannotStart, prepare_home
from runtime.settings import Settings
from tests.market_data.conftest import DATA
from tests.market_data.program import feeding, get, quoted, running


async def test_an_empty_home_has_a_charts_history_and_live_quotes_on_the_bus_and_over_http(settings: Settings):
    async with Proxy(settings.run_dir, Doors()):
        with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
            socket.subscribe(b"")
            socket.connect(settings.bus_sub_address)
            async with running(settings) as url:
                first = await quoted(url, 5)
                assert abs(first["EUR_USD"]["bid"] - Decimal("1.167")) < Decimal("0.001")
                candles = await get(url + "/candles?instrument=EUR_USD&granularity=M1&count=2000")
                assert len(candles["candles"]) >= 1440
                heard: dict[bytes, Event] = {}
                async with asyncio.timeout(30):
                    while not {b"market_data.heartbeat.", b"quote.oanda.EUR_USD.", b"quote.coinbase.BTC-USD."} <= set(heard):
                        topic, body = await socket.recv_multipart()
                        heard[topic] = decode_event(body)
            async with asyncio.timeout(30):
                while (last := decode_event((await socket.recv_multipart())[1])).payload.get("status") != "stopping":
                    pass
    assert heard[b"quote.coinbase.BTC-USD."].payload["synthetic"] is True
    assert last.source == "market_data"
    assert heard[b"market_data.heartbeat."].payload["metrics"]["arena_quotes_stale"] == 0


async def test_after_a_restart_prices_and_charts_go_on_where_they_were(settings: Settings):
    async with running(settings) as url:
        before = await quoted(url, 5)
        history = await get(url + "/candles?instrument=BTC-USD&granularity=M5&count=200")
    async with running(feeding(settings, seed=2)) as url:
        after = await quoted(url, 5)
        again = await get(url + "/candles?instrument=BTC-USD&granularity=M5&count=200")
    for name, one in before.items():
        assert abs(after[name]["bid"] - one["bid"]) / one["bid"] < Decimal("0.001")
    earlier = {one["time"]: one["mid"] for one in history["candles"][:-1]}
    assert earlier.items() <= {one["time"]: one["mid"] for one in again["candles"]}.items()


async def test_a_replay_begins_with_an_empty_chart_and_leaves_the_other_feeds_candles_alone(settings: Settings):
    async with running(settings) as url:
        synthetic = await get(url + "/candles?instrument=EUR_USD&granularity=H1&count=5")
    replaying = feeding(settings, feed=("replay",), replay_files=(str(DATA / "oanda-eurusd-2014-05-02.csv.gz"),), replay_speed=Decimal(1000))
    for _ in range(2):
        async with running(replaying) as url:
            await quoted(url, 1)
            candles = await get(url + "/candles?instrument=EUR_USD&granularity=D")
            health = await get(url + "/health")
        assert [one["ts"] for one in candles["candles"]] == ["2014-05-02T00:00:00.000000Z"]
        assert candles["candles"][0]["count"] <= 6374
        assert candles["feed"] == health["feed"]["name"] == "replay"
    async with running(settings) as url:
        again = await get(url + "/candles?instrument=EUR_USD&granularity=H1&count=5")
    assert synthetic["candles"][0] == again["candles"][0]


async def test_a_replay_without_files_or_with_a_broken_one_is_refused_in_a_sentence(settings: Settings, tmp_path: Path):
    with pytest.raises(CannotStart, match="needs files"):
        await main(feeding(settings, feed=("replay",)), asyncio.Event())
    broken = tmp_path / "eurusd.csv"
    broken.write_text("time_utc,bid,ask\n2014-05-02T12:00:00Z,1.2,1.1\n")
    with pytest.raises(CannotStart, match=r"eurusd.csv line 2: bid 1.2 must be above 0 and not above ask 1.1"):
        await main(feeding(settings, feed=("replay",), replay_files=(str(broken),)), asyncio.Event())


async def test_instruments_that_cannot_be_are_refused_in_a_sentence(settings: Settings):
    with pytest.raises(CannotStart, match=r"conf/instruments.toml: EUR_USD: venue is missing"):
        await main(replace(settings, instruments={"EUR_USD": {"tick": Decimal("0.1")}}), asyncio.Event())


async def test_a_second_one_in_the_same_home_is_refused(settings: Settings):
    async with running(settings):
        with pytest.raises(CannotStart, match="is held by another process"):
            await main(settings, asyncio.Event())


async def test_a_taken_port_is_refused_in_a_sentence_that_names_the_setting(settings: Settings, home: Path):
    async with running(settings) as url:
        other = feeding(replace(settings, home=home / "b"), port=int(url.rpartition(":")[2]))
        prepare_home(other)
        with pytest.raises(CannotStart, match="ARENA_MARKET_DATA__PORT"):
            await main(other, asyncio.Event())
