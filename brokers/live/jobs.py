"""What is asked of the venue about each bracket, one question at a time, and what its answers make of the book.

``begin`` turns the next thing to do (``brokers.live.plan``) into a ``VenueCall``; the marks it leaves on the bracket are committed before the call is
made. Its ``settle`` judges the answer, or the lack of one, and goes on to the next thing. Called on the writer thread alone.
"""

import heapq
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from brokers.base import VenueCall, Verdict
from brokers.live.account import LiveAccount
from brokers.live.answers import Answers
from brokers.live.hearing import Hearing
from brokers.live.plan import Job, Next, next_job
from brokers.live.seeing import Seeing
from brokers.live.venue import Amendment, Intent, NotSent, Target, Venue, VenueMismatch, VenueRefused
from brokers.live.waiting import Waiting
from runtime.clock import NS_PER_S, Clock
from trading.brackets import Bracket, Protection
from trading.errors import StateConflict
from trading.events import CancelReason
from trading.venue_refs import Doubt

# How far ahead a look is taken up by the call before it, so that who waits for a cancel sees it confirmed.
PATIENCE_NS = NS_PER_S
# After so long a call that never came back is given up; its time-out and the store's own wait lie well below.
LOST_CALL_S = 120.0
# The pauses before each further try of a create that may be sent again.
RESEND_PAUSES_S = (0.0, 0.3, 1.0)

_MARK = {Job.CANCEL: Doubt.CANCEL, Job.CLOSE: Doubt.CLOSE, Job.PROTECT: Doubt.PROTECT, Job.TRAIL: Doubt.PROTECT}

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Call:
    """A call that is out, and until when it can be. ``begun_boot_ns`` is set on the event loop when it begins, None before."""

    until_boot_ns: int
    begun_boot_ns: int | None = None


