"""Checkpoints: when the write-ahead log is copied into the database.

Never by SQLite's own count, which would make one unlucky commit pay: the writer does it when it has been idle, or at 4,000 pages, so that the log
stays small and is used again from its beginning (a sync into a file that does not grow costs half). How many pages are in it, SQLite tells only at
a checkpoint. While the file grows its size says it; while it is used again they are estimated from the rows changed, by a factor learnt before.
"""

import logging
import sqlite3
from pathlib import Path

PAGES_MAX = 4000
WAL_ALARM_BYTES = 128 * 1024 * 1024

_FRAME_BYTES = 4096 + 24

_log = logging.getLogger(__name__)


class Checkpointer:
    """Counts what has been written and checkpoints; on the writer thread."""

    def __init__(self, connection: sqlite3.Connection, database: Path) -> None:
        self._connection = connection
        self._wal = database.with_name(database.name + "-wal")
        self._changes = connection.total_changes
        self._pages_per_change = 1.0
        self._pages_left = 0
        self._size_before = self._size()
        self._alarmed = False
        self.wal_bytes = 0

    @property
    def is_due(self) -> bool:
        changes = self._connection.total_changes - self._changes
        if self._pages_left + changes * self._pages_per_change >= PAGES_MAX:
            return True
        size = self._size()
        return size > self._size_before and size >= PAGES_MAX * _FRAME_BYTES

    @property
    def has_work(self) -> bool:
        return self._pages_left > 0 or self._connection.total_changes != self._changes

    def run(self) -> None:
        """Copy what can be copied without waiting for anybody.

        Raises:
            sqlite3.Error: the disk is full or broken.
        """
        _busy, pages, copied = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        changes = self._connection.total_changes - self._changes
        if changes and pages > self._pages_left:
            self._pages_per_change = (pages - self._pages_left) / changes
        self._pages_left = pages - copied
        self._changes = self._connection.total_changes
        self._size_before = self._size()

    def measure(self) -> None:
        """Read the log's size, and say so once when it has grown out of hand: something keeps it from being checkpointed."""
        self.wal_bytes = self._size()
        if self.wal_bytes > WAL_ALARM_BYTES and not self._alarmed:
            _log.error("the write-ahead log has grown too large", extra={"path": str(self._wal), "bytes": self.wal_bytes})
        self._alarmed = self.wal_bytes > WAL_ALARM_BYTES

    def _size(self) -> int:
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0
