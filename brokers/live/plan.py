"""What has to be done next about one bracket, and when. Pure: it follows from the bracket and a few notes about what was tried.

The venue is asked one thing at a time about a bracket, so whatever several people, a stop and a restart want at once ends up here as fields of the
bracket, and the most urgent of it comes first: an open question before anything else (nothing is sent into the dark), then ending the entry, then
closing, then the stop. Because the wants are in the store, a process that dies in the middle goes on with them.

An order in doubt counts as never arrived after two looks that both found nothing: the first no earlier than the send could still have been on its way
(``call_s_max`` after it), the second ``look_gap_s`` later. Source: RULES R2.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from brokers.live.facts import EXITS, NO_EXITS
from brokers.live.venue import Capability, Exits, VenuePolicy
from runtime.clock import NS_PER_S
from trading.brackets import ARENA, Bracket, Protection
from trading.orders import OrderStatus
from trading.venue_refs import Doubt

# How long after its date an entry that the venue ends by itself may go untold before it is looked at.
EXPIRY_GRACE_S = 10.0
# After a call that came to nothing: a second, two, three, and every three from then on, so that what is open is known soon after the venue is back.
RETRY_S_MAX = 3.0
# What is held without a stop waits for nothing longer than this.
BARE_RETRY_S = 0.3
# What the venue definitely refuses: as quickly again while that may be a short halt, then twice as long each time. A market may be closed for days.
QUICK_REFUSALS = 10
REFUSED_S_MAX = 30.0  # where a stop stands meanwhile; else RETRY_S_MAX


class Job(StrEnum):
    LOOK = "look"
    CANCEL = "cancel"
    CLOSE = "close"
    PROTECT = "protect"
    TRAIL = "trail"
    EXPIRE = "expire"  # the time to live is over and the venue does not end it: begin to cancel


@dataclass(frozen=True, slots=True)
class Next:
    """``job`` is to be done from ``due_ns`` on."""

    job: Job
    due_ns: int


@dataclass(slots=True)
class Notes:
    """What was tried lately about one bracket; not kept over a restart, which tries anew.

    ``not_before_ns`` after a failure; ``guard_from_ns`` after one to guard what is held bare, which waits for no other pause, and ``close_from_ns``
    after a close that was refused; ``guard_refusals`` and ``close_refusals`` in a row, ``refusal_told`` the reason that people were told of.
    ``empty_looks_ns`` are the looks that found nothing (an order in doubt), or no change (a close in doubt), by when they began: a look shows how
    things were then.
    ``cancel_taken``: the venue has taken the request and not confirmed it, ``cancel_refusal`` why it would not. ``bare_since_ns``: since when
    something is held without a stop of its size, ``looked_for_stop`` that it was looked for since. ``gone_since_ns``: since when the venue has known
    nothing of it, or less than the book; ``looked_ns`` when the last look that saw it began. ``lands_ns``: until then what was sent before the clock
    was stepped may be on its way; ``stepped_ns`` by how much it was. ``trail_to``: where a trailing stop that is moved from here has to be moved at
    the venue. ``is_refused_its_stop``: no stop can stand, and the close that is to take it out is in doubt. ``is_bare_told``: a look has
    found that the entry filled without its stop, and it was rung for.
    """

    tries: int = 0
    not_before_ns: int = 0
    guard_from_ns: int = 0
    guard_refusals: int = 0
    close_from_ns: int = 0
    close_refusals: int = 0
    refusal_told: str = ""
    empty_looks_ns: list[int] = field(default_factory=list)
    cancel_taken: bool = False
    cancel_refusal: str = ""
    bare_since_ns: int = 0
    looked_for_stop: bool = False
    gone_since_ns: int = 0
    looked_ns: int = 0
    lands_ns: int = 0
    stepped_ns: int = 0
    trail_to: Decimal | None = None
    is_refused_its_stop: bool = False
    is_bare_told: bool = False

    def failed(self, now_ns: int, wait_s_max: float = RETRY_S_MAX) -> None:
        """Wait a little longer than the last time."""
        self.tries += 1
        self.not_before_ns = now_ns + round(min(float(self.tries), wait_s_max) * NS_PER_S)

    def unguarded(self, now_ns: int, *, refused: bool = False) -> None:
        """What is held is bare still, or its stop too large. ``refused``: the venue would not have the stop now."""
        self.guard_refusals = self.guard_refusals + 1 if refused else 0
        self.guard_from_ns = now_ns + _pause_ns(self.guard_refusals, is_bare=True)

    def close_refused(self, now_ns: int, *, is_bare: bool) -> None:
        """The venue would not close it now."""
        self.close_refusals += 1
        self.close_from_ns = now_ns + _pause_ns(self.close_refusals, is_bare=is_bare)

    def close_now(self) -> None:
        """Nothing that was tried before keeps the close waiting."""
        self.answered()
        self.close_from_ns = 0

    def closed(self) -> None:
        """The venue has closed something: what it refuses from now on, it refuses anew."""
        self.close_from_ns = self.close_refusals = 0
        self.refusal_told = ""

    def put_off(self, now_ns: int, seconds: float) -> None:
        """A person has to see to it: nothing is tried before then."""
        self.not_before_ns = self.guard_from_ns = now_ns + round(seconds * NS_PER_S)

    def answered(self) -> None:
        self.tries = 0
        self.not_before_ns = 0

    def shift(self, step_ns: int) -> None:
        """The clock that these times are told in was stepped."""
        self.stepped_ns += step_ns
        for name in ("not_before_ns", "guard_from_ns", "close_from_ns", "bare_since_ns", "gone_since_ns", "looked_ns", "lands_ns"):
            at_ns = getattr(self, name)
            setattr(self, name, at_ns + step_ns if at_ns else 0)
        self.empty_looks_ns = [at_ns + step_ns for at_ns in self.empty_looks_ns]


def _pause_ns(refusals: int, *, is_bare: bool) -> int:
    """How long is waited after the venue has refused something so often in a row."""
    if is_bare:
        seconds = min(BARE_RETRY_S * 2.0 ** min(max(refusals - QUICK_REFUSALS, 0), 10), RETRY_S_MAX)
    else:
        seconds = min(2.0 ** min(refusals - 1, 10), REFUSED_S_MAX)
    return round(seconds * NS_PER_S)


def next_job(bracket: Bracket, notes: Notes, capability: Capability, policy: VenuePolicy, now_ns: int) -> Next | None:
    """The most urgent of what ``bracket`` needs, None when it needs nothing."""
    refs = bracket.venue
    if bracket.is_final or bracket.status is OrderStatus.SUBMITTING:
        return None  # what was sent is on its way, and its answer is waited for
    if refs.doubt not in {Doubt.NONE, Doubt.CREATE} and bracket.position_units and bracket.protection is Protection.NONE:
        # The exits may have been taken off for a close or a change that never came: see what there is, and guard it whatever becomes of that.
        # Where a known name is answered with the first order, a close in doubt is asked for again rather than waited for.
        if bracket.closing_units and (refs.doubt is not Doubt.CLOSE or (policy.resends and notes.is_refused_its_stop)):
            return Next(Job.CLOSE, max(notes.not_before_ns, notes.close_from_ns))
        return Next(_first_for_its_stop(notes, policy), notes.guard_from_ns)
    if refs.doubt is not Doubt.NONE or refs.asked is Doubt.CLOSE:
        return Next(Job.LOOK, max(notes.not_before_ns, first_look_ns(bracket, notes, policy)))
    wanted = [each for each in (_end_entry(bracket, notes), _close(bracket, notes), _guard(bracket, notes, capability, policy, now_ns)) if each]
    wanted += [each for each in (_expire(bracket, notes, capability, policy), _trail(bracket, notes), _read_up(bracket, notes)) if each]
    return min(wanted, key=lambda each: each.due_ns, default=None)


def first_look_ns(bracket: Bracket, notes: Notes, policy: VenuePolicy) -> int:
    """When a question in doubt may be looked at next: not while what was sent may still be on its way."""
    refs = bracket.venue
    if refs.asked is Doubt.CLOSE and refs.doubt is Doubt.NONE:
        return refs.asked_ns + NS_PER_S // 2  # taken; its fill is only waited for
    if refs.doubt is Doubt.CANCEL:
        return notes.not_before_ns  # to cancel twice does no harm
    landed_ns = landing_ns(bracket, notes, policy)
    if not notes.empty_looks_ns:
        return landed_ns
    return max(landed_ns, max(notes.empty_looks_ns) + round(policy.look_gap_s * NS_PER_S))


def landing_ns(bracket: Bracket, notes: Notes, policy: VenuePolicy) -> int:
    """From when on what was sent last can be on its way no longer."""
    return max(bracket.venue.asked_ns + round(policy.call_s_max * NS_PER_S), notes.lands_ns)


def is_conclusive(notes: Notes, policy: VenuePolicy) -> bool:
    """Whether the looks that found nothing are enough to say that there is nothing."""
    looks = notes.empty_looks_ns
    return len(looks) >= 2 and max(looks) - min(looks) >= round(policy.look_gap_s * NS_PER_S)


def _end_entry(bracket: Bracket, notes: Notes) -> Next | None:
    if not bracket.venue.cancel_reason or not bracket.remaining_units:
        return None
    return Next(Job.LOOK if notes.cancel_taken else Job.CANCEL, notes.not_before_ns)


def _close(bracket: Bracket, notes: Notes) -> Next | None:
    due_ns = max(notes.not_before_ns, notes.close_from_ns)
    return Next(Job.CLOSE, due_ns) if bracket.closing_units and bracket.position_units else None


def _guard(bracket: Bracket, notes: Notes, capability: Capability, policy: VenuePolicy, now_ns: int) -> Next | None:
    """The stop of what is held. One that was taken off at the venue is the protection watch's affair: it rings, and does what its setting says."""
    if bracket.origin != ARENA or not bracket.position_units or bracket.closing_units or bracket.venue.stop_removed:
        return None
    if bracket.protection is not Protection.NONE:
        return Next(Job.PROTECT, notes.guard_from_ns) if has_too_large_a_stop(bracket, policy) else None
    since_ns = notes.bare_since_ns or now_ns
    if comes_with_exits(bracket, capability) and not notes.looked_for_stop:
        return Next(_first_for_its_stop(notes, policy), max(notes.guard_from_ns, since_ns + round(policy.attach_s_max * NS_PER_S)))
    return Next(Job.PROTECT, notes.guard_from_ns)


