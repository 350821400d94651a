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


class Told(Protocol):
    """Who is told what became of a job: a future, or one's share of it."""

    def cancelled(self) -> bool: ...
    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, error: BaseException, /) -> None: ...


# (whom to tell, the error or None, the result)
Outcome = tuple[Told, BaseException | None, Any]


class Together:
    """The outcomes of several works, told to ``future`` as one list when the last is there: of each its result, or its error."""

    def __init__(self, future: Future, count: int) -> None:
        self.future = future
        self._outcomes: list[Any] = [None] * count
        self._left = count

    def tell(self, place: int, outcome: object) -> None:
        self._outcomes[place] = outcome
        self._left -= 1
        if self._left == 0 and not self.future.done():
            self.future.set_result(self._outcomes)


class Share:
    """One work's share of a ``Together``."""

    __slots__ = ("_is_done", "_place", "_together")

    def __init__(self, together: Together, place: int) -> None:
        self._together = together
        self._place = place
        self._is_done = False

    def cancelled(self) -> bool:
        return self._together.future.cancelled()

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: Any) -> None:
        self._is_done = True
        self._together.tell(self._place, result)

    set_exception = set_result


class Work:
    """Runs inside a group's transaction; its result is told after commit and sync. One that ``is_short`` may run on the loop's own thread."""

    __slots__ = ("do", "future", "is_short")

    def __init__(self, do: Callable[[Txn], Any], future: Told, *, is_short: bool = False) -> None:
        self.do = do
        self.future = future
        self.is_short = is_short


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


class Failed:
    """A group that ran on the loop's thread met what ends the journal: the writer thread ends as if it had met that itself."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


Job = Work | Read | Backup | Stop | Failed


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
