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
from brokers.live.hearing import Hearing
from brokers.live.legs import lasting, unsure
from brokers.live.plan import BARE_RETRY_S, RETRY_S_MAX, Notes, has_too_large_a_stop
from brokers.live.seeing import MISMATCH, Seeing, has_moved
from brokers.live.venue import ExitFilled, Fact, NotSent, Sighting, VenueMismatch, VenuePolicy, VenueRefused
from brokers.live.waiting import Waiting
from runtime.clock import NS_PER_S
from trading import events
from trading.brackets import Bracket, Protection
from trading.errors import OrderDenied, StateConflict, Unavailable
from trading.events import CancelReason
from trading.order_state import Step
from trading.orders import CloseReason, OrderStatus
from trading.venue_refs import Doubt

# Refusals that say nothing of the stop: a market that takes none takes no close either, and is asked for the stop again.
_NOT_NOW = frozenset({"MARKET_HALTED"})
# Between two looks for a cancel that the venue has taken and not confirmed, growing.
_CONFIRM_S = 0.3
_CONFIRM_LOOKS = 5
_MISMATCH_S = 30.0

_log = logging.getLogger(__name__)


class Answers:
    """One account's."""

    def __init__(self, account: LiveAccount, policy: VenuePolicy, hearing: Hearing, seeing: Seeing, waiting: Waiting) -> None:
        self._account = account
        self._policy = policy
        self._hearing = hearing
        self._seeing = seeing
        self._waiting = waiting

    def created(self, n: int, answer: object, now_ns: int, begun_ns: int, *, is_again: bool = False) -> None:
        """A create came back. Sent a second time, its refusal says nothing of the first."""
        book, bracket = self._account.book, self._account.book.get(n)
        if bracket is None:
            return
        if not isinstance(answer, Exception):
            self._hearing.take(_facts(answer), now_ns, bracket)
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
            book.lose(bracket, Doubt.CREATE, now_ns, begun_ns)
            if isinstance(answer, VenueMismatch):
                self._alarm(bracket, answer, now_ns)

    def looked(self, before: Bracket, answer: object, now_ns: int, begun_ns: int) -> None:
        """A look came back. ``before``: the bracket as it was when the look was asked for."""
        bracket, notes = self._account.state.brackets.get(before.n), self._account.notes_of(before.n)
        if bracket is None:
            return
        if isinstance(answer, VenueMismatch):
            self._alarm(bracket, answer, now_ns)
        elif isinstance(answer, Exception) or not isinstance(answer, Sighting):
            is_bare = bracket.position_units and bracket.protection is Protection.NONE
            notes.failed(now_ns, BARE_RETRY_S if is_bare else RETRY_S_MAX)
            notes.unguarded(now_ns)
        else:
            self._wait_on(notes, now_ns)
            if has_moved(before, bracket):
                self._hearing.take(
                    lasting(answer.facts), now_ns, bracket
                )  # facts are facts; how it stood then is not how it stands: it is looked at again
            else:
                self._seeing.seen(bracket, answer, now_ns, begun_ns)

    @staticmethod
    def _wait_on(notes: Notes, now_ns: int) -> None:
        """The venue has answered a look. A cancel that it has only taken is looked for a few times more before it is asked for again."""
        tries, waits = notes.tries, notes.cancel_taken and not notes.cancel_refusal and notes.tries < _CONFIRM_LOOKS
        notes.answered()
        notes.cancel_taken = waits
        if waits:
            notes.tries = tries + 1
            notes.not_before_ns = now_ns + round(min(_CONFIRM_S * 2**tries, 3.0) * NS_PER_S)

    def cancelled(self, n: int, answer: object, now_ns: int, begun_ns: int) -> None:
        notes, bracket = self._account.notes_of(n), self._answered(n, answer)
        if bracket is None:
            return
        if not isinstance(answer, Exception):
            self._hearing.take(_facts(answer), now_ns, bracket)
            notes.cancel_taken, notes.cancel_refusal = True, ""
            notes.tries += 1
            notes.not_before_ns = now_ns + round(min(_CONFIRM_S * 2 ** (notes.tries - 1), 3.0) * NS_PER_S)
        elif isinstance(answer, VenueRefused):
            notes.cancel_taken, notes.cancel_refusal = True, f"{answer.code}: {answer.message}"
        elif isinstance(answer, NotSent):
            notes.failed(now_ns)
            self._waiting.give_up_cancel(bracket, _nothing_sent(answer), now_ns)
        elif bracket.remaining_units and not bracket.is_final:
            notes.failed(now_ns)
            self._account.book.lose(bracket, Doubt.CANCEL, now_ns, begun_ns)

    def closed(self, before: Bracket, answer: object, now_ns: int, begun_ns: int) -> None:
        """A close came back. ``before``: the bracket as it was when ``closing_units`` of it were asked for."""
        n = before.n
        notes, bracket = self._account.notes_of(n), self._answered(n, answer, keep=Doubt.CLOSE)
        if bracket is None:
            return
        notes.is_refused_its_stop = False
        if not isinstance(answer, Exception):
            notes.answered()
            notes.empty_looks_ns.clear()
            self._hearing.take(_facts(answer), now_ns, bracket)
            self._close_the_rest(before, _facts(answer), now_ns)
        elif isinstance(answer, VenueRefused | NotSent):
            is_bare = bracket.protection is Protection.NONE
            if isinstance(answer, VenueRefused):
                notes.close_refused(now_ns, is_bare=is_bare)
            else:
                notes.failed(now_ns, BARE_RETRY_S if is_bare else RETRY_S_MAX)
            if bracket.venue.doubt is not Doubt.CLOSE:  # else it says nothing of the one before, which is an open question still
                self._not_closed(bracket, answer, now_ns)
        elif bracket.position_units:
            notes.failed(now_ns)
            self._account.book.lose(self._uncovered(bracket, now_ns), Doubt.CLOSE, now_ns, begun_ns)

    def amended(self, n: int, answer: object, now_ns: int, begun_ns: int, *, change: Callable[[Bracket, int], Bracket], verdict: Verdict) -> None:
        if not isinstance(answer, Exception):
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self._hearing.take(_facts(answer), now_ns, bracket)
        bracket = self._answered(n, answer)
        if isinstance(answer, VenueRefused):
            verdict.settle(OrderDenied(f"the venue would not change it: {answer.message}", code=answer.code))
        elif isinstance(answer, NotSent):
            verdict.settle(_nothing_sent(answer))
        elif bracket is None:
            verdict.settle(StateConflict("the order ended before it was changed", code="ORDER_FINAL"))
        elif isinstance(answer, Exception):
            self._account.notes_of(n).empty_looks_ns.clear()
            self._account.book.lose(self._uncovered(bracket, now_ns), Doubt.AMEND, now_ns, begun_ns)
        else:
            self._account.book.put(change(bracket, now_ns))
            verdict.settle()

    def protected(self, n: int, answer: object, now_ns: int) -> None:
        notes = self._account.notes_of(n)
        if not isinstance(answer, Exception):
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self._hearing.take(_facts(answer), now_ns, bracket)
        bracket = self._answered(n, answer)
        if bracket is None or not bracket.position_units:
            return
        if isinstance(answer, VenueRefused) and answer.code not in _NOT_NOW:
            self._cannot_be_protected(bracket, answer, now_ns)
        elif bracket.protection is Protection.NONE:
            notes.unguarded(now_ns, refused=isinstance(answer, VenueRefused))
            # After a definite no it is asked for again without a look: nothing has changed there, and the next try looks for itself.
            notes.looked_for_stop = notes.looked_for_stop and isinstance(answer, VenueRefused | NotSent)
        elif has_too_large_a_stop(bracket, self._policy):
            notes.unguarded(now_ns)
        else:
            notes.guard_from_ns = notes.guard_refusals = 0

    def trailed(self, n: int, price: Decimal | None, answer: object, now_ns: int) -> None:
        notes = self._account.notes_of(n)
        if isinstance(answer, Exception):
            notes.failed(now_ns)
            notes.looked_for_stop = False
        else:
            bracket = self._account.state.brackets.get(n)
            if bracket is not None:
                self._hearing.take(_facts(answer), now_ns, bracket)
            if notes.trail_to == price:
                notes.trail_to = None
            notes.answered()
        bracket = self._answered(n, answer)
        in_doubt = isinstance(answer, Exception) and not isinstance(answer, VenueRefused | NotSent)
        if bracket is not None and in_doubt and self._policy.releases:
            self._account.book.put(self._uncovered(bracket, now_ns))

    # ── inside ──

    def _not_closed(self, bracket: Bracket, answer: VenueRefused | NotSent, now_ns: int) -> None:
        """Tell who waits; and people, once, where it is asked for again until it is out."""
        self._account.book.must_compare = True
        if isinstance(answer, NotSent):
            self._waiting.give_up_close(bracket, _nothing_sent(answer), now_ns)
            return
        refusal = StateConflict(f"the venue would not close it: {answer.message}", code=answer.code, details={"order_id": bracket.order_id})
        notes = self._account.notes_of(bracket.n)
        if self._waiting.give_up_close(bracket, refusal, now_ns) and notes.refusal_told != answer.code:
            notes.refusal_told = answer.code
            text = f"{bracket.order_id}: the venue would not close it ({answer}); it is asked for again until it is out, ever more seldom"
            self._hearing.told.append(text[:300])

    def _close_the_rest(self, before: Bracket, facts: Sequence[Fact], now_ns: int) -> None:
        """What the close was asked for is out, or as much of it as found a counterpart: what is wanted besides has a close of its own.

        Where exits come off first the answer is whole, and nothing guards the rest: no fills are waited for, not even when there were none.
        """
        left = self._account.state.brackets.get(before.n)
        if left is None or not left.closing_units:
            return
        out = before.position_units - left.position_units
        if out > 0:
            self._account.notes_of(left.n).closed()
        if out >= before.closing_units or (out > 0 and self._policy.releases):
            self._account.book.resolve(left, now_ns)
        elif self._policy.releases and left.venue.doubt is Doubt.NONE and _exits_in(facts) <= set(left.venue.fill_ids):
            self._account.notes_of(left.n).close_refused(now_ns, is_bare=left.protection is Protection.NONE)
            self._not_closed(left, VenueRefused("NOT_CLOSED", "nothing of it could be closed"), now_ns)

    def _answered(self, n: int, answer: object, keep: Doubt = Doubt.NONE) -> Bracket | None:
        """The bracket, its mark of a call that is out taken off; ``keep`` stays while its fills are waited for."""
        bracket = self._account.state.brackets.get(n)
        if bracket is None:
            return None
        refs = bracket.venue if bracket.venue.asked in {Doubt.NONE, keep} else replace(bracket.venue, asked=Doubt.NONE)
        if isinstance(answer, Sequence) and answer:
            refs = replace(refs, released=False)  # what it did to the exits is in its answer; one that tells nothing leaves that to a look
        return bracket if refs is bracket.venue else self._account.book.put(replace(bracket, venue=refs))

    def _uncovered(self, bracket: Bracket, now_ns: int) -> Bracket:
        """``bracket`` after a call in doubt that may have taken its exits off: what stands is looked for at once, and where they come off first
        the stop counts for nothing until it is seen."""
        notes = self._account.notes_of(bracket.n)
        if not bracket.position_units:
            return bracket
        notes.not_before_ns, notes.guard_from_ns, notes.looked_for_stop = now_ns, now_ns, False
        return unsure(bracket) if self._policy.releases else bracket

    def _cannot_be_protected(self, bracket: Bracket, refusal: VenueRefused, now_ns: int) -> None:
        """R10: what cannot have its stop is not held. It is rung for and closed, and no more of it may fill."""
        notes, units = self._account.notes_of(bracket.n), bracket.position_units - bracket.closing_units
        if not units:  # it was rung for, and is on its way out already
            notes.failed(now_ns, BARE_RETRY_S)
            notes.unguarded(now_ns, refused=True)
            notes.looked_for_stop, notes.is_refused_its_stop = False, True
            return
        _log.error("the venue refuses the stop; the position is closed", extra={"order_id": bracket.order_id, "reason": str(refusal)})
        why = f"the venue refuses its stop: {refusal}"[:200]
        if not notes.is_bare_told:
            self._account.state.tell(events.protection_lost(bracket, reason=why, ts_ns=now_ns))
        self._hearing.told.append(f"{bracket.order_id}: {why}; its position is closed")  # also where it was rung for before
        self._account.want_close(bracket, units, CloseReason.KILL_SWITCH, str(CancelReason.KILL_SWITCH), now_ns)

    def _alarm(self, bracket: Bracket, mismatch: VenueMismatch, now_ns: int) -> None:
        """The venue has something else under our id: a person must look; the bracket stays UNKNOWN."""
        self._account.notes_of(bracket.n).put_off(now_ns, _MISMATCH_S)
        _log.error("the venue has another order under our id", extra={"order_id": bracket.order_id, "reason": str(mismatch)})
        if not bracket.venue.memo.get(MISMATCH):
            memo = {**bracket.venue.memo, MISMATCH: str(mismatch)[:200]}
            current = self._account.book.get(bracket.n) or bracket
            self._account.book.put(replace(current, venue=replace(current.venue, memo=memo)))
            self._hearing.told.append(f"{bracket.order_id}: the venue has something else under its id: {mismatch}"[:200])


def _nothing_sent(answer: NotSent) -> Unavailable:
    """In the venue's own words: that it cannot be reached, or that what stands there cannot be read."""
    why = "the venue cannot be reached" if answer.message == answer.code else answer.message
    return Unavailable(f"nothing was sent: {why}"[:300], code="VENUE_UNREACHABLE")


def _exits_in(facts: Sequence[Fact]) -> set[str]:
    """Which exits the answer tells of; one that is not in the book yet is none that did not happen."""
    return {fact.fill_id for fact in facts if isinstance(fact, ExitFilled)}


def _facts(answer: object) -> Sequence[Fact]:
    return answer if isinstance(answer, Sequence) and not isinstance(answer, str) else ()
