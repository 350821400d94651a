"""Rows that a group's works add, written by a few statements for all of them.

A statement of its own costs a row twice what its writing does: SQLite and the interpreter push each other out of the processor's caches. So rows that
are only added wait until the group is written, or until a statement names their table; what a work reads is never older than what was written
before it.
"""

import sqlite3
from collections.abc import Sequence

_ROWS_A_STATEMENT = (16, 4, 1)


class Rows:
    """Rows of one table. ``columns`` are those given, in order; the first ``key`` of them are what rows are looked up by."""

    def __init__(self, table: str, columns: Sequence[str], key: int = 0) -> None:
        self.table = table
        self.width = len(columns)
        self.key = key
        one = f"({', '.join('?' * self.width)})"
        insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  (names that stand in the program)
        self.statements = [(count, insert + ", ".join([one] * count)) for count in _ROWS_A_STATEMENT]


class LaterRows:
    """The rows of one group that are still to be written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._values: dict[Rows, list[object]] = {}  # row after row
        self._keys: dict[Rows, set[tuple[object, ...]]] = {}
        self.added = 0  # ever, as the next
        self.written = 0

    def add(self, rows: Rows, values: tuple[object, ...]) -> None:
        """Write ``values`` later."""
        self.added += 1
        if rows in self._values:
            self._values[rows] += values
        else:
            self._values[rows] = list(values)
            self._keys[rows] = set()
        if rows.key:
            self._keys[rows].add(values[: rows.key])

    def holds(self, rows: Rows, key: tuple[object, ...]) -> bool:
        """Whether a row with ``key`` is still to be written."""
        return key in self._keys.get(rows, ())

    def write_before(self, sql: str) -> None:
        """Write all there is if ``sql`` names one of its tables."""
        for rows in self._values:
            if rows.table in sql:
                self.write()
                return

    def write(self) -> None:
        """Write all there is.

        Raises:
            sqlite3.Error: the disk is full or broken, or two rows have one key. The group must be rolled back.
        """
        for rows, values in self._values.items():
            start = 0
            for count, statement in rows.statements:
                step = count * rows.width
                while len(values) - start >= step:
                    self._connection.execute(statement, values[start : start + step])
                    start += step
                    self.written += count
        self.forget()

    def forget(self) -> None:
        """There is nothing to be written any more."""
        if self._values:
            self._values, self._keys = {}, {}
