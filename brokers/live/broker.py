"""A live account as a ``Broker``: the same at every venue, over a ``Venue`` that speaks for one.

Commands and facts change the book on the writer thread; what must be asked of the venue comes back as calls, one at a time for each bracket
(``brokers.live.jobs``). The account's own task (``brokers.live.listening``) brings in what the venue says by itself, compares the whole account with
it, and starts what has become due. So whatever happens to this process, the book holds what was intended before it was sent, and the venue is asked
about everything that was not answered.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from brokers.base import Mark, Progress, Snapshot, VenueCall, VenuePort
from brokers.live.account import MODE, LiveAccount
from brokers.live.after_fill import AfterFill
from brokers.live.commands import Commands
from brokers.live.comparing import Comparing
from brokers.live.held import HeldExits
from brokers.live.jobs import Jobs
from brokers.live.listening import Listening
from brokers.live.venue import Batch, Target, Venue, VenueInfo, VenueSnapshot
from brokers.paper import views
from runtime.clock import Clock
from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket
from trading.changes import Changes
from trading.errors import StateConflict, Unavailable
from trading.events import seconds
from trading.instruments import Instruments, Side
from trading.orders import BracketOrder, CloseReason
from trading.quotes import Quote
from trading.risk import Exposure


class LiveBroker:
    """One account at ``venue``; see ``brokers.base.Broker`` and ``brokers.protection_watch.Protector``.

    Args:
        dice: makes the pauses before a stream is opened again uneven; a test that tells the same story twice gives its own.
    """

    mode = MODE

    def __init__(self, venue: Venue, *, instruments: Instruments, clock: Clock, dice: random.Random | None = None) -> None:
        self._venue = venue
        self._clock = clock
        self._account = LiveAccount(venue=venue.name, instruments=instruments, releases=venue.policy.releases)
        self._jobs = Jobs(self._account, venue, clock)
        self._commands = Commands(self._account, self._jobs, clock)
        self._comparing = Comparing(self._account, self._jobs)
        self._held = HeldExits(self._account)
        self._after_fill = AfterFill(self._account)
        self._listening = Listening(self, venue, clock, dice or random.Random())
        self.account_id = venue.account_id
        self.protection = venue.protection
        # Written here, read on the event loop; each is one word.
        self.is_reconciled = False
        self.must_compare = False
        self.makes_exits = False
        self.next_due_ns: int | None = None
        self._watched: frozenset[str] = frozenset()
        self._open_count = 0
        self._position_count = 0
        self._now_ns = 0

    # ── Broker: commands ──

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int, deadline_ns: int | None = None) -> Progress:
        return self._commands.place(order, placed_by=placed_by, now_ns=now_ns, deadline_ns=deadline_ns)

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Progress:
        if not self.is_reconciled:
            raise Unavailable("the account is being compared with the venue; try again shortly", code="STREAM_RECONCILING")
        return self._commands.modify(order_id, changes, now_ns=now_ns)

    def cancel(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        return self._commands.cancel(order_id, reason=reason, now_ns=now_ns)

    def close(
        self, instrument: str, *, side: Side | None, units: Decimal | None, percent: Decimal | None, placed_by: str | None, reason: str, now_ns: int
    ) -> Progress:
        return self._commands.close(
            instrument, side=side, units=units, percent=percent, placed_by=placed_by, reason=CloseReason(reason), now_ns=now_ns
        )

    def protect(self, order_id: str, *, now_ns: int) -> Progress:
        return self._commands.protect(order_id, now_ns=now_ns)

    def close_bracket(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        return self._commands.close_bracket(order_id, reason=CloseReason(reason), now_ns=now_ns)

    def close_what_fills(self) -> None:
        """See ``brokers.changing.Flattens``."""
        self._commands.close_what_fills()

    # ── Broker: store ──

    def restore(self, snapshot: Snapshot, now_ns: int) -> None:
        self._now_ns = now_ns
        self._jobs.take_back()
        self._account.restore(snapshot, now_ns, self._jobs.in_flight)
        self._jobs.restart()
        self._held.restart()
        self._after_fill.restart()
        self._publish()

    def drain(self) -> Changes:
        changes = self._account.drain()
        for bracket in changes.brackets:
            self._jobs.note(bracket.n)
            self._held.note(bracket)
            self._after_fill.note(bracket)
        self._publish()
        return changes

    def _publish(self) -> None:
        """Put in place what the event loop reads."""
        state = self._account.state
        self.next_due_ns = self._jobs.replan(self._now_ns) if self._account.is_open else None
        self.must_compare = self._account.book.must_compare
        self.makes_exits = bool(self._after_fill)
        self._watched = self._held.watched
        self._open_count = len(state.brackets)
        self._position_count = sum(share.open_trades for share in state.books.shares.values())

    # ── Broker: the market ──

    @property
    def next_expiry_ns(self) -> int | None:
        """None: the venue ends what is good till a date, and this broker's own task what the venue cannot."""
        return None

    def on_time(self, now_ns: int) -> None:
        """Nothing: see ``next_expiry_ns``."""

    def shift_expiries(self, step_ns: int) -> None:
        """See ``brokers.base.Broker``. A date that the venue was given stays: it is by the venue's clock, which was not stepped."""
        self._now_ns += step_ns
        self._jobs.shift(step_ns)
        self._held.shift(step_ns)

    def wants(self, quote: Quote) -> bool:
        return quote.instrument in self._watched

    def on_quote(self, quote: Quote, *, now_ns: int, fresh: bool) -> None:
        self._now_ns = now_ns
        if quote.instrument not in self._account.state.instruments:
            return
        standing = self._account.state.market.note(quote, fresh=fresh)
        for n in self._held.on_quote(standing, now_ns):
            self._jobs.note(n)

    def mark(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            if mark.quote.instrument in self._account.state.instruments:
                self._account.state.market.note(mark.quote, fresh=mark.is_fresh)

    # ── Broker: looking ──

    @property
    def open_count(self) -> int:
        return self._open_count

    @property
    def position_count(self) -> int:
        return self._position_count

    def bracket(self, order_id: str) -> Bracket | None:
        return self._account.state.get(order_id)

    def open_brackets(self) -> Sequence[Bracket]:
        brackets = self._account.state.brackets
        return [brackets[n] for n in sorted(brackets)]

    def positions(self) -> Sequence[Position]:
        return views.positions(self._account.state)

    def account(self, now_ns: int) -> Account:
        return self._account.view(now_ns)

    def exposure(self, instrument: str) -> Exposure:
        return self._account.exposure(instrument)

    def preview(self, order: BracketOrder) -> Preview:
        return views.preview(self._account.state, order)

    def reset(self, reset_by: str, now_ns: int) -> None:
        raise StateConflict("this account is real: there is nothing to reset", code="NOT_PAPER", details={"reset_by": reset_by, "now_ns": now_ns})

    def adopt_feed(self, feed: str, now_ns: int) -> None:
        raise StateConflict("this account is real", code="NOT_PAPER", details={"feed": feed, "now_ns": now_ns})

    async def run(self, port: VenuePort) -> None:
        await self._listening.run(port)

    # ── what the account's own task brings in; each on the writer thread ──

    def ended(self) -> Sequence[str]:
        """What brackets that have ended are called at the venue."""
        return self._account.book.ended()

    def refusal_of(self, info: VenueInfo) -> str:
        """Why the account that was opened must not be traded here, empty where it may."""
        return self._account.refusal_of(info)

    def opened(self, info: VenueInfo, now_ns: int) -> Sequence[VenueCall]:
        """The venue answers: its precision and its money are in force."""
        self._now_ns = now_ns
        self._account.opened(info, now_ns)
        self._jobs.restart()
        self._held.restart()
        self._after_fill.restart()
        return ()

    def told(self, batch: Batch, now_ns: int) -> Sequence[VenueCall]:
        """Facts from the stream, and how far it has been read: kept together."""
        self._now_ns = now_ns
        self._jobs.hearing.take(batch.facts, now_ns)
        self._account.kept_cursor(batch.cursor)
        if batch.account is not None:
            self._account.set_funds(batch.account, now_ns)
        return self._due(now_ns)

    def due(self, now_ns: int) -> Sequence[VenueCall]:
        """What has become due by the clock."""
        self._now_ns = now_ns
        return self._due(now_ns)

    def _due(self, now_ns: int) -> Sequence[VenueCall]:
        self._jobs.replan(now_ns)
        self._jobs.hearing.tell(now_ns)
        return self._jobs.due(now_ns)

    @property
    def cursor(self) -> str:
        """How far the venue's log was read. From the event loop."""
        return self._account.cursor

    def targets(self) -> tuple[Sequence[Target], Mapping[int, Bracket]]:
        return self._comparing.targets()

    def compared(self, snapshot: VenueSnapshot, before: Mapping[int, Bracket], begun_boot_ns: int, now_ns: int) -> Sequence[VenueCall]:
        """The venue's whole account, as it was when it was asked for it."""
        self._now_ns = now_ns
        took_ns = max(0, self._clock.boot_ns() - begun_boot_ns)
        leftovers = self._comparing.take(snapshot, before, now_ns, now_ns - took_ns)
        return [*self._jobs.take_off(leftovers), *self._due(now_ns)]

    def reconciled(self, blind_ns: int, now_ns: int) -> Sequence[VenueCall]:
        """Store and venue agree: orders are taken."""
        self._comparing.tell_first(seconds(blind_ns), now_ns)
        self.is_reconciled = True
        return ()
