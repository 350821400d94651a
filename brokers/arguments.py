"""What an operation takes: the ``args`` map of a request, checked and typed. The order ticket has the same type and checks as the HTTP body.

Unknown names are refused, null does not stand for absent, and each refusal is an ``InvalidRequest`` that names the field.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec

from trading.errors import InvalidRequest
from trading.instruments import Side
from trading.orders import OrderStatus, OrderTicket, refuse_odd_numbers, refuse_unknown_fields

PAGE_DEFAULT = 50
PAGE_MAX = 200

ValueT = TypeVar("ValueT")
ArgsT = TypeVar("ArgsT", bound=msgspec.Struct)

Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,48}\Z")]
# An opaque "where I was": what ``next`` held.
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=18, pattern=r"^[0-9]+\Z")]
Reason = Annotated[str, msgspec.Meta(max_length=200)]


class _Args(msgspec.Struct, kw_only=True):
    """Common base; a field without a default must be given."""


class NoArgs(_Args):
    pass


class OrderRef(_Args):
    order_id: Name


class OrderLookup(_Args):
    """Exactly one of the two; a client_order_id is looked up among the actor's own orders first."""

    order_id: Name | msgspec.UnsetType = msgspec.UNSET
    client_order_id: Name | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if (self.order_id is msgspec.UNSET) == (self.client_order_id is msgspec.UNSET):
            raise ValueError("give order_id or client_order_id, one of them")


class ClientRef(_Args):
    client_order_id: ClientId


class Modification(_Args):
    """What is absent stays as it is; units never change."""

    order_id: Name
    entry_price: Decimal | msgspec.UnsetType = msgspec.UNSET
    stop_loss_price: Decimal | msgspec.UnsetType = msgspec.UNSET
    take_profit_price: Decimal | msgspec.UnsetType = msgspec.UNSET
    trailing_stop_distance: Decimal | msgspec.UnsetType = msgspec.UNSET
    ttl_min: Decimal | msgspec.UnsetType = msgspec.UNSET

    def changes(self) -> dict[str, object]:
        """Field by field what is to change."""
        return {name: value for name in self.__struct_fields__ if name != "order_id" and (value := getattr(self, name)) is not msgspec.UNSET}


class CancelAll(_Args):
    instrument: Name | msgspec.UnsetType = msgspec.UNSET


class OrderQuery(_Args):
    status: OrderStatus | list[OrderStatus] | msgspec.UnsetType = msgspec.UNSET
    instrument: Name | msgspec.UnsetType = msgspec.UNSET
    client_order_id: Name | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = PAGE_DEFAULT
    after: Cursor | msgspec.UnsetType = msgspec.UNSET

    def statuses(self) -> tuple[OrderStatus, ...]:
        """Those asked for; empty means all."""
        if isinstance(self.status, msgspec.UnsetType):
            return ()
        return (self.status,) if isinstance(self.status, OrderStatus) else tuple(dict.fromkeys(self.status))


class Page(_Args):
    limit: Limit = PAGE_DEFAULT
    after: Cursor | msgspec.UnsetType = msgspec.UNSET


class TradeQuery(_Args):
    instrument: Name | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = PAGE_DEFAULT
    after: Cursor | msgspec.UnsetType = msgspec.UNSET


class FillQuery(_Args):
    instrument: Name | msgspec.UnsetType = msgspec.UNSET
    order_id: Name | msgspec.UnsetType = msgspec.UNSET
    limit: Limit = PAGE_DEFAULT
    after: Cursor | msgspec.UnsetType = msgspec.UNSET


class PositionQuery(_Args):
    instrument: Name | msgspec.UnsetType = msgspec.UNSET


class CloseRequest(_Args):
    """``units`` or ``percent`` of what is open, all of it when neither is given; one ``client_close_id`` closes once."""

    instrument: Name
    side: Side | msgspec.UnsetType = msgspec.UNSET
    units: Decimal | msgspec.UnsetType = msgspec.UNSET
    percent: Decimal | msgspec.UnsetType = msgspec.UNSET
    client_close_id: ClientId | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if self.units is not msgspec.UNSET and self.percent is not msgspec.UNSET:
            raise ValueError("give units or percent, not both")


class StateRequest(_Args):
    """``only_stricter``: leave a brake that is as tight or tighter, as the gateway asks when it repeats what it wants."""

    state: str
    reason: Reason = ""
    cancel: bool = False
    flatten: bool = False
    only_stricter: bool = False


class ResetRequest(_Args):
    adopt: bool = False


class BackupRequest(_Args):
    path: Annotated[str, msgspec.Meta(min_length=2, max_length=4096)]


def optional(value: ValueT | msgspec.UnsetType) -> ValueT | None:
    """``value``, None where the argument was left out."""
    return None if isinstance(value, msgspec.UnsetType) else value


def read(args: Mapping[str, object], kind: type[ArgsT]) -> ArgsT:
    """``args`` as a ``kind``.

    Raises:
        InvalidRequest: ``UNKNOWN_FIELD``, or ``INVALID_FIELD`` for a missing one or a value of the wrong type.
    """
    known = _fields(kind)
    for name in args:
        if name not in known:
            raise InvalidRequest(f"there is no argument {name[:64]}", code="UNKNOWN_FIELD", details={"field": name[:64], "known": sorted(known)})
    try:
        value = msgspec.convert(args, kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error), code="INVALID_FIELD") from None
    refuse_odd_numbers(args, value)
    return value


def read_ticket(args: Mapping[str, object]) -> OrderTicket:
    """``args`` as an order ticket: types only, ``check_ticket`` judges the values.

    Raises:
        InvalidRequest: ``UNKNOWN_FIELD`` or ``INVALID_FIELD``.
    """
    refuse_unknown_fields(args)
    try:
        ticket = msgspec.convert(args, OrderTicket)
    except msgspec.ValidationError as error:
        raise InvalidRequest(str(error), code="INVALID_FIELD") from None
    refuse_odd_numbers(args, ticket)
    return ticket


@lru_cache
def _fields(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__)
