"""The protection watch: every open position has a stop of its size, or an alarm rings.

A venue attaches a stop a moment after the fill, and closing releases one a moment before it trades; so a breach counts when two looks in a row, a
second apart, find it. Then it is journalled once (``protection_lost``), and what ``risk.protection_action`` says is done: only ring, ask the venue
for the stop again, or close what is not protected. When the stop is back, ``protection_restored``. A Broker that notices first says so itself and is
not repeated. What is known survives a restart. Source: DESIGN section 2, rule 6; RULES R10.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from brokers import ledger
from brokers.base import Progress, VenueCall
from brokers.desk import Desk
from bus.txn import Txn
from trading import events
from trading.brackets import ARENA, Bracket
from trading.errors import ArenaError
from trading.protection import missing_guard

KEY = "unprotected"


@runtime_checkable
class Protector(Protocol):
    """A Broker that can mend one bracket's protection."""

    def protect(self, order_id: str, *, now_ns: int) -> Progress:
        """Ask for the stop of what the bracket holds once more."""

    def close_bracket(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        """Close all that one bracket holds at the market."""


class ProtectionWatch:
    """One desk's; everything is called on the writer thread."""

    def __init__(self, desk: Desk, action: str) -> None:
        self._desk = desk
        self._action = action
        self._seen: set[str] = set()

    def look(self) -> bool:
        """Whether ``act`` has something to write. To be asked once a second."""
        before, self._seen = self._seen, set(self._breaches())
        return bool((self._seen & before) - set(self._desk.unprotected)) or any(order_id not in self._seen for order_id in self._desk.unprotected)

    def act(self, txn: Txn, now_ns: int) -> list[VenueCall]:
        """Journal what was lost and what is back, and ask for what the settings want; the calls that are to be made."""
        found = self._breaches()
        calls: list[VenueCall] = []
        for order_id in [order_id for order_id in self._desk.unprotected if order_id not in found]:
            self._desk.unprotected.discard(order_id)
            bracket = self._desk.broker.bracket(order_id)
            if bracket is not None and bracket.position_units:
                self._tell(txn, events.protection_restored(bracket, now_ns), bracket)
        for order_id, (bracket, reason) in found.items():
            if order_id in self._desk.unprotected or order_id not in self._seen:
                continue
            self._desk.unprotected.add(order_id)
            self._tell(txn, events.protection_lost(bracket, reason=reason, ts_ns=now_ns), bracket)
            if bracket.origin == ARENA:  # what somebody else placed at the venue is told of, never touched unasked
                calls += self._mend(order_id, now_ns)
        ledger.set_state(txn, KEY, sorted(self._desk.unprotected))
        self._desk.record(txn)
        return calls

    def _breaches(self) -> Mapping[str, tuple[Bracket, str]]:
        brackets = self._desk.broker.open_brackets()
        return {bracket.order_id: (bracket, reason) for bracket in brackets if (reason := missing_guard(bracket)) is not None}

    def _mend(self, order_id: str, now_ns: int) -> Sequence[VenueCall]:
        broker = self._desk.broker
        if self._action == "alarm" or not isinstance(broker, Protector):
            return ()
        try:
            if self._action == "protect":
                return broker.protect(order_id, now_ns=now_ns).calls
            return broker.close_bracket(order_id, reason="KILL_SWITCH", now_ns=now_ns).calls
        except ArenaError:
            return ()  # the alarm stands; the next look finds whether it still has to

    def _tell(self, txn: Txn, draft: events.EventDraft, bracket: Bracket) -> None:
        ledger.link_event(txn, bracket.n, txn.epoch_n, self._desk.append(txn, draft))
