"""Whose turn it is with a journal's store: the writer thread's, or, for a few short works, the event loop's.

An order by itself would wait for the writer thread to wake up, and its answer for the loop to wake up again, which takes longer than placing it does.
So the loop may take a turn itself, where nothing can be lost by it:

- the thread has nothing to do: whatever was put before comes first, and is told first;
- the disk has been quick of late, for the loop hears nobody while it syncs. After one slow commit the next few are the thread's again, so a disk
  that is slow, or busy for a while, holds the loop up once.

One lock says who has the connection, the group and the owner's memory. The loop never waits for it. docs/decisions/063 has the price.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator

from bus.jobs import Job

QUICK_S_MAX = 0.002
QUICK_COMMITS_MIN = 16  # in a row
TELL_S = 1.0  # how often the thread says that it waits for the loop
HUNG_S = 30.0

_log = logging.getLogger(__name__)


class Turns:
    """The jobs that wait for the thread, and the right to use the store.

    Args:
        on_held_up: called on the thread, once a second, while it waits for a turn of the loop to end. Then the disk holds the loop up, which can
            tell nobody.
    """

    def __init__(self, on_held_up: Callable[[], None]) -> None:
        self._on_held_up = on_held_up
        self._inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # One thread counts each, and the other only reads it.
        self._put = 0
        self._taken = 0
        self._done = 0
        self._quick_commits = 0
        self._loop_left_at = float("-inf")  # monotonic seconds

    @property
    def waiting(self) -> int:
        """How many jobs have not been taken."""
        return self._inbox.qsize()

    def put(self, job: Job) -> None:
        """Leave ``job`` for the thread; on the loop."""
        self._put += 1
        self._inbox.put(job)

    def take(self, *, wait_s: float = 0.0) -> Job:
        """The next job; on the thread.

        Raises:
            queue.Empty: none within ``wait_s``.
        """
        job = self._inbox.get(block=wait_s > 0, timeout=wait_s)
        self._taken += 1
        return job

    def done(self) -> None:
        """All that was taken has been done, and told; on the thread."""
        self._done = self._taken

    @contextlib.contextmanager
    def of_thread(self) -> Iterator[None]:
        """The thread's turn, as soon as the loop's has ended. One that ends in an error was the last of all."""
        waited_s = 0.0
        while not self._lock.acquire(timeout=TELL_S):
            if waited_s < HUNG_S <= waited_s + TELL_S:
                _log.critical("the disk does not answer, and the program waits for it", extra={"seconds": HUNG_S})
            waited_s += TELL_S
            try:
                self._on_held_up()
            except Exception:  # noqa: BLE001 (whoever tells others must not end the journal)
                _log.exception("it could not be told that the disk holds the program up")
        yield
        self._lock.release()  # in no ``finally``: a thread that failed keeps it, for nobody is to write after that

    @contextlib.contextmanager
    def of_loop(self) -> Iterator[bool]:
        """The loop's turn, or False where it may not have one now."""
        if self._put != self._done or self._quick_commits < QUICK_COMMITS_MIN or not self._lock.acquire(blocking=False):
            yield False
            return
        try:
            yield True
        finally:
            self._loop_left_at = time.monotonic()
            self._lock.release()

    def loop_was_here(self, within_s: float) -> bool:
        """Whether the loop has had a turn of late: then the store is not idle, whatever the thread thinks."""
        return time.monotonic() - self._loop_left_at < within_s

    def note_commit(self, seconds: float | None) -> None:
        """A commit that wrote something took so long, or failed (None); in either turn."""
        self._quick_commits = self._quick_commits + 1 if seconds is not None and seconds <= QUICK_S_MAX else 0
