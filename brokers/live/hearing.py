"""What the venue says, whatever door it came through: put into the book, and where it was other than the book, told to people.

Called on the writer thread alone; nothing here raises, for what a venue has said must be written down.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.live.account import LiveAccount
from brokers.live.facts import Booked, BookingKind, Fact, Noted
from brokers.live.waiting import Waiting
from trading import events
from trading.brackets import Bracket
from trading.errors import StateConflict
from trading.money import ZERO, nearest, plain
from trading.venue_refs import Doubt

# What one event tells of.
TOLD_MAX = 20

_log = logging.getLogger(__name__)


class Hearing:
    """One account's. ``misfits`` counts what fitted no state; ``told`` are differences found, for ``reconciled``."""

    def __init__(self, account: LiveAccount, waiting: Waiting) -> None:
        self._account = account
        self._waiting = waiting
        self.misfits = 0
        self.told: list[str] = []

    def take(self, facts: Sequence[Fact], now_ns: int, about: Bracket | None = None) -> None:
        """Apply facts; those of an answer that carry no id the book knows are about the bracket that was asked about."""
        book = self._account.book
        for fact in facts:
            if isinstance(fact, Booked):
                self._book(fact, now_ns)
                continue
            if isinstance(fact, Noted):
                self.told.append(fact.text)
                continue
            known = fact if about is None or book.find(fact) is not None else replace(fact, client_id=about.venue.client_id)
            try:
                bracket = book.take(known, now_ns)
            except StateConflict as conflict:
                self.misfit(conflict)
                continue
            if bracket is not None:
                self._tidy(bracket, now_ns)
                self._waiting.judge(bracket.n)

    def _tidy(self, bracket: Bracket, now_ns: int) -> None:
        """A close whose fills are all in is neither out nor in doubt any more."""
        if bracket.is_final or bracket.closing_units or Doubt.CLOSE not in {bracket.venue.asked, bracket.venue.doubt}:
            return
        self._account.book.resolve(bracket, now_ns)

    def _book(self, fact: Booked, now_ns: int) -> None:
        """Money that no fill moved: counted once, and told."""
        account = self._account
        if not account.take_booking(fact):
            return
        currency, amount = account.state.books.currency, plain(nearest(fact.amount))
        instruments = {name: plain(nearest(part)) for name, part in sorted(fact.instruments.items())[:TOLD_MAX]}
        booked = {"id": fact.booking_id, "kind": str(fact.kind), "amount": amount, "currency": currency, "instruments": instruments}
        details: dict[str, object] = {"differences": [_said(fact.kind, amount, currency)], "found": 1, "adopted": [], "booked": booked}
        orders = len(account.state.brackets)
        account.state.tell(events.reconciled(instrument=None, blind_s=ZERO, orders=orders, ts_ns=fact.time_ns or now_ns, details=details))

    def misfit(self, conflict: StateConflict) -> None:
        """What the venue said fits no state that the bracket can be in: no reason to stop; the comparison with the venue mends it."""
        self.misfits += 1
        self._account.book.must_compare = True
        _log.error("what the venue said does not fit the book", extra={"reason": conflict.message})

    def tell(self, now_ns: int, adopted: Sequence[str] = ()) -> None:
        """Tell people in what the venue was other than the book; it is not any more."""
        if not self.told:
            return
        details: dict[str, object] = {"differences": self.told[:TOLD_MAX], "found": len(self.told), "adopted": list(adopted[:TOLD_MAX])}
        orders = len(self._account.state.brackets)
        self._account.state.tell(events.reconciled(instrument=None, blind_s=ZERO, orders=orders, ts_ns=now_ns, details=details))
        self.told.clear()


def _said(kind: BookingKind, amount: Decimal, currency: str) -> str:
    """A booking in words."""
    sum_ = f"{abs(amount)} {currency}"
    if kind is BookingKind.TRANSFER:
        return f"{sum_} {'paid into' if amount >= 0 else 'taken out of'} the account"
    return f"the venue {'credited' if amount >= 0 else 'charged'} {sum_} of {'financing' if kind is BookingKind.FINANCING else 'dividend adjustment'}"
