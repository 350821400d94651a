"""bus/journal.py: what was told "ok" is in the store, what was refused has left no trace, and nobody waits for ever."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bus.envelope import Event
from bus.in_flight import JOBS_MAX
from bus.jobs import StoreFailed
from bus.store import Trouble
from bus.txn import Txn
from runtime.clock import ManualClock
from runtime.settings import StoreSettings
from tests.bus.journals import Gate, all_events, check_chain, deny_after_writing, open_journal, order_ids, place, stored_orders
from trading.errors import OrderDenied, OutcomeUnknown, Unavailable


async def test_a_work_is_committed_and_its_event_published_before_it_is_answered(run_dir: Path) -> None:
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        seq = await journal.run(place("a"))
        assert seq == 2
        assert [event.type for event in seen] == ["source_reset", "oco_placed"]
        assert journal.last_seq == 2
        # Another connection sees it, so it is committed (only a test may have one).
        with closing(sqlite3.connect(run_dir / "oanda.db")) as other:
            assert order_ids(other) == {"a"}


async def test_nothing_is_published_that_another_program_could_not_read_in_the_store(run_dir: Path) -> None:
    """Published before the commit, an event might never have happened."""
    found: list[int] = []

    def look(events: list[Event]) -> None:
        with closing(sqlite3.connect(run_dir / "oanda.db")) as other:
            found.extend(other.execute("SELECT count(*) FROM events WHERE seq = ?", (event.seq,)).fetchone()[0] for event in events)

    async with await open_journal(run_dir, on_events=look) as journal:
        await asyncio.gather(*(journal.run(place(str(n))) for n in range(30)))
    assert found == [1] * 31


async def test_two_hundred_works_at_once_make_a_chain_without_a_hole_in_the_order_they_came(run_dir: Path) -> None:
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        seqs = await asyncio.gather(*(journal.run(place(str(n))) for n in range(200)))
        assert seqs == list(range(2, 202))
        check_chain(seen)
        assert await all_events(journal) == seen


async def test_works_that_wait_together_share_a_commit_of_at_most_sixty_four(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        waiting = [journal.submit(gate)]
        await gate.entered()
        waiting += [journal.submit(place(str(n))) for n in range(130)]
        gate.open()
        await asyncio.gather(*waiting)
        metrics = journal.metrics()
        assert metrics["journal_works"] == 131
        assert 2 < metrics["journal_group_works_max"] <= 64
        assert metrics["journal_groups"] < 131


async def test_a_reply_can_name_the_last_event_of_its_own_work(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:

        def work(txn: Txn) -> dict[str, object]:
            txn.append("oco_placed", {})
            return txn.last_event

        assert await journal.run(work) == {"epoch": journal.epoch, "seq": 2}


async def test_a_work_sees_the_events_of_the_works_before_it_in_its_group(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        journal.submit(gate)
        await gate.entered()
        journal.submit(place("a"))
        count = journal.submit(lambda txn: txn.execute("SELECT count(*) FROM events").fetchone()[0])
        gate.open()
        assert await count == 2


async def test_a_refusal_before_any_write_is_one_callers_alone(run_dir: Path) -> None:
    reloads: list[sqlite3.Connection] = []
    gate = Gate()

    def refuse(txn: Txn) -> None:
        raise OrderDenied("no", code="TOO_LARGE")

    async with await open_journal(run_dir, on_rollback=reloads.append) as journal:
        journal.submit(gate)
        await gate.entered()
        first, refused, second = journal.submit(place("a")), journal.submit(refuse), journal.submit(place("b"))
        gate.open()
        assert await first == 2
        with pytest.raises(OrderDenied) as denied:
            await refused
        assert denied.value.code == "TOO_LARGE"
        assert await second == 3
        assert not reloads


async def test_a_refusal_after_a_write_leaves_no_trace_and_the_others_run_again(run_dir: Path) -> None:
    """The group is rolled back, the owner reloads what is committed, and the works beside the refused one are committed without it."""
    seen: list[Event] = []
    reloaded: list[set[str]] = []
    gate = Gate()
    async with await open_journal(run_dir, on_events=seen.extend, on_rollback=lambda connection: reloaded.append(order_ids(connection))) as journal:
        await journal.run(place("before"))
        journal.submit(gate)
        await gate.entered()
        works = [journal.submit(work) for work in (place("a"), deny_after_writing("x"), place("b"), deny_after_writing("y"), place("c"))]
        gate.open()
        results = await asyncio.gather(*works, return_exceptions=True)
        assert [type(result) for result in results] == [int, OrderDenied, int, OrderDenied, int]
        assert [result for result in results if isinstance(result, int)] == [3, 4, 5]
        assert len(reloaded) == 2
        assert all("before" in ids and not ids & {"x", "y"} for ids in reloaded)
        assert await stored_orders(journal) == {"before", "a", "b", "c"}
        assert [event.payload.get("order_id") for event in seen] == [None, "before", "a", "b", "c"]
        assert await all_events(journal) == seen


async def test_works_handed_over_together_are_refused_and_committed_each_by_itself(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:

        def deny(txn: Txn) -> int:
            raise OrderDenied("no")

        outcomes = await journal.submit_each([place("a"), deny, place("b"), deny_after_writing("c"), place("d")])
        assert [type(outcome) for outcome in outcomes] == [int, OrderDenied, int, OrderDenied, int]
        assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [2, 3, 4]
        assert await stored_orders(journal) == {"a", "b", "d"}


async def test_works_handed_over_together_that_do_not_all_fit_are_refused_together(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        first = journal.submit(gate)
        await gate.entered()
        with pytest.raises(Unavailable) as refusal:
            journal.submit_each([place(str(n)) for n in range(JOBS_MAX)])
        assert refusal.value.code == "STORE_BUSY"
        gate.open()
        await first
        assert await stored_orders(journal) == set()


async def test_a_counter_raised_by_a_refused_work_is_taken_back(run_dir: Path) -> None:
    def take_and_refuse(txn: Txn) -> None:
        txn.set_counter("order_n", txn.counter("order_n") + 1)
        raise OrderDenied("no")

    async with await open_journal(run_dir) as journal:
        with pytest.raises(OrderDenied):
            await journal.run(take_and_refuse)
        assert await journal.run(lambda txn: txn.counter("order_n")) == 0


async def test_a_counter_is_kept_and_never_goes_back(run_dir: Path) -> None:
    failures: list[StoreFailed] = []
    async with await open_journal(run_dir) as journal:
        await journal.run(lambda txn: txn.set_counter("order_n", 7))
    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        assert await journal.run(lambda txn: txn.counter("order_n")) == 7
        with pytest.raises(OutcomeUnknown):
            await journal.run(lambda txn: txn.set_counter("order_n", 6))
    assert isinstance(failures[0].__cause__, ValueError)


async def test_a_bug_in_a_work_stops_the_journal_and_nothing_of_its_group_is_kept(run_dir: Path) -> None:
    failures: list[StoreFailed] = []
    gate = Gate()
    async with await open_journal(run_dir, on_failure=failures.append) as journal:
        await journal.run(place("before"))
        journal.submit(gate)
        await gate.entered()
        waiting = [journal.submit(place("a")), journal.submit(lambda txn: 1 // 0), journal.submit(place("b"))]
        gate.open()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, OutcomeUnknown)
        assert [failure.trouble for failure in failures] == [Trouble.BUG]
        assert isinstance(failures[0].__cause__, ZeroDivisionError)
        with pytest.raises(Unavailable):
            await journal.run(place("c"))
    async with await open_journal(run_dir) as journal:
        assert await stored_orders(journal) == {"before"}
        assert len(await all_events(journal)) == 2


async def test_a_publisher_that_raises_is_a_bug_and_the_event_is_in_the_journal(run_dir: Path) -> None:
    failures: list[StoreFailed] = []

    def broken(events: list[Event]) -> None:
        raise RuntimeError("no bus")

    async with await open_journal(run_dir, on_events=broken, on_failure=failures.append) as journal:
        await journal.run(place("a"))
        assert {failure.trouble for failure in failures} == {Trouble.BUG}
        assert await stored_orders(journal) == {"a"}


async def test_a_work_whose_caller_is_gone_before_it_began_is_not_run(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        journal.submit(gate)
        await gate.entered()
        gone, kept = journal.submit(place("gone")), journal.submit(place("kept"))
        gone.cancel()
        gate.open()
        assert await kept == 2
        assert await stored_orders(journal) == {"kept"}


async def test_a_writer_that_hangs_does_not_keep_its_callers(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir, work_s_max=0.01) as journal:
        hanging = journal.submit(gate)
        with pytest.raises(OutcomeUnknown) as unknown:
            await hanging
        assert unknown.value.code == "STORE_STALLED"
        assert journal.degraded == "stalled"
        gate.open()
        assert await journal.run(place("a")) == 2
        assert journal.degraded is None


async def test_a_close_that_the_disk_holds_up_never_says_that_nothing_was_done(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the writer holds may yet be committed: its caller is told to look it up."""
    gate = Gate()
    journal = await open_journal(run_dir)
    held = journal.submit(gate)
    await gate.entered()
    monkeypatch.setattr("bus.journal.CLOSE_S_MAX", 0.01)
    await journal.close()
    with pytest.raises(OutcomeUnknown):
        await held
    monkeypatch.undo()
    gate.open()
    await journal.close()


