"""How a bracket stands at the venue, once a look has shown it: what was in doubt is settled, and the venue wins over the book.

Called on the writer thread alone.
"""

from dataclasses import replace

from brokers.live.account import LiveAccount
from brokers.live.hearing import Hearing
from brokers.live.plan import is_conclusive, landing_ns
from brokers.live.reconcile import MISSED_S, differences, gone, with_prices_of
from brokers.live.standing import NOTE
from brokers.live.venue import Exits, Sighting, Standing, VenuePolicy
from brokers.live.waiting import Waiting
from runtime.clock import NS_PER_S
from trading import events
from trading.brackets import ARENA, Bracket, Protection
from trading.errors import StateConflict
from trading.events import CancelReason
from trading.money import ZERO
from trading.order_state import Step
from trading.orders import OrderStatus
from trading.venue_refs import Doubt

# Between two looks at what the venue's records no longer say.
LOST_S = 30.0
LOST_CHARS_MAX = 300
# What a bracket's memo keeps of what a person was told to see to, so that it is told once; until a look shows the bracket again.
LOST, MISMATCH = "lost", "mismatch"


class Seeing:
    """One account's."""

    def __init__(self, account: LiveAccount, policy: VenuePolicy, hearing: Hearing, waiting: Waiting) -> None:
        self._account = account
        self._policy = policy
        self._hearing = hearing
        self._waiting = waiting

    def seen(self, bracket: Bracket, sighting: Sighting, now_ns: int, begun_ns: int) -> None:
        """How a bracket stood at the venue at ``begun_ns`` is known: settle what was in doubt then, and let the venue win over the book."""
        book, notes = self._account.book, self._account.notes_of(bracket.n)
        self._hearing.take(sighting.facts, now_ns, bracket)
        current = self._account.state.brackets.get(bracket.n)
        if current is None:
            return
        if sighting.lost:
            self._is_lost(current, sighting, now_ns, begun_ns)
            return
        current = self._made_out(current)
        doubt, standing = current.venue.doubt, sighting.standing
        if current.venue.asked is Doubt.CLOSE:
            doubt = Doubt.CLOSE
        if standing is None and (doubt is Doubt.CREATE or current.status is OrderStatus.SUBMITTING):
            self._found_nothing(current, now_ns, begun_ns)
            return
        if standing is None:
            standing = Standing(remaining_units=ZERO, position_units=ZERO)
        elif doubt is Doubt.CREATE:
            current = book.arrived(current, Step.ACCEPTED, now_ns)
        notes.looked_for_stop, notes.looked_ns = True, begun_ns
        if doubt is Doubt.AMEND and not self._has_landed(current, begun_ns):
            self.compare(current, standing, now_ns, begun_ns, sighting.until)  # what stands is known; whether the change still comes is not
            return
        if doubt is Doubt.AMEND:
            current = self._adopt_prices(current, standing, now_ns)
        if doubt is Doubt.CLOSE and not self._close_is_known(current, standing, now_ns, begun_ns):
            self.compare(current, standing, now_ns, begun_ns, sighting.until)
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
        self._note_bare(current, standing, now_ns)
        current = self._tell_note(current, standing)
        self.compare(current, standing, now_ns, begun_ns, sighting.until)
        self._still_working(current.n, now_ns)
        self._nothing_is_out(current.n)

    def compare(self, bracket: Bracket, standing: Standing | None, now_ns: int, begun_ns: int, until: int) -> None:
        """Make the book agree with the venue; what is only missing must be missing for a while, by looks that began after it.

        Args:
            until: how far the look reached, see ``Sighting``.
        """
        notes, mark = self._account.notes_of(bracket.n), self._account.mark_price(bracket)
        found = gone(bracket, mark, begun_ns, until) if standing is None else differences(bracket, standing, mark, begun_ns, until)
        if all(each.is_sure for each in found):
            notes.gone_since_ns = 0
        elif not notes.gone_since_ns:
            notes.gone_since_ns = now_ns
        is_missed = bool(notes.gone_since_ns) and begun_ns - notes.gone_since_ns >= round(MISSED_S * NS_PER_S)
        for each in found:
            if each.is_sure or is_missed:
                self._hearing.told.append(each.text)
                self._hearing.take([each.fact], now_ns)
            else:
                self._account.book.must_compare = True

    # ── inside ──

    def _tell_note(self, bracket: Bracket, standing: Standing) -> Bracket:
        """Tell what the venue's adapter has to say of it, when that begins to hold."""
        if standing.note == bracket.venue.memo.get(NOTE, ""):
            return bracket
        if standing.note:
            self._hearing.told.append(f"{bracket.order_id}: {standing.note}")
        memo = {**bracket.venue.memo, NOTE: standing.note}
        return self._account.book.put(replace(bracket, venue=replace(bracket.venue, memo={name: text for name, text in memo.items() if text})))

    def _note_bare(self, bracket: Bracket, standing: Standing, now_ns: int) -> None:
        """Ring, once, for an entry that brings its exits and has filled without: a hand took them off before it was noticed. The stop is placed next.

        Exits that are orders of their own (``releases``) may only be late.
        """
        is_bare = bracket.position_units and bracket.protection is Protection.NONE and standing.position_units and standing.stop is None
        brings = self._account.capability(bracket.instrument).exits is Exits.ATTACHED and not self._policy.releases
        is_wanted = bracket.origin == ARENA and bracket.stop_price and not bracket.venue.leg_refs and not bracket.venue.stop_removed
        notes = self._account.notes_of(bracket.n)
        if is_bare and brings and is_wanted and not notes.is_bare_told:
            notes.is_bare_told = True
            reason = "it filled at the venue without a stop; the stop is placed again"
            self._account.state.tell(events.protection_lost(bracket, reason=reason, ts_ns=now_ns))

    def _made_out(self, bracket: Bracket) -> Bracket:
        """The venue shows it: what a person was told of it is over, and is told anew when it comes back."""
        memo = {name: text for name, text in bracket.venue.memo.items() if name not in {LOST, MISMATCH}}
        if len(memo) == len(bracket.venue.memo):
            return bracket
        return self._account.book.put(replace(bracket, venue=replace(bracket.venue, memo=memo)))

    def _is_lost(self, bracket: Bracket, sighting: Sighting, now_ns: int, begun_ns: int) -> None:
        """The venue cannot say any more what became of it: a person has to, and says so by asking for its end, which nothing stands against there."""
        book, why = self._account.book, sighting.lost
        self._account.notes_of(bracket.n).put_off(now_ns, LOST_S)
        if bracket.venue.cancel_reason or bracket.closing_units:
            known = bracket if bracket.venue.doubt is Doubt.NONE else book.resolve(bracket, now_ns)
            found = gone(known, self._account.mark_price(known), begun_ns, sighting.until)
            self._hearing.told += [each.text for each in found]
            self._hearing.take([each.fact for each in found], now_ns)
        elif bracket.venue.memo.get(LOST) != why[:LOST_CHARS_MAX]:
            memo = {**bracket.venue.memo, LOST: why[:LOST_CHARS_MAX]}
            book.lose(replace(bracket, venue=replace(bracket.venue, memo=memo)), bracket.venue.doubt or Doubt.AMEND, now_ns, begun_ns)
            todo = "close" if bracket.position_units else "cancel"
            self._hearing.told.append(f"{bracket.order_id}: {why}. Find it in the venue's own history, then {todo} it here to settle it")

    def _rests_after_all(self, bracket: Bracket, now_ns: int) -> None:
        """An entry that has ended in the book and still rests at the venue, where it could fill: it is ended there too."""
        self._account.notes_of(bracket.n).failed(now_ns)
        if bracket.filled_units < bracket.order.units:
            self._hearing.told.append(f"{bracket.order_id}: its entry still rests at the venue; it is cancelled there")
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

    def _has_landed(self, bracket: Bracket, at_ns: int) -> bool:
        """Whether what was sent last could be on its way no longer at ``at_ns``."""
        return at_ns >= landing_ns(bracket, self._account.notes_of(bracket.n), self._policy)

    def _found_nothing(self, bracket: Bracket, now_ns: int, begun_ns: int) -> None:
        notes = self._account.notes_of(bracket.n)
        if not self._has_landed(bracket, begun_ns) or bracket.status is OrderStatus.SUBMITTING:
            return  # what was sent may still be on its way: this look counts for nothing
        notes.empty_looks_ns.append(begun_ns)
        if is_conclusive(notes, self._policy):
            self._account.book.reject(bracket, "NEVER_REACHED_VENUE", "the venue has never heard of it: nothing was placed", now_ns)

    def _close_is_known(self, bracket: Bracket, standing: Standing, now_ns: int, begun_ns: int) -> bool:
        """Whether a close that is out has ended: its fills are in, or twice nothing had changed and it can be on its way no longer."""
        notes = self._account.notes_of(bracket.n)
        if not bracket.closing_units or standing.position_units < bracket.position_units:
            return True
        if bracket.venue.doubt is Doubt.NONE or bracket.protection is not Protection.NONE:  # else it is guarded next, and that at once
            notes.not_before_ns = now_ns + NS_PER_S // 2  # not at once: it would be looked at as fast as the venue answers
        if not self._has_landed(bracket, begun_ns):
            return False
        notes.empty_looks_ns.append(begun_ns)
        if not is_conclusive(notes, self._policy):
            return False
        self._waiting.give_up_close(
            bracket, StateConflict("the venue has not closed it", code="NOT_CLOSED", details={"order_id": bracket.order_id}), now_ns
        )
        return True

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
        self._waiting.give_up_cancel(bracket, refusal, now_ns)

    def _adopt_prices(self, bracket: Bracket, standing: Standing, now_ns: int) -> Bracket:
        """A change was in doubt: what the venue has now is in force, whichever it is."""
        adopted, changes = with_prices_of(standing, bracket)
        adopted = self._account.book.put(replace(adopted, updated_ns=now_ns))
        if changes:
            self._account.state.tell(events.order_modified(adopted, changes, now_ns))
        return adopted


def has_moved(before: Bracket, now: Bracket) -> bool:
    """Whether the venue has told of ``now`` since it was ``before``: a look that was asked for then may be older than that."""
    return _told(before) != _told(now)


def _told(bracket: Bracket) -> tuple[object, ...]:
    refs = bracket.venue
    return refs.fill_ids, refs.order_refs, refs.stops, refs.targets, bracket.entry_cancelled, bracket.order
