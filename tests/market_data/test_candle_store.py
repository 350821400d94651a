"""Candles on disk: kept to the digit, bounded, never mixed between feeds; trouble with the file costs candles and nothing else."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from market_data.candle_store import KEPT, CandlesNotKept, CandleStore
from market_data.candles import Candle, Granularity, Ohlc
from runtime.program import CannotStart
from tests.market_data.conftest import MONDAY_NS, S

MONDAY_S = MONDAY_NS // S


def candle(start_s: int, *, granularity: Granularity = Granularity.M1, instrument: str = "EUR_USD", price: str = "1.16700", count: int = 1) -> Candle:
    prices = Ohlc(*[Decimal(price)] * 4)
    return Candle(instrument=instrument, granularity=granularity, start_s=start_s, bid=prices, ask=prices, mid=prices, count=count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "market_data.db"


async def test_candles_come_back_to_the_last_digit_and_in_order_of_time(path: Path):
    sides = [Ohlc(*map(Decimal, prices.split())) for prices in ("1.10 1.20 1.05 1.1600", "1.11 1.21 1.06 1.12", "1.105 1.205 1.055 1.110005")]
    written = Candle(instrument="EUR_USD", granularity=Granularity.M1, start_s=MONDAY_S + 60, bid=sides[0], ask=sides[1], mid=sides[2], count=7)
    async with CandleStore(path, "simulated") as store:
        await store.write([written, candle(MONDAY_S)])
    async with CandleStore(path, "simulated") as store:
        found = await store.candles("EUR_USD", Granularity.M1, count=10)
    assert found == [candle(MONDAY_S), written]
    assert str(found[1].bid.close) == "1.1600"


async def test_the_newer_account_of_a_stretch_takes_the_place_of_the_older(path: Path):
    async with CandleStore(path, "simulated") as store:
        await store.write([candle(MONDAY_S, count=1)])
        await store.write([candle(MONDAY_S, count=2)])
        assert [one.count for one in await store.candles("EUR_USD", Granularity.M1, count=10)] == [2]


async def test_a_window_gives_its_first_candles_from_a_time_and_its_last_ones_otherwise(path: Path):
    async with CandleStore(path, "simulated") as store:
        await store.write([candle(MONDAY_S + 60 * minute) for minute in range(10)])

        async def minutes(**window: int) -> list[int]:
            return [(one.start_s - MONDAY_S) // 60 for one in await store.candles("EUR_USD", Granularity.M1, **window)]

        assert await minutes(count=3) == [7, 8, 9]
        assert await minutes(count=3, to_s=MONDAY_S + 300) == [2, 3, 4]
        assert await minutes(count=3, from_s=MONDAY_S + 120) == [2, 3, 4]
        assert await minutes(count=30, from_s=MONDAY_S + 120, to_s=MONDAY_S + 240) == [2, 3]
        assert await minutes(count=3, from_s=MONDAY_S + 600) == []


async def test_feeds_instruments_and_granularities_are_never_mixed(path: Path):
    async with CandleStore(path, "simulated") as store:
        await store.write([candle(MONDAY_S), candle(MONDAY_S, instrument="GBP_USD"), candle(MONDAY_S, granularity=Granularity.M5)])
    async with CandleStore(path, "replay") as store:
        assert await store.is_empty()
        await store.write([candle(MONDAY_S, price="1.38")])
        assert [one.mid.close for one in await store.candles("EUR_USD", Granularity.M1, count=9)] == [Decimal("1.38")]
        await store.clear()
        assert await store.is_empty()
    async with CandleStore(path, "simulated") as store:
        assert [one.mid.close for one in await store.candles("EUR_USD", Granularity.M1, count=9)] == [Decimal("1.16700")]
        assert len(await store.latest()) == 3


async def test_a_feeds_snapshot_is_kept_with_its_candles_and_is_its_own(path: Path):
    async with CandleStore(path, "simulated") as store:
        assert await store.snapshot() is None
        await store.write([candle(MONDAY_S)], "where it stood")
        await store.write([candle(MONDAY_S)])
        assert await store.snapshot() == "where it stood"
    async with CandleStore(path, "replay") as store:
        assert await store.snapshot() is None


async def test_what_is_kept_is_bounded_by_length(path: Path):
    """One candle older than the bound goes when enough has been written; the newest of each length stay."""
    kept_s = KEPT[Granularity.S5] * 5
    async with CandleStore(path, "simulated") as store:
        await store.write([candle(MONDAY_S - kept_s, granularity=Granularity.S5), candle(MONDAY_S - kept_s + 5, granularity=Granularity.S5)])
        await store.write([candle(MONDAY_S - kept_s)])
        await store.write([candle(MONDAY_S, granularity=Granularity.S5, count=count) for count in range(5_000)])
        left = await store.candles("EUR_USD", Granularity.S5, count=10)
        assert [one.start_s - MONDAY_S for one in left] == [5 - kept_s, 0]
        assert len(await store.candles("EUR_USD", Granularity.M1, count=10)) == 1


async def test_nothing_is_written_when_the_disk_has_less_room_than_orders_need(path: Path):
    async with CandleStore(path, "simulated", free_mb_min=1 << 40) as store:
        with pytest.raises(CandlesNotKept, match="are kept for orders"):
            await store.write([candle(MONDAY_S)])
        assert await store.is_empty()


async def test_a_full_disk_leaves_nothing_half_written_and_the_next_write_works(path: Path):
    """SQLite's own limit on the file stands in for the disk."""
    many = [candle(MONDAY_S + 60 * minute) for minute in range(5_000)]
    async with CandleStore(path, "simulated") as store:
        await store._rows("PRAGMA max_page_count = 20", ())
        with pytest.raises(CandlesNotKept, match="full"):
            await store.write(many, "half way")
        assert await store.is_empty()
        assert await store.snapshot() is None
        await store._rows("PRAGMA max_page_count = 100000", ())
        await store.write(many, "all of it")
        assert len(await store.candles("EUR_USD", Granularity.M1, count=9_000)) == 5_000


async def test_a_damaged_file_is_put_aside_and_a_new_one_begun(path: Path):
    path.write_bytes(b"this was a database once" * 100)
    async with CandleStore(path, "simulated") as store:
        assert await store.is_empty()
    assert path.with_suffix(".damaged").read_bytes().startswith(b"this was")


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path):
    async with CandleStore(path, "simulated") as store:
        await store.write([candle(MONDAY_S)])
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CannotStart, match="newer version"):
        async with CandleStore(path, "simulated"):
            pass
    assert path.exists()
    assert not path.with_suffix(".damaged").exists()


async def test_only_the_owner_may_read_the_file(path: Path):
    async with CandleStore(path, "simulated"):
        assert path.stat().st_mode & 0o777 == 0o600
