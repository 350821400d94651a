"""A full disk, once simulated in SQLite and once real: orders are refused, nothing acknowledged is lost, and it heals without a restart."""

import asyncio
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.journal import Journal
from runtime.settings import StoreSettings
from tests.bus.journals import all_events, check_chain, open_journal, order_ids, place, stored_orders
from trading.errors import Unavailable


async def fill(journal: Journal) -> list[str]:
    """Place orders until the disk is full; those that were acknowledged."""
    acknowledged = []
    for number in range(10_000):
        try:
            await journal.run(place(f"o{number}", "x" * 2000))
        except Unavailable as error:
            if error.code != "STORE_LOW":
                raise
            return acknowledged
        acknowledged.append(f"o{number}")
    raise AssertionError("the disk is never full")


async def test_a_database_that_may_not_grow_refuses_and_heals(run_dir: Path) -> None:
    reloaded: list[set[str]] = []
    async with await open_journal(run_dir, on_rollback=lambda connection: reloaded.append(order_ids(connection))) as journal:
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=60").fetchone())
        acknowledged = await fill(journal)
        assert journal.degraded == "full"
        assert journal.store_is_low()
        assert reloaded == [set(acknowledged)]
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchone())
        await journal.run(place("after"))
        assert journal.degraded is None
        assert not journal.store_is_low()
        assert await stored_orders(journal) == {*acknowledged, "after"}
        check_chain(await all_events(journal))


async def test_a_degraded_journal_that_nobody_writes_to_notices_that_there_is_room_again(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=60").fetchone())
        await fill(journal)
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchone())
        async with asyncio.timeout(30):
            while journal.degraded:
                await asyncio.sleep(0.05)  # the journal must be left alone, so there is nothing to wait on


async def test_a_degraded_journal_that_is_asked_without_a_pause_notices_it_too(run_dir: Path) -> None:
    """Quotes and refused orders leave the writer no second of leisure."""
    async with await open_journal(run_dir) as journal:
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=60").fetchone())
        await fill(journal)
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchone())
        async with asyncio.timeout(30):
            while journal.degraded:
                await journal.run(lambda txn: None)
                await asyncio.sleep(0.005)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A tmpfs of 2 MiB."""
    path = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=2m,mode=0700") != 0:
        path.rmdir()
        pytest.skip(f"a tmpfs cannot be mounted here: {os.strerror(ctypes.get_errno())}")
    yield path
    libc.umount2(os.fsencode(path), 2)
    shutil.rmtree(path)


async def test_a_real_disk_that_is_full_refuses_and_heals_and_loses_nothing(small_disk: Path) -> None:
    async with await open_journal(small_disk, settings=StoreSettings(free_mb_min=0)) as journal:
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 1_000_000)
        acknowledged = await fill(journal)
        assert acknowledged
        assert journal.degraded == "full"
        with pytest.raises(Unavailable):
            await journal.run(place("refused", "x" * 100_000))
        ballast.unlink()
        await journal.run(place("after"))
        assert journal.degraded is None
        assert await stored_orders(journal) == {*acknowledged, "after"}
    async with await open_journal(small_disk) as journal:
        assert await stored_orders(journal) == {*acknowledged, "after"}
        check_chain(await all_events(journal))