def _first_for_its_stop(notes: Notes, policy: VenuePolicy) -> Job:
    """What is bare is looked at before it is guarded; where exits are single orders, guarding it looks first by itself."""
    return Job.PROTECT if notes.looked_for_stop or policy.releases else Job.LOOK


def has_too_large_a_stop(bracket: Bracket, policy: VenuePolicy) -> bool:
    """Whether an exit for more than is held stands, as after a close that came late: it would sell what is not the bracket's."""
    stop = bracket.venue.stop
    return policy.releases and stop is not None and stop.units > bracket.position_units


def comes_with_exits(bracket: Bracket, capability: Capability) -> bool:
    """Whether the venue makes the exits when the entry fills, as far as is known."""
    attaches = capability.exits is Exits.ATTACHED and bracket.order.entry_type in capability.attached_types
    return attaches and bracket.venue.memo.get(EXITS) != NO_EXITS


def _trail(bracket: Bracket, notes: Notes) -> Next | None:
    stands = bracket.venue.stop is not None and bracket.position_units and not bracket.closing_units
    return Next(Job.TRAIL, notes.not_before_ns) if stands and notes.trail_to is not None else None


def _read_up(bracket: Bracket, notes: Notes) -> Next | None:
    """Something filled, the rest ended, and nothing is held: it is over, unless a fill is still on its way."""
    if bracket.remaining_units or bracket.position_units or not bracket.filled_units:
        return None
    return Next(Job.LOOK, notes.not_before_ns)


def _expire(bracket: Bracket, notes: Notes, capability: Capability, policy: VenuePolicy) -> Next | None:
    if bracket.origin != ARENA or not bracket.remaining_units or bracket.venue.cancel_reason:
        return None
    if bracket.order.entry_type not in capability.ttl_types:
        return Next(Job.EXPIRE, max(bracket.ttl_expires_ns, notes.not_before_ns))
    # Its date is the venue's; where our clock was set forward since, whose hour is the right one is not known, and the venue ends it by its own.
    late_ns = bracket.ttl_expires_ns + max(0, notes.stepped_ns) + round(min(EXPIRY_GRACE_S, policy.reconcile_s) * NS_PER_S)
    # Looked at after its date and still there: the venue's clock is another one, or its promise was none.
    return Next(Job.EXPIRE if notes.looked_ns >= late_ns else Job.LOOK, max(late_ns, notes.not_before_ns))
