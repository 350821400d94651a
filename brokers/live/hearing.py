"""What the venue says, whatever door it came through: put into the book, and where it was other than the book, told to people.

Called on the writer thread alone; nothing here raises, for what a venue has said must be written down.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from brokers.live.account import LiveAccount
from brokers.live.venue import Fact
from brokers.live.waiting import Waiting
from trading import events
from trading.brackets import Bracket
from trading.errors import StateConflict
from trading.money import ZERO
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
