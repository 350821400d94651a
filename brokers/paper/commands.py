"""Commands: what a person may change about the account, each checked whole before anything moves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.paper.books import share_of
from brokers.paper.state import State
from trading import events
from trading.brackets import Bracket, Protection
from trading.errors import InvalidRequest, NotFound, OrderDenied, StateConflict
from trading.events import CancelReason
from trading.instruments import Instrument, Side
from trading.money import ZERO, floor_to, is_on_grid, plain
from trading.order_checks import TTL_MIN_MAX, TTL_MIN_MIN, check_exits_around_entry, check_number, check_price, check_range
from trading.orders import BracketOrder, CloseReason, OrderStatus

_NS_PER_MIN = 60_000_000_000

# What PATCH may name; the first two only while nothing has traded.
_BEFORE_FILL = frozenset({"entry_price", "ttl_min"})
_CHANGEABLE = ("entry_price", "ttl_min", "stop_loss_price", "take_profit_price", "trailing_stop_distance")


def place(state: State, order: BracketOrder, *, placed_by: str, now_ns: int) -> Bracket:
    """Accept ``order`` under the next n.

    Raises:
        OrderDenied: UNKNOWN_INSTRUMENT, STOP_WRONG_SIDE, TARGET_WRONG_SIDE, FEED_CHANGED, CURRENCY_NOT_HELD, INSUFFICIENT_MARGIN, INSUFFICIENT_FUNDS,
            INSUFFICIENT_HOLDINGS.
    """
    instrument = _instrument(state, order.instrument)
    check_exits_around_entry(order)
    _check_feed(state, instrument.name)
    if not state.config.on_margin and instrument.quote != state.books.currency:
        raise OrderDenied(
            f"the paper account pays in {state.books.currency}, and {instrument.name} costs {instrument.quote}",
            code="CURRENCY_NOT_HELD",
            details={"instrument": instrument.name, "currency": instrument.quote},
        )
    standing = state.market.standing(instrument.name)
    bracket = Bracket(
        order_id=f"{state.mode}-{state.venue}-{state.next_n}",
        n=state.next_n,
        order=order,
        placed_by=placed_by,
        mode=state.mode,
        status=OrderStatus.PENDING,
        protection=Protection.ADAPTER,
        placed_ns=now_ns,
        updated_ns=now_ns,
        ttl_expires_ns=_expiry(order.ttl_min, now_ns),
        feed=state.feeds.get(instrument.name) or ("" if standing is None else standing.quote.feed),
        stop_price=order.stop_loss_price,
        reserve_price=_reserve_price(state, order),
    )
    _check_affordable(state, instrument, None, bracket)
    state.next_n += 1
    state.put(bracket)
    state.expect(bracket)
    state.tell(events.oco_placed(bracket))
    return bracket


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
    wanted = _wanted_changes(changes)
    if bracket.stop_triggered or bracket.closing_units:
        raise StateConflict(f"{order_id} is being closed", code="ORDER_CLOSING", details={"order_id": order_id})
    if bracket.filled_units and (late := sorted(_BEFORE_FILL & set(wanted))):
        raise StateConflict(
            f"{late[0]} can only be changed before anything has filled", code="ORDER_FILLED", details={"order_id": order_id, "field": late[0]}
        )
    _check_values(bracket, instrument, wanted)
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
        ttl_expires_ns=_expiry(order.ttl_min, now_ns) if "ttl_min" in wanted else bracket.ttl_expires_ns,
        # A limit at a new price is new in the book: it may meet the market at once.
        entry_rests=bracket.entry_rests and "entry_price" not in differing,
        target_rests=bracket.target_rests and "take_profit_price" not in differing,
        reserve_price=_reserve_price(state, order) if "entry_price" in differing else bracket.reserve_price,
    )
    _check_affordable(state, instrument, bracket, modified)
    state.put(modified)
    if "ttl_min" in wanted:
        state.expect(modified)
    state.tell(events.order_modified(modified, differing, now_ns))
    return modified


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

    The exits keep guarding each bracket until then. An entry that is not done yet is cancelled in the brackets concerned.

    Raises:
        NotFound: NO_POSITION.
        InvalidRequest: FIELDS_CONFLICT (units and percent), SIDE_NEEDED (there are longs and shorts, and only a part is to be closed).
        OrderDenied: UNITS_NOT_POSITIVE, UNITS_OFF_STEP, UNITS_EXCEED_POSITION, PERCENT_OUT_OF_RANGE, UNITS_TOO_SMALL.
    """
    instrument = _instrument(state, name)
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
        return [_ask_to_close(state, bracket, bracket.position_units - bracket.closing_units, reason, now_ns) for bracket in held]
    left = _units_to_close(instrument, held, units, percent)
    asked: list[Bracket] = []
    for bracket in held:
        part = min(left, bracket.position_units - bracket.closing_units)
        if part:
            left -= part
            asked.append(_ask_to_close(state, bracket, part, reason, now_ns))
    return asked


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


