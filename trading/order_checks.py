"""The checks of an order ticket: from what was asked for to a bracket order on its grids, or a refusal that says what would do.

What has the wrong shape (a missing field, both names of one field) is an ``InvalidRequest``; what has a value we deny is an ``OrderDenied``. Each
code is stable and each refusal carries the field, its value and what would have passed. Numbers are never rounded: a price off the tick is refused
with its two valid neighbours.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar

from trading.errors import InvalidRequest, OrderDenied
from trading.instruments import Instrument, Instruments
from trading.money import SIGNIFICANT_DIGITS_MAX, ZERO, ceil_to, fits_wire, floor_to, travelling
from trading.orders import BracketOrder, EntryType, OrderTicket, Side

# From 0.6 s, below which no order can count on meeting a quote, to 30 days: an entry resting for longer is a forgotten one, and venues take no
# expiry much further away (Coinbase answers END_TIME_TOO_FAR_IN_FUTURE).
TTL_MIN_MIN = Decimal("0.01")
TTL_MIN_MAX = Decimal(43_200)

QUALITY_MAX = Decimal(100)

NAME_CHARS_MAX = 64  # what is repeated of a name that is none of ours: a request may be filled with one, and its answer must travel

ValueT = TypeVar("ValueT")

_NUMBERS = ("units", "size", "entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance", "quality_score", "ttl_min")
_numbers_of = attrgetter(*_NUMBERS)

_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,48}")


def check_ticket(ticket: OrderTicket, instruments: Instruments, venue: str) -> BracketOrder:
    """The bracket order that ``ticket`` asks for at ``venue``.

    Raises:
        InvalidRequest: FIELD_MISSING, FIELDS_CONFLICT, FIELD_NOT_ALLOWED, CLIENT_ORDER_ID_INVALID.
        OrderDenied: UNKNOWN_INSTRUMENT, WRONG_VENUE, NUMBER_NOT_FINITE, NUMBER_TOO_LONG, UNITS_NOT_POSITIVE, UNITS_OFF_STEP, UNITS_TOO_SMALL,
            UNITS_TOO_LARGE, PRICE_NOT_POSITIVE, PRICE_OFF_TICK, STOP_WRONG_SIDE, TARGET_WRONG_SIDE, QUALITY_OUT_OF_RANGE, TTL_OUT_OF_RANGE.
    """
    name = _one_of("instrument", ticket.instrument, "product_id", ticket.product_id)
    _one_of("units", ticket.units, "size", ticket.size)
    instrument = find_instrument(name, instruments, venue)
    units, size, entry_price, stop_loss_price, take_profit_price, trailing_stop_distance, quality_score, ttl_min = _numbers(ticket)
    units, units_field = (size, "size") if units is None else (units, "units")
    check_units(units, instrument, units_field)
    if (entry_price is None) is not (ticket.entry_type is EntryType.MARKET):
        raise _entry_price_refusal(ticket)
    if entry_price is not None:
        check_price(entry_price, instrument, "entry_price")
    if stop_loss_price is None:
        raise _missing(["stop_loss_price"])
    if take_profit_price is None:
        raise _missing(["take_profit_price"])
    check_price(stop_loss_price, instrument, "stop_loss_price")
    check_price(take_profit_price, instrument, "take_profit_price")
    if trailing_stop_distance is not None:
        check_price(trailing_stop_distance, instrument, "trailing_stop_distance")
    if quality_score is not None:
        check_range("quality_score", quality_score, ZERO, QUALITY_MAX, "QUALITY_OUT_OF_RANGE")
    check_range("ttl_min", ttl_min, TTL_MIN_MIN, TTL_MIN_MAX, "TTL_OUT_OF_RANGE")
    order = BracketOrder(
        instrument=instrument.name,
        side=ticket.side,
        units=units,
        entry_type=ticket.entry_type,
        entry_price=entry_price,
        stop_loss_price=stop_loss_price,
        take_profit_price=take_profit_price,
        trailing_stop_distance=trailing_stop_distance,
        quality_score=quality_score,
        ttl_min=ttl_min,
        client_order_id=check_client_order_id(ticket.client_order_id),
    )
    check_exits_around_entry(order)
    return order


def check_exits_around_entry(order: BracketOrder) -> None:
    """Refuse a stop loss that is not on the losing side of the entry price, or a take profit that is not on the winning one."""
    entry, is_buy = order.entry_price, order.side is Side.BUY
    low, high = (order.stop_loss_price, order.take_profit_price) if is_buy else (order.take_profit_price, order.stop_loss_price)
    if entry is None or low < entry < high:
        return
    details = {"entry_price": entry, "side": str(order.side)}
    losing, winning = ("below", "above") if is_buy else ("above", "below")
    if not (low < entry if is_buy else entry < high):
        raise OrderDenied(
            f"the stop loss of a {order.side} must be {losing} its entry price",
            code="STOP_WRONG_SIDE",
            details={"stop_loss_price": order.stop_loss_price, **details},
        )
    raise OrderDenied(
        f"the take profit of a {order.side} must be {winning} its entry price",
        code="TARGET_WRONG_SIDE",
        details={"take_profit_price": order.take_profit_price, **details},
    )


def find_instrument(name: str, instruments: Instruments, venue: str) -> Instrument:
    """The instrument called ``name`` at ``venue``; UNKNOWN_INSTRUMENT or WRONG_VENUE."""
    instrument = instruments.find(name)
    if instrument is not None and instrument.venue == venue:
        return instrument
    known = list(instruments.for_venue(venue))
    if instrument is None:
        shown = name[:NAME_CHARS_MAX]
        raise OrderDenied(f"there is no instrument {shown}", code="UNKNOWN_INSTRUMENT", details={"instrument": shown, "known": known})
    raise OrderDenied(
        f"{name} trades at {instrument.venue}, not at {venue}: send the order there",
        code="WRONG_VENUE",
        details={"instrument": name, "venue": instrument.venue, "known": known},
    )


def check_units(units: Decimal, instrument: Instrument, field: str = "units") -> None:
    """Refuse what is not a positive multiple of the step within the instrument's bounds."""
    if units <= ZERO:
        raise OrderDenied(
            f"{field} must be above zero; the side says buy or sell", code="UNITS_NOT_POSITIVE", details={"field": field, "value": units}
        )
    if units > instrument.units_max:
        raise OrderDenied(
            f"{field} is above what {instrument.name} takes in one order",
            code="UNITS_TOO_LARGE",
            details={"field": field, "value": units, "limit": instrument.units_max},
        )
    if units % instrument.step:
        raise OrderDenied(
            f"{field} must be a multiple of {instrument.step:f}",
            code="UNITS_OFF_STEP",
            details={"field": field, "value": units, "step": instrument.step, **_neighbours(units, instrument.step)},
        )
    if units < instrument.units_min:
        raise OrderDenied(
            f"{field} is below what {instrument.name} takes in one order",
            code="UNITS_TOO_SMALL",
            details={"field": field, "value": units, "limit": instrument.units_min},
        )


