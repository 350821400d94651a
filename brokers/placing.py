"""Placing an order, once: from a ticket to a bracket, a refusal, or the answer that was given before.

All of it is one work on the writer thread, so two requests with one id meet in some order and the second finds the first's row. In this order: an id
that was used before is answered from the store; a request that is late becomes a tombstone; then the ticket, the brake, the limits and the venue are
asked. A refusal by our rules is journalled, so that it can be read and commented on, and leaves the id free. Source: RULES R4, R6, R7.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from brokers import grant_ledger, grants, ledger
from brokers.actors import Actor
from brokers.base import Mark, VenueCall
from brokers.desk import Desk, NewOrder
from bus.codec import REPLY_LIMITS, pack, pack_plain, unpack
from bus.txn import Txn
from trading.brackets import Bracket
from trading.errors import KINDS, ArenaError, DeadlinePassed, OrderDenied, OutcomeUnknown, StateConflict, Unavailable
from trading.events import EventDraft, EventType
from trading.money import fits_wire
from trading.order_checks import check_ticket
from trading.orders import OrderStatus, OrderTicket, canonical_hash

Result = dict[str, Any]

VOID_LATE = "expired"
VOID_RESOLVED = "resolved"

_NAME_CHARS_MAX = 64  # what is journalled of a name that is none of ours
_MESSAGE_CHARS_MAX = 500
_LIST_ITEMS_MAX = 200
_IN_DOUBT = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


class PlaceRequest(msgspec.Struct, frozen=True):
    """A ticket and the id it goes by, who sent it, whether it is late or the store is short of room by now, and the newest quotes."""

    ticket: OrderTicket
    client_order_id: str
    actor: Actor
    is_late: Callable[[], bool]
    store_is_low: Callable[[], bool]
    marks: Mapping[str, Mark]
    deadline_ns: int | None = None  # from then on nothing may be sent


class Placed(msgspec.Struct, frozen=True):
    """What came of it: exactly one of the first three is set, and ``call`` besides when the venue must still be asked.

    ``refusal`` is returned rather than raised: what was journalled about it must be committed.
    """

    result: Result | None = None
    refusal: ArenaError | None = None
    in_flight_n: int | None = None  # on its way to the venue: wait for the answer
    call: VenueCall | None = None
    instrument: str | None = None  # of an order that is new


def place(desk: Desk, txn: Txn, request: PlaceRequest, now_ns: int) -> Placed:
    """Place, refuse or repeat.

    Raises:
        ArenaError: with nothing written: the request has no shape, its id is taken, or the venue cannot be asked now.
    """
    broker = desk.broker
    known = ledger.find_client_id(txn, request.client_order_id, request.actor.user, broker.account_id)
    if known is not None:
        return _repeat(desk, known, request)
    if request.is_late():
        return _refuse_late(desk, txn, request, now_ns)
    if request.store_is_low():
        raise Unavailable("the disk is nearly full and no new orders are taken: free some space", code="STORE_LOW")
    if not broker.is_reconciled:
        raise Unavailable("the account is being compared with the venue; try again shortly", code="STREAM_RECONCILING")
    try:
        order = check_ticket(request.ticket, desk.instruments, desk.source)
        body_hash = canonical_hash(order)
        broker.mark(request.marks.values())
        desk.refuse(order, placed_by=request.actor.user, body_hash=body_hash, marks=request.marks, now_ns=now_ns)
        charge = grants.check(desk, txn, request.actor, order, marks=request.marks, now_ns=now_ns)
        progress = broker.place(order, placed_by=request.actor.user, now_ns=now_ns, deadline_ns=request.deadline_ns)
    except OrderDenied as denial:
        desk.append(txn, _rejected(desk, request, denial, now_ns))
        return Placed(refusal=denial)
    bracket, call = progress.brackets[0], progress.calls[0] if progress.calls else None
    desk.limits.note(request.actor.user, body_hash, now_ns)
    grant_ledger.add(txn, bracket.n, charge)
    if bracket.status in _IN_DOUBT:
        desk.record(txn, NewOrder(body_hash=body_hash))
        return Placed(in_flight_n=bracket.n, call=call, instrument=order.instrument)
    answer = Answer()
    desk.record(txn, NewOrder(body_hash=body_hash, reply=answer))
    return Placed(result=answer.result, call=call, instrument=order.instrument)


def settle(desk: Desk, txn: Txn, n: int) -> Placed:
    """The answer to a placement that had to wait for the venue, kept for whoever repeats it; or still in flight, or in doubt."""
    bracket = ledger.order(txn, n)
    if bracket is None or bracket.status is OrderStatus.SUBMITTING:
        return Placed(in_flight_n=n)
    if bracket.status is OrderStatus.UNKNOWN:
        return Placed(refusal=_unknown(bracket.client_order_id, bracket.order_id))
    kept = ledger.reply_of(txn, n)
    if kept is None:
        kept = _final_reply(desk, txn, bracket)
        ledger.set_reply(txn, n, kept)
    return _from_bytes(kept)


class Answer:
    """Builds the ``Placement`` of a bracket: ``result`` for who placed it, and the bytes that are kept for a repeat."""

    def __init__(self) -> None:
        self.result: Result | None = None

    def __call__(self, bracket: Bracket, event_id: str) -> bytes:
        self.result = {
            "order_id": bracket.order_id,
            "client_order_id": bracket.order.client_order_id,
            "status": str(bracket.status),
            "mode": bracket.mode,
            # Seconds with milliseconds: thirteen digits, which a float64 carries exactly as written.
            "ttl_expires_at": bracket.ttl_expires_ns // 1_000_000 / 1000,
            "event_id": event_id,
        }
        return pack_plain({"result": self.result})


def _repeat(desk: Desk, known: ledger.KnownId, request: PlaceRequest) -> Placed:
    if known.n is None:
        raise StateConflict(
            "this client_order_id was given up and nothing was sent under it: use a new one",
            code="ORDER_VOID",
            details={"client_order_id": request.client_order_id, "reason": known.void_reason},
        )
    try:
        is_same = canonical_hash(check_ticket(request.ticket, desk.instruments, desk.source)) == known.body_hash
    except ArenaError:
        is_same = False  # what was placed under this id passed the same checks
    if not is_same:
        raise OrderDenied(
            "this client_order_id stands for another order: use a new one, or send the same order again",
            code="IDEMPOTENCY_MISMATCH",
            details={"client_order_id": request.client_order_id},
        )
    if known.reply is not None:
        return _from_bytes(known.reply, replayed=True)
    if known.status == OrderStatus.UNKNOWN:
        raise _unknown(request.client_order_id, None)
    return Placed(in_flight_n=known.n)


def _refuse_late(desk: Desk, txn: Txn, request: PlaceRequest, now_ns: int) -> Placed:
    """A request past its deadline gets a definite end: whatever else arrives under its id is refused too."""
    refusal = DeadlinePassed(
        "the order reached its broker after its deadline and nothing was sent; use a new client_order_id if it is still wanted",
        details={"client_order_id": request.client_order_id},
    )
    ledger.claim_client_id(txn, request.client_order_id, request.actor.user, desk.broker.account_id, n=None, void_reason=VOID_LATE, made_ns=now_ns)
    desk.append(txn, _rejected(desk, request, refusal, now_ns))
    return Placed(refusal=refusal)


def _rejected(desk: Desk, request: PlaceRequest, refusal: ArenaError, now_ns: int) -> EventDraft:
    return rejection(
        request.ticket,
        client_order_id=request.client_order_id,
        placed_by=request.actor.user,
        mode=desk.broker.mode,
        refusal=refusal,
        now_ns=now_ns,
    )


def rejection(ticket: OrderTicket, *, client_order_id: str, placed_by: str, mode: str, refusal: ArenaError, now_ns: int) -> EventDraft:
    """``order_rejected`` for what never became an order: its fields as they were asked for, its order_id null."""
    units = ticket.units if ticket.units is not None else ticket.size
    return EventDraft(
        type=EventType.ORDER_REJECTED,
        payload={
            "order_id": None,
            "client_order_id": client_order_id,
            "placed_by": placed_by,
            "instrument": (ticket.instrument or ticket.product_id or "")[:_NAME_CHARS_MAX] or None,
            "side": str(ticket.side),
            "units": units if units is None or fits_wire(units) else str(units)[:_NAME_CHARS_MAX],
            "mode": mode,
            "code": refusal.code,
            "message": refusal.message[:_MESSAGE_CHARS_MAX],
            "details": {name: _journalled(value) for name, value in refusal.details.items()},
        },
        ts_ns=now_ns,
    )


def _journalled(value: object) -> object:
    """``value`` as an event can carry it: what an absurd order would cost has more digits than travel, and a name may be as long as a request."""
    if isinstance(value, Decimal):
        return value if fits_wire(value) else str(value)[:_NAME_CHARS_MAX]
    if isinstance(value, str):
        return value[:_NAME_CHARS_MAX]
    return value[:_LIST_ITEMS_MAX] if isinstance(value, list) else value


def _final_reply(desk: Desk, txn: Txn, bracket: Bracket) -> bytes:
    if bracket.status is OrderStatus.REJECTED:
        code = bracket.cancel_reason or "VENUE_REJECTED"
        error = {"kind": "OrderDenied", "code": code, "message": "the venue refused the order", "details": {"order_id": bracket.order_id}}
        return pack({"error": error})
    if bracket.status is OrderStatus.VOID:
        kind = "DeadlinePassed" if bracket.cancel_reason == "EXPIRED" else "Unavailable"
        message = "nothing was sent to the venue; use a new client_order_id if the order is still wanted"
        return pack({"error": {"kind": kind, "code": bracket.cancel_reason, "message": message, "details": {"order_id": bracket.order_id}}})
    return Answer()(bracket, ledger.placed_event_id(txn, bracket.n, desk.source))


def _from_bytes(kept: bytes, *, replayed: bool = False) -> Placed:
    """The answer in ``kept``: the same map with the same numbers, so that it makes the same bytes again."""
    answer: dict[str, Any] = unpack(kept, REPLY_LIMITS)
    if "error" in answer:
        error: Mapping[str, Any] = answer["error"]
        return Placed(refusal=KINDS[error["kind"]](error["message"], code=error["code"], details=error["details"]))
    return Placed(result={**answer["result"], "replayed": True} if replayed else answer["result"])


def kept_placement(kept: bytes | None) -> Result | None:
    """The ``Placement`` in the bytes of a kept answer; None when there is none, or it was a refusal."""
    return None if kept is None else unpack(kept, REPLY_LIMITS).get("result")  # type: ignore[return-value]  # what Answer packed


def _unknown(client_order_id: str, order_id: str | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the venue has not said what became of the order; it is being looked up, do not send it again",
        details={"client_order_id": client_order_id, "order_id": order_id},
    )
