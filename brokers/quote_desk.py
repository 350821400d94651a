"""The event loop's half of quotes: which of them go to the writer thread, and in what state each instrument's feed is.

A thousand quotes a second on which nothing happens must cost no commit, so a quote becomes a work only when the Broker wants it, or when there is
something to say about its feed. Works that wait are bounded: beyond ``WAITING_MAX`` the newest quote of each instrument is kept and the others are
dropped and counted, which can only happen while the disk hangs.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial

from brokers.base import Mark
from brokers.desk import Desk
from brokers.feed_watch import FeedWatch, Recovered, WentStale
from brokers.quote_intake import Received
from brokers.steady_clock import SteadyClock
from bus.journal import Journal
from bus.txn import Txn
from trading import events
from trading.errors import ArenaError
from trading.events import EventDraft

WAITING_MAX = 256

_NS_PER_MS = 1_000_000

_log = logging.getLogger(__name__)


class QuoteDesk:
    """Takes every quote of the venue, on the loop.

    Args:
        blind_since_ns: when this account last looked at the market before it started, for the instruments in ``blind``: those with open orders. The
            first fresh quote of each is announced by ``reconciled``, and decides.
    """

    def __init__(self, journal: Journal, desk: Desk, watch: FeedWatch, steady: SteadyClock, *, blind: Iterable[str], blind_since_ns: int) -> None:
        self._journal = journal
        self._desk = desk
        self._watch = watch
        self._steady = steady
        self._blind = set(blind)
        self._blind_since_ns = blind_since_ns
        self._untold: dict[str, Recovered] = {}
        self._waiting = 0
        self._latest: dict[str, Received] = {}  # of instruments whose quotes had to be dropped
        self.dropped = 0
        self.decided = 0

    @property
    def feed(self) -> str | None:
        return self._watch.feed

    @property
    def waiting(self) -> int:
        """How many decisions are on their way to the store."""
        return self._waiting

    def marks(self) -> dict[str, Mark]:
        """The newest quote of each instrument, to value the account by. From either thread."""
        boot_ns = self._steady.boot_ns()
        return {
            received.quote.instrument: Mark(
                quote=received.quote, age_ns=boot_ns - received.sent_boot_ns, is_fresh=self._watch.is_fresh(received, boot_ns)
            )
            for received in self._watch.all_standing()
        }

    def take(self, received: Received) -> None:
        """A quote has come in."""
        quote, boot_ns = received.quote, self._steady.boot_ns()
        name = quote.instrument
        if name not in self._desk.instruments:
            return
        recovered = self._watch.take(received, boot_ns)
        if recovered is not None:
            self._untold[name] = recovered
        if self._watch.standing(name) is not received or not self._watch.is_fresh(received, boot_ns):
            return  # one that a newer one has overtaken is not what the market asks any more, however young it is
        if name in self._untold or name in self._blind or self._desk.broker.wants(quote):
            self._decide(received)

    async def match(self, instruments: Iterable[str]) -> None:
        """Let the standing quotes of ``instruments`` decide, after an order came in or was changed; returns when they have."""
        boot_ns = self._steady.boot_ns()
        works = []
        for name in dict.fromkeys(instruments):
            received = self._watch.standing(name)
            if received is not None and self._watch.is_fresh(received, boot_ns) and self._desk.broker.wants(received.quote):
                work = self._decide(received)
                if work is not None:
                    works.append(work)
        if works:
            await asyncio.wait(works)

    def match_later(self, instrument: str) -> None:
        """The same for one instrument, without waiting."""
        received = self._watch.standing(instrument)
        if received is not None and self._watch.is_fresh(received, self._steady.boot_ns()) and self._desk.broker.wants(received.quote):
            self._decide(received)

    def tick(self) -> None:
        """Tell of the feeds that went silent."""
        silent: dict[str, list[WentStale]] = {}
        for stale in self._watch.tick(self._steady.boot_ns()):
            silent.setdefault(stale.feed, []).append(stale)
        for feed, gone in silent.items():
            self._journal_later(partial(_feed_stale, feed, gone))

    def _decide(self, received: Received) -> "asyncio.Future[None] | None":
        name = received.quote.instrument
        if self._waiting >= WAITING_MAX:
            self.dropped += name in self._latest
            self._latest[name] = received
            return None
        self._latest.pop(name, None)  # an older one that still waits for its turn must not decide after this one
        recovered, is_first_look = self._untold.get(name), name in self._blind
        marks = self.marks()

        def work(txn: Txn) -> None:
            now_ns = self._steady.now_ns()
            if recovered is not None:
                self._desk.append(txn, _feed_recovered(recovered, now_ns))
            if is_first_look:
                self._desk.append(txn, self._reconciled(name, now_ns))
            self._desk.broker.mark(mark for mark in marks.values() if mark.quote.instrument != name)
            self._desk.broker.on_quote(received.quote, now_ns=now_ns, fresh=self._watch.is_fresh(received, self._steady.boot_ns()))
            self._desk.record(txn)

        def done(future: "asyncio.Future[None]") -> None:
            self._waiting -= 1
            if future.cancelled() or future.exception() is not None:  # what should have been said will be said by the next quote
                if recovered is not None:
                    self._untold.setdefault(name, recovered)
                if is_first_look:
                    self._blind.add(name)
            if self._latest and self._waiting < WAITING_MAX // 2:
                self._decide(self._latest.popitem()[1])

        future = self._submit(work)
        if future is not None:
            self._untold.pop(name, None)
            self._blind.discard(name)
            self._waiting += 1
            self.decided += 1
            future.add_done_callback(done)
        return future

    def _journal_later(self, draft: Callable[[int], EventDraft]) -> None:
        def work(txn: Txn) -> None:
            self._desk.append(txn, draft(self._steady.now_ns()))

        self._submit(work)

    def _submit(self, work: Callable[[Txn], None]) -> "asyncio.Future[None] | None":
        try:
            future = self._journal.submit(work)
        except ArenaError as error:  # the store is overrun or closed; the next quote comes
            self.dropped += 1
            _log.warning("a quote could not be acted on", extra={"reason": error.message})
            return None
        future.add_done_callback(self._complain)
        return future

    def _complain(self, future: "asyncio.Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, ArenaError):
            self.dropped += 1
            _log.warning("a quote could not be acted on", extra={"reason": error.message})

    def _reconciled(self, instrument: str, now_ns: int) -> EventDraft:
        orders = sum(1 for bracket in self._desk.broker.open_brackets() if bracket.instrument == instrument)
        blind_s = events.seconds(max(0, now_ns - self._blind_since_ns))
        return events.reconciled(instrument=instrument, blind_s=blind_s, orders=orders, ts_ns=now_ns)


def _feed_stale(feed: str, gone: list[WentStale], now_ns: int) -> EventDraft:
    age_ms = max(stale.age_ns for stale in gone) // _NS_PER_MS
    return events.feed_stale(instruments=sorted(stale.instrument for stale in gone), reason="stale", feed=feed, ts_ns=now_ns, age_ms=age_ms)


def _feed_recovered(recovered: Recovered, now_ns: int) -> EventDraft:
    silent_s = Decimal(recovered.silent_ns // _NS_PER_MS).scaleb(-3)
    return events.feed_recovered(instruments=[recovered.instrument], feed=recovered.feed, ts_ns=now_ns, silent_s=silent_s)
