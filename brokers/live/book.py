"""The book of a live account: brackets, and what facts of the venue make of them. Pure; whoever calls is on the writer thread.

A fact may come before the answer to the call that caused it, twice, out of order, or long after its bracket was taken for ended. So each is found its
bracket by any id it carries, counted once (a fill by the venue's id, an acceptance by the order's), and applied to whatever state the bracket is in.
What cannot be placed is no reason to fail: it asks for a comparison with the venue (``must_compare``), which then decides.
"""

from collections.abc import Callable
from dataclasses import replace

from brokers.live.facts import (
    EntryAccepted,
    EntryChanged,
    EntryEnded,
    EntryFilled,
    EntryRefused,
    ExitFilled,
    Fact,
    LegGone,
    LegStands,
    Remembered,
    TrailingChanged,
    travelling,
)
from brokers.live.fills import REASON_OF, enter, execution_of, is_entry_known, leave
from brokers.live.legs import leg_gone, leg_stands, shrunk
from brokers.live.made_up import FillT, kept, rest_of, settle
from brokers.live.reconcile import RESTS_WITH
from brokers.live.shelf import Shelf
from trading import events
from trading.brackets import Bracket, Fill
from trading.events import CancelReason
from trading.money import ZERO
from trading.order_state import Step, apply
from trading.orders import CloseReason, Leg, OrderStatus
from trading.venue_refs import Doubt, taken_from

_EARLY_MAX = 50

# A close that carries out an exit which is held here is that exit's fill.
_LEG_OF = {CloseReason.STOP_LOSS: Leg.STOP_LOSS, CloseReason.TAKE_PROFIT: Leg.TAKE_PROFIT}
# What the exits are told to have been cancelled for when the position left another way.
_SIBLINGS_END = {
    CloseReason.MANUAL: CancelReason.USER,
    CloseReason.KILL_SWITCH: CancelReason.KILL_SWITCH,
    CloseReason.MARGIN_CLOSEOUT: CancelReason.INSUFFICIENT_MARGIN,
    CloseReason.EXTERNAL: CancelReason.VENUE,
}
# How a bracket goes on from UNKNOWN when what was in doubt turns out not to have happened.
_BACK = {
    OrderStatus.PENDING: Step.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED: Step.ENTRY_PARTIAL,
    OrderStatus.OPEN: Step.ENTRY_DONE,
}


