"""Backups: a copy of the database, whole and consistent, made while orders go on.

By SQLite's online backup from the connection that writes: it copies a few pages at a time, and what is written in between is brought into the copy by
SQLite itself. Copying the file would not do: the newest commits are in the log beside it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from trading.errors import Unavailable

PAGES_A_STEP = 256  # a megabyte, about a millisecond

BACKUP_FAILED = "BACKUP_FAILED"


def back_up(connection: sqlite3.Connection, target: Path, between: Callable[[], None]) -> None:
    """Copy the database to ``target`` (made anew, mode 0600, durable on return), calling ``between`` after every step.

    Raises:
        Unavailable: ``target`` exists already or cannot be written; nothing is left of it.
    """
    draft = target.with_name(target.name + ".part")
    try:
        if target.exists():
            raise FileExistsError(f"{target} exists already")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # synced once, below
            connection.backup(copy, pages=PAGES_A_STEP, progress=lambda *_: between())
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        draft.unlink(missing_ok=True)
        raise Unavailable(f"the backup to {target} failed: {error}", code=BACKUP_FAILED) from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
