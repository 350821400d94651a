"""bus/rows.py: rows that wait for the end of their group are there for whoever asks, and gone when the group is."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bus.epoch import SCHEMA, load_state
from bus.group import GroupResult, run_group
from bus.jobs import Work
from bus.rows import Rows
from bus.store import migrate, open_connection
from bus.txn import Group, Txn
from runtime.clock import ManualClock
from tests.bus.journals import TABLES, order_ids
from trading.errors import OrderDenied

ORDERS = Rows("orders", ("id", "body"), key=1)
FIND = "SELECT body FROM orders WHERE id = ?"


class Store:
    """A journal's connection and its group; ``statements`` are those that SQLite was given."""

    def __init__(self, directory: Path) -> None:
        path = directory / "oanda.db"
        self.connection = open_connection(path)
        migrate(self.connection, path, SCHEMA, TABLES)
        self.group = Group(self.connection, load_state(self.connection, path, "oanda", ManualClock()), ManualClock())
        self.statements: list[str] = []
        self.connection.set_trace_callback(self.statements.append)

    def run(self, *works: Callable[[Txn], object]) -> GroupResult:
        first, *others = [Work(work, asyncio.get_event_loop().create_future()) for work in works]
        waiting = iter(others)
        return run_group(self.group, first, lambda _: next(waiting, None), lambda: None)

    def inserts(self) -> int:
        return sum(statement.startswith("INSERT INTO orders") for statement in self.statements)


@pytest.fixture
async def store(run_dir: Path) -> Iterator[Store]:
    opened = Store(run_dir)
    yield opened
    opened.connection.close()


def add(*ids: str) -> Callable[[Txn], None]:
    def work(txn: Txn) -> None:
        for each in ids:
            txn.add(ORDERS, (each, f"body of {each}"))

    return work


@pytest.mark.parametrize(("count", "statements"), [(1, 1), (3, 3), (4, 1), (16, 1), (21, 3), (64, 4)])
async def test_the_rows_of_a_group_are_written_by_few_statements_each_once(store: Store, count: int, statements: int) -> None:
    ids = [f"o{number:02}" for number in range(count)]
    store.run(*(add(each) for each in ids))
    assert store.inserts() == statements
    assert store.connection.execute("SELECT id, body FROM orders ORDER BY rowid").fetchall() == [(each, f"body of {each}") for each in ids]


async def test_a_statement_that_names_the_table_finds_them(store: Store) -> None:
    seen: list[object] = []

    def look(txn: Txn) -> None:
        seen.append(txn.execute("SELECT count(*) FROM orders").fetchone()[0])

    def change(txn: Txn) -> None:
        txn.executemany("UPDATE orders SET body = ? WHERE id = ?", [("changed", "b")])

    store.run(add("a"), look, add("b"), change, add("c"))
    assert seen == [1]
    assert store.connection.execute("SELECT body FROM orders").fetchall() == [("body of a",), ("changed",), ("body of c",)]


async def test_a_row_that_is_looked_up_by_its_key_is_found_and_others_go_on_waiting(store: Store) -> None:
    found: list[object] = []

    def look_up(key: str) -> Callable[[Txn], None]:
        return lambda txn: found.append(txn.look_up(ORDERS, (key,), FIND).fetchone())

    store.run(add("stored"))
    store.statements.clear()
    store.run(add("a"), look_up("stored"), add("b"), look_up("none"), add("c"), add("d"))
    assert found == [("body of stored",), None]
    assert store.inserts() == 1  # the four of them, at the end
    store.run(add("e"), look_up("e"), look_up("a"))
    assert found[2:] == [("body of e",), ("body of a",)]


async def test_a_group_that_is_taken_back_forgets_them_and_the_others_run_again(store: Store) -> None:
    def denies(txn: Txn) -> None:
        add("x")(txn)
        raise OrderDenied("no")

    result = store.run(add("a"), denies, add("b"))
    assert [type(error) for _, error, _ in result.outcomes] == [OrderDenied, type(None)]
    assert order_ids(store.connection) == {"a"}  # who came after the refused one waits for the next group
    store.run(add("x"))
    assert order_ids(store.connection) == {"a", "x"}


async def test_a_refusal_that_rests_on_a_row_of_the_group_takes_nothing_back(store: Store) -> None:
    """The row is written so that it can be read, by a work that writes nothing itself."""

    def denies(txn: Txn) -> None:
        assert txn.look_up(ORDERS, ("a",), FIND).fetchone() is not None
        raise OrderDenied("there is one")

    result = store.run(add("a"), denies, add("b"))
    assert [type(error) for _, error, _ in result.outcomes] == [type(None), OrderDenied, type(None)]
    assert "ROLLBACK" not in store.statements
    assert order_ids(store.connection) == {"a", "b"}


async def test_a_key_that_is_taken_ends_the_group_and_nothing_of_it_stays(store: Store) -> None:
    store.run(add("a"))
    with pytest.raises(sqlite3.IntegrityError):
        store.run(add("b"), add("a"))
    assert order_ids(store.connection) == {"a"}
    store.run(add("b"))
    assert order_ids(store.connection) == {"a", "b"}