class Book(Shelf):
    """One account's brackets, and the doors through which they change. See ``Shelf`` for its arguments."""

    # ── facts ──

    def take(self, fact: Fact, now_ns: int) -> Bracket | None:
        """Apply one fact; the bracket it was about."""
        fact = travelling(fact)
        bracket = self.find(fact)
        if bracket is None:
            self.must_compare = True
            return None
        match fact:
            case EntryAccepted():
                self._accepted(bracket, fact, now_ns)
            case EntryFilled():
                self._entry_filled(bracket, fact, now_ns)
            case EntryEnded():
                self._entry_ended(bracket, fact, now_ns)
            case EntryRefused():
                self._entry_refused(bracket, fact, now_ns)
            case EntryChanged():
                self._entry_changed(bracket, fact, now_ns)
            case TrailingChanged():
                self._trailing_changed(bracket, fact, now_ns)
            case ExitFilled():
                self._exit_filled(bracket, fact, now_ns)
            case LegStands():
                self.put(leg_stands(bracket, fact, self.state.tell, now_ns)) if not bracket.is_final else None
            case LegGone():
                self.put(leg_gone(bracket, fact, self.state.tell, now_ns)) if not bracket.is_final else None
            case Remembered():
                memo = {name: text for name, text in {**bracket.venue.memo, **fact.memo}.items() if text}
                self.put(replace(bracket, venue=replace(bracket.venue, memo=memo)))
            case _:
                self.must_compare = True
        return self.get(bracket.n)

    def _accepted(self, bracket: Bracket, fact: EntryAccepted, now_ns: int) -> None:
        refs = bracket.venue
        if fact.order_ref in refs.order_refs or (not fact.order_ref and refs.order_refs):
            return
        if bracket.is_final:
            if bracket.status not in {OrderStatus.REJECTED, OrderStatus.VOID}:
                self.must_compare = True
                return
            bracket = self.turned_up(bracket, now_ns)
        after = replace(bracket, venue=bracket.venue.with_order(fact.order_ref).with_trade(fact.trade_ref))
        if bracket.venue.doubt is Doubt.NONE and bracket.venue.asked is Doubt.NONE and fact.replaces:
            after = self._moved_at_venue(after, fact, now_ns)
            self.must_compare = True  # its units may be others too
        elif fact.expires_ns is not None:
            after = replace(after, ttl_expires_ns=fact.expires_ns)
        self.arrived(after, Step.ACCEPTED, now_ns)

    def arrived(self, bracket: Bracket, step: Step, now_ns: int) -> Bracket:
        """The venue has it: what was on its way or in doubt is neither any more."""
        if bracket.status is OrderStatus.SUBMITTING:
            return self.put(apply(bracket, step, now_ns=now_ns))
        if bracket.status is OrderStatus.UNKNOWN and bracket.venue.doubt is Doubt.CREATE:
            known = self.put(replace(apply(bracket, step, now_ns=now_ns), venue=replace(bracket.venue, doubt=Doubt.NONE)))
            self.state.tell(events.order_resolved(known, now_ns))
            return known
        return self.put(bracket)

    def _moved_at_venue(self, bracket: Bracket, fact: EntryAccepted, now_ns: int) -> Bracket:
        """Somebody changed the entry at the venue itself."""
        changes: dict[str, object] = {}
        order, expires_ns = bracket.order, bracket.ttl_expires_ns
        if fact.price is not None and order.entry_price is not None and fact.price != order.entry_price:
            changes["entry_price"] = {"from": order.entry_price, "to": fact.price}
            order = replace(order, entry_price=fact.price)
        if fact.expires_ns is not None and fact.expires_ns != expires_ns:
            expires_ns = fact.expires_ns
        after = replace(bracket, order=order, ttl_expires_ns=expires_ns)
        if changes:
            self.state.tell(events.order_modified(after, changes, now_ns))
        return after

    def _entry_changed(self, bracket: Bracket, fact: EntryChanged, now_ns: int) -> None:
        if bracket.is_final or not bracket.remaining_units:
            return
        before, now = bracket.order, fact.order
        names = [name for name in RESTS_WITH if getattr(before, name) != getattr(now, name)]
        stop_price = bracket.stop_price if bracket.filled_units else now.stop_loss_price
        refs, was_removed = bracket.venue, bracket.venue.stop_removed
        if not bracket.filled_units:
            refs = replace(refs, stop_removed=not fact.has_stop)
        after = self.put(replace(bracket, order=now, stop_price=stop_price, updated_ns=now_ns, venue=refs))
        if names:
            changes: dict[str, object] = {name: {"from": getattr(before, name), "to": getattr(now, name) or None} for name in names}
            self.state.tell(events.order_modified(after, changes, now_ns))
        if after.venue.stop_removed and not was_removed:
            self.state.tell(events.order_cancelled(after, Leg.STOP_LOSS, CancelReason.VENUE, now_ns))

    def _trailing_changed(self, bracket: Bracket, fact: TrailingChanged, now_ns: int) -> None:
        before = bracket.order.trailing_stop_distance
        if not bracket.is_final and fact.distance != before:
            after = self.put(replace(bracket, order=replace(bracket.order, trailing_stop_distance=fact.distance), updated_ns=now_ns))
            self.state.tell(events.order_modified(after, {"trailing_stop_distance": {"from": before, "to": fact.distance}}, now_ns))

    def _entry_filled(self, bracket: Bracket, fact: EntryFilled, now_ns: int) -> None:
        if fact.fill_id in bracket.venue.fill_ids:
            return
        bracket, fact = self._settle(bracket, fact, now_ns)
        if not fact.units:
            return
        if bracket.status is OrderStatus.CLOSED:
            self.must_compare = True  # a position beside the trade that is done: the comparison finds it
            return
        if bracket.is_final:
            bracket = self.turned_up(bracket, now_ns)
        refs = bracket.venue.with_trade(fact.trade_ref)
        refs = refs.with_order(fact.order_ref) if not refs.order_refs else refs
        bracket = replace(bracket, venue=refs)
        if bracket.status is OrderStatus.SUBMITTING or bracket.venue.doubt is Doubt.CREATE:
            bracket = self.arrived(bracket, Step.ACCEPTED, now_ns)
        execution = execution_of(fact, bracket, self.state, units=fact.units, realized_pnl=None, now_ns=now_ns)
        after, fill = enter(bracket, execution)
        after = kept(after, fact, execution)
        if not after.remaining_units and after.venue.cancel_reason:
            after = replace(after, venue=replace(after.venue, cancel_reason=""))
        if after.closing_reason is CloseReason.KILL_SWITCH:
            after = replace(after, closing_units=after.closing_units + fact.units)  # it filled behind the kill switch
        after = self._still_in_doubt(after, now_ns)
        self._booked(after, lambda entered: events.order_filled(entered, fill, remaining_units=entered.remaining_units), fill)
        self.take_early(bracket.n, now_ns)

    def _entry_ended(self, bracket: Bracket, fact: EntryEnded, now_ns: int) -> None:
        newest = bracket.venue.order_refs[-1:]
        if bracket.is_final or not bracket.remaining_units or (fact.order_ref and newest and fact.order_ref != newest[0]):
            return
        asked = bracket.venue.cancel_reason
        reason = fact.reason
        if reason is CancelReason.USER:
            reason = CancelReason(asked) if asked else CancelReason.VENUE
        self.end_entry(bracket, reason, now_ns)

    def end_entry(self, bracket: Bracket, reason: CancelReason, now_ns: int) -> Bracket:
        """No more of the entry can trade; the bracket ends with it unless it holds something."""
        was_in_doubt = bracket.status is OrderStatus.UNKNOWN and bracket.venue.doubt is Doubt.CREATE
        refs = replace(bracket.venue, cancel_reason="", doubt=Doubt.NONE if was_in_doubt else bracket.venue.doubt)
        step = Step.EXPIRED if reason is CancelReason.TTL_EXPIRED else Step.CANCELLED
        if bracket.filled_units:
            step = Step.ENTRY_DONE  # whether it is out of the market too is known when no fill can still be on its way
        ended = apply(bracket, step, now_ns=now_ns, entry_cancelled=True, cancel_reason=str(reason), venue=refs)
        ended = self.put(self._still_in_doubt(ended, now_ns))
        self.state.tell(events.order_cancelled(ended, Leg.ENTRY, reason, now_ns))
        if was_in_doubt:
            self.state.tell(events.order_resolved(ended, now_ns))
        return ended

    def end_if_flat(self, bracket: Bracket, now_ns: int) -> Bracket:
        """The venue's records of an entry that has ended have been read: what has come and gone is closed."""
        bracket = self.put(replace(bracket, venue=replace(bracket.venue, entry_known=True)))
        if bracket.position_units or not bracket.filled_units:
            return bracket
        closed = self.put(apply(bracket, Step.CLOSED, now_ns=now_ns, closed_ns=now_ns))
        self._finish(closed)
        return closed

    def _entry_refused(self, bracket: Bracket, fact: EntryRefused, now_ns: int) -> None:
        if bracket.is_final or not bracket.remaining_units:
            return
        if bracket.filled_units:
            self.end_entry(bracket, CancelReason.VENUE, now_ns)
        else:
            self.reject(bracket, fact.code, fact.text or fact.code, now_ns)

    def reject(self, bracket: Bracket, code: str, message: str, now_ns: int, *, step: Step = Step.REJECTED) -> Bracket:
        """The order never came to stand anywhere: refused by the venue, never arrived (REJECTED), or never sent (NEVER_SENT, which is VOID)."""
        refs = replace(bracket.venue, doubt=Doubt.NONE, cancel_reason="")
        rejected = self.put(apply(bracket, step, now_ns=now_ns, cancel_reason=code, entry_cancelled=True, venue=refs))
        self.state.tell(
            events.order_rejected(
                rejected.order,
                order_id=rejected.order_id,
                placed_by=rejected.placed_by,
                mode=rejected.mode,
                code=code,
                message=message,
                ts_ns=now_ns,
            )
        )
        return rejected

    def _exit_filled(self, bracket: Bracket, fact: ExitFilled, now_ns: int) -> None:
        if fact.fill_id in bracket.venue.fill_ids:
            return
        is_known = is_entry_known(bracket) and not bracket.remaining_units
        _, taken = taken_from(bracket.venue.made_up, is_entry=False, units=fact.units, at=fact.at)
        if (bracket.is_final and not taken) or (not bracket.is_final and bracket.position_units < rest_of(fact, taken).units and not is_known):
            # It left before it came: the fill of its entry is on its way, or the comparison finds what this was.
            waiting = self._early.setdefault(bracket.n, [])
            if not bracket.is_final and all(each.fill_id != fact.fill_id for each in waiting):
                waiting[:] = [*waiting, fact][-_EARLY_MAX:]
            self.must_compare = True
            return
        bracket, fact = self._settle(bracket, fact, now_ns)
        units = min(fact.units, bracket.position_units)
        if not units:
            self.must_compare = True
            return
        leg, reason = fact.leg, fact.reason or REASON_OF.get(fact.leg, CloseReason.EXTERNAL)
        if fact.leg is Leg.CLOSE and fact.reason is None and bracket.closing_units and bracket.closing_reason is not None:
            reason = bracket.closing_reason
        execution = execution_of(fact, bracket, self.state, units=units, realized_pnl=fact.realized_pnl, now_ns=now_ns)
        after, fill = leave(bracket, execution, leg, reason)
        after = kept(after, fact, execution, realized_pnl=fill.realized_pnl)
        if leg is Leg.CLOSE and reason in _LEG_OF:
            leg = _LEG_OF[reason]
            fill = replace(fill, leg=leg)
        if after.remaining_units and not after.venue.cancel_reason:
            # The first exit ends the entry too; here it is asked for, and told when the venue has done it.
            after = replace(after, venue=replace(after.venue, cancel_reason=str(CancelReason.OCO_SIBLING)))
        after = self._still_in_doubt(shrunk(after, fact, releases=self._releases), now_ns)
        remaining = after.closing_units if fact.leg is Leg.CLOSE else after.position_units
        self._booked(after, lambda left: events.order_filled(left, fill, remaining_units=remaining), fill)
        if after.is_final:
            self._finish(after, leg)
            # A close that came late may have left an exit behind that would sell what is not the bracket's: the comparison finds it.
            self.must_compare = self.must_compare or (self._releases and fact.leg is Leg.CLOSE)

    def take_early(self, n: int, now_ns: int) -> None:
        """Try again what left before it came."""
        for early in self._early.pop(n, []):
            self.take(early, now_ns)

    def _finish(self, bracket: Bracket, leg: Leg | None = None) -> None:
        reason = bracket.close_reason or CloseReason.EXTERNAL
        exits = [each for each in (Leg.STOP_LOSS, Leg.TAKE_PROFIT) if each is not leg and each is not _LEG_OF.get(reason)]
        self.state.finish(bracket, exits, _SIBLINGS_END.get(reason, CancelReason.OCO_SIBLING))

    # ── doubt ──

    def lose(self, bracket: Bracket, doubt: Doubt, now_ns: int, begun_ns: int) -> Bracket:
        """Whether ``doubt``, whose call began at ``begun_ns``, happened is not known: UNKNOWN until it is looked up."""
        refs = replace(bracket.venue, doubt=doubt, asked=Doubt.NONE, asked_ns=begun_ns)
        was_known = bracket.status is not OrderStatus.UNKNOWN
        lost = apply(bracket, Step.LOST, now_ns=now_ns, venue=refs) if was_known else replace(bracket, venue=refs)
        lost = self.put(lost)
        if was_known:
            self.state.tell(events.order_unknown(lost, now_ns))
        return lost

    def resolve(self, bracket: Bracket, now_ns: int) -> Bracket:
        """What was in doubt is known, and its facts are in: the status follows from them."""
        refs = replace(bracket.venue, doubt=Doubt.NONE, asked=Doubt.NONE)
        if bracket.status is not OrderStatus.UNKNOWN:
            return self.put(replace(bracket, venue=refs))
        status = OrderStatus.PENDING
        if bracket.filled_units:
            status = OrderStatus.PARTIALLY_FILLED if bracket.remaining_units else OrderStatus.OPEN
        known = self.put(apply(bracket, _BACK[status], now_ns=now_ns, venue=refs))
        self.state.tell(events.order_resolved(known, now_ns))
        return known

    def _still_in_doubt(self, bracket: Bracket, now_ns: int) -> Bracket:
        """A fact says what has traded, not whether the change that is being looked up has happened."""
        doubt = bracket.venue.doubt
        if doubt in {Doubt.NONE, Doubt.CREATE} or bracket.is_final or bracket.status is OrderStatus.UNKNOWN:
            return bracket
        return apply(bracket, Step.LOST, now_ns=now_ns) if bracket.venue.asked is Doubt.NONE else bracket

    def turned_up(self, bracket: Bracket, now_ns: int, *, rests: bool = False) -> Bracket:
        """Taken for ended, and the venue has it: it is ours again, rung for, and what of it has not filled is cancelled.

        Args:
            rests: some of the entry stands there, so that one taken for cancelled has to be cancelled once more.
        """
        status = bracket.status
        was_cancelled = status in {OrderStatus.CANCELLED, OrderStatus.EXPIRED} and not rests
        refs = replace(bracket.venue, cancel_reason="" if was_cancelled else str(CancelReason.VENUE), doubt=Doubt.NONE, asked=Doubt.NONE)
        back = self.put(apply(bracket, Step.TURNED_UP, now_ns=now_ns, entry_cancelled=was_cancelled, cancel_reason=None, venue=refs))
        self.state.tell(events.order_resolved(back, now_ns))
        text = f"{back.order_id} was {status}, and the venue has it: it is cancelled as far as it has not filled"
        details = {"turned_up": [back.order_id], "differences": [text]}
        self.state.tell(events.reconciled(instrument=back.instrument, blind_s=ZERO, orders=1, ts_ns=now_ns, details=details))
        return back

    # ── inside ──

    def _settle(self, bracket: Bracket, fact: FillT, now_ns: int) -> tuple[Bracket, FillT]:
        """See ``settle``."""
        after, rest = settle(bracket, fact, self.state, now_ns)
        if after is bracket:
            return bracket, fact
        self.must_compare = True  # exits that follow fills did not follow this one
        return self.put(after), rest

    def _booked(self, after: Bracket, event: Callable[[Bracket], events.EventDraft], fill: Fill) -> None:
        self.state.book(after, fill)
        self.state.tell(event(self.put(after)))
