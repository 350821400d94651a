"""Retention: a journal keeps its newest million events, and whatever is younger than thirty days.

Old ones go from the floor upwards, in steps small enough not to be felt by an order that comes in between; readers learn the new floor as
``first_seq``, and one that was below it is told the gap.
"""

import sqlite3

from bus.epoch import JournalState, bounds
from runtime.clock import Clock
from runtime.settings import StoreSettings

ROWS_A_STEP = 1000  # a few milliseconds

_NS_PER_DAY = 86_400 * 1_000_000_000


class Retention:
    """Prunes on the writer thread; the floor of the current epoch is kept in its ``JournalState``."""

    def __init__(self, connection: sqlite3.Connection, state: JournalState, settings: StoreSettings, clock: Clock) -> None:
        self._connection = connection
        self._state = state
        self._settings = settings
        self._clock = clock
        # Epochs have no holes, so the ends of each give its count: counting five million rows would take seconds.
        older = [n for (n,) in connection.execute("SELECT n FROM epochs WHERE n < ? ORDER BY n", (state.epoch_n,))]
        spans = [(n, bounds(connection, n)) for n in older]
        self._old_epochs: list[list[int]] = [[n, *span] for n, span in spans if span is not None]

    def step(self) -> bool:
        """Delete at most ``ROWS_A_STEP`` events that need not be kept, in a transaction of their own; whether any were."""
        excess = self._count() - self._settings.events_max
        if excess <= 0:
            return False
        state = self._state
        epoch_n, first = self._old_epochs[0][:2] if self._old_epochs else (state.epoch_n, state.first_seq)
        young_ns = self._clock.wall_ns() - self._settings.events_days_min * _NS_PER_DAY
        rows = self._connection.execute(
            "SELECT ts_ns FROM events WHERE epoch_n = ? AND seq >= ? ORDER BY seq LIMIT ?", (epoch_n, first, min(excess, ROWS_A_STEP))
        ).fetchall()
        old = next((index for index, (ts_ns,) in enumerate(rows) if ts_ns >= young_ns), len(rows))
        if not self._old_epochs:
            old = min(old, state.last_seq - first)  # the newest event stays: the chain continues from it
        if old <= 0:
            return False
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("DELETE FROM events WHERE epoch_n = ? AND seq < ?", (epoch_n, first + old))
        self._connection.execute("COMMIT")
        self._raise_floor(first + old)
        return True

    def _count(self) -> int:
        current = self._state.last_seq - self._state.first_seq + 1
        return current + sum(last - first + 1 for _, first, last in self._old_epochs)

    def _raise_floor(self, floor: int) -> None:
        if not self._old_epochs:
            self._state.first_seq = floor
        elif floor > self._old_epochs[0][2]:
            del self._old_epochs[0]
        else:
            self._old_epochs[0][1] = floor