class Jobs:
    """The calls of one account."""

    def __init__(self, account: LiveAccount, venue: Venue, clock: Clock) -> None:
        self._account = account
        self._venue = venue
        self._clock = clock
        self._out: dict[int, _Call] = {}
        # When something is due about which bracket; the heap may hold times that the agenda has given up.
        self._agenda: dict[int, int] = {}
        self._heap: list[tuple[int, int]] = []
        self._stale: set[int] = set()
        self.waiting = Waiting(account.book)
        self.hearing = Hearing(account, self.waiting)
        self.seeing = Seeing(account, venue.policy, self.hearing, self.waiting)
        self._answers = Answers(account, venue.policy, self.hearing, self.seeing, self.waiting)

    @property
    def in_flight(self) -> frozenset[int]:
        """The brackets a call is out for; it goes on whatever becomes of the transaction at hand."""
        return frozenset(n for n in self._out if self.is_busy(n))

    def is_busy(self, n: int) -> bool:
        out = self._out.get(n)
        return out is not None and self._clock.boot_ns() < out.until_boot_ns

    def take_back(self) -> None:
        """A transaction was taken back, and with it the calls that it had asked for; those that have begun go on.

        One whose transaction stood and that has not begun yet finds that it is not wanted any more, and is not sent.
        """
        self._out = {n: out for n, out in self._out.items() if out.begun_boot_ns is not None}

    def restart(self) -> None:
        """The book has been read anew: look at all of it."""
        self._agenda.clear()
        self._heap.clear()
        self._stale = set(self._account.state.brackets)

    def shift(self, step_ns: int) -> None:
        """The wall clock was stepped: what is waited for is waited for as long as before it, and no shorter.

        When something was asked is moved back with the clock and never forward: what is listed at a venue since then must not begin too late.
        """
        call_ns = round(self._venue.policy.call_s_max * NS_PER_S)
        for bracket in list(self._account.state.brackets.values()):
            notes, refs, expires_ns = self._account.notes_of(bracket.n), bracket.venue, bracket.ttl_expires_ns
            notes.shift(step_ns)
            if refs.asked is not Doubt.NONE or refs.doubt is not Doubt.NONE:
                notes.lands_ns = max(notes.lands_ns, refs.asked_ns + step_ns + call_ns)
                refs = replace(refs, asked_ns=refs.asked_ns + min(step_ns, 0))
            if bracket.remaining_units and bracket.order.entry_type not in self._account.capability(bracket.instrument).ttl_types:
                expires_ns += step_ns  # it is ended from here
            if (refs, expires_ns) != (bracket.venue, bracket.ttl_expires_ns):
                self._account.book.put(replace(bracket, venue=refs, ttl_expires_ns=expires_ns))
        self.restart()

    # ── when ──

    def note(self, n: int) -> None:
        """Something about bracket ``n`` may have changed what is to be done."""
        self._stale.add(n)

    def replan(self, now_ns: int) -> int | None:
        """When the next thing is due, None while nothing is. Cheap when nothing changed."""
        for n in self._stale:
            found = self._next(n, now_ns)
            if found is None:
                self._agenda.pop(n, None)
            elif self._agenda.get(n) != found.due_ns:
                self._agenda[n] = found.due_ns
                heapq.heappush(self._heap, (found.due_ns, n))
        self._stale.clear()
        self._drop_past()
        return self._heap[0][0] if self._heap else None

    def due(self, now_ns: int) -> list[VenueCall]:
        """The calls that are due."""
        calls: list[VenueCall] = []
        self._drop_past()
        while self._heap and self._heap[0][0] <= now_ns:
            n = heapq.heappop(self._heap)[1]
            self._agenda.pop(n, None)
            call = self.begin(n, now_ns)
            if call is not None:
                calls.append(call)
            self._drop_past()
        return calls

    def _drop_past(self) -> None:
        """Take what is not due any more off the top; what a call is out for is looked at again when it comes back."""
        while self._heap and (self._agenda.get(self._heap[0][1]) != self._heap[0][0] or self.is_busy(self._heap[0][1])):
            due_ns, n = heapq.heappop(self._heap)
            if self._agenda.get(n) == due_ns:
                del self._agenda[n]

    def _next(self, n: int, now_ns: int) -> Next | None:
        bracket = self._account.state.brackets.get(n)
        if bracket is None:
            self._account.notes.pop(n, None)
            self._agenda.pop(n, None)
            return None
        notes = self._account.notes_of(n)
        if bracket.position_units and bracket.protection is Protection.NONE:
            if not notes.bare_since_ns:
                notes.bare_since_ns, notes.guard_from_ns, notes.close_from_ns = now_ns, 0, 0
        else:
            notes.bare_since_ns, notes.looked_for_stop = 0, False
        return next_job(bracket, notes, self._account.capability(bracket.instrument), self._venue.policy, now_ns)

    # ── calls ──

    def begin(self, n: int, now_ns: int, *, goes_on: bool = False) -> VenueCall | None:
        """The next call about bracket ``n``, when it is due and no other is out. ``goes_on``: a look that is nearly due may be waited for."""
        self._stale.add(n)
        if self.is_busy(n) or not self._account.is_open:
            return None
        found = self._next(n, now_ns)
        if found is not None and found.job is Job.EXPIRE and found.due_ns <= now_ns:
            self._account.want_cancel(self._account.state.brackets[n], str(CancelReason.TTL_EXPIRED), now_ns)
            found = self._next(n, now_ns)
        if found is None or found.due_ns > now_ns + (PATIENCE_NS if goes_on and found.job is Job.LOOK else 0):
            return None
        return self._call(self._account.state.brackets[n], found, now_ns)

    def create(self, bracket: Bracket, intent: Intent) -> VenueCall:
        """Send ``bracket``, which is in the book as SUBMITTING: once, and where the venue's policy says so a few times more before its deadline."""
        n = bracket.n

        async def send(wanted: Intent = intent) -> object:
            if self._clock.boot_ns() >= intent.deadline_boot_ns:
                raise NotSent("EXPIRED", "its deadline passed before it could be sent")
            return await self._venue.create(wanted)

        def settle(answer: object, now_ns: int, begun_ns: int) -> VenueCall | None:
            self._answers.created(n, answer, now_ns, begun_ns)
            return again(answer, pauses_s)

        def again(answer: object, pauses_left_s: Sequence[float]) -> VenueCall | None:
            """The same once more, where that cannot make two of it, its answer was none, and it is not too late."""
            is_final_word = isinstance(answer, VenueMismatch | VenueRefused)
            if is_final_word or not pauses_left_s or not is_wanted() or self._clock.boot_ns() >= intent.deadline_boot_ns:
                return None

            def settle_again(answer: object, now_ns: int, begun_ns: int) -> VenueCall | None:
                self._answers.created(n, answer, now_ns, begun_ns, is_again=True)
                return again(answer, pauses_left_s[1:])

            return self._out_call(n, send_again, settle_again, pauses_left_s[0])

        def is_wanted() -> bool:
            """Whether it is in doubt still, and nobody has asked for its end: after a kill switch nothing new is sent."""
            current = self._account.state.brackets.get(n)
            return current is not None and current.venue.doubt is Doubt.CREATE and not current.venue.cancel_reason

        async def send_again() -> object:
            if not is_wanted():  # one look at one word, from the event loop: the pause before this one was long enough for either
                raise NotSent("UNAVAILABLE", "it is not wanted any more")
            return await send(replace(intent, is_again=True))

        pauses_s = RESEND_PAUSES_S if self._venue.policy.resends else ()
        return self._out_call(n, send, settle)

    def take_off(self, leftovers: Sequence[Bracket]) -> list[VenueCall]:
        """See that nothing stands at the venue for brackets that have ended; what comes of it the next comparison sees."""
        wanted = [(bracket.n, target_of(bracket)) for bracket in leftovers if not self.is_busy(bracket.n)]
        return [self._out_call(n, lambda target=target: self._venue.protect(target), lambda *_: None) for n, target in wanted]  # type: ignore[misc]

    def amend(self, bracket: Bracket, change: Amendment, apply: Callable[[Bracket, int], Bracket], verdict: Verdict, now_ns: int) -> VenueCall:
        """Ask for ``change``; once the venue has agreed, ``apply`` makes it in the book."""
        target = target_of(bracket)  # as it was: the mark of this very call is no doubt that the venue has to be searched for
        refs = replace(bracket.venue, asked=Doubt.AMEND, asked_ns=now_ns, released=True)
        self._account.book.put(replace(bracket, venue=refs, updated_ns=now_ns))
        return self._out_call(
            bracket.n,
            lambda: self._venue.amend(target, change),
            lambda answer, at_ns, begun_ns: self._answers.amended(bracket.n, answer, at_ns, begun_ns, change=apply, verdict=verdict),
        )

    def _call(self, bracket: Bracket, found: Next, now_ns: int) -> VenueCall:
        n, target, venue = bracket.n, target_of(bracket), self._venue  # without the mark, as in ``amend``
        mark = _MARK.get(found.job)
        if mark is not None:
            refs = replace(bracket.venue, asked=mark, asked_ns=now_ns, released=bracket.venue.released or mark is not Doubt.CANCEL)
            bracket = self._account.book.put(replace(bracket, venue=refs))
        delay_s = max(0, found.due_ns - now_ns) / NS_PER_S
        match found.job:
            case Job.CANCEL:
                return self._out_call(
                    n, lambda: venue.cancel(target), lambda answer, at_ns, begun_ns: self._answers.cancelled(n, answer, at_ns, begun_ns)
                )
            case Job.CLOSE:
                units = bracket.closing_units
                return self._out_call(
                    n, lambda: venue.close(target, units), lambda answer, at_ns, begun_ns: self._answers.closed(bracket, answer, at_ns, begun_ns)
                )
            case Job.PROTECT:
                return self._out_call(n, lambda: venue.protect(target), lambda answer, at_ns, _: self._answers.protected(n, answer, at_ns))
            case Job.TRAIL:
                price = self._account.notes_of(n).trail_to
                change = Amendment(stop_loss_price=price)
                return self._out_call(n, lambda: venue.amend(target, change), lambda answer, at_ns, _: self._answers.trailed(n, price, answer, at_ns))
            case _:
                return self._out_call(
                    n, lambda: venue.look_up(target), lambda answer, at_ns, begun_ns: self._answers.looked(bracket, answer, at_ns, begun_ns), delay_s
                )

    def _out_call(
        self, n: int, send: Callable[[], Awaitable[object]], settle: Callable[[object, int, int], VenueCall | None], delay_s: float = 0.0
    ) -> VenueCall:
        """A call about bracket ``n``. ``settle`` is told the answer, the time now, and when the call began: an answer shows how things were then."""
        out = self._mark_out(n, delay_s)

        async def sent() -> object:
            if self._out.get(n) is not out:
                raise NotSent("UNAVAILABLE", "the store was read anew before it was sent")
            out.begun_boot_ns = self._clock.boot_ns()
            return await send()

        def settled(answer: object | Exception, now_ns: int) -> VenueCall | None:
            if self._out.get(n) is out:
                del self._out[n]
            if isinstance(answer, Exception):
                _log.info("the venue did not do as asked", extra={"n": n, "reason": f"{type(answer).__name__}: {answer}"})
            try:
                following = settle(answer, now_ns, now_ns - self._took_ns(out))
            except StateConflict as conflict:
                following = None
                self.hearing.misfit(conflict)
            self.waiting.judge(n)
            self.hearing.tell(now_ns)
            return following or self.begin(n, now_ns, goes_on=True)

        return VenueCall(send=sent, settle=settled, timeout_s=self._venue.policy.call_s_max, delay_s=delay_s)

    def _took_ns(self, out: _Call) -> int:
        """How long a call has been out."""
        return 0 if out.begun_boot_ns is None else max(0, self._clock.boot_ns() - out.begun_boot_ns)

    def _mark_out(self, n: int, delay_s: float) -> _Call:
        until_ns = self._clock.boot_ns() + round((LOST_CALL_S + delay_s + self._venue.policy.call_s_max) * NS_PER_S)
        self._out[n] = _Call(until_ns)
        return self._out[n]


def target_of(bracket: Bracket) -> Target:
    """What a Venue is told of ``bracket``."""
    return Target(
        order_id=bracket.order_id,
        order=bracket.order,
        refs=bracket.venue,
        stop_price=bracket.stop_price,
        expires_ns=bracket.ttl_expires_ns,
        remaining_units=bracket.remaining_units,
        position_units=bracket.position_units,
        created_ns=bracket.placed_ns,
    )
