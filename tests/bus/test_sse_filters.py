"""Readers of the event stream that want some of it: filters, and what they do to the cursor."""

from pathlib import Path

import pytest

import bus.sse
import bus.stream_client
from bus.cursor import Cursor
from tests.bus.served import arena
from tests.bus.sse_reader import open_reader, places

pytestmark = pytest.mark.usefixtures("proxy")


async def test_filters_let_through_what_they_name(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)):
        await oanda.append(2, "oco_placed", instrument="EUR_USD")
        await oanda.append(2, "order_filled", instrument="EUR_USD")
        await oanda.append(2, "order_filled", instrument="USD_JPY")
        await coinbase.append(2, "order_filled", instrument="BTC-USD")
        for query, expected in {
            "types=order_filled": 6,
            "types=order_filled,oco_placed": 8,
            "sources=coinbase&types=order_filled": 2,
            "instruments=EUR_USD": 4,
            "instruments=EUR_USD,BTC-USD&types=order_filled": 4,
            "types=nothing_like_it": 0,
        }.items():
            async with open_reader(f"{server.url}?{query}") as reader:
                before, _ = await reader.until_ready()
                assert len(places(before)) == expected, query


async def test_a_filtered_reader_gets_live_what_it_asked_for_and_ids_that_name_every_source(run_dir: Path) -> None:
    async with (
        arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)),
        open_reader(server.url, sources="coinbase", replay=0) as reader,
    ):
        await reader.until_ready()
        await oanda.append(3)
        await coinbase.append(1)
        (frame,) = await reader.events(1)
        assert frame.data["source"] == "coinbase"
        assert set(Cursor.parse(frame.id or "")) == {"oanda", "coinbase"}


async def test_a_filter_that_matches_nothing_still_moves_the_cursor(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir, "oanda") as ((owner,), (server,)), open_reader(server.url, types="nothing", replay=0) as reader:
        await reader.until_ready()
        await owner.append(3)
        while (frame := await reader.next()).id != f"oanda@{owner.epoch}:{owner.last_seq}":
            assert frame.data is None
        assert frame.raw == [f"id: oanda@{owner.epoch}:{owner.last_seq}"]


@pytest.mark.parametrize(
    "query", ["types=a%20b", "sources=OANDA", "instruments=A%0d%0aB", "replay=-1", "replay=1e9", "replay=x", "type=order_filled"]
)
async def test_a_parameter_that_is_none_is_refused(run_dir: Path, query: str) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(f"{server.url}?{query}") as reader:
        assert reader.response.status == 400
        assert (await reader.response.json())["code"] in {"INVALID_PARAMETER", "UNKNOWN_PARAMETER"}
