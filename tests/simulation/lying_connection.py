"""A store that fails as ordered, and remembers what a power cut would leave of it."""

import sqlite3
from typing import Any


class Died(BaseException):
    """The process is gone, at this very place."""


class LyingConnection:
    """A connection that fails as ordered: ``full`` or ``die`` at the n-th statement; the others at a COMMIT."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real
        self.image: bytes = real.serialize()
        self.orders: tuple[str, int] | None = None

    @property
    def total_changes(self) -> int:
        return self.real.total_changes

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction

    def execute(self, sql: str, params: Any = ()) -> sqlite3.Cursor:
        kind = self._due(is_commit=sql == "COMMIT")
        if kind == "full":
            if self.real.in_transaction:
                self.real.execute("ROLLBACK")
            raise _error(sqlite3.SQLITE_FULL)
        if kind in {"die", "die_before"}:
            raise Died
        cursor = self.real.execute(sql, params)
        if sql == "COMMIT":
            if kind != "eio_lost":
                self.image = self.real.serialize()
            if kind in {"eio", "eio_lost"}:
                raise _error(sqlite3.SQLITE_IOERR)
            if kind == "die_after":
                raise Died
        return cursor

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        return self.real.executemany(sql, rows)

    def _due(self, *, is_commit: bool) -> str | None:
        if self.orders is None:
            return None
        kind, after = self.orders
        if kind in {"full", "die"}:
            if after > 0:
                self.orders = (kind, after - 1)
                return None
        elif not is_commit:
            return None
        self.orders = None
        return kind


def _error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as ordered")
    error.sqlite_errorcode = code
    return error
