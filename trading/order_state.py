"""The life of a bracket: one table of what may follow what, and one door.

SUBMITTING ─→ PENDING ─→ (PARTIALLY_FILLED) ─→ OPEN ─→ CLOSED, with side doors to CANCELLED, EXPIRED, REJECTED and VOID. UNKNOWN stands for "it may
have happened" and leads back to wherever a look at the venue says; CANCEL_PENDING for a cancel whose answer is out. What ended without a trade and
turns up at a live venue all the same is taken up again (TURNED_UP); no other final state is ever left.
"""

from dataclasses import replace
from enum import StrEnum

from trading.brackets import Bracket
from trading.errors import StateConflict
from trading.orders import OrderStatus


class Step(StrEnum):
    """What happened to a bracket as a whole."""

    ACCEPTED = "accepted"  # the venue has it, nothing has traded
    REJECTED = "rejected"  # the venue refused it
    NEVER_SENT = "never_sent"  # it was given up before anything left us
    LOST = "lost"  # sent, and no answer came
    ENTRY_PARTIAL = "entry_partial"  # some of the entry traded, more may
    ENTRY_DONE = "entry_done"  # there is a position and no more of the entry to come
    REDUCED = "reduced"  # some of the position is out, some still in
    CANCEL_SENT = "cancel_sent"
    CANCEL_REFUSED = "cancel_refused"  # too late, or the venue would not: it works on
    CANCELLED = "cancelled"  # nothing traded and nothing will
    EXPIRED = "expired"  # as CANCELLED, because its time to live was over
    CLOSED = "closed"  # there was a position and it is out
    TURNED_UP = "turned_up"  # taken for ended, and the venue has it all the same
    RESET = "reset"  # the paper account it belonged to began anew


_S = OrderStatus

TRANSITIONS: dict[tuple[OrderStatus, Step], OrderStatus] = {
    (_S.SUBMITTING, Step.ACCEPTED): _S.PENDING,
    (_S.SUBMITTING, Step.REJECTED): _S.REJECTED,
    (_S.SUBMITTING, Step.NEVER_SENT): _S.VOID,
    (_S.SUBMITTING, Step.LOST): _S.UNKNOWN,
    (_S.SUBMITTING, Step.ENTRY_PARTIAL): _S.PARTIALLY_FILLED,
    (_S.SUBMITTING, Step.ENTRY_DONE): _S.OPEN,
    (_S.SUBMITTING, Step.CANCELLED): _S.CANCELLED,
    (_S.SUBMITTING, Step.EXPIRED): _S.EXPIRED,
    (_S.PENDING, Step.REJECTED): _S.REJECTED,
    (_S.PENDING, Step.LOST): _S.UNKNOWN,
    (_S.PENDING, Step.ENTRY_PARTIAL): _S.PARTIALLY_FILLED,
    (_S.PENDING, Step.ENTRY_DONE): _S.OPEN,
    (_S.PENDING, Step.CANCEL_SENT): _S.CANCEL_PENDING,
    (_S.PENDING, Step.CANCELLED): _S.CANCELLED,
    (_S.PENDING, Step.EXPIRED): _S.EXPIRED,
    (_S.PARTIALLY_FILLED, Step.LOST): _S.UNKNOWN,
    (_S.PARTIALLY_FILLED, Step.ENTRY_PARTIAL): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, Step.ENTRY_DONE): _S.OPEN,
    (_S.PARTIALLY_FILLED, Step.REDUCED): _S.PARTIALLY_FILLED,
    (_S.PARTIALLY_FILLED, Step.CANCEL_SENT): _S.CANCEL_PENDING,
    (_S.PARTIALLY_FILLED, Step.CLOSED): _S.CLOSED,
    (_S.OPEN, Step.ENTRY_PARTIAL): _S.PARTIALLY_FILLED,  # an entry that was taken for ended and rests at its venue after all
    (_S.OPEN, Step.ENTRY_DONE): _S.OPEN,
    (_S.OPEN, Step.REDUCED): _S.OPEN,
    (_S.OPEN, Step.LOST): _S.UNKNOWN,
    (_S.OPEN, Step.CLOSED): _S.CLOSED,
    (_S.CANCEL_PENDING, Step.LOST): _S.UNKNOWN,
    (_S.CANCEL_PENDING, Step.ENTRY_PARTIAL): _S.CANCEL_PENDING,
    (_S.CANCEL_PENDING, Step.ENTRY_DONE): _S.OPEN,
    (_S.CANCEL_PENDING, Step.CANCELLED): _S.CANCELLED,
    (_S.CANCEL_PENDING, Step.EXPIRED): _S.EXPIRED,
    (_S.CANCEL_PENDING, Step.REDUCED): _S.CANCEL_PENDING,
    (_S.CANCEL_PENDING, Step.REJECTED): _S.REJECTED,
    (_S.CANCEL_PENDING, Step.CLOSED): _S.CLOSED,
    (_S.UNKNOWN, Step.ACCEPTED): _S.PENDING,
    (_S.UNKNOWN, Step.REJECTED): _S.REJECTED,
    (_S.UNKNOWN, Step.NEVER_SENT): _S.VOID,
    (_S.UNKNOWN, Step.ENTRY_PARTIAL): _S.PARTIALLY_FILLED,
    (_S.UNKNOWN, Step.ENTRY_DONE): _S.OPEN,
    (_S.UNKNOWN, Step.CANCELLED): _S.CANCELLED,
    (_S.UNKNOWN, Step.EXPIRED): _S.EXPIRED,
    (_S.UNKNOWN, Step.CLOSED): _S.CLOSED,
    # A trade that is done is done: what turns up after it is another position.
    **{(status, Step.TURNED_UP): _S.PENDING for status in (_S.REJECTED, _S.VOID, _S.CANCELLED, _S.EXPIRED)},
    **{(status, Step.RESET): _S.VOID for status in OrderStatus if not status.is_final},
}


def apply(bracket: Bracket, step: Step, *, now_ns: int, **changes: object) -> Bracket:
    """``bracket`` as it stands after ``step``, with ``changes`` to its other fields made in the same breath.

    Raises:
        StateConflict: the step cannot follow from where the bracket stands; nothing has changed.
    """
    return replace(bracket, status=next_status(bracket, step), updated_ns=now_ns, **changes)  # type: ignore[arg-type]  # names of its fields


# What leads to where the fills say that a bracket stands.
_BY_FILLS = frozenset({(_S.CANCEL_PENDING, Step.CANCEL_REFUSED), (_S.UNKNOWN, Step.REDUCED)})


def next_status(bracket: Bracket, step: Step) -> OrderStatus:
    """Where ``step`` leads. A refused cancel, and an exit of what is UNKNOWN, lead to what the fills say."""
    if (bracket.status, step) in _BY_FILLS:
        if not bracket.filled_units:
            return _S.PENDING
        return _S.PARTIALLY_FILLED if bracket.remaining_units else _S.OPEN
    try:
        return TRANSITIONS[bracket.status, step]
    except KeyError:
        raise StateConflict(
            f"{bracket.order_id} is {bracket.status}: look at it again before you decide",
            details={"order_id": bracket.order_id, "status": str(bracket.status), "step": str(step)},
        ) from None
