"""bus/checkpoint.py: the log is copied into the database before it grows large, and at leisure when nothing else is to do."""

import asyncio
import logging
from pathlib import Path

import pytest

from bus.checkpoint import PAGES_MAX, WAL_ALARM_BYTES, Checkpointer
from bus.store import open_connection
from tests.bus.journals import open_journal, place


async def test_a_busy_journal_keeps_its_log_short(run_dir: Path) -> None:
    """Some 40 MB are written; the log is used again from its beginning long before."""
    async with await open_journal(run_dir) as journal:
        for turn in range(20):
            await asyncio.gather(*(journal.run(place(f"{turn}-{n}", "x" * 20_000)) for n in range(100)))
        checkpoints = journal.metrics()["journal_checkpoints"]
        assert checkpoints >= 2
    assert (run_dir / "oanda.db").stat().st_size > 40_000_000


async def test_an_idle_journal_checkpoints_what_little_there_is(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("a"))
        async with asyncio.timeout(30):
            while journal.metrics()["journal_checkpoints"] == 0:
                await asyncio.sleep(0.05)  # it must be left alone, so there is nothing to wait on


def test_the_estimate_of_pages_is_learnt_from_the_last_checkpoint(run_dir: Path) -> None:
    database = run_dir / "x.db"
    connection = open_connection(database)
    connection.execute("CREATE TABLE t (x BLOB) STRICT")
    checkpointer = Checkpointer(connection, database)
    assert not checkpointer.has_work

    def write(rows: int) -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (zeroblob(8000))", [()] * rows)  # two pages and more a row
        connection.execute("COMMIT")

    write(100)
    assert checkpointer.has_work
    checkpointer.run()
    assert not checkpointer.has_work
    write(PAGES_MAX // 4)
    assert not checkpointer.is_due
    write(PAGES_MAX // 2)
    assert checkpointer.is_due  # by rows alone it would not be: 3000 of 4000
    checkpointer.run()
    assert not checkpointer.is_due
    connection.close()


def test_a_log_that_has_grown_out_of_hand_is_said_once(run_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = run_dir / "x.db"
    connection = open_connection(database)
    checkpointer = Checkpointer(connection, database)
    with (run_dir / "y.db-wal").open("wb") as log:
        log.truncate(WAL_ALARM_BYTES + 1)
    grown = Checkpointer(connection, run_dir / "y.db")
    for _ in range(3):
        checkpointer.measure()
        grown.measure()
    assert grown.wal_bytes == WAL_ALARM_BYTES + 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    connection.close()
