"""What the answer to each kind of call makes of its bracket, and who is told.

An answer is what the call returned or raised. A ``VenueRefused`` or ``NotSent`` is definite; every other exception is not, and leaves the bracket
UNKNOWN until it is looked up. Called on the writer thread alone; nothing here raises, for what a venue has said must be written down.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.base import Verdict
from brokers.live.account import LiveAccount
from brokers.live.plan import BARE_RETRY_S, RETRY_S_MAX, Notes, is_conclusive
from brokers.live.reconcile import MISSED_S, differences, gone, with_prices_of
from brokers.live.venue import Fact, NotSent, Sighting, Standing, VenueMismatch, VenuePolicy, VenueRefused
from brokers.live.waiting import Waiting
from runtime.clock import NS_PER_S
from trading import events
from trading.brackets import Bracket, Protection
from trading.errors import ArenaError, OrderDenied, StateConflict, Unavailable
from trading.events import CancelReason
from trading.money import ZERO
from trading.order_state import Step, apply
from trading.orders import CloseReason, OrderStatus
from trading.venue_refs import Doubt

# Closes that nobody waits for: they are tried until the position is gone.
_PERSISTENT = frozenset({CloseReason.KILL_SWITCH, CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT, CloseReason.MARGIN_CLOSEOUT})
# Cancels that somebody asked for and waits for; the others are tried until the entry is gone.
_ONCE = frozenset({str(CancelReason.USER)})
# Between two looks for a cancel that the venue has taken and not confirmed, growing.
_CONFIRM_S = 0.3
_CONFIRM_LOOKS = 5
_MISMATCH_S = 30.0
# What one event tells of.
TOLD_MAX = 20

_log = logging.getLogger(__name__)


class Answers:
    """One account's."""

    def __init__(self, account: LiveAccount, policy: VenuePolicy) -> None:
        self._account = account
        self._policy = policy
        self.waiting = Waiting(account.book)
        self.misfits = 0
        self.told: list[str] = []  # differences found, for ``reconciled``

    def tell(self, now_ns: int, adopted: Sequence[str] = ()) -> None:
        """Tell people in what the venue was other than the book; it is not any more."""
        if not self.told:
            return
        details: dict[str, object] = {"differences": self.told[:TOLD_MAX], "found": len(self.told), "adopted": list(adopted[:TOLD_MAX])}
        orders = len(self._account.state.brackets)
        self._account.state.tell(events.reconciled(instrument=None, blind_s=ZERO, orders=orders, ts_ns=now_ns, details=details))
        self.told.clear()

    def misfit(self, conflict: StateConflict) -> None:
        """What the venue said fits no state that the bracket can be in: no reason to stop; the comparison with the venue mends it."""
        self.misfits += 1
        self._account.book.must_compare = True
        _log.error("what the venue said does not fit the book", extra={"reason": conflict.message})

    # ── facts ──

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
                self.waiting.judge(bracket.n)

    def _tidy(self, bracket: Bracket, now_ns: int) -> None:
        """A close whose fills are all in is neither out nor in doubt any more."""
        if bracket.is_final or bracket.closing_units or Doubt.CLOSE not in {bracket.venue.asked, bracket.venue.doubt}:
            return
        self._account.book.resolve(bracket, now_ns)

    # ── answers ──

    def created(self, n: int, answer: object, now_ns: int, *, is_again: bool = False) -> None:
        """A create came back. Sent a second time, its refusal says nothing of the first."""
        book, bracket = self._account.book, self._account.book.get(n)
        if bracket is None:
            return
        if not isinstance(answer, Exception):
            self.take(_facts(answer), now_ns, bracket)
            bracket = book.get(n) or bracket
            if bracket.status is OrderStatus.SUBMITTING or bracket.venue.doubt is Doubt.CREATE:
                book.arrived(bracket, Step.ACCEPTED, now_ns)
            return
        is_open_question = bracket.status is OrderStatus.SUBMITTING or bracket.venue.doubt is Doubt.CREATE
        if not is_open_question:
            return  # facts have told in the meantime
        if isinstance(answer, NotSent) and not is_again:
            book.reject(bracket, answer.code, answer.message, now_ns, step=Step.NEVER_SENT)
        elif isinstance(answer, VenueRefused) and not is_again:
            book.reject(bracket, answer.code, answer.message, now_ns)
        else:
            book.lose(bracket, Doubt.CREATE, now_ns)
            if isinstance(answer, VenueMismatch):
                self._alarm(bracket, answer, now_ns)

    def looked(self, n: int, answer: object, now_ns: int) -> None:
        bracket, notes = self._account.state.brackets.get(n), self._account.notes_of(n)
        if bracket is None:
            return
        if isinstance(answer, VenueMismatch):
            self._alarm(bracket, answer, now_ns)
        elif isinstance(answer, Exception) or not isinstance(answer, Sighting):
            is_bare = bracket.position_units and bracket.protection is Protection.NONE
            notes.failed(now_ns, BARE_RETRY_S if is_bare else RETRY_S_MAX)
        else:
            self._wait_on(notes, now_ns)
            self.seen(bracket, answer, now_ns)

    @staticmethod
    def _wait_on(notes: Notes, now_ns: int) -> None:
        """The venue has answered a look. A cancel that it has only taken is looked for a few times more before it is asked for again."""
        tries, waits = notes.tries, notes.cancel_taken and not notes.cancel_refusal and notes.tries < _CONFIRM_LOOKS
        notes.answered()
        notes.cancel_taken = waits
        if waits:
            notes.tries = tries + 1
            notes.not_before_ns = now_ns + round(min(_CONFIRM_S * 2**tries, 3.0) * NS_PER_S)

    def seen(self, bracket: Bracket, sighting: Sighting, now_ns: int) -> None:
        """How a bracket stands at the venue is known: settle what was in doubt, and let the venue win over the book."""
        book, notes = self._account.book, self._account.notes_of(bracket.n)
        self.take(sighting.facts, now_ns, bracket)
        current = self._account.state.brackets.get(bracket.n)
        if current is None:
            return
        doubt, standing = current.venue.doubt, sighting.standing
        if current.venue.asked is Doubt.CLOSE:
            doubt = Doubt.CLOSE
        if standing is None and (doubt is Doubt.CREATE or current.status is OrderStatus.SUBMITTING):
            self._found_nothing(current, now_ns)
            return
        if standing is None:
            standing = Standing(remaining_units=ZERO, position_units=ZERO)
        elif doubt is Doubt.CREATE:
            current = book.arrived(current, Step.ACCEPTED, now_ns)
        notes.looked_for_stop, notes.looked_ns = True, now_ns
        if doubt is Doubt.AMEND and not self._has_landed(current, now_ns):
            self.compare(current, standing, now_ns)  # what stands is known; whether the change still comes is not
            return
        if doubt is Doubt.AMEND:
            current = self._adopt_prices(current, standing, now_ns)
        if doubt is Doubt.CLOSE and not self._close_is_known(current, standing, now_ns):
            self.compare(current, standing, now_ns)
            return
        notes.empty_looks_ns.clear()
        current = self._account.state.brackets.get(current.n)
        if current is not None and doubt is not Doubt.NONE:
            current = book.resolve(current, now_ns)
        if current is None:
            return
        if not standing.remaining_units and not current.remaining_units and current.filled_units and not current.venue.entry_known:
            current = self._read_up(current, standing, now_ns)
        if current.is_final:
            return
        if standing.remaining_units and not current.remaining_units:
            self._rests_after_all(current, now_ns)
            return
        self.compare(current, standing, now_ns)
        self._still_working(current.n, now_ns)
        self._nothing_is_out(current.n)

    def _rests_after_all(self, bracket: Bracket, now_ns: int) -> None:
        """An entry that has ended in the book and still rests at the venue, where it could fill: it is ended there too."""
        self._account.notes_of(bracket.n).failed(now_ns)
        if bracket.filled_units < bracket.order.units:
            self.told.append(f"{bracket.order_id}: its entry still rests at the venue; it is cancelled there")
            rests = self._account.book.put(replace(bracket, entry_cancelled=False, venue=replace(bracket.venue, entry_known=False)))
            self._account.want_cancel(rests, str(CancelReason.VENUE), now_ns)

    def _nothing_is_out(self, n: int) -> None:
        """After a look: what calls of ours had taken off has been seen by it; what is taken off from now on, somebody else takes off."""
        bracket = self._account.state.brackets.get(n)
        if bracket is not None and bracket.venue.released and bracket.venue.asked is bracket.venue.doubt is Doubt.NONE:
            self._account.book.put(replace(bracket, venue=replace(bracket.venue, released=False)))

    def _read_up(self, bracket: Bracket, standing: Standing, now_ns: int) -> Bracket:
        """All fills of an entry that has ended are in, so that it can be known whether its position is out."""
        book = self._account.book
        if standing.position_units == bracket.position_units:
            return book.end_if_flat(bracket, now_ns)
        known = book.put(replace(bracket, venue=replace(bracket.venue, entry_known=True)))
        book.take_early(bracket.n, now_ns)
        return book.get(bracket.n) or known

    def cancelled(self, n: int, answer: object, now_ns: int) -> None:
        notes, bracket = self._account.notes_of(n), self._answered(n, answer)
        if bracket is None:
            return
        if not isinstance(answer, Exception):
            self.take(_facts(answer), now_ns, bracket)
            notes.cancel_taken, notes.cancel_refusal = True, ""
            notes.tries += 1
            notes.not_before_ns = now_ns + round(min(_CONFIRM_S * 2 ** (notes.tries - 1), 3.0) * NS_PER_S)
        elif isinstance(answer, VenueRefused):
            notes.cancel_taken, notes.cancel_refusal = True, f"{answer.code}: {answer.message}"
        elif isinstance(answer, NotSent):
            notes.failed(now_ns)
            self._give_up_cancel(bracket, Unavailable("the venue cannot be reached and nothing was sent", code="VENUE_UNREACHABLE"), now_ns)
        elif bracket.remaining_units and not bracket.is_final:
            notes.failed(now_ns)
            self._account.book.lose(bracket, Doubt.CANCEL, now_ns)

    def closed(self, n: int, answer: object, now_ns: int) -> None:
        notes, bracket = self._account.notes_of(n), self._answered(n, answer, keep=Doubt.CLOSE)
        if bracket is None:
            return
        if not isinstance(answer, Exception):
            notes.answered()
            notes.empty_looks_ns.clear()
            self.take(_facts(answer), now_ns, bracket)
        elif isinstance(answer, VenueRefused | NotSent):
            notes.failed(now_ns)
            refusal = (
                Unavailable("the venue cannot be reached and nothing was sent", code="VENUE_UNREACHABLE")
                if isinstance(answer, NotSent)
                else StateConflict(f"the venue would not close it: {answer.message}", code=answer.code, details={"order_id": bracket.order_id})
            )
            self._give_up_close(bracket, refusal, now_ns)
            self._account.book.must_compare = True
        elif bracket.position_units:
            notes.failed(now_ns)
            self._account.book.lose(self._uncovered(bracket, now_ns), Doubt.CLOSE, now_ns)

    def amended(self, n: int, change: Callable[[Bracket, int], Bracket], verdict: Verdict, answer: object, now_ns: int) -> None:
        if not isinstance(answer, Exception):
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self.take(_facts(answer), now_ns, bracket)
        bracket = self._answered(n, answer)
        if isinstance(answer, VenueRefused):
            verdict.settle(OrderDenied(f"the venue would not change it: {answer.message}", code=answer.code))
        elif isinstance(answer, NotSent):
            verdict.settle(Unavailable("the venue cannot be reached and nothing was sent", code="VENUE_UNREACHABLE"))
        elif bracket is None:
            verdict.settle(StateConflict("the order ended before it was changed", code="ORDER_FINAL"))
        elif isinstance(answer, Exception):
            self._account.notes_of(n).empty_looks_ns.clear()
            self._account.book.lose(self._uncovered(bracket, now_ns), Doubt.AMEND, now_ns)
        else:
            self._account.book.put(change(bracket, now_ns))
            verdict.settle()

    def protected(self, n: int, answer: object, now_ns: int) -> None:
        notes = self._account.notes_of(n)
        if not isinstance(answer, Exception):
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self.take(_facts(answer), now_ns, bracket)
        bracket = self._answered(n, answer)
        if bracket is None or not bracket.position_units:
            return
        if isinstance(answer, VenueRefused):
            self._cannot_be_protected(bracket, answer, now_ns)
        elif bracket.protection is Protection.NONE:
            notes.failed(now_ns, BARE_RETRY_S)
            notes.looked_for_stop = False
        else:
            notes.answered()

    def trailed(self, n: int, price: Decimal | None, answer: object, now_ns: int) -> None:
        notes = self._account.notes_of(n)
        if isinstance(answer, Exception):
            notes.failed(now_ns)
            notes.looked_for_stop = False
        else:
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self.take(_facts(answer), now_ns, bracket)
            if notes.trail_to == price:
                notes.trail_to = None
            notes.answered()
        bracket = self._answered(n, answer)
        in_doubt = isinstance(answer, Exception) and not isinstance(answer, VenueRefused | NotSent)
        if bracket is not None and in_doubt and self._policy.releases:
            self._account.book.put(self._uncovered(bracket, now_ns))

    def compare(self, bracket: Bracket, standing: Standing | None, now_ns: int) -> None:
        """Make the book agree with the venue; what is only missing must be missing for a while."""
        notes, mark = self._account.notes_of(bracket.n), self._account.mark_price(bracket)
        found = gone(bracket, mark) if standing is None else differences(bracket, standing, mark)
        if all(each.is_sure for each in found):
            notes.gone_since_ns = 0
        elif not notes.gone_since_ns:
            notes.gone_since_ns = now_ns
        is_missed = bool(notes.gone_since_ns) and now_ns - notes.gone_since_ns >= round(MISSED_S * NS_PER_S)
        for each in found:
            if each.is_sure or is_missed:
                self.told.append(each.text)
                self.take([each.fact], now_ns)
            else:
                self._account.book.must_compare = True

    # ── inside ──

    def _answered(self, n: int, answer: object, keep: Doubt = Doubt.NONE) -> Bracket | None:
        """The bracket, its mark of a call that is out taken off; ``keep`` stays while its fills are waited for."""
        bracket = self._account.state.brackets.get(n)
        if bracket is None:
            return None
        refs = bracket.venue if bracket.venue.asked in {Doubt.NONE, keep} else replace(bracket.venue, asked=Doubt.NONE)
        if isinstance(answer, Sequence):
            refs = replace(refs, released=False)  # what it did to the exits is in its answer
        return bracket if refs is bracket.venue else self._account.book.put(replace(bracket, venue=refs))

    def _has_landed(self, bracket: Bracket, now_ns: int) -> bool:
        """Whether what was sent last can be on its way no longer."""
        return now_ns >= bracket.venue.asked_ns + round(self._policy.call_s_max * NS_PER_S)

    def _uncovered(self, bracket: Bracket, now_ns: int) -> Bracket:
        """``bracket`` after a call in doubt that may have taken its exits off: what stands is looked for at once, and where they come off first
        the stop counts for nothing until it is seen."""
        notes, stop = self._account.notes_of(bracket.n), bracket.venue.stop
        if not bracket.position_units:
            return bracket
        notes.not_before_ns, notes.looked_for_stop = now_ns, False
        if not self._policy.releases or stop is None:
            return bracket
        return replace(bracket, venue=replace(bracket.venue, stop=replace(stop, units=ZERO)))

    def _found_nothing(self, bracket: Bracket, now_ns: int) -> None:
        notes = self._account.notes_of(bracket.n)
        if not self._has_landed(bracket, now_ns) or bracket.status is OrderStatus.SUBMITTING:
            return  # what was sent may still be on its way: this look counts for nothing
        notes.empty_looks_ns.append(now_ns)
        if is_conclusive(notes, self._policy):
            self._account.book.reject(bracket, "NEVER_REACHED_VENUE", "the venue has never heard of it: nothing was placed", now_ns)

    def _close_is_known(self, bracket: Bracket, standing: Standing, now_ns: int) -> bool:
        """Whether a close that is out has ended: its fills are in, or twice nothing had changed and it can be on its way no longer."""
        notes = self._account.notes_of(bracket.n)
        if not bracket.closing_units or standing.position_units < bracket.position_units:
            return True
        if not self._has_landed(bracket, now_ns):
            notes.not_before_ns = now_ns + NS_PER_S // 2
            return False
        notes.empty_looks_ns.append(now_ns)
        if not is_conclusive(notes, self._policy):
            return False
        self._give_up_close(bracket, StateConflict("the venue has not closed it", code="NOT_CLOSED", details={"order_id": bracket.order_id}), now_ns)
        return True

    def _give_up_close(self, bracket: Bracket, refusal: ArenaError, now_ns: int) -> None:
        """It was not closed: who waits is told, and unless it must go it stays as it is."""
        refs = replace(bracket.venue, asked=Doubt.NONE)
        stays = bracket.closing_reason in _PERSISTENT
        self._account.book.put(replace(bracket, venue=refs, closing_units=bracket.closing_units if stays else ZERO, updated_ns=now_ns))
        self.waiting.refuse(bracket.n, Doubt.CLOSE, refusal)

    def _still_working(self, n: int, now_ns: int) -> None:
        """After a look: an entry that the venue would not cancel, and that is still there."""
        bracket, notes = self._account.state.brackets.get(n), self._account.notes_of(n)
        if bracket is None or not notes.cancel_refusal or not bracket.remaining_units or not bracket.venue.cancel_reason:
            notes.cancel_refusal = ""
            return
        refusal = StateConflict(
            f"the venue would not cancel it: {notes.cancel_refusal}", code="CANCEL_REFUSED", details={"order_id": bracket.order_id}
        )
        notes.cancel_refusal = ""
        notes.failed(now_ns)
        self._give_up_cancel(bracket, refusal, now_ns)

    def _give_up_cancel(self, bracket: Bracket, refusal: ArenaError, now_ns: int) -> None:
        if bracket.venue.cancel_reason in _ONCE and not bracket.is_final:
            bracket = replace(bracket, venue=replace(bracket.venue, cancel_reason=""))
            if bracket.status is OrderStatus.CANCEL_PENDING:
                bracket = apply(bracket, Step.CANCEL_REFUSED, now_ns=now_ns)
            self._account.book.put(bracket)
        self.waiting.refuse(bracket.n, Doubt.CANCEL, refusal)

    def _adopt_prices(self, bracket: Bracket, standing: Standing, now_ns: int) -> Bracket:
        """A change was in doubt: what the venue has now is in force, whichever it is."""
        adopted, changes = with_prices_of(standing, bracket)
        adopted = self._account.book.put(replace(adopted, updated_ns=now_ns))
        if changes:
            self._account.state.tell(events.order_modified(adopted, changes, now_ns))
        return adopted

    def _cannot_be_protected(self, bracket: Bracket, refusal: VenueRefused, now_ns: int) -> None:
        """R10: what cannot have its stop is not held. It is rung for and closed, and no more of it may fill."""
        notes, units = self._account.notes_of(bracket.n), bracket.position_units - bracket.closing_units
        if not units:  # it was rung for, and is on its way out already
            notes.failed(now_ns)
            notes.looked_for_stop = False
            return
        _log.error("the venue refuses the stop; the position is closed", extra={"order_id": bracket.order_id, "reason": str(refusal)})
        self._account.state.tell(events.protection_lost(bracket, reason=f"the venue refuses its stop: {refusal}"[:200], ts_ns=now_ns))
        self._account.want_close(bracket, units, CloseReason.KILL_SWITCH, str(CancelReason.KILL_SWITCH), now_ns)

    def _alarm(self, bracket: Bracket, mismatch: VenueMismatch, now_ns: int) -> None:
        """The venue has something else under our id: a person must look; the bracket stays UNKNOWN."""
        notes = self._account.notes_of(bracket.n)
        notes.not_before_ns = now_ns + round(_MISMATCH_S * NS_PER_S)
        _log.error("the venue has another order under our id", extra={"order_id": bracket.order_id, "reason": str(mismatch)})
        if not bracket.venue.memo.get("mismatch"):
            memo = {**bracket.venue.memo, "mismatch": str(mismatch)[:200]}
            current = self._account.book.get(bracket.n) or bracket
            self._account.book.put(replace(current, venue=replace(current.venue, memo=memo)))
            self.told.append(f"{bracket.order_id}: the venue has something else under its id: {mismatch}"[:200])


def _facts(answer: object) -> Sequence[Fact]:
    return answer if isinstance(answer, Sequence) and not isinstance(answer, str) else ()
