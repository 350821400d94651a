"""bus/group.py: how a group ends, decided without a thread or a loop."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.envelope import decode_event
from bus.epoch import SCHEMA, load_state
from bus.group import GroupResult, run_group
from bus.jobs import Work
from bus.store import Trouble, migrate, open_connection
from bus.txn import Group, Txn
from runtime.clock import ManualClock
from tests.bus.journals import TABLES, check_chain, deny_after_writing, order_ids, place
from trading.errors import OrderDenied, Unavailable


class Store:
    """A journal's connection and its group, run in the test's own thread."""

    def __init__(self, directory: Path) -> None:
        path = directory / "oanda.db"
        self.connection = open_connection(path)
        migrate(self.connection, path, SCHEMA, TABLES)
        self.group = Group(self.connection, load_state(self.connection, path, "oanda", ManualClock()), ManualClock())
        self.reloaded: list[set[str]] = []

    def run(self, *works: Callable[[Txn], Any]) -> GroupResult:
        waiting = [Work(work, asyncio.get_event_loop().create_future()) for work in works]
        others = iter(waiting[1:])
        return run_group(self.group, waiting[0], lambda _count: next(others, None), lambda: self.reloaded.append(order_ids(self.connection)))

    def fill_up(self, pages_left: int) -> None:
        pages = self.connection.execute("PRAGMA page_count").fetchone()[0]
        self.connection.execute(f"PRAGMA max_page_count={pages + pages_left}")

    def make_room(self) -> None:
        self.connection.execute("PRAGMA max_page_count=1000000")


@pytest.fixture
async def store(run_dir: Path) -> Iterator[Store]:
    opened = Store(run_dir)
    yield opened
    opened.connection.close()


def answers(result: GroupResult) -> list[object]:
    return [error or value for _, error, value in result.outcomes]


def swallow_full(order_id: str) -> Callable[[Txn], None]:
    """A work that meets the full disk and tells nobody."""

    def work(txn: Txn) -> None:
        try:
            place(order_id, "x" * 100_000)(txn)
        except sqlite3.Error:
            return

    return work


async def test_all_works_of_a_group_are_committed_together(store: Store) -> None:
    result = store.run(place("a"), place("b"), place("c"))
    assert answers(result) == [2, 3, 4]
    assert [event.seq for event in result.events] == [2, 3, 4]
    assert result.trouble is None
    assert not store.connection.in_transaction


async def test_more_events_than_one_statement_takes_are_all_written(store: Store) -> None:
    def many(txn: Txn) -> int:
        return [txn.append("order_filled", {"n": n}) for n in range(53)][-1]

    assert answers(store.run(many)) == [54]
    assert store.connection.execute("SELECT count(*), max(seq) FROM events").fetchone() == (54, 54)
    assert store.connection.execute("SELECT last_seq FROM epochs").fetchone() == (54,)


async def test_the_works_before_one_that_wrote_and_refused_run_again_without_it(store: Store) -> None:
    """The memory of the owner is reloaded once, before they run again; who was not begun yet comes with the next group."""
    runs: list[str] = []

    def counted(txn: Txn) -> int:
        runs.append("a")
        return place("a")(txn)

    result = store.run(counted, deny_after_writing("x"), place("b"))
    assert [type(answer) for answer in answers(result)] == [OrderDenied, int]
    assert runs == ["a", "a"]
    assert store.reloaded == [set()]
    assert order_ids(store.connection) == {"a"}


async def test_a_group_of_nothing_but_a_late_refusal_commits_nothing(store: Store) -> None:
    result = store.run(deny_after_writing("x"))
    assert [type(answer) for answer in answers(result)] == [OrderDenied]
    assert not result.events
    assert not store.connection.in_transaction
    assert order_ids(store.connection) == set()


async def test_the_group_continues_from_the_chain_it_was_rolled_back_to(store: Store) -> None:
    events = list(store.run(place("a"), deny_after_writing("x")).events)
    events += store.run(deny_after_writing("y")).events
    events += store.run(place("b")).events
    assert [event.payload["order_id"] for event in events] == ["a", "b"]
    first = store.connection.execute("SELECT body FROM events WHERE seq = 1").fetchone()[0]
    check_chain([decode_event(first), *events])


async def test_a_full_disk_refuses_the_whole_group_and_leaves_the_store_sound(store: Store) -> None:
    store.run(place("before"))
    store.fill_up(3)
    result = store.run(place("a"), place("big", "x" * 100_000), place("b"))
    assert result.trouble is Trouble.FULL
    assert not result.events
    for answer in answers(result):
        assert isinstance(answer, Unavailable)
        assert answer.code == "STORE_LOW"
    assert store.reloaded == [{"before"}]
    assert not store.connection.in_transaction
    store.make_room()
    assert answers(store.run(place("after"))) == [3]
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert order_ids(store.connection) == {"before", "after"}


def refuse_if_taken(order_id: str) -> Callable[[Txn], int]:
    """A work that writes nothing and refuses when somebody has ``order_id``, as a repeated id does."""

    def work(txn: Txn) -> int:
        if txn.execute("SELECT 1 FROM orders WHERE id = ?", (order_id,)).fetchone():
            raise OrderDenied("it is taken")
        return 0

    return work


async def test_a_refusal_that_rests_on_what_was_rolled_back_is_never_told(store: Store) -> None:
    """The id was taken by a work of the same group: with that work gone, "taken" is a lie that may cost a second order. Found by a simulated run."""
    store.fill_up(3)
    full = answers(store.run(place("a"), refuse_if_taken("a"), place("big", "x" * 100_000)))
    assert {getattr(answer, "code", None) for answer in full} == {"STORE_LOW"}
    store.make_room()
    again = answers(store.run(refuse_if_taken("c"), place("c"), refuse_if_taken("c"), deny_after_writing("d")))
    assert [type(answer) for answer in again] == [OrderDenied, int, int, OrderDenied]


@pytest.mark.parametrize("then", [place("b"), deny_after_writing("b")])
async def test_a_work_that_keeps_a_full_disk_to_itself_does_not_get_away_with_it(store: Store, then: Callable[[Txn], Any]) -> None:
    """SQLite has rolled the transaction back by then: what follows in the group would be committed row by row."""
    store.fill_up(3)
    result = store.run(place("a"), swallow_full("big"), then)
    assert result.trouble is Trouble.FULL
    assert order_ids(store.connection) == set()
    assert {type(answer) for answer in answers(result)} == {Unavailable}


async def test_a_store_that_another_program_has_locked_refuses_and_does_not_fail(store: Store, run_dir: Path) -> None:
    store.connection.execute("PRAGMA busy_timeout=0")
    other = sqlite3.connect(run_dir / "oanda.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = store.run(place("a"))
    assert result.trouble is Trouble.BUSY
    assert [answer.code for answer in answers(result) if isinstance(answer, Unavailable)] == ["STORE_BUSY"]
    other.execute("ROLLBACK")
    other.close()
    assert answers(store.run(place("a"))) == [2]


async def test_a_bug_rolls_back_and_is_passed_on(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        store.run(place("a"), lambda txn: 1 // 0)
    assert not store.connection.in_transaction
    assert order_ids(store.connection) == set()


async def test_a_broken_constraint_is_a_bug_unless_the_work_expects_it(store: Store) -> None:
    def twice(txn: Txn) -> str:
        place("a")(txn)
        try:
            txn.execute("INSERT INTO orders VALUES ('a', 'again')")
        except sqlite3.IntegrityError:
            return "known"
        return "new"

    assert answers(store.run(twice)) == ["known"]
    with pytest.raises(sqlite3.IntegrityError):
        store.run(place("a"))
