"""bus/turns.py: a few short works run on the loop's own thread, and nobody can tell by what they come to."""

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from bus.checkpoint import Checkpointer
from bus.envelope import Event
from bus.in_flight import JOBS_MAX, RUN_HERE_MAX
from bus.jobs import StoreFailed
from bus.journal import Journal
from bus.store import Trouble
from bus.turns import Turns
from bus.txn import Txn
from bus.writer import Writer
from tests.bus.journals import Gate, all_events, check_chain, deny_after_writing, open_journal, order_ids, place, stored_orders
from trading.errors import OrderDenied, OutcomeUnknown, Unavailable


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose every commit counts as quick, whatever else the machine does; and a thread that does nothing by itself meanwhile."""
    monkeypatch.setattr("bus.turns.QUICK_S_MAX", 60.0)
    monkeypatch.setattr("bus.turns.QUICK_COMMITS_MIN", 1)
    monkeypatch.setattr("bus.writer.IDLE_S", 3600.0)


def placed_by(order_id: str) -> Callable[[Txn], int]:
    """Places, and says on which thread."""

    def work(txn: Txn) -> int:
        place(order_id)(txn)
        return threading.get_ident()

    return work


async def short(journal: Journal, *works: Callable[[Txn], int]) -> list[int | Exception]:
    return await journal.submit_each(works, short=True)


async def until_idle(journal: Journal) -> None:
    """The writer thread has done and told what it was given: it answers reads only behind that, and a later turn finds it waiting."""
    async with asyncio.timeout(30):
        here = journal.metrics()["journal_groups_here"]
        while journal.metrics()["journal_groups_here"] == here:
            await short(journal, lambda txn: 0)
            await asyncio.sleep(0)


pytestmark = pytest.mark.usefixtures("quick_disk")


async def test_an_order_by_itself_is_placed_on_the_loop_and_committed_and_published_before_it_is_answered(run_dir: Path) -> None:
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        assert await short(journal, placed_by("a")) == [threading.get_ident()]
        assert [event.payload.get("order_id") for event in seen] == [None, "first", "a"]
        with closing(sqlite3.connect(run_dir / "oanda.db")) as other:
            assert order_ids(other) == {"first", "a"}


async def test_until_the_disk_has_been_quick_for_some_commits_all_is_the_threads(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.turns.QUICK_COMMITS_MIN", 3)
    async with await open_journal(run_dir) as journal:
        for n in range(3):
            assert await short(journal, placed_by(str(n))) != [threading.get_ident()]
        await until_idle(journal)
        assert await short(journal, placed_by("by the loop")) == [threading.get_ident()]


async def test_a_commit_that_took_long_was_the_loops_last_for_a_while(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        monkeypatch.setattr("bus.turns.QUICK_S_MAX", -1.0)
        assert await short(journal, placed_by("slow")) == [threading.get_ident()]
        for n in range(3):
            assert await short(journal, placed_by(str(n))) != [threading.get_ident()]


async def test_what_was_put_before_goes_before_and_is_told_before(run_dir: Path) -> None:
    gate = Gate()
    told: list[str] = []
    async with await open_journal(run_dir) as journal:
        await journal.run(place("first"))
        held, queued = journal.submit(gate), journal.submit(place("queued"))
        await gate.entered()
        after = journal.submit_each([place("short")], short=True)
        for name, future in (("queued", queued), ("short", after)):
            future.add_done_callback(lambda _, name=name: told.append(name))  # type: ignore[misc]  # a default pins the name
        gate.open()
        await asyncio.gather(held, queued, after)
        assert told == ["queued", "short"]
        assert await after == [4]


async def test_many_at_once_and_works_that_may_take_long_are_the_threads(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        assert threading.get_ident() not in await short(journal, *(placed_by(str(n)) for n in range(RUN_HERE_MAX + 1)))
        await until_idle(journal)
        assert await journal.run(placed_by("long")) != threading.get_ident()


async def test_a_refusal_is_one_callers_alone_and_one_after_a_write_leaves_no_trace(run_dir: Path) -> None:
    reloaded: list[set[str]] = []

    def deny(txn: Txn) -> int:
        raise OrderDenied("no")

    async with await open_journal(run_dir, on_rollback=lambda connection: reloaded.append(order_ids(connection))) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        outcomes = await short(journal, place("a"), deny, deny_after_writing("b"), place("c"))
        assert [type(outcome) for outcome in outcomes] == [int, OrderDenied, OrderDenied, int]
        assert reloaded == [{"first"}]
        assert await stored_orders(journal) == {"first", "a", "c"}
        check_chain(await all_events(journal))


async def test_a_bug_in_a_work_that_the_loop_ran_ends_the_journal_as_one_on_the_thread_does(run_dir: Path) -> None:
    failures: list[StoreFailed] = []
    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        outcomes = await short(journal, place("a"), lambda txn: 1 // 0)
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, OutcomeUnknown]
        assert [failure.trouble for failure in failures] == [Trouble.BUG]
        assert isinstance(failures[0].__cause__, ZeroDivisionError)
        with pytest.raises(Unavailable):
            await short(journal, place("b"))
    async with await open_journal(run_dir) as journal:
        assert await stored_orders(journal) == {"first"}


async def test_a_full_disk_that_the_loop_met_refuses_and_heals(run_dir: Path) -> None:
    reloaded: list[set[str]] = []
    async with await open_journal(run_dir, on_rollback=lambda connection: reloaded.append(order_ids(connection))) as journal:
        await journal.run(place("first"))
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=30").fetchone())
        await until_idle(journal)
        (full,) = await short(journal, place("large", "x" * 500_000))
        assert isinstance(full, Unavailable)
        assert full.code == "STORE_LOW"
        assert journal.degraded == "full"
        assert reloaded == [{"first"}]
        assert await short(journal, placed_by("while full")) != [threading.get_ident()]
        await journal.read(lambda connection: connection.execute("PRAGMA max_page_count=100000").fetchone())
        await journal.run(place("after"))
        assert journal.degraded is None
        check_chain(await all_events(journal))


async def test_a_short_work_whose_caller_is_gone_is_not_run(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        gone = journal.submit_each([place("gone")], short=True)
        gone.cancel()
        assert await short(journal, place("kept")) == [3]
        assert await stored_orders(journal) == {"first", "kept"}


async def test_callers_that_are_gone_leave_room_for_others(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        held = journal.submit(gate)
        await gate.entered()
        gone: list[asyncio.Future[object]] = [journal.submit(place("a")) for _ in range(JOBS_MAX - 2)]
        gone.append(asyncio.ensure_future(journal.read(order_ids)))
        await asyncio.sleep(0)  # the read is queued
        for future in gone:
            future.cancel()
        gate.open()
        await held
        await journal.read(order_ids)  # behind all of them
        await asyncio.gather(*(journal.submit(lambda txn: None) for _ in range(JOBS_MAX)))
        assert await stored_orders(journal) == set()


async def test_closing_runs_what_one_turn_of_the_loop_had_collected(run_dir: Path) -> None:
    journal = await open_journal(run_dir)
    await journal.run(place("first"))
    await until_idle(journal)
    last = journal.submit_each([place("last")], short=True)
    await journal.close()
    assert last.result() == [3]
    async with await open_journal(run_dir) as again:
        assert await stored_orders(again) == {"first", "last"}


async def test_backups_reads_and_works_of_both_threads_make_one_chain(run_dir: Path) -> None:
    """Whoever runs a work: seq in the order of the calls, events in the order of seq, every read sees what was told before it."""
    dice = random.Random(9)
    seen: list[Event] = []
    told: set[str] = set()

    async with await open_journal(run_dir, on_events=seen.extend) as journal:

        async def caller(name: str) -> None:
            for n in range(60):
                order_id = f"{name}-{n}"
                choice = dice.random()
                if choice < 0.6:
                    await short(journal, place(order_id))
                elif choice < 0.8:
                    await journal.run(place(order_id))
                else:
                    await journal.submit_each([place(f"{order_id}.{part}") for part in range(dice.randint(1, 9))], short=True)
                    order_id += ".0"
                told.add(order_id)
                if dice.random() < 0.2:
                    before = set(told)
                    assert before <= await stored_orders(journal)

        await asyncio.gather(*(caller(name) for name in "ab"), journal.backup(run_dir / "copy.db"))
        await caller("alone")
        assert journal.metrics()["journal_groups_here"] > 0
        check_chain(seen)
        assert await all_events(journal) == seen
        assert {str(event.payload["order_id"]) for event in seen[1:]} == await stored_orders(journal)


async def test_a_journal_whose_orders_all_run_on_the_loop_keeps_its_log_short(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.checkpoint.PAGES_MAX", 50)
    monkeypatch.setattr("bus.writer.IDLE_S", 0.05)
    async with await open_journal(run_dir) as journal:
        await journal.run(place("first"))
        before = journal.metrics()["journal_checkpoints"]
        async with asyncio.timeout(30):
            for n in range(1_000_000):
                await short(journal, place(str(n), "x" * 20_000))
                if journal.metrics()["journal_checkpoints"] > before + 1:
                    break


def test_after_a_turn_that_failed_nobody_gets_one() -> None:
    turns = Turns(lambda: None)
    turns.note_commit(0.0)
    with turns.of_loop() as is_ours:
        assert is_ours
    with pytest.raises(OSError, match="a checkpoint"), turns.of_thread():
        raise OSError("a checkpoint found the disk broken")
    with turns.of_loop() as is_ours:
        assert not is_ours


async def test_when_the_loops_turn_failed_the_thread_that_waited_for_it_writes_no_more(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wanted its turn for what it does each second, before it could know: no checkpoint and no pruning on a store that has just failed."""
    failures: list[StoreFailed] = []
    wants_it, steps_after = threading.Event(), list[str]()
    of_thread, loops = Turns.of_thread, threading.get_ident()

    def asked_for(self: Turns) -> AbstractContextManager[None]:
        wants_it.set()
        return of_thread(self)

    def fail(txn: Txn) -> int:
        if threading.get_ident() != loops:
            return 0  # the thread had just its turn; the next one may be the loop's
        monkeypatch.setattr(Writer, "_each_second", lambda self: steps_after.append("each second"))
        wants_it.clear()
        assert wants_it.wait(30)  # the thread, whose job did not come
        raise ZeroDivisionError

    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        await journal.run(place("first"))
        await until_idle(journal)
        monkeypatch.setattr(Turns, "of_thread", asked_for)
        monkeypatch.setattr("bus.writer.IDLE_S", 0.02)
        await journal.read(order_ids)  # the thread waits for as long as that from now on
        async with asyncio.timeout(30):
            while (await short(journal, fail)) == [0]:
                pass
        assert len(failures) == 1
    assert steps_after == []


async def test_a_store_that_broke_while_nobody_asked_is_written_to_no_more(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread meets it at leisure; until the loop hears of that, an order must not get in."""
    failures: list[StoreFailed] = []
    monkeypatch.setattr("bus.writer.IDLE_S", 0.02)
    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        await journal.run(place("first"))
        broken = threading.Event()

        def break_down(self: Checkpointer) -> None:
            broken.set()
            raise ZeroDivisionError

        monkeypatch.setattr(Checkpointer, "run", break_down)
        assert broken.wait(30)  # on the loop, which therefore does not hear of it yet
        outcomes = await short(journal, place("late"))
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown]
        assert len(failures) == 1
    monkeypatch.undo()
    async with await open_journal(run_dir) as journal:
        assert await stored_orders(journal) == {"first"}
