"""What the operations of one adapter share: the desk, its journal, its quotes, its clocks, and the two ways to the writer thread."""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from brokers.changing import Changed
from brokers.desk import Desk
from brokers.quote_desk import QuoteDesk
from brokers.steady_clock import SteadyClock
from brokers.venue_calls import VenueCalls
from bus.deadline import NS_PER_MS, Deadline, is_late, refuse_if_late
from bus.journal import Journal
from bus.txn import Txn
from runtime.clock import NS_PER_S, Clock

Answer = dict[str, object]
ResultT = TypeVar("ResultT")

# How long a change waits for the venue when its request sets no shorter time.
VENUE_S_MAX = 10.0
_VENUE_NS_MAX = round(VENUE_S_MAX * NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything here belongs to the event loop, except what works and queries touch on the writer thread: the desk and its Broker."""

    desk: Desk
    journal: Journal
    quotes: QuoteDesk
    calls: VenueCalls
    clock: Clock
    steady: SteadyClock
    kernel_boot_id: str
    store_is_low: Callable[[], bool]

    async def look(self, query: Callable[[sqlite3.Connection], object]) -> Answer:
        """Answer with what ``query`` finds, between two groups of orders."""
        return self.answer(await self.journal.read(query))

    async def write(self, deadline: Deadline | None, work: Callable[[Txn, int], ResultT]) -> ResultT:
        """The result of ``work(txn, now_ns)`` once it is committed.

        Raises:
            DeadlinePassed: it is too late by the time the writer thread gets to it; nothing was done.
        """

        def checked(txn: Txn) -> ResultT:
            if deadline is not None:
                refuse_if_late(deadline, self.clock, self.kernel_boot_id)
            return work(txn, self.steady.now_ns())

        return await self.journal.run(checked)

    async def finish(self, changed: Changed, deadline: Deadline | None, instruments: Iterable[str]) -> None:
        """Ask the venue what a change still needs and let the market have its say, before the change is shown."""
        await self.calls.finish(changed.calls, self.seconds_left(deadline))
        await self.quotes.match(instruments)

    def is_late(self, deadline: Deadline | None) -> bool:
        return deadline is not None and is_late(deadline, self.clock, self.kernel_boot_id)

    def seconds_left(self, deadline: Deadline | None) -> float:
        """How long its caller still waits, as far as that is known."""
        return VENUE_S_MAX if deadline is None else self._left_ns(deadline) / NS_PER_S

    def deadline_ns(self, deadline: Deadline | None) -> int | None:
        """From when on nothing may be sent any more that a request wants, in the time that works are handed."""
        return None if deadline is None else self.steady.now_ns() + self._left_ns(deadline)

    def _left_ns(self, deadline: Deadline) -> int:
        if deadline.boot_id == self.kernel_boot_id and deadline.sent_boottime_ns is not None:
            left_ns = deadline.sent_boottime_ns + deadline.ttl_ms * NS_PER_MS - self.clock.boot_ns()
        else:
            left_ns = deadline.sent_wall_ns + deadline.ttl_ms * NS_PER_MS - self.clock.wall_ns()
        return min(max(left_ns, 0), _VENUE_NS_MAX)

    def answer(self, result: object) -> Answer:
        return {"result": result, "last_event": self.last_event}

    @property
    def last_event(self) -> dict[str, object]:
        """Where the journal stands: what a reader must have seen to know what an answer tells."""
        return {"epoch": self.journal.epoch, "seq": self.journal.last_seq}