def check_price(price: Decimal, instrument: Instrument, field: str) -> None:
    """Refuse a price, or a distance between prices, that is not a positive multiple of the tick."""
    if price <= ZERO:
        raise OrderDenied(f"{field} must be above zero", code="PRICE_NOT_POSITIVE", details={"field": field, "value": price})
    if price % instrument.tick:
        around = _neighbours(price, instrument.tick)
        valid = " or ".join(f"{neighbour:f}" for neighbour in around.values() if neighbour is not None)
        raise OrderDenied(
            f"{field} must be a multiple of {instrument.tick:f}: use {valid}",
            code="PRICE_OFF_TICK",
            details={"field": field, "value": price, "tick": instrument.tick, **around},
        )


def check_range(field: str, value: Decimal, low: Decimal, high: Decimal, code: str) -> None:
    if not low <= value <= high:
        raise OrderDenied(f"{field} must be {low:f} to {high:f}", code=code, details={"field": field, "value": value, "min": low, "max": high})


def check_number(field: str, value: Decimal) -> None:
    """Refuse what no wire could carry: NaN, infinity, more than fifteen significant digits."""
    if fits_wire(value):
        return
    if not value.is_finite():
        raise OrderDenied(f"{field} must be a number", code="NUMBER_NOT_FINITE", details={"field": field, "value": str(value)})
    raise OrderDenied(
        f"{field} has more than {SIGNIFICANT_DIGITS_MAX} significant digits",
        code="NUMBER_TOO_LONG",
        details={"field": field, "value": str(value), "limit": SIGNIFICANT_DIGITS_MAX},
    )


def check_client_order_id(client_order_id: str | None) -> str:
    """1 to 48 of ``[A-Za-z0-9_-]``; who places an order mints one where the ticket has none."""
    if client_order_id is None:
        return ""
    if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise InvalidRequest(
            "client_order_id must be 1 to 48 letters, digits, dashes or underscores",
            code="CLIENT_ORDER_ID_INVALID",
            details={"field": "client_order_id", "value": client_order_id[:100]},
        )
    return client_order_id


def _numbers(ticket: OrderTicket) -> list[Any]:
    """What ``_NUMBERS`` names, each number without trailing zeros; a list so typed that what the ticket must have needs no second look."""
    numbers: list[Any] = []
    for value in _numbers_of(ticket):
        number = None if value is None else travelling(value)
        if number is None and value is not None:
            check_number(_NUMBERS[len(numbers)], value)
        numbers.append(number)
    return numbers


def _entry_price_refusal(ticket: OrderTicket) -> InvalidRequest:
    if ticket.entry_price is None:
        return _missing(["entry_price"])
    return InvalidRequest(
        "a market entry has no price: leave entry_price out, or use entry_type limit or stop",
        code="FIELD_NOT_ALLOWED",
        details={"field": "entry_price", "entry_type": str(ticket.entry_type)},
    )


def _one_of(name: str, value: ValueT | None, alias: str, other: ValueT | None) -> ValueT:
    if value is not None and other is not None:
        raise InvalidRequest(f"{name} and {alias} are the same field: send one of them", code="FIELDS_CONFLICT", details={"fields": [name, alias]})
    chosen = other if value is None else value
    if chosen is None:
        raise _missing([name, alias])
    return chosen


def _missing(names: Iterable[str]) -> InvalidRequest:
    listed = list(names)
    return InvalidRequest(f"{' or '.join(listed)} is missing", code="FIELD_MISSING", details={"field": listed[0], "fields": listed})


def _neighbours(value: Decimal, step: Decimal) -> dict[str, Decimal | None]:
    """The valid values on both sides; none below where only zero is left."""
    return {"below": floor_to(value, step) or None, "above": ceil_to(value, step)}
