"""The users store: one SQLite file that the gateways of a host and the `arena` command open together.

Unlike the journals it has several writers, so it keeps a rollback journal (``journal_mode=DELETE``: the WAL-reset bug of SQLite below 3.51.3 cannot
occur) with ``synchronous=FULL``. Writes are rare and take the lock at once (``BEGIN IMMEDIATE``). Nothing in it is a secret in clear: passwords are
Argon2id hashes, refresh tokens, API keys and invites SHA-256 of 256 random bits.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.clock import Clock
from runtime.program import CannotStart

FILE_NAME = "users.db"
BUSY_S = 5.0

_MIGRATIONS = (
    """
    CREATE TABLE users (
        user_id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, role TEXT NOT NULL CHECK (role IN ('viewer', 'trader', 'admin')),
        password_hash TEXT NOT NULL, weak INTEGER NOT NULL, token_version INTEGER NOT NULL DEFAULT 0, disabled INTEGER NOT NULL DEFAULT 0,
        created_ns INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE live_grants (
        user_id TEXT NOT NULL REFERENCES users, broker TEXT NOT NULL, notional_per_day_max TEXT, granted_ns INTEGER NOT NULL,
        PRIMARY KEY (user_id, broker)
    ) STRICT;
    CREATE TABLE sessions (
        session_id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL,
        revoked_ns INTEGER
    ) STRICT;
    CREATE TABLE refresh_tokens (
        hash BLOB PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, expires_ns INTEGER NOT NULL, used_ns INTEGER
    ) STRICT;
    CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
    CREATE TABLE api_keys (
        key_id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users, hash BLOB NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL,
        created_ns INTEGER NOT NULL, expires_ns INTEGER, last_used_ns INTEGER, revoked_ns INTEGER
    ) STRICT;
    CREATE TABLE invites (
        hash BLOB PRIMARY KEY, role TEXT NOT NULL, created_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL, used_by TEXT
    ) STRICT;
    CREATE TABLE throttles (
        key TEXT PRIMARY KEY, count INTEGER NOT NULL, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        n INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, outcome TEXT NOT NULL,
        address TEXT NOT NULL, details TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    """,
    # REPLACE deletes without asking the trigger above.
    """
    CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE n = NEW.n)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    """,
)
VERSION = len(_MIGRATIONS)


class Store:
    """One open connection; used from one thread at a time. ``Store.open`` makes the file, for its owner alone."""

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self._connection = connection
        self.clock = clock

    @classmethod
    def open(cls, path: Path, clock: Clock) -> "Store":
        """The store in ``path``.

        Raises:
            CannotStart: it was written by a newer version, is damaged, or cannot be opened.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            raise CannotStart(f"{path} can be read by other users: chmod 600 {path}")
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise CannotStart(f"{path} cannot be used: {error}; restore it from a backup, or remove it to start without users") from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable when the block ends, and gone when it raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """One consistent view."""
        self._connection.execute("BEGIN")
        try:
            yield self._connection
        finally:
            self._connection.execute("ROLLBACK")

    def foreign_changes(self) -> int:
        """A number that differs after another connection has committed."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete":
        raise CannotStart(f"{path} keeps its journal in mode {mode}: another program holds it open in a way we do not use")
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
        raise CannotStart(f"{path}: SQLite did not take synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        connection.execute("ROLLBACK")
        raise CannotStart(f"{path} was written by a newer arena (format {version}, this one knows {VERSION}): update, or restore an older backup")
    for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={number}")
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """``executescript`` would commit before it runs; one statement at a time stays inside the transaction."""
    statement = ""
    for line in script.strip().splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
