"""The writer: the thread that owns a journal's only connection.

Works come first, in groups (bus/group.py). Between two groups it reads one old page, prunes or copies a few pages of a backup, so that an order
never waits long behind any of them. When nothing has come for a second it checkpoints, and tries a write where the last one had failed. Every second,
busy or not, it writes the high-water file, looks at the size of the log and prunes a little.

An order by itself need not wait for a thread to wake up: where bus/turns.py lets it, the loop runs a few short works itself (``run_here``).

The thread tells its listener everything through the loop, and never waits for it. A broken disk is left as it is: closing the connection would
checkpoint, and that is not for a process that has just been told that its writes are lost.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from bus.backup import back_up
from bus.checkpoint import Checkpointer
from bus.epoch import SCHEMA, JournalState, load_state, read_high_water, write_high_water
from bus.group import SECONDS_MAX, WORKS_MAX, GroupResult, run_group
from bus.jobs import Backup, Failed, Job, Listener, Outcome, Read, Stop, StoreFailed, Work
from bus.retention import Retention
from bus.store import StoreLock, Trouble, classify, migrate, open_connection
from bus.tail import TAIL_EVENTS_MAX
from bus.turns import Turns
from bus.txn import Group
from runtime.clock import Clock
from runtime.program import CannotStart
from runtime.settings import StoreSettings
from trading.errors import ArenaError, Unavailable

IDLE_S = 1.0
PRUNE_PAUSE_S = 0.05  # between two steps when nobody waits
BACKUP_GROUPS_A_STEP = 8  # orders go before pages, but a backup under load must end some day

_log = logging.getLogger(__name__)

OnRollback = Callable[[sqlite3.Connection], None]


class Writer(threading.Thread):
    """Opens the store, does jobs until :class:`Stop`, closes the store."""

    def __init__(
        self,
        database: Path,
        source: str,
        *,
        migrations: Sequence[str],
        clock: Clock,
        settings: StoreSettings,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        on_rollback: OnRollback | None,
        on_held_up: Callable[[], None] = lambda: None,
        tail_events_max: int = TAIL_EVENTS_MAX,
    ) -> None:
        # A daemon: a disk that hangs for ever must not keep a process from ending.
        super().__init__(name=f"journal-{source}", daemon=True)
        self._database = database
        self._source = source
        self._migrations = migrations
        self._clock = clock
        self._settings = settings
        self._listener = listener
        self._loop = loop
        self._on_rollback = on_rollback
        self._tail_events_max = tail_events_max
        self._turns = Turns(on_held_up)
        self._reads: deque[Read | Backup] = deque()
        self._stopping = False
        self._pruning = False
        # Read by the loop, written here; each is one word.
        self.busy_since: float | None = None  # monotonic seconds
        self.degraded: Trouble | None = None
        self.groups = 0
        self.groups_here = 0  # of these run by the loop
        self.works = 0
        self.works_in_group_max = 0
        self.checkpoints = 0
        self.wal_bytes = 0

    def put(self, job: Job) -> None:
        self._turns.put(job)

    def run_here(self, works: Sequence[Work]) -> bool:
        """Run ``works`` as a group on the loop's thread, which calls this, and tell their outcomes in its next turn; False where they must be put."""
        with self._turns.of_loop() as is_ours:
            if not is_ours or self.degraded is not None:
                return False
            waiting = deque(works)
            try:
                while waiting:  # a group that had to run again takes in nobody else
                    result = self._run_group(waiting.popleft(), lambda _: waiting.popleft() if waiting else None)
                    self.groups_here += 1
                    # After what the thread has posted: events are told in the order of seq.
                    self._loop.call_soon(self._listener.on_outcomes, result.outcomes, result.events)
            except BaseException as error:  # noqa: BLE001 (told to the thread, which ends as it does when it meets one)
                self.put(Failed(error))
        return True

    @property
    def waiting(self) -> int:
        """How many jobs have not been looked at."""
        return self._turns.waiting

    def run(self) -> None:
        lock = StoreLock(self._database)
        failure: StoreFailed | None = None
        with contextlib.ExitStack() as opened:
            try:
                lock.acquire()
                opened.callback(lock.release)
                self._connection = open_connection(self._database)
                opened.callback(self._connection.close)
                tail = self._open()
            except BaseException as error:  # noqa: BLE001 (told to the loop, which raises it)
                opened.close()
                self._post(self._listener.on_refused, _refusal(error, self._database))
                return
            self._post(self._listener.on_opened, self._state, tail)
            try:
                while not self._stopping:
                    self._do_next()
                self._tidy()
            except BaseException as error:  # noqa: BLE001 (told to the loop, which ends the process)
                failure = _failure(error)
            if failure is not None and failure.trouble is Trouble.DISK:
                self._post(self._listener.on_closed, failure)
                while True:  # until the process ends, which is at once; a daemon thread does not hold it up
                    time.sleep(IDLE_S)
        self._post(self._listener.on_closed, failure)

    def _open(self) -> list[bytes]:
        connection = self._connection
        migrate(connection, self._database, SCHEMA, self._migrations)
        self._state: JournalState = load_state(connection, self._database, self._source, self._clock)
        self._group = Group(connection, self._state, self._clock)
        self._checkpointer = Checkpointer(connection, self._database)
        self._retention = Retention(connection, self._state, self._settings, self._clock)
        self._high_water = read_high_water(self._database)
        self._each_second()  # a process that crashes within its first second, again and again, must leave its mark too
        query = "SELECT body FROM events WHERE epoch_n = ? AND seq > ? ORDER BY seq"
        return [body for (body,) in connection.execute(query, (self._state.epoch_n, self._state.last_seq - self._tail_events_max))]

    def _do_next(self) -> None:
        """Wait for a job and do it, then one of the reads; or, when no job comes, what is done at leisure."""
        job: Job | None = None
        with contextlib.suppress(queue.Empty):
            job = self._turns.take(wait_s=0 if self._reads else PRUNE_PAUSE_S if self._pruning else IDLE_S)
        with self._turns.of_thread():
            if job is None and self._turns.waiting:
                return  # first of all what has been put meanwhile: the loop's turn may have failed, and then nobody is to write
            if job is not None:
                self._dispatch(job)
            elif not self._reads and not self._turns.loop_was_here(IDLE_S):
                self._at_leisure()
            if self._reads:
                self._look(self._reads.popleft())
            if time.monotonic() - self._looked_at >= IDLE_S:
                self._each_second()
            if not self._reads and not self._stopping:
                self._turns.done()

    def _dispatch(self, job: Job) -> None:
        if isinstance(job, Work):
            started = time.monotonic()
            result = self._run_group(job, lambda count: self._next_work(count, started))
            self._post(self._listener.on_outcomes, result.outcomes, result.events)
            if self._checkpointer.is_due:
                self._tolerating(self._checkpoint)
        elif isinstance(job, Stop):
            self._stopping = True
        elif isinstance(job, Failed):
            raise job.error
        else:
            self._reads.append(job)

    def _run_group(self, first: Work, more: Callable[[int], Work | None]) -> GroupResult:
        self.busy_since = time.monotonic()
        changes = self._connection.total_changes
        try:
            result = run_group(self._group, first, more, self._reload)
        finally:
            self.busy_since = None
        self.groups += 1
        self.works += len(result.outcomes)
        self.works_in_group_max = max(self.works_in_group_max, len(result.outcomes))
        if result.trouble is not None or self._connection.total_changes != changes:
            self._set_degraded(result.trouble)
            self._turns.note_commit(self._group.commit_s if result.trouble is None else None)
        return result

    def _next_work(self, count: int, started: float) -> Work | None:
        while count < WORKS_MAX and time.monotonic() - started < SECONDS_MAX:
            try:
                job = self._turns.take()
            except queue.Empty:
                return None
            if isinstance(job, Work):
                return job
            self._dispatch(job)
            if self._stopping:
                return None
        return None

    def _reload(self) -> None:
        if self._on_rollback is not None:
            self._on_rollback(self._connection)

    def _look(self, job: Read | Backup) -> None:
        """Do a read or a backup. What goes wrong in it is its caller's, unless the disk is broken."""
        outcome: Outcome = (job.future, None, None)
        try:
            if job.future.cancelled():
                pass  # its caller is gone, and hears no more
            elif isinstance(job, Backup):
                back_up(self._connection, job.target, self._between_pages)
            else:
                self.busy_since = time.monotonic()
                outcome = (job.future, None, job.do(self._connection))
        except StoreFailed:
            raise
        except Exception as error:
            if classify(error) is Trouble.DISK:
                raise
            outcome = (job.future, error, None)
        finally:
            self.busy_since = None
        self._post(self._listener.on_outcomes, [outcome], [])

    def _between_pages(self) -> None:
        """Serve who waits while a backup runs. An error here is the journal's, not the backup's."""
        try:
            for _ in range(BACKUP_GROUPS_A_STEP):
                # Looked at first: the stop may have come in before the backup began.
                if self._stopping:
                    raise Unavailable("the backup was given up because the program stops", code="STOPPING")
                self._dispatch(self._turns.take())
        except queue.Empty:
            return
        except ArenaError:
            raise
        except Exception as error:
            raise _failure(error) from error

    def _at_leisure(self) -> None:
        if self._checkpointer.has_work:
            self._tolerating(self._checkpoint)
        if self._pruning:
            self._pruning = self._tolerating(self._prune)

    def _each_second(self) -> None:
        self._looked_at = time.monotonic()
        if self.degraded is not None:
            self._tolerating(self._try_a_write)  # not only at leisure: quotes and orders that are refused may leave none
        mark = self._group.high_water
        if mark != self._high_water:
            try:
                write_high_water(self._database, mark)
                self._high_water = mark
            except OSError as error:  # a full disk: the file is then older than it might be, and proves less
                _log.warning("the high-water file cannot be written", extra={"reason": str(error)})
        if self._checkpointer.is_due:  # also while all orders are run by the loop
            self._tolerating(self._checkpoint)
        self._checkpointer.measure()
        self.wal_bytes = self._checkpointer.wal_bytes
        self._pruning = self._tolerating(self._prune)

    def _checkpoint(self) -> bool:
        self._checkpointer.run()
        self.checkpoints += 1
        return True

    def _prune(self) -> bool:
        if not self._retention.step():
            return False
        self._post(self._listener.on_floor, self._state.first_seq)
        return True

    def _try_a_write(self) -> bool:
        self._connection.execute("UPDATE epochs SET last_seq = last_seq WHERE n = ?", (self._state.epoch_n,))
        self._set_degraded(None)
        return True

    def _tolerating(self, step: Callable[[], bool]) -> bool:
        """Run a step that may find the disk full or locked; False then."""
        try:
            return step()
        except sqlite3.Error as error:
            trouble = classify(error)
            if trouble not in {Trouble.FULL, Trouble.BUSY}:
                raise
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._set_degraded(trouble)
            return False

    def _set_degraded(self, trouble: Trouble | None) -> None:
        if trouble is not self.degraded:
            _log.log(
                logging.ERROR if trouble else logging.INFO,
                "the store is degraded" if trouble else "the store is well again",
                extra={"reason": trouble},
            )
        self.degraded = trouble

    def _tidy(self) -> None:
        """What a clean stop leaves: a log copied into the database, and a high-water file that says so."""
        self._tolerating(self._checkpoint)
        self._each_second()

    def _post(self, tell: Callable[..., None], *values: object) -> None:
        # A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell, *values)


def _refusal(error: BaseException, database: Path) -> BaseException:
    """Trouble with the disk is a sentence for a person; anything else stays what it is."""
    if classify(error) is Trouble.BUG and not isinstance(error, OSError):
        return error
    refusal = CannotStart(f"cannot use {database}: {error}; is there room, and is the disk well?")
    refusal.__cause__ = error
    return refusal


def _failure(error: BaseException) -> StoreFailed:
    if isinstance(error, StoreFailed):
        return error
    failure = StoreFailed(Trouble.DISK if classify(error) is Trouble.DISK else Trouble.BUG)
    failure.__cause__ = error
    return failure
