"""What a journal's loop and its writer thread hand each other: jobs one way, outcomes the other."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from bus.envelope import Event
from bus.epoch import JournalState
from bus.store import Trouble
from bus.txn import Txn

Future = asyncio.Future[Any]
# (whom to tell, the error or None, the result)
Outcome = tuple[Future, BaseException | None, Any]


class Work:
    """Runs inside a group's transaction; its result is told after commit and sync."""

    __slots__ = ("do", "future")

    def __init__(self, do: Callable[[Txn], Any], future: Future) -> None:
        self.do = do
        self.future = future


class Read:
    """Runs between groups, outside any transaction, and only looks."""

    __slots__ = ("do", "future")

    def __init__(self, do: Callable[[sqlite3.Connection], Any], future: Future) -> None:
        self.do = do
        self.future = future


class Backup:
    """Copies the database to ``target`` in small steps between groups."""

    __slots__ = ("future", "target")

    def __init__(self, target: Path, future: Future) -> None:
        self.target = target
        self.future = future


class Stop:
    """The last job: what was queued before it is done, then the thread closes the store and ends."""


Job = Work | Read | Backup | Stop


class StoreFailed(Exception):
    """The writer has stopped: the disk cannot be trusted any more (``DISK``), or a work or the journal has a bug (``BUG``). The cause is chained."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(f"the journal has stopped: {trouble.value}")
        self.trouble = trouble


class Listener(Protocol):
    """Who hears from the writer, always on the loop."""

    def on_opened(self, state: JournalState, tail: list[bytes]) -> None: ...

    def on_refused(self, error: BaseException) -> None:
        """It could not be opened, and the thread has ended."""

    def on_outcomes(self, outcomes: Sequence[Outcome], events: Sequence[Event]) -> None:
        """Committed (or refused) together; ``events`` in seq order, to be published before anybody is answered."""

    def on_floor(self, first_seq: int) -> None:
        """Old events have been pruned."""

    def on_closed(self, error: StoreFailed | None) -> None:
        """The thread has ended, the store is closed and the lock released; ``error`` says why when nobody asked for it."""
