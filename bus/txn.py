"""What a work may do inside a transaction of the journal: statements, events, counters.

A group of works shares one transaction and one sync (bus/writer.py). The events of a group, the hash they chain from, the counters and rows that are
only added (bus/rows.py) are kept in memory until the group is written: taking a group back is forgetting, and a group of any size costs a few
statements for them. Everything here runs in a turn of bus/turns.py.
"""

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence

from bus.envelope import Event, chain_hash, make_event
from bus.epoch import HighWater, JournalState
from bus.rows import LaterRows, Rows
from runtime.clock import Clock

_EVENTS = Rows("events", ("epoch_n", "seq", "ts_ns", "body"))


class Txn:
    """Handed to each work of a group. A work must not keep it, commit, or roll back."""

    def __init__(self, connection: sqlite3.Connection, state: JournalState, clock: Clock) -> None:
        self._connection = connection
        self._state = state
        self._clock = clock
        self._seq = state.last_seq
        self._hash = state.last_hash
        self._counters = dict(state.counters)
        self._counters_set = 0
        self._events: list[Event] = []
        self._later = LaterRows(connection)

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> sqlite3.Cursor:
        """Run one statement and return its cursor; what was done before in the same group has been seen by it."""
        self._later.write_before(sql)
        return self._connection.execute(sql, params)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> sqlite3.Cursor:
        """Run one statement for each row."""
        self._later.write_before(sql)
        return self._connection.executemany(sql, rows)

    def add(self, rows: Rows, values: tuple[object, ...]) -> None:
        """Write a row of ``rows``, with the others of the group. A key that is taken is found only then, and ends the journal: look first."""
        self._later.add(rows, values)

    def look_up(self, rows: Rows, key: tuple[object, ...], sql: str) -> sqlite3.Cursor:
        """Run the query ``sql`` for the row of ``rows`` with ``key`` and what belongs to it; rows with other keys are not written for that."""
        if self._later.holds(rows, key):
            self._later.write()
        return self._connection.execute(sql, key)

    def append(self, type: str, payload: Mapping[str, object], ts_ns: int | None = None) -> int:  # noqa: A002 (the envelope's own word)
        """Add an event to the journal and return its seq; readers get it after the commit.

        Args:
            ts_ns: what its readers are told, nanoseconds since 1970; now when absent.
        Raises:
            ValueError: a payload that does not travel. Nothing has changed then.
        """
        if ts_ns is None:
            ts_ns = self._clock.wall_ns()
        state = self._state
        event = make_event(state.source, type, payload, ts_ns, epoch=state.epoch, seq=self._seq + 1, prev=self._hash)
        self._seq += 1
        self._hash = chain_hash(event.body)
        self._events.append(event)
        self._later.add(_EVENTS, (state.epoch_n, self._seq, ts_ns, event.body))
        return self._seq

    @property
    def last_event(self) -> dict[str, object]:
        """``{epoch, seq}`` of the newest event, what a reply carries so that its reader can wait for it."""
        return {"epoch": self._state.epoch, "seq": self._seq}

    @property
    def epoch_n(self) -> int:
        """The number of the current epoch, what ``events.epoch_n`` refers to."""
        return self._state.epoch_n

    def counter(self, name: str) -> int:
        """The value of an owner's counter; 0 when it was never set."""
        return self._counters.get(name, 0)

    def set_counter(self, name: str, value: int) -> None:
        """Raise a counter. It survives a restore: the next epoch continues above the highest value that was ever seen.

        Raises:
            ValueError: lower than it is; its numbers have been used.
        """
        if value < self.counter(name):
            raise ValueError(f"counter {name} is {self.counter(name)} and cannot go back to {value}")
        self._counters[name] = value
        self._counters_set += 1


class Group(Txn):
    """A Txn as the writer holds it: it begins, marks, commits and takes back."""

    commit_s = 0.0  # how long the last commit took, its sync included

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def mark(self) -> tuple[int, int, int]:
        """A value that differs after a work wrote anything; rows that were added before it and are only written now make no difference."""
        return self._connection.total_changes - self._later.written, self._later.added, self._counters_set

    def commit(self) -> list[Event]:
        """Write what is pending, commit, and return the events of the group. After an error: :meth:`roll_back`."""
        state = self._state
        self._later.write()
        if self._seq != state.last_seq:
            self._connection.execute("UPDATE epochs SET last_seq = ? WHERE n = ?", (self._seq, state.epoch_n))
        for name, value in self._counters.items():
            if state.counters.get(name) != value:
                self._connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))
        began = time.monotonic()
        self._connection.execute("COMMIT")
        self.commit_s = time.monotonic() - began
        state.last_seq, state.last_hash = self._seq, self._hash
        state.counters = dict(self._counters)
        events, self._events = self._events, []
        return events

    def roll_back(self) -> None:
        """Forget the group. SQLite may have rolled back by itself already (a full disk does that), so it is asked and never assumed."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        state = self._state
        self._seq, self._hash, self._counters = state.last_seq, state.last_hash, dict(state.counters)
        self._events = []
        self._later.forget()

    @property
    def is_open(self) -> bool:
        return self._connection.in_transaction

    @property
    def high_water(self) -> HighWater:
        """What has been committed, for the file beside the database."""
        state = self._state
        return HighWater(epoch=state.epoch, last_seq=state.last_seq, counters=state.counters)