def _wanted_changes(changes: Mapping[str, object]) -> dict[str, Decimal]:
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


def _check_values(bracket: Bracket, instrument: Instrument, wanted: Mapping[str, Decimal]) -> None:
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


def _instrument(state: State, name: str) -> Instrument:
    instrument = state.instruments.get(name)
    if instrument is None:
        raise OrderDenied(
            f"{state.venue} has no instrument {name}", code="UNKNOWN_INSTRUMENT", details={"instrument": name, "known": list(state.instruments)}
        )
    return instrument


def _check_feed(state: State, name: str) -> None:
    other = state.held_by_feed.get(name)
    if other is not None:
        raise OrderDenied(
            f"open orders in {name} belong to the {state.feeds.get(name)} feed, not to {other}: reset the paper account, or adopt the feed",
            code="FEED_CHANGED",
            details={"instrument": name, "feed": other, "orders_feed": state.feeds.get(name)},
        )


def _reserve_price(state: State, order: BracketOrder) -> Decimal:
    """What a unit is reckoned to cost until it has filled: its price; for a market entry what is quoted, else the dearest it could fill at."""
    if order.entry_price is not None:
        return order.entry_price
    standing = state.market.standing(order.instrument)
    if standing is not None:
        return plain(standing.entry_price(order.side))
    return max(order.take_profit_price, order.stop_loss_price) if order.side is Side.BUY else min(order.take_profit_price, order.stop_loss_price)


def _check_affordable(state: State, instrument: Instrument, before: Bracket | None, after: Bracket) -> None:
    if state.config.on_margin:
        _check_margin(state, instrument, before, after)
        return
    old, new = None if before is None else share_of(before, instrument), share_of(after, instrument)
    more_quote = new.hold_quote - (old.hold_quote if old else ZERO)
    more_base = new.hold_base - (old.hold_base if old else ZERO)
    books = state.books
    free_cash, free_base = books.cash - books.reserved, books.free_base(instrument.base)
    if more_base > 0 and more_base > free_base:
        raise OrderDenied(
            f"only what is held can be sold, and {free_base} {instrument.base} of it is free",
            code="INSUFFICIENT_HOLDINGS",
            details={"currency": instrument.base, "value": plain(more_base), "limit": plain(free_base)},
        )
    if more_quote > 0 and more_quote > free_cash:
        raise OrderDenied(
            f"this would need {more_quote:.2f} {books.currency} with its fee, and {free_cash:.2f} is free",
            code="INSUFFICIENT_FUNDS",
            details={"currency": books.currency, "value": round(more_quote, 2), "limit": round(free_cash, 2)},
        )


def _check_margin(state: State, instrument: Instrument, before: Bracket | None, after: Bracket) -> None:
    if not after.remaining_units or (before is not None and before.reserve_price == after.reserve_price):
        return
    more = state.books.margin_after(instrument, after.side, after.remaining_units, after.reserve_price)
    valuation = state.books.valuation()
    free = valuation.equity - valuation.margin_used
    if more is not None and more > free:
        raise OrderDenied(
            f"this would set {more:.2f} {state.books.currency} aside, and {free:.2f} is free",
            code="INSUFFICIENT_MARGIN",
            details={"currency": state.books.currency, "value": round(more, 2), "limit": round(free, 2)},
        )


def _expiry(ttl_min: Decimal, now_ns: int) -> int:
    return now_ns + int(ttl_min * _NS_PER_MIN)