async def test_more_works_than_the_queue_holds_are_refused_at_once(run_dir: Path) -> None:
    gate = Gate()
    async with await open_journal(run_dir) as journal:
        waiting = [journal.submit(gate)]
        await gate.entered()
        waiting += [journal.submit(lambda txn: None) for _ in range(JOBS_MAX - 1)]
        with pytest.raises(Unavailable) as refused:
            journal.submit(place("a"))
        assert refused.value.code == "STORE_BUSY"
        gate.open()
        await asyncio.gather(*waiting)
        assert await journal.run(place("a")) == 2


async def test_closing_finishes_what_is_queued_and_refuses_what_comes_after(run_dir: Path) -> None:
    journal = await open_journal(run_dir)
    queued = [journal.submit(place(str(n))) for n in range(100)]
    await journal.close()
    await journal.close()
    assert [future.result() for future in queued] == list(range(2, 102))
    for call in (journal.run(place("late")), journal.read(order_ids), journal.backup(run_dir / "late.db")):
        with pytest.raises(Unavailable):
            await call


async def test_the_journal_goes_on_where_it_stopped(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("a"))
        epoch, instance_id = journal.epoch, journal.instance_id
    seen: list[Event] = []
    async with await open_journal(run_dir, on_events=seen.extend) as journal:
        assert (journal.epoch, journal.instance_id, journal.last_seq) == (epoch, instance_id, 2)
        assert await journal.run(place("b")) == 3
        assert [event.seq for event in seen] == [3]
        assert len(await all_events(journal)) == 3


async def test_an_event_says_when_it_happened_by_the_owners_clock_or_as_told(run_dir: Path) -> None:
    clock = ManualClock()
    async with await open_journal(run_dir, clock=clock) as journal:
        await journal.run(lambda txn: txn.append("order_filled", {}))
        await journal.run(lambda txn: txn.append("order_filled", {}, ts_ns=1_000_000_000))
        events = await all_events(journal)
        assert [event.ts for event in events[1:]] == ["2025-10-16T17:55:27.021043Z", "1970-01-01T00:00:01.000000Z"]


async def test_a_read_runs_between_groups_and_its_error_is_its_callers_alone(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        await journal.run(place("a"))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await journal.read(lambda connection: connection.execute("SELECT * FROM absent"))
        assert await stored_orders(journal) == {"a"}


async def test_the_store_is_low_when_the_disk_has_less_than_the_owner_wants(run_dir: Path) -> None:
    async with await open_journal(run_dir, settings=StoreSettings(free_mb_min=1)) as journal:
        assert not journal.store_is_low()
    async with await open_journal(run_dir, settings=StoreSettings(free_mb_min=10**9)) as journal:
        assert journal.store_is_low()
