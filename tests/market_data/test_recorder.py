"""Candles on their way to disk: written in time, held while the disk refuses, and asked for as if all were written."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from market_data import recorder as recorder_module
from market_data.candle_store import CandlesNotKept, CandleStore
from market_data.candles import Candle, CandleBuilder, Granularity
from market_data.recorder import Recorder
from tests.market_data.conftest import MONDAY_NS, S, quote

MONDAY_S = MONDAY_NS // S


class StubbornStore(CandleStore):
    """A store whose disk refuses until it is told otherwise."""

    refuses = False

    async def write(self, candles: Sequence[Candle], snapshot: str | None = None) -> None:
        if self.refuses:
            raise CandlesNotKept("database or disk is full")
        await super().write(candles, snapshot)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StubbornStore]:
    async with StubbornStore(tmp_path / "market_data.db", "scripted") as opened:
        yield opened


def recorder_of(store: CandleStore) -> tuple[Recorder, CandleBuilder]:
    builder = CandleBuilder()
    return Recorder(store, builder, lambda: "here"), builder


async def counts(recorder: Recorder, **window: int) -> list[tuple[int, int]]:
    window.setdefault("count", 100)
    return [(one.start_s - MONDAY_S, one.count) for one in await recorder.candles("EUR_USD", Granularity.M1, **window)]


async def test_what_was_asked_for_and_what_was_written_are_one_account(store: StubbornStore):
    recorder, builder = recorder_of(store)
    builder.add(quote(0))
    builder.add(quote(61))
    await recorder.flush()
    builder.add(quote(62))
    builder.add(quote(125))
    assert await counts(recorder) == [(0, 1), (60, 2), (120, 1)]
    assert await counts(recorder, count=2) == [(60, 2), (120, 1)]
    assert await counts(recorder, count=2, from_s=MONDAY_S) == [(0, 1), (60, 2)]
    assert await counts(recorder, to_s=MONDAY_S + 60) == [(0, 1)]
    assert await recorder.candles("GBP_USD", Granularity.M1, count=5) == []


async def test_a_flush_writes_what_changed_and_the_snapshot_and_an_idle_one_nothing(store: StubbornStore):
    recorder, builder = recorder_of(store)
    builder.add(quote(0))
    await recorder.flush()
    assert await store.snapshot() == "here"
    assert recorder.written == len(Granularity)
    await recorder.flush()
    assert recorder.written == len(Granularity)


async def test_while_the_disk_refuses_candles_wait_and_are_written_later(store: StubbornStore):
    recorder, builder = recorder_of(store)
    store.refuses = True
    builder.add(quote(0))
    await recorder.flush()
    builder.add(quote(61))
    await recorder.flush()
    assert recorder.trouble == "database or disk is full"
    assert await store.is_empty()
    assert await counts(recorder) == [(0, 1), (60, 1)]
    store.refuses = False
    await recorder.flush()
    assert recorder.trouble == ""
    assert len(await store.candles("EUR_USD", Granularity.M1, count=10)) == 2


async def test_when_the_disk_refuses_for_too_long_the_oldest_are_dropped_and_counted(store: StubbornStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recorder_module, "WAITING_MAX", 20)
    recorder, builder = recorder_of(store)
    store.refuses = True
    for minute in range(20):
        builder.add(quote(60 * minute))
        await recorder.flush()
    assert recorder.dropped > 0
    assert (await counts(recorder))[-1] == (19 * 60, 1)


async def test_stopping_writes_what_is_left(store: StubbornStore):
    """The task is cancelled in the middle of its second."""
    recorder, builder = recorder_of(store)
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    builder.add(quote(0))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await store.is_empty()
