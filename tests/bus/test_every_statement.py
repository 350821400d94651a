"""A group that fails at any of its statements, in either thread's turn: it stands whole or not at all, and nobody is told otherwise."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bus.envelope import Event
from bus.jobs import StoreFailed
from bus.rows import Rows
from bus.store import open_connection
from bus.txn import Txn
from tests.bus.journals import check_chain, open_journal
from trading.errors import OrderDenied, OutcomeUnknown, Unavailable

_TABLES = (
    "CREATE TABLE orders (n INTEGER PRIMARY KEY, id TEXT NOT NULL) STRICT;"
    "CREATE TABLE client_ids (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
)
_ORDERS = Rows("orders", ("n", "id"))
_IDS = Rows("client_ids", ("id", "n"), key=1)
_STATEMENTS = ("BEGIN", "SELECT", "INSERT INTO orders", "INSERT INTO client_ids", "INSERT INTO events", "UPDATE", "COMMIT")
_NAMES = ("a", "a", "refused", "c")


class Failing:
    """A connection that fails once, at the next statement that begins with ``at``. A full one takes the transaction back itself, as SQLite may."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.at = ""
        self.code = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *params: Any) -> sqlite3.Cursor:
        if self.at and sql.startswith(self.at):
            self.at = ""
            if self.code == sqlite3.SQLITE_FULL and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            error = sqlite3.OperationalError("as asked")
            error.sqlite_errorcode = self.code
            raise error
        return self._connection.execute(sql, *params)


class Book:
    """An owner's memory: which id is which order."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def reload(self, connection: sqlite3.Connection) -> None:
        self.ids = dict(connection.execute("SELECT id, n FROM client_ids"))

    def place(self, name: str) -> Callable[[Txn], int]:
        """Once: who repeats it gets the number again. Its rows are written with the group's; refused after a write where it is called so."""

        def work(txn: Txn) -> int:
            known = txn.look_up(_IDS, (name,), "SELECT n FROM client_ids WHERE id = ?").fetchone()
            assert (known is None) is (name not in self.ids)
            if known is not None:
                return int(known[0])
            n = self.ids[name] = len(self.ids) + 1
            txn.add(_ORDERS, (n, name))
            txn.append("oco_placed", {"order_id": name})
            txn.add(_IDS, (name, n))
            if name == "refused":
                raise OrderDenied("after a write")
            return n

        return work


def stood(outcomes: Sequence[int | Exception]) -> dict[str, int]:
    """Who was told a number."""
    return {name: outcome for name, outcome in zip(_NAMES, outcomes, strict=True) if isinstance(outcome, int)}


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CONSTRAINT])
@pytest.mark.parametrize("short", [True, False], ids=["by_the_loop", "by_the_thread"])
@pytest.mark.parametrize("statement", _STATEMENTS)
async def test_a_group_stands_whole_or_not_at_all(run_dir: Path, monkeypatch: pytest.MonkeyPatch, code: int, short: bool, statement: str) -> None:
    monkeypatch.setattr("bus.turns.QUICK_S_MAX", 60.0)
    monkeypatch.setattr("bus.turns.QUICK_COMMITS_MIN", 1)
    monkeypatch.setattr("bus.writer.IDLE_S", 3600.0)
    made: list[Failing] = []

    def opened(path: Path) -> Failing:
        made.append(Failing(open_connection(path)))
        return made[-1]

    monkeypatch.setattr("bus.writer.open_connection", opened)
    book, seen = Book(), list[Event]()
    failures: list[StoreFailed] = []
    journal = await open_journal(run_dir, migrations=_TABLES, on_events=seen.extend, on_rollback=book.reload, on_failure=failures.append)
    async with asyncio.timeout(30):
        here = 0
        while here == journal.metrics()["journal_groups_here"]:  # the thread is idle then
            await journal.submit_each([book.place("first")], short=True)
            await asyncio.sleep(0)
        here = journal.metrics()["journal_groups_here"]
        made[-1].at, made[-1].code = statement, code
        outcomes = await journal.submit_each([book.place(name) for name in _NAMES], short=short)
        is_refused = code != sqlite3.SQLITE_CONSTRAINT
        assert (journal.metrics()["journal_groups_here"] > here) is (short and is_refused)
        # Who was not in the group that failed may stand, as may the twin of one that was.
        expected = {"first": 1, **stood(outcomes)}
        others = [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]
        if is_refused:
            assert Unavailable in others
            assert set(others) <= {Unavailable, OrderDenied}
            assert book.ids == expected
            expected |= stood(await journal.submit_each([book.place(name) for name in _NAMES], short=short))
            assert set(expected) == {"first", *_NAMES} - {"refused"}
            assert book.ids == expected
            assert not failures
        else:
            assert OutcomeUnknown in others
            assert len(failures) == 1
        await journal.close()
    with closing(sqlite3.connect(run_dir / "oanda.db")) as store:
        assert dict(store.execute("SELECT id, n FROM client_ids")) == dict(store.execute("SELECT id, n FROM orders")) == expected
        assert [body for (body,) in store.execute("SELECT body FROM events ORDER BY seq")] == [event.body for event in seen]
    assert sorted(str(event.payload["order_id"]) for event in seen[1:]) == sorted(expected)
    check_chain(seen)
