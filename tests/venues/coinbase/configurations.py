"""``order_configuration``: exactly one of nine shapes, read strictly.

An unknown key, a missing member or a number that is not a string is an HTTP 400: the request could not be read. What was read is ``Terms``; whether
the venue takes them is decided in ``checks``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tests.venues.coinbase.refusals import BadRequest
from tests.venues.coinbase.wire import read_number, read_time


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP_LIMIT = "STOP_LIMIT"
    BRACKET = "BRACKET"


class TimeInForce(StrEnum):
    GTC = "GOOD_UNTIL_CANCELLED"
    GTD = "GOOD_UNTIL_DATE_TIME"
    IOC = "IMMEDIATE_OR_CANCEL"
    FOK = "FILL_OR_KILL"


UP, DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an order asks for. ``limit_price`` of a bracket is its take-profit, ``stop_price`` its stop; ``end_time_ns`` None is until cancelled."""

    key: str
    order_type: OrderType
    time_in_force: TimeInForce
    base_size: Decimal | None = None
    quote_size: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_direction: str = ""
    post_only: bool = False
    end_time_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """What stands under one key: numbers it needs, and what it may have besides."""

    order_type: OrderType
    time_in_force: TimeInForce
    needs: tuple[str, ...]
    may: tuple[str, ...] = ()


_STOP = ("base_size", "limit_price", "stop_price", "stop_direction")
_BRACKET = ("base_size", "limit_price", "stop_trigger_price")
_SHAPES = {
    "market_market_ioc": _Shape(order_type=OrderType.MARKET, time_in_force=TimeInForce.IOC, needs=(), may=("quote_size", "base_size")),
    "market_market_fok": _Shape(order_type=OrderType.MARKET, time_in_force=TimeInForce.FOK, needs=(), may=("quote_size", "base_size")),
    "sor_limit_ioc": _Shape(order_type=OrderType.LIMIT, time_in_force=TimeInForce.IOC, needs=("base_size", "limit_price")),
    "limit_limit_fok": _Shape(order_type=OrderType.LIMIT, time_in_force=TimeInForce.FOK, needs=("base_size", "limit_price")),
    "limit_limit_gtc": _Shape(order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTC, needs=("base_size", "limit_price"), may=("post_only",)),
    "limit_limit_gtd": _Shape(
        order_type=OrderType.LIMIT, time_in_force=TimeInForce.GTD, needs=("base_size", "limit_price"), may=("end_time", "post_only")
    ),
    "stop_limit_stop_limit_gtc": _Shape(order_type=OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTC, needs=_STOP),
    "stop_limit_stop_limit_gtd": _Shape(order_type=OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTD, needs=_STOP, may=("end_time",)),
    "trigger_bracket_gtc": _Shape(order_type=OrderType.BRACKET, time_in_force=TimeInForce.GTC, needs=_BRACKET),
    "trigger_bracket_gtd": _Shape(order_type=OrderType.BRACKET, time_in_force=TimeInForce.GTD, needs=_BRACKET, may=("end_time",)),
}

Configuration = Mapping[str, Mapping[str, object]]


def read_configuration(value: object) -> tuple[Terms, Configuration]:
    """What ``order_configuration`` asks for, and the object itself to be echoed.

    Raises:
        BadRequest: none or several keys, an unknown one, a member missing, unknown or of the wrong type.
    """
    key, members = _only_entry(value, "order_configuration")
    shape = _SHAPES.get(key)
    if shape is None:
        raise BadRequest(f'unknown field "{key}" in order_configuration')
    for name in members:
        if name not in shape.needs and name not in shape.may:
            raise BadRequest(f'unknown field "{name}" in {key}')
    for name in shape.needs:
        if name not in members:
            raise BadRequest(f'missing field "{name}" in {key}')
    if shape.order_type is OrderType.MARKET and len(members) != 1:
        raise BadRequest(f"{key} needs exactly one of base_size and quote_size")
    terms = Terms(
        key=key,
        order_type=shape.order_type,
        time_in_force=shape.time_in_force,
        base_size=_number(members, "base_size"),
        quote_size=_number(members, "quote_size"),
        limit_price=_number(members, "limit_price"),
        stop_price=_number(members, "stop_trigger_price" if shape.order_type is OrderType.BRACKET else "stop_price"),
        stop_direction=_direction(members),
        post_only=_flag(members, "post_only"),
        end_time_ns=read_time(members["end_time"], "end_time") if "end_time" in members else None,
    )
    return terms, {key: dict(members)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedTerms:
    """The exits that an order wants for what it will have filled."""

    take_profit_price: Decimal | None
    stop_price: Decimal | None
    has_size: bool


def read_attached(value: object) -> tuple[AttachedTerms, Configuration]:
    """What ``attached_order_configuration`` asks for, and the object itself to be echoed.

    Raises:
        BadRequest: anything but one ``trigger_bracket_gtc`` with prices as strings.
    """
    key, members = _only_entry(value, "attached_order_configuration")
    if key != "trigger_bracket_gtc":
        raise BadRequest(f'unknown field "{key}" in attached_order_configuration')
    for name in members:
        if name not in _BRACKET:
            raise BadRequest(f'unknown field "{name}" in {key}')
    terms = AttachedTerms(
        take_profit_price=_number(members, "limit_price"), stop_price=_number(members, "stop_trigger_price"), has_size="base_size" in members
    )
    return terms, {key: dict(members)}


def _only_entry(value: object, name: str) -> tuple[str, Mapping[str, object]]:
    if not isinstance(value, dict) or len(value) != 1:
        raise BadRequest(f"{name} must have exactly one key")
    key, members = next(iter(value.items()))
    if not isinstance(members, dict):
        raise BadRequest(f'parsing field "{key}": an object is needed')
    return key, members


def _number(members: Mapping[str, object], name: str) -> Decimal | None:
    return read_number(members[name], name) if name in members else None


def _direction(members: Mapping[str, object]) -> str:
    direction = members.get("stop_direction", "")
    if direction not in ("", UP, DOWN):
        raise BadRequest(f'parsing field "stop_direction": {direction!r}')
    return str(direction)


def _flag(members: Mapping[str, object], name: str) -> bool:
    value = members.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f'parsing field "{name}": a boolean is needed')
    return value
