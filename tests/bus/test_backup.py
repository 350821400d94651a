"""bus/backup.py: a copy made while orders go on is whole, and everything acknowledged before it began is in it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bus.envelope import decode_event
from bus.epoch import request_new_epoch
from bus.jobs import StoreFailed
from tests.bus.journals import Gate, all_events, check_chain, open_journal, order_ids, place, stored_orders
from trading.errors import OutcomeUnknown, Unavailable


def check_copy(path: Path) -> set[str]:
    """The copy is sound: no damage, one event an order, no hole, and the chain holds. Its orders."""
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        events = [decode_event(body) for (body,) in copy.execute("SELECT body FROM events ORDER BY seq")]
        check_chain(events)
        ids = order_ids(copy)
        assert {event.payload["order_id"] for event in events[1:]} == ids
        return ids


async def test_a_backup_under_load_is_whole_and_holds_all_that_was_acknowledged_before(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await asyncio.gather(*(journal.run(place(f"before{n}", "x" * 3000)) for n in range(2000)))
        done = asyncio.Event()
        during: list[str] = []

        async def keep_placing(name: str) -> None:
            while not done.is_set():
                await journal.run(place(f"{name}-{len(during)}"))
                during.append(name)

        async with asyncio.TaskGroup() as tasks:
            for number in range(4):
                tasks.create_task(keep_placing(str(number)))
            await journal.backup(run_dir / "backup.db")
            done.set()
        assert during  # orders went on
        assert check_copy(run_dir / "backup.db") >= {f"before{n}" for n in range(2000)}
        assert (run_dir / "backup.db").stat().st_mode & 0o777 == 0o600
        assert not list(run_dir.glob("*.part*"))
        check_chain(await all_events(journal))


async def test_a_backup_that_is_put_back_begins_a_new_epoch_with_all_its_orders(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("a"))
        await journal.backup(run_dir / "backup.db")
        await journal.run(place("b"))
        epoch = journal.epoch
    request_new_epoch(run_dir / "oanda.db")
    (run_dir / "backup.db").rename(run_dir / "oanda.db")
    async with await open_journal(run_dir) as journal:
        assert await stored_orders(journal) == {"a"}
        (reset,) = await all_events(journal)
        assert reset.payload == {"old_epoch": epoch, "old_last": 3, "new_epoch": journal.epoch, "reason": "restored"}


async def test_a_backup_never_overwrites(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        (run_dir / "precious").write_text("keep me")
        with pytest.raises(Unavailable, match="exists already") as refused:
            await journal.backup(run_dir / "precious")
        assert refused.value.code == "BACKUP_FAILED"
        assert (run_dir / "precious").read_text() == "keep me"


async def test_a_backup_to_nowhere_fails_and_the_journal_goes_on(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        with pytest.raises(Unavailable):
            await journal.backup(run_dir / "absent" / "backup.db")
        assert await journal.run(place("a")) == 2
        assert journal.degraded is None


async def test_a_bug_met_while_a_backup_runs_stops_the_journal_and_leaves_no_half_copy(run_dir: Path) -> None:
    failures: list[StoreFailed] = []
    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        await asyncio.gather(*(journal.run(place(str(n), "x" * 3000)) for n in range(1000)))
        gate = Gate()
        held = journal.submit(gate)
        await gate.entered()
        backup = asyncio.create_task(journal.backup(run_dir / "backup.db"))
        await asyncio.sleep(0)  # the backup is queued before the bug
        bug = journal.submit(lambda txn: 1 // 0)
        gate.open()
        # Where the gate shared the bug's group, it has failed with it.
        told = await asyncio.gather(held, bug, backup, return_exceptions=True)
        assert [type(outcome) for outcome in told[1:]] == [OutcomeUnknown, OutcomeUnknown]
    assert isinstance(failures[0].__cause__, ZeroDivisionError)
    assert not list(run_dir.glob("backup*"))


async def test_a_stop_gives_a_running_backup_up(run_dir: Path) -> None:
    journal = await open_journal(run_dir)
    await asyncio.gather(*(journal.run(place(str(n), "x" * 3000)) for n in range(1000)))
    gate = Gate()
    journal.submit(gate)
    await gate.entered()
    backup = asyncio.create_task(journal.backup(run_dir / "backup.db"))
    await asyncio.sleep(0)
    closing_down = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    gate.open()
    await closing_down
    with pytest.raises(Unavailable):
        await backup
    assert not list(run_dir.glob("backup*"))
