"""bus/epoch.py: a number is never given out twice, whatever copy of the database is put in place."""

import json
import shutil
from pathlib import Path

import pytest

from bus.envelope import Event
from bus.epoch import COUNTER_LEAP, HighWater, read_high_water, request_new_epoch, write_high_water
from runtime.program import CannotStart
from tests.bus.journals import all_events, open_journal, place


async def grow(run_dir: Path, prefix: str, count: int) -> tuple[str, int]:
    """Open, place ``count`` orders, close; the epoch and the last seq."""
    async with await open_journal(run_dir) as journal:
        for number in range(count):
            await journal.run(place(f"{prefix}{number}"))
        await journal.run(lambda txn: txn.set_counter("order_n", txn.counter("order_n") + count))
        return journal.epoch, journal.last_seq


def copy_of(run_dir: Path) -> Path:
    return Path(shutil.copy(run_dir / "oanda.db", run_dir / "copy"))


async def test_a_new_journal_begins_with_source_reset_as_seq_1(run_dir: Path) -> None:
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        await journal.run(place("a"))
        first = seen[0]
        assert (first.seq, first.type, first.epoch, first.source) == (1, "source_reset", journal.epoch, "oanda")
        assert first.payload == {"old_epoch": None, "old_last": None, "new_epoch": journal.epoch, "reason": "created"}
        assert len(journal.epoch) == len(journal.instance_id) == 16


async def test_an_older_copy_put_back_by_hand_begins_a_new_epoch(run_dir: Path) -> None:
    """The high-water file knows better, so seq and the order numbers start where nobody has been."""
    await grow(run_dir, "a", 2)
    old = copy_of(run_dir)
    epoch, last = await grow(run_dir, "b", 5)
    shutil.copy(old, run_dir / "oanda.db")
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        events = await all_events(journal)
        assert journal.epoch != epoch
        assert [event.type for event in events] == ["source_reset"]
        assert events[0].payload == {"old_epoch": epoch, "old_last": last, "new_epoch": journal.epoch, "reason": "rolled_back"}
        assert await journal.run(lambda txn: txn.counter("order_n")) == 7 + COUNTER_LEAP
        assert seen == events
    async with await open_journal(run_dir) as journal:
        assert await journal.run(place("c")) == 2  # once is enough


async def test_a_restore_begins_a_new_epoch_even_when_nothing_is_missing(run_dir: Path) -> None:
    epoch, last = await grow(run_dir, "a", 3)
    request_new_epoch(run_dir / "oanda.db")
    async with await open_journal(run_dir) as journal:
        events = await all_events(journal)
        assert events[0].payload == {"old_epoch": epoch, "old_last": last, "new_epoch": journal.epoch, "reason": "restored"}
        assert await journal.run(lambda txn: txn.counter("order_n")) == 3 + COUNTER_LEAP
        restored = journal.epoch
    async with await open_journal(run_dir) as journal:
        assert journal.epoch == restored


async def test_a_copy_from_before_the_last_epoch_is_found_out(run_dir: Path) -> None:
    await grow(run_dir, "a", 2)
    old = copy_of(run_dir)
    request_new_epoch(run_dir / "oanda.db")
    epoch, last = await grow(run_dir, "b", 1)
    shutil.copy(old, run_dir / "oanda.db")
    async with await open_journal(run_dir) as journal:
        (reset,) = await all_events(journal)
        assert (reset.payload["old_epoch"], reset.payload["old_last"], reset.payload["reason"]) == (epoch, last, "rolled_back")


async def test_a_database_that_is_gone_begins_a_new_epoch_above_all_numbers(run_dir: Path) -> None:
    epoch, last = await grow(run_dir, "a", 4)
    for name in ("oanda.db", "oanda.db-wal", "oanda.db-shm"):
        (run_dir / name).unlink(missing_ok=True)
    async with await open_journal(run_dir) as journal:
        (reset,) = await all_events(journal)
        assert (reset.payload["old_epoch"], reset.payload["old_last"], reset.payload["reason"]) == (epoch, last, "rolled_back")
        assert await journal.run(lambda txn: txn.counter("order_n")) == 4 + COUNTER_LEAP


async def test_a_high_water_file_that_is_behind_proves_nothing(run_dir: Path) -> None:
    epoch, _ = await grow(run_dir, "a", 3)
    write_high_water(run_dir / "oanda.db", HighWater(epoch=epoch, last_seq=2))
    async with await open_journal(run_dir) as journal:
        assert journal.epoch == epoch


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epoch": 5}', '{"epoch": "x", "last_seq": 1, "counters": {}}', "\x00\x00"])
async def test_a_high_water_file_that_cannot_be_read_is_left_out(run_dir: Path, content: str) -> None:
    epoch, _ = await grow(run_dir, "a", 1)
    (run_dir / "oanda.high-water").write_text(content)
    assert read_high_water(run_dir / "oanda.db") is None
    async with await open_journal(run_dir) as journal:
        assert journal.epoch == epoch


async def test_a_clean_stop_leaves_the_high_water_file_up_to_date(run_dir: Path) -> None:
    epoch, last = await grow(run_dir, "a", 3)
    assert read_high_water(run_dir / "oanda.db") == HighWater(epoch=epoch, last_seq=last, counters={"order_n": 3})
    assert json.loads((run_dir / "oanda.high-water").read_text())["last_seq"] == last
    assert (run_dir / "oanda.high-water").stat().st_mode & 0o777 == 0o600


async def test_a_start_brings_a_high_water_file_that_is_behind_up_to_date_at_once(run_dir: Path) -> None:
    """Else a process that lives for less than a second, again and again, would never leave a mark."""
    epoch, last = await grow(run_dir, "a", 3)
    write_high_water(run_dir / "oanda.db", HighWater(epoch=epoch, last_seq=1))
    async with await open_journal(run_dir):
        mark = read_high_water(run_dir / "oanda.db")
        assert mark is not None
        assert mark.last_seq == last


async def test_a_path_that_cannot_be_used_is_a_refusal_in_one_sentence(run_dir: Path) -> None:
    with pytest.raises(CannotStart, match=r"cannot use .* is the disk well"):
        await open_journal(run_dir / "oanda.db")


async def test_the_journal_of_another_source_is_refused(run_dir: Path) -> None:
    await grow(run_dir, "a", 1)
    (run_dir / "oanda.db").rename(run_dir / "coinbase.db")
    with pytest.raises(CannotStart, match="journal of oanda, not of coinbase"):
        await open_journal(run_dir, "coinbase")


@pytest.mark.parametrize("damage", ["DELETE FROM events WHERE seq = 3", "UPDATE epochs SET last_seq = 2", "DELETE FROM events"])
async def test_a_journal_whose_parts_contradict_each_other_is_refused(run_dir: Path, damage: str) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("a"))
        await journal.run(place("b"))
        await journal.read(lambda connection: connection.execute(damage))
    with pytest.raises(CannotStart, match="contradict"):
        await open_journal(run_dir)


async def test_a_second_opener_is_refused_and_the_first_goes_on(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        with pytest.raises(CannotStart, match="only one may own this source"):
            await open_journal(run_dir)
        assert await journal.run(place("a")) == 2
    async with await open_journal(run_dir):
        pass
