"""The operations that change what is there: modify, cancel, cancel all, close a position, and settle what became of an id.

Each runs as one work on the writer thread: who may do it, what the Broker makes of it, and the record, together or not at all. What must still
be asked of the venue comes back as ``Changed.calls``; ``brokers.service`` makes them after the commit and shows the orders as they stand then.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from brokers import close_ids, grant_ledger, grants, ledger
from brokers.actors import Actor, require_owner
from brokers.arguments import CloseRequest, Modification, optional
from brokers.base import Mark, VenueCall, Verdict
from brokers.desk import Desk
from brokers.placing import VOID_RESOLVED, kept_placement
from brokers.reading import find_order
from brokers.views import View, order_view
from bus.txn import Txn
from trading.brackets import Bracket
from trading.errors import ArenaError, InvalidRequest, NotFound, StateConflict
from trading.events import EventDraft, EventType
from trading.order_checks import check_number
from trading.orders import BracketOrder

# Orders that one answer tells of: what a reader of a reply takes in one array. More are changed all the same.
RESULTS_MAX = 500
_PRICES = frozenset({"entry_price", "stop_loss_price", "take_profit_price"})


@runtime_checkable
class Flattens(Protocol):
    """A Broker whose entries may fill while they are being cancelled."""

    def close_what_fills(self) -> None:
        """From now on close whatever still fills of an entry that is being ended: its position was not there when the desk was flattened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The orders that were touched, in ascending n, what the venue must be asked and will say, and those that could not be changed, with why."""

    ns: Sequence[int]
    instruments: Sequence[str] = ()
    calls: Sequence[VenueCall] = ()
    refused: Sequence[tuple[str, ArenaError]] = ()
    order_ids: Sequence[str] = ()
    verdicts: Sequence[Verdict] = ()
    replayed: bool = False  # it was done before, under the same id


def modify_order(desk: Desk, txn: Txn, request: Modification, actor: Actor, *, marks: Mapping[str, Mark], now_ns: int) -> Changed:
    """Change prices or time to live of one order.

    Raises:
        ArenaError: NOT_FOUND, NOT_YOUR_ORDER, ORDER_FINAL, NOTHING_TO_CHANGE, what a limit forbids, and what the Broker refuses.
    """
    bracket = _changeable(desk, txn, request.order_id, actor)
    changes = request.changes()
    if not changes:
        raise InvalidRequest("name what to change: entry_price, stop_loss_price, take_profit_price, …", code="NOTHING_TO_CHANGE")
    desk.broker.mark(marks.values())
    after = _changed(bracket.order, changes)
    charge = None
    if after is not None:
        desk.limits.refuse_change(bracket.order, after, broker=desk.broker, marks=marks)
        charge = grants.check_change(desk, txn, actor, before=bracket.order, after=after, marks=marks, now_ns=now_ns)
    progress = desk.broker.modify(bracket.order_id, changes, now_ns=now_ns)
    grant_ledger.add(txn, bracket.n, charge)
    desk.record(txn)
    return Changed(ns=[bracket.n], instruments=[bracket.instrument], calls=progress.calls, verdicts=progress.verdicts)


def cancel_order(desk: Desk, txn: Txn, order_id: str, actor: Actor, now_ns: int) -> Changed:
    """Cancel what of one order's entry has not filled.

    Raises:
        ArenaError: NOT_FOUND, NOT_YOUR_ORDER, ORDER_FINAL, and what the Broker refuses (a filled entry is closed, not cancelled).
    """
    bracket = _changeable(desk, txn, order_id, actor)
    progress = desk.broker.cancel(bracket.order_id, reason="user", now_ns=now_ns)
    desk.record(txn)
    return Changed(ns=[bracket.n], calls=progress.calls, verdicts=progress.verdicts)


def cancel_all(desk: Desk, txn: Txn, *, wanted: Callable[[Bracket], bool], reason: str, now_ns: int, limit: int | None = None) -> Changed:
    """Cancel every unfilled entry among ``wanted``, oldest first, ``limit`` at most; one that cannot be cancelled does not keep the others."""
    ns, ids, refused = [], [], []
    calls: list[VenueCall] = []
    verdicts: list[Verdict] = []
    for bracket in [bracket for bracket in desk.broker.open_brackets() if bracket.remaining_units and wanted(bracket)][:limit]:
        try:
            progress = desk.broker.cancel(bracket.order_id, reason=reason, now_ns=now_ns)
        except ArenaError as error:
            refused.append((bracket.order_id, error))
        else:
            ns.append(bracket.n)
            ids.append(bracket.order_id)
            calls += progress.calls
            verdicts += progress.verdicts
    desk.record(txn)
    return Changed(ns=ns, calls=calls, verdicts=verdicts, refused=refused, order_ids=ids)


def close_position(desk: Desk, txn: Txn, request: CloseRequest, actor: Actor, *, marks: Iterable[Mark], now_ns: int) -> Changed:
    """Close a position, or part of it, oldest bracket first, and once for one id. An admin closes everybody's, others their own.

    Raises:
        ArenaError: NO_POSITION, NOT_YOUR_ORDER (all of it is somebody else's), IDEMPOTENCY_MISMATCH, and what the Broker refuses.
    """
    closed_before = close_ids.find(txn, request, actor.user)
    if closed_before is not None:
        return Changed(ns=closed_before, replayed=True)
    if request.instrument not in desk.instruments.for_venue(desk.source):
        raise NotFound(f"{desk.source} has no instrument {request.instrument}", code="UNKNOWN_INSTRUMENT", details={"instrument": request.instrument})
    side = optional(request.side)
    held = [bracket for bracket in desk.broker.open_brackets() if bracket.position_units and bracket.instrument == request.instrument]
    held = [bracket for bracket in held if side is None or bracket.side is side]
    if not held:
        raise NotFound(f"there is no open position in {request.instrument}", code="NO_POSITION", details={"instrument": request.instrument})
    if not any(actor.is_admin or bracket.placed_by == actor.user for bracket in held):
        require_owner(actor, held[0].placed_by, held[0].order_id)
    desk.broker.mark(marks)
    progress = desk.broker.close(
        request.instrument,
        side=side,
        units=optional(request.units),
        percent=optional(request.percent),
        placed_by=None if actor.is_admin else actor.user,
        reason="MANUAL",
        now_ns=now_ns,
    )
    desk.record(txn)
    ns = [bracket.n for bracket in progress.brackets][:RESULTS_MAX]
    close_ids.keep(txn, request, actor.user, ns, now_ns)
    return Changed(ns=ns, calls=progress.calls, verdicts=progress.verdicts)


def flatten(desk: Desk, txn: Txn, marks: Iterable[Mark], now_ns: int) -> Changed:
    """Close every position of the account, for the kill switch; one that cannot be closed now does not keep the others."""
    ns, refused = [], []
    calls: list[VenueCall] = []
    verdicts: list[Verdict] = []
    desk.broker.mark(marks)
    for position in desk.broker.positions():
        try:
            progress = desk.broker.close(
                position.instrument, side=position.side, units=None, percent=None, placed_by=None, reason="KILL_SWITCH", now_ns=now_ns
            )
        except ArenaError as error:
            refused += [(order_id, error) for order_id in position.order_ids]
        else:
            ns += [bracket.n for bracket in progress.brackets]
            calls += progress.calls
            verdicts += progress.verdicts
    if isinstance(desk.broker, Flattens):
        desk.broker.close_what_fills()
    desk.record(txn)
    return Changed(ns=ns, calls=calls, verdicts=verdicts, refused=refused)


def resolve(desk: Desk, txn: Txn, client_order_id: str, actor: Actor, now_ns: int) -> View:
    """``Resolved``. An id that was never seen is given up in this same transaction: whatever is still on its way under it will be refused."""
    known = ledger.find_client_id(txn, client_order_id, actor.user, desk.broker.account_id)
    if known is None:
        ledger.claim_client_id(txn, client_order_id, actor.user, desk.broker.account_id, n=None, void_reason=VOID_RESOLVED, made_ns=now_ns)
        desk.append(txn, _resolved_void(desk, client_order_id, actor.user, now_ns))
    bracket = None if known is None or known.n is None else ledger.order(txn, known.n)
    if known is None or bracket is None:
        return {"client_order_id": client_order_id, "status": "VOID", "order": None, "placement": None}
    return {
        "client_order_id": client_order_id,
        "status": str(bracket.status),
        "order": order_view(bracket, desk.source),
        "placement": kept_placement(known.reply),
    }


def item_results(db: ledger.Db, changed: Changed) -> list[dict[str, Any]]:
    """One ``ItemResult`` an order, at most 500: what became of each. One that the venue has not answered for is not ok: nobody knows yet."""
    verdicts = {verdict.order_id: verdict for verdict in changed.verdicts}
    results: list[dict[str, Any]] = []
    for n in list(changed.ns)[:RESULTS_MAX]:
        bracket = ledger.order(db, n)
        if bracket is None:
            continue
        verdict = verdicts.get(bracket.order_id)
        if verdict is None or (verdict.settled and verdict.refusal is None):
            results.append({"order_id": bracket.order_id, "ok": True, "status": str(bracket.status)})
        elif verdict.refusal is not None:
            results.append({"order_id": bracket.order_id, "ok": False, "code": verdict.refusal.code})
        else:
            results.append({"order_id": bracket.order_id, "ok": False, "status": str(bracket.status), "code": "UNKNOWN"})
    results += [{"order_id": order_id, "ok": False, "code": error.code} for order_id, error in changed.refused]
    return results[:RESULTS_MAX]


def _changeable(desk: Desk, txn: Txn, order_id: str, actor: Actor) -> Bracket:
    bracket = find_order(desk, txn, order_id)
    require_owner(actor, bracket.placed_by, bracket.order_id)
    if bracket.status.is_final:
        raise StateConflict(
            f"{order_id} is {bracket.status}: nothing about it can be changed any more",
            code="ORDER_FINAL",
            details={"order_id": order_id, "status": str(bracket.status)},
        )
    return bracket


def _changed(order: BracketOrder, changes: Mapping[str, object]) -> BracketOrder | None:
    """``order`` with new prices; None where they make no order, which the Broker then says better.

    Raises:
        OrderDenied: NUMBER_NOT_FINITE or NUMBER_TOO_LONG: nothing can be reckoned with it.
    """
    prices = {name: value for name, value in changes.items() if name in _PRICES and isinstance(value, Decimal)}
    for name, value in prices.items():
        check_number(name, value)
    try:
        return replace(order, **prices) if all(value > 0 for value in prices.values()) else None  # type: ignore[arg-type]  # names of its fields
    except ArenaError:
        return None


def _resolved_void(desk: Desk, client_order_id: str, placed_by: str, now_ns: int) -> EventDraft:
    about = dict.fromkeys(("order_id", "instrument", "side", "units"))
    return EventDraft(
        type=EventType.ORDER_RESOLVED,
        payload={**about, "client_order_id": client_order_id, "placed_by": placed_by, "mode": desk.broker.mode, "status": "VOID"},
        ts_ns=now_ns,
    )
