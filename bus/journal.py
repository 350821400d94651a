"""The journal: where a source commits its state and its events in one transaction, before anybody is told.

    async with await Journal.open(path, "oanda", migrations=TABLES, clock=clock, settings=settings.store, on_events=publish) as journal:
        order_id = await journal.run(lambda txn: place(txn, order))

``run`` hands a *work* to the writer thread, which runs it in a transaction with whatever else waits, syncs, and only then answers: what was told "ok"
survives a power cut. State that belongs to the store (an order book, an engine) is touched only inside works, so that what it says and what is
written never part. A work must be repeatable, see bus/group.py; a short one may run on the loop's own thread, see bus/turns.py.

The loop's side keeps the newest events in memory for replay; ``on_events`` gets each group's events in seq order, after the commit and before anybody
is answered.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

from bus.envelope import Event
from bus.epoch import JournalState
from bus.in_flight import InFlight
from bus.jobs import Backup, Future, Outcome, Read, Share, Stop, StoreFailed, Together, Work
from bus.store import Trouble, free_bytes
from bus.tail import PAGE_EVENTS_MAX, TAIL_EVENTS_MAX, Page, Tail, page_of, start_of_page
from bus.txn import Txn
from bus.writer import OnRollback, Writer
from runtime.clock import Clock
from runtime.program import EXIT_STORE_FAILED, CannotStart
from runtime.settings import StoreSettings
from trading.errors import OutcomeUnknown, Unavailable

OPEN_S_MAX = 120.0  # migrations and the check of a quarter of a gigabyte
WORK_S_MAX = 30.0  # a sync that takes longer has hung: its callers get OutcomeUnknown, and look it up
CLOSE_S_MAX = 10.0

T = TypeVar("T")
OnEvents = Callable[[list[Event]], None]

_log = logging.getLogger(__name__)


def end_process(error: StoreFailed) -> NoReturn:
    """End the program through the loop: 70 when the disk has failed, 1 on a bug. supervisord starts a clean one, which recovers."""
    _log.critical("the journal has stopped", exc_info=error)
    raise SystemExit(EXIT_STORE_FAILED if error.trouble is Trouble.DISK else 1)


class Journal:
    """The loop's side of one source's journal. Made by :meth:`open`; every method belongs to the loop it was opened on."""

    def __init__(
        self, path: Path, source: str, settings: StoreSettings, on_events: OnEvents | None, on_failure: Callable[[StoreFailed], None]
    ) -> None:
        self.source = source
        self._path = path
        self._free_bytes_min = settings.free_mb_min * 1024 * 1024
        self._on_events: OnEvents = on_events or (lambda _: None)
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._opened: Future = self._loop.create_future()
        self._closed: Future = self._loop.create_future()
        self._stopping = False
        self._epoch = ""
        self._instance_id = ""
        self._first_seq = 1
        self._reset: Event | None = None
        self._tail = Tail([], last_seq=0)
        self._tail_events_max = TAIL_EVENTS_MAX
        self._work_s_max = WORK_S_MAX
        self._writer: Writer
        self._in_flight: InFlight
        self._watch: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls,
        path: Path,
        source: str,
        *,
        migrations: Sequence[str],
        clock: Clock,
        settings: StoreSettings,
        on_events: OnEvents | None = None,
        on_rollback: OnRollback | None = None,
        on_failure: Callable[[StoreFailed], None] = end_process,
        on_held_up: Callable[[], None] = lambda: None,
        tail_events_max: int = TAIL_EVENTS_MAX,
        work_s_max: float = WORK_S_MAX,
    ) -> Self:
        """Take the lock, open or make the database at ``path``, bring its tables up to date, and settle the epoch.

        Args:
            migrations: the owner's tables (STRICT), one script a version; never edited once released.
            on_events: gets what was committed, on the loop, in seq order. A ``source_reset`` written by this start comes right after ``open``.
            on_rollback: reloads the owner's memory from the store after a group was taken back; on the writer thread.
            on_failure: what to do when the journal can't go on; ends the process when absent.
            on_held_up: called once a second while the disk holds up a short work, and with it the loop, for a second or longer; on the writer thread.
            tail_events_max: how many of the newest events are kept in memory.
            work_s_max: how long a group may run and sync before its callers are told OutcomeUnknown.
        Raises:
            CannotStart: held by another process, damaged, newer than this program, or on a filesystem that loses commits.
        """
        journal = cls(path, source, settings, on_events, on_failure)
        journal._tail_events_max, journal._work_s_max = tail_events_max, work_s_max
        journal._writer = Writer(
            path,
            source,
            migrations=migrations,
            clock=clock,
            settings=settings,
            listener=journal,
            loop=journal._loop,
            on_rollback=on_rollback,
            on_held_up=on_held_up,
            tail_events_max=tail_events_max,
        )
        journal._in_flight = InFlight(journal._loop, journal._writer.put, journal._writer.run_here)
        journal._writer.start()
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                await journal._opened
        except TimeoutError:
            journal._stop_writer()
            raise CannotStart(f"{path} could not be opened within {OPEN_S_MAX:.0f} s: is the disk well?") from None
        except BaseException:
            journal._stop_writer()
            raise
        if journal._reset is not None:
            journal._loop.call_soon(journal._hand_out, [journal._reset])
        journal._watch_writer()
        return journal

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.close()

    @property
    def epoch(self) -> str:
        """16 hex; the same for as long as this object lives."""
        return self._epoch

    @property
    def instance_id(self) -> str:
        """16 hex, made with the database and kept for ever: part of what an order is called at a venue. Not the ``instance`` of a heartbeat."""
        return self._instance_id

    @property
    def first_seq(self) -> int:
        """The oldest seq that is still kept."""
        return self._first_seq

    @property
    def last_seq(self) -> int:
        """The newest seq that has been committed and handed to ``on_events``."""
        return self._tail.last_seq

    @property
    def degraded(self) -> str | None:
        """Why writes fail at present: ``full``, ``busy``, ``stalled``, or None when they do not."""
        if self._is_stalled():
            return "stalled"
        trouble = self._writer.degraded
        return trouble.value if trouble else None

    def store_is_low(self) -> bool:
        """Whether new orders must be refused (503 ``STORE_LOW``) before their intent: their outcome might not fit any more. From any thread."""
        return self._writer.degraded is Trouble.FULL or free_bytes(self._path.parent) < self._free_bytes_min

    def metrics(self) -> dict[str, int]:
        """For a heartbeat: flat, and numbers only."""
        writer = self._writer
        return {
            "journal_groups": writer.groups,
            "journal_groups_here": writer.groups_here,
            "journal_works": writer.works,
            "journal_group_works_max": writer.works_in_group_max,
            "journal_waiting": writer.waiting,
            "journal_wal_bytes": writer.wal_bytes,
            "journal_checkpoints": writer.checkpoints,
            "journal_degraded": int(self.degraded is not None),
        }

    def submit(self, work: Callable[[Txn], T]) -> "asyncio.Future[T]":
        """Queue ``work`` and return at once; the future holds what :meth:`run` would return or raise.

        Raises:
            Unavailable: the journal is closed, or 4,096 jobs are waiting already. Nothing was queued.
        """
        return self._put(Work, work)

    async def run(self, work: Callable[[Txn], T]) -> T:
        """Run ``work`` on the writer thread in a transaction, and return its result once that is committed and synced.

        Raises:
            ArenaError: what ``work`` raised; nothing that it wrote has stayed.
            Unavailable: nothing was done: the disk is full (``STORE_LOW``), the file locked (``STORE_BUSY``), or the journal is closed or overrun.
            OutcomeUnknown: it may have been committed: the disk failed or hangs.
        """
        result: T = await self._put(Work, work)
        return result

    def submit_each(self, works: Sequence[Callable[[Txn], T]], *, short: bool = False) -> "asyncio.Future[list[T | Exception]]":
        """Queue ``works`` in order and return at once; the future holds what each came to: its result, or the error that :meth:`run` would raise.

        One future and one wake-up for all of them: for who has many at once.

        Args:
            short: each takes well under a millisecond, so a few of them may run on the loop's own thread while that costs nobody anything
                (bus/turns.py).
        Raises:
            Unavailable: as for :meth:`submit`; none of them was queued.
        """
        self._refuse_unless_room(len(works))
        together = Together(self._loop.create_future(), len(works))
        for place, work in enumerate(works):
            self._in_flight.send(Work(work, Share(together, place), is_short=short))
        return together.future

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` on the writer thread between two groups, outside any transaction; for lists and reports, after the orders.

        It must not write, and take at most some 50 ms: read in pages. It raises what ``query`` raises.
        """
        result: T = await self._put(Read, query)
        return result

    async def events_since(self, epoch: str | None, after: int, limit: int = PAGE_EVENTS_MAX) -> Page:
        """A page of events after ``after``: from memory if it can be, else from the disk.

        Args:
            epoch: the reader's; None is the current one. Another one gets no events: the reader must reset.
            after: the last seq that the reader has; negative: the last so many. Below the floor the page begins at ``first_seq``.
            limit: at most 500; a page also ends at 1 MiB.
        """
        limit = max(1, min(limit, PAGE_EVENTS_MAX))
        start = start_of_page(epoch, after, current=self._epoch, first_seq=self._first_seq, last_seq=self.last_seq)
        events: list[bytes] = []
        first_seq = self._first_seq
        if start is not None:
            kept = self._tail.after(start, limit)
            if kept is None:
                found = await self.read(partial(_read_page, after=start, limit=limit))
                kept = page_of([body for _, body in found])
                # Old events may have gone since these were read. They are counted from the floor that was there then.
                first_seq = min([self._first_seq, *(seq for seq, _ in found[:1])])
            events = kept
        return Page(epoch=self._epoch, first_seq=first_seq, last_seq=self.last_seq, events=events)

    async def backup(self, target: Path) -> None:
        """Copy the database to ``target`` while orders go on.

        Raises:
            Unavailable: ``target`` exists or cannot be written (``BACKUP_FAILED``).
        """
        self._refuse_when_stopping()
        backup = Backup(target, self._loop.create_future())
        self._in_flight.send(backup)
        await backup.future

    async def close(self) -> None:
        """Finish what is queued, checkpoint, close the store, release the lock. Twice is once. Waits at most 10 s."""
        self._stop_writer()
        if not self._closed.done():
            await asyncio.wait([self._closed], timeout=CLOSE_S_MAX)
        if self._closed.done():
            self._in_flight.fail(lambda: Unavailable("the journal is closed", code="STOPPING"))
        else:  # the writer still hangs in a sync: what it holds may yet be committed
            self._in_flight.fail(lambda: OutcomeUnknown("the disk does not answer; look the request up, do not send it again", code="STORE_STALLED"))

    def _stop_writer(self) -> None:
        if not self._stopping:
            self._stopping = True
            self._in_flight.hand_over()
            self._writer.put(Stop())
        if self._watch is not None:
            self._watch.cancel()

    def _put(self, kind: type[Work] | type[Read], do: Callable[..., Any]) -> Future:
        self._refuse_unless_room(1)
        future = self._loop.create_future()
        self._in_flight.send(kind(do, future))
        return future

    def _refuse_unless_room(self, jobs: int) -> None:
        self._refuse_when_stopping()
        self._in_flight.refuse_unless_room(jobs)

    def _refuse_when_stopping(self) -> None:
        if self._stopping or self._closed.done():
            raise Unavailable("the journal is closed: try again when the program is up again", code="STOPPING")

    def _is_stalled(self) -> bool:
        since = self._writer.busy_since
        return since is not None and time.monotonic() - since > self._work_s_max

    def _watch_writer(self) -> None:
        """Each second: a writer that hangs in a sync must not keep its callers for ever."""
        if self._is_stalled():
            self._in_flight.fail(lambda: OutcomeUnknown("the disk does not answer; look the request up, do not send it again", code="STORE_STALLED"))
        self._watch = self._loop.call_later(1.0, self._watch_writer)

    def on_opened(self, state: JournalState, tail: list[bytes]) -> None:
        self._epoch, self._instance_id = state.epoch, state.instance_id
        self._first_seq = state.first_seq
        self._tail = Tail(tail, state.last_seq, self._tail_events_max)
        self._reset = state.reset
        if not self._opened.done():
            self._opened.set_result(None)

    def on_refused(self, error: BaseException) -> None:
        self._closed.set_result(None)
        if not self._opened.done():
            self._opened.set_exception(error)

    def on_outcomes(self, outcomes: Sequence[Outcome], events: Sequence[Event]) -> None:
        if events:
            self._tail.extend(events)
            self._hand_out(list(events))
        self._in_flight.tell(outcomes)

    def _hand_out(self, events: list[Event]) -> None:
        try:
            self._on_events(events)
        except Exception as error:  # noqa: BLE001 (a publisher that cannot publish is a bug, and its events are in the journal)
            failure = StoreFailed(Trouble.BUG)
            failure.__cause__ = error
            self._on_failure(failure)

    def on_floor(self, first_seq: int) -> None:
        self._first_seq = first_seq

    def on_closed(self, error: StoreFailed | None) -> None:
        self._closed.set_result(None)
        if error is not None:
            self._stopping = True
            self._in_flight.fail(lambda: OutcomeUnknown("the store has failed; look the request up, do not send it again", code="STORE_FAILED"))
            self._on_failure(error)


def _read_page(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, bytes]]:
    query = "SELECT seq, body FROM events WHERE epoch_n = (SELECT max(n) FROM epochs) AND seq > ? ORDER BY seq LIMIT ?"
    return connection.execute(query, (after, limit)).fetchall()
