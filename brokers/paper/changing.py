"""Changing: cancelling what of an entry has not traded, and moving prices or the time to live of an order that stands."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from brokers.paper.placing import check_affordable, expiry_ns, reserve_price_of
from brokers.paper.state import State
from trading import events
from trading.brackets import Bracket
from trading.errors import InvalidRequest, OrderDenied, StateConflict
from trading.events import CancelReason
from trading.instruments import Instrument
from trading.money import plain
from trading.order_checks import TTL_MIN_MAX, TTL_MIN_MIN, check_exits_around_entry, check_number, check_price, check_range

# What PATCH may name; the first two only while nothing has traded.
BEFORE_FILL = frozenset({"entry_price", "ttl_min"})
_CHANGEABLE = ("entry_price", "ttl_min", "stop_loss_price", "take_profit_price", "trailing_stop_distance")


def cancel(state: State, order_id: str, *, reason: str, now_ns: int) -> Bracket:
    """Cancel what has not traded of an entry. A position that is already there keeps its exits.

    Raises:
        NotFound: ORDER_NOT_FOUND.
        StateConflict: ORDER_OPEN, nothing of the entry is left.
    """
    bracket = state.find(order_id)
    if not bracket.remaining_units:
        raise StateConflict(
            f"{order_id} has filled: close its position instead", code="ORDER_OPEN", details={"order_id": order_id, "status": str(bracket.status)}
        )
    return state.end_entry(bracket, CancelReason(reason), now_ns)


def modify(state: State, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Bracket:
    """Change prices, or the time to live (from now on), of an order that stands.

    Raises:
        NotFound: ORDER_NOT_FOUND.
        InvalidRequest: NOTHING_TO_CHANGE, FIELD_FIXED, NULL_NOT_ALLOWED.
        StateConflict: ORDER_FILLED (entry_price and ttl_min after a fill), ORDER_CLOSING.
        OrderDenied: what ``check_ticket`` and ``place`` deny, and STOP_WOULD_LOOSEN.
    """
    bracket = state.find(order_id)
    instrument = state.instruments[bracket.instrument]
    wanted = wanted_changes(changes)
    if bracket.stop_triggered or bracket.closing_units:
        raise StateConflict(f"{order_id} is being closed", code="ORDER_CLOSING", details={"order_id": order_id})
    if bracket.filled_units and (late := sorted(BEFORE_FILL & set(wanted))):
        raise StateConflict(
            f"{late[0]} can only be changed before anything has filled", code="ORDER_FILLED", details={"order_id": order_id, "field": late[0]}
        )
    check_values(bracket, instrument, wanted)
    order = replace(bracket.order, **wanted)  # type: ignore[arg-type]  # the names were checked
    if not bracket.filled_units:
        check_exits_around_entry(order)
    differing = {name: {"from": getattr(bracket.order, name), "to": value} for name, value in wanted.items() if value != getattr(bracket.order, name)}
    if "ttl_min" in wanted:
        differing["ttl_min"] = {"from": bracket.order.ttl_min, "to": order.ttl_min}
    if "stop_loss_price" in wanted and order.stop_loss_price != bracket.stop_price:
        differing["stop_loss_price"] = {"from": bracket.stop_price, "to": order.stop_loss_price}
    if not differing:
        return bracket
    modified = replace(
        bracket,
        order=order,
        updated_ns=now_ns,
        stop_price=order.stop_loss_price if "stop_loss_price" in wanted else bracket.stop_price,
        ttl_expires_ns=expiry_ns(order.ttl_min, now_ns) if "ttl_min" in wanted else bracket.ttl_expires_ns,
        # A limit at a new price is new in the book: it may meet the market at once.
        entry_rests=bracket.entry_rests and "entry_price" not in differing,
        target_rests=bracket.target_rests and "take_profit_price" not in differing,
        reserve_price=reserve_price_of(state, order) if "entry_price" in differing else bracket.reserve_price,
    )
    check_affordable(state, instrument, bracket, modified)
    state.put(modified)
    if "ttl_min" in wanted:
        state.expect(modified)
    state.tell(events.order_modified(modified, differing, now_ns))
    return modified


def wanted_changes(changes: Mapping[str, object]) -> dict[str, Decimal]:
    """What a change names, as numbers.

    Raises:
        InvalidRequest: NOTHING_TO_CHANGE, FIELD_FIXED, NULL_NOT_ALLOWED.
    """
    if not changes:
        raise InvalidRequest("name what to change", code="NOTHING_TO_CHANGE", details={"known": list(_CHANGEABLE)})
    wanted: dict[str, Decimal] = {}
    for name, value in changes.items():
        if name not in _CHANGEABLE:
            raise InvalidRequest(f"{name} cannot be changed", code="FIELD_FIXED", details={"field": name, "known": list(_CHANGEABLE)})
        if not isinstance(value, Decimal):
            raise InvalidRequest(f"{name} must be a number; leave it out to keep it", code="NULL_NOT_ALLOWED", details={"field": name})
        check_number(name, value)
        wanted[name] = plain(value)
    return wanted


def check_values(bracket: Bracket, instrument: Instrument, wanted: Mapping[str, Decimal]) -> None:
    """Raise what ``check_ticket`` would deny of the new values, and STOP_WOULD_LOOSEN."""
    for name, value in wanted.items():
        if name == "ttl_min":
            check_range(name, value, TTL_MIN_MIN, TTL_MIN_MAX, "TTL_OUT_OF_RANGE")
        else:
            check_price(value, instrument, name)
    if "entry_price" in wanted and bracket.order.entry_price is None:
        raise InvalidRequest("a market entry has no price", code="FIELD_NOT_ALLOWED", details={"field": "entry_price"})
    stop = wanted.get("stop_loss_price")
    if (
        stop is not None
        and bracket.position_units
        and bracket.order.trailing_stop_distance is not None
        and (stop - bracket.stop_price) * bracket.side.sign < 0
    ):
        raise OrderDenied(
            f"a trailing stop only tightens: it stands at {bracket.stop_price}",
            code="STOP_WOULD_LOOSEN",
            details={"field": "stop_loss_price", "value": stop, "limit": bracket.stop_price},
        )
