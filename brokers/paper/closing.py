"""Closing: how much of which brackets is asked to leave at the market."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.paper.placing import find_instrument
from brokers.paper.state import State
from trading.brackets import Bracket, Protection
from trading.errors import InvalidRequest, NotFound, OrderDenied
from trading.events import CancelReason
from trading.instruments import Instrument, Side
from trading.money import ZERO, floor_to, is_on_grid, plain
from trading.order_checks import check_number
from trading.orders import CloseReason


def close(
    state: State,
    name: str,
    *,
    side: Side | None,
    units: Decimal | None,
    percent: Decimal | None,
    placed_by: str | None,
    reason: CloseReason,
    now_ns: int,
) -> list[Bracket]:
    """Ask for ``units``, ``percent`` or all of a position to be closed at the market, oldest bracket first; it trades on the next quote that decides.

    The exits keep guarding each bracket until then. An entry that is not done yet is cancelled in the brackets concerned. Raises what
    ``parts_to_close`` does.
    """
    parts = parts_to_close(state, name, side=side, units=units, percent=percent, placed_by=placed_by)
    return [_ask_to_close(state, bracket, part, reason, now_ns) for bracket, part in parts]


def parts_to_close(
    state: State, name: str, *, side: Side | None, units: Decimal | None, percent: Decimal | None, placed_by: str | None
) -> list[tuple[Bracket, Decimal]]:
    """How much of which bracket a request to close means, oldest first; 0 of one whose whole position is on its way out already.

    Raises:
        NotFound: NO_POSITION.
        InvalidRequest: FIELDS_CONFLICT (units and percent), SIDE_NEEDED (there are longs and shorts, and only a part is to be closed).
        OrderDenied: UNITS_NOT_POSITIVE, UNITS_OFF_STEP, UNITS_EXCEED_POSITION, PERCENT_OUT_OF_RANGE, UNITS_TOO_SMALL.
    """
    instrument = find_instrument(state, name)
    if units is not None and percent is not None:
        raise InvalidRequest("say how much in units or in percent, not both", code="FIELDS_CONFLICT", details={"fields": ["units", "percent"]})
    held = [
        bracket
        for bracket in state.in_instrument(name)
        if bracket.position_units and side in {None, bracket.side} and placed_by in {None, bracket.placed_by}
    ]
    if not held:
        raise NotFound(f"there is no open position in {name}", code="NO_POSITION", details={"instrument": name, "side": side and str(side)})
    sides = {bracket.side for bracket in held}
    if len(sides) > 1 and (units is not None or percent is not None):
        raise InvalidRequest(f"{name} is held both long and short: say which side", code="SIDE_NEEDED", details={"instrument": name, "field": "side"})
    if units is None and percent is None:
        return [(bracket, bracket.position_units - bracket.closing_units) for bracket in held]
    left = _units_to_close(instrument, held, units, percent)
    parts: list[tuple[Bracket, Decimal]] = []
    for bracket in held:
        part = min(left, bracket.position_units - bracket.closing_units)
        if part:
            left -= part
            parts.append((bracket, part))
    return parts


def close_bracket(state: State, order_id: str, *, reason: CloseReason, now_ns: int) -> Bracket:
    """Ask for all that one bracket holds to be closed at the market.

    Raises:
        NotFound: ORDER_NOT_FOUND.
    """
    bracket = state.find(order_id)
    return _ask_to_close(state, bracket, bracket.position_units - bracket.closing_units, reason, now_ns)


def protect(state: State, order_id: str, *, protection: Protection, now_ns: int) -> Bracket:
    """Let ``protection`` guard the bracket's stop, where it stands.

    Raises:
        NotFound: ORDER_NOT_FOUND.
    """
    guarded = replace(state.find(order_id), protection=protection, updated_ns=now_ns)
    state.put(guarded)
    return guarded


def _ask_to_close(state: State, bracket: Bracket, units: Decimal, reason: CloseReason, now_ns: int) -> Bracket:
    if bracket.remaining_units:
        why = CancelReason.KILL_SWITCH if reason is CloseReason.KILL_SWITCH else CancelReason.USER
        bracket = state.end_entry(bracket, why, now_ns)
    if not units:
        return bracket  # all of it is on its way out already
    closing = replace(bracket, closing_units=bracket.closing_units + units, closing_reason=reason, updated_ns=now_ns)
    state.put(closing)
    return closing


def _units_to_close(instrument: Instrument, held: Sequence[Bracket], units: Decimal | None, percent: Decimal | None) -> Decimal:
    open_units = sum((bracket.position_units for bracket in held), ZERO)
    free_units = open_units - sum((bracket.closing_units for bracket in held), ZERO)
    if percent is not None:
        check_number("percent", percent)
        if not 0 < percent <= 100:
            raise OrderDenied("percent must be above 0 and at most 100", code="PERCENT_OUT_OF_RANGE", details={"field": "percent", "value": percent})
        part = open_units if percent == 100 else floor_to(open_units * percent / 100, instrument.step)
        if not part:
            raise OrderDenied(
                f"{percent}% of {open_units} is less than one step of {instrument.step:f}",
                code="UNITS_TOO_SMALL",
                details={"field": "percent", "value": percent, "limit": instrument.step},
            )
        return min(part, free_units)
    if units is None:
        return free_units
    check_number("units", units)
    if units <= 0:
        raise OrderDenied("units must be above zero", code="UNITS_NOT_POSITIVE", details={"field": "units", "value": units})
    if not is_on_grid(units, instrument.step):
        raise OrderDenied(
            f"units must be a multiple of {instrument.step:f}",
            code="UNITS_OFF_STEP",
            details={"field": "units", "value": units, "step": instrument.step, "below": floor_to(units, instrument.step) or None},
        )
    if units > free_units:
        raise OrderDenied(
            f"only {free_units} are open and not being closed",
            code="UNITS_EXCEED_POSITION",
            details={"field": "units", "value": units, "limit": plain(free_units)},
        )
    return units
