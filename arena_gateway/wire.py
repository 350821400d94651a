"""Between HTTP and the adapters: ids, numbers, queries, and the answer for what is not known yet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any, get_type_hints

import msgspec
from aiohttp import web

from arena_gateway.requests import AllOrdersQuery, OrdersQuery
from bus.codec import SIGNIFICANT_DIGITS_MAX, to_wire
from runtime.http import REQUEST_ID, ApiError, Told, json_answer
from runtime.http_body import convert
from trading.errors import OutcomeUnknown
from trading.orders import OrderTicket, refuse_odd_numbers

_ID_FORM = re.compile(r"[A-Za-z0-9_-]{1,48}")
_ORDER_ID_FORM = re.compile(r"[a-z0-9-]{1,64}")
_POSITION_FORM = re.compile(r"[0-9]{1,18}")
_INTEGER_MAX = 10**SIGNIFICANT_DIGITS_MAX
_TYPES = get_type_hints(OrderTicket)
# The ticket as msgspec fills it fastest (0.4 us instead of 2); made from OrderTicket, so that it cannot say anything else.
_TicketForm = msgspec.defstruct(
    "_TicketForm",
    [
        (field.name, _TYPES[field.name]) if field.default is MISSING else (field.name, _TYPES[field.name], field.default)
        for field in fields(OrderTicket)
    ],
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,
)


def given_id(body: Mapping[str, Any], header: str | None) -> str | None:
    """The id an order was sent under: ``client_order_id``, or ``Idempotency-Key``, which is the same thing; None when it has neither.

    Raises:
        ApiError: 400 for two that differ, or one of another form than 1-48 of ``[A-Za-z0-9_-]``.
    """
    in_body = body.get("client_order_id")
    if header is not None:
        header = header.strip('"')  # the draft standard writes it as a quoted string, most clients do not
    if in_body is not None and header is not None and in_body != header:
        raise ApiError(400, "IDEMPOTENCY_KEY_CONFLICT", "client_order_id and Idempotency-Key differ: they are the same thing, send one of them")
    given = in_body if in_body is not None else header
    if given is None:
        return None
    if type(given) is not str or not _ID_FORM.fullmatch(given):
        raise ApiError(
            400, "CLIENT_ORDER_ID_INVALID", "client_order_id must be 1 to 48 letters, digits, dashes or underscores", {"field": "client_order_id"}
        )
    return given


def ticket_args(body: dict[str, Any], client_order_id: str | None) -> dict[str, object]:
    """An order body as the adapter takes it: types checked, numbers ready to travel, what is absent or null left out.

    Raises:
        ApiError: 400 UNKNOWN_FIELD or INVALID_FIELD, 422 NUMBER_TOO_LONG.
    """
    try:
        ticket = msgspec.convert(body, _TicketForm)
    except msgspec.ValidationError:
        convert(body, OrderTicket)  # slower, and says what is wrong
        raise
    args: dict[str, object] = {}
    for name, raw in body.items():
        kind = type(raw)
        if kind is Decimal:
            args[name] = wire_number(name, raw)
        elif kind is int and -_INTEGER_MAX < raw < _INTEGER_MAX:
            args[name] = raw
        elif raw is not None:
            value = getattr(ticket, name)
            if type(value) is Decimal:
                refuse_odd_numbers({name: raw}, ticket)
            args[name] = wire_number(name, value) if type(value) is Decimal else raw
    if client_order_id is not None:
        args["client_order_id"] = client_order_id
    return args


def wire_number(name: str, value: Decimal) -> int | float:
    """``value`` as the number that travels; ApiError 422 NUMBER_TOO_LONG where none has its digits."""
    try:
        return to_wire(value)
    except ValueError:
        code = "NUMBER_TOO_LONG" if value.is_finite() else "NUMBER_NOT_FINITE"
        details = {"field": name, "value": str(value)[:64]}
        raise ApiError(422, code, f"{name} must be a number of at most {SIGNIFICANT_DIGITS_MAX} significant digits", details) from None


def as_wire(values: Mapping[str, object]) -> dict[str, object]:
    """``values`` with every Decimal as the number that travels. ApiError 422 NUMBER_TOO_LONG."""
    return {name: wire_number(name, value) if type(value) is Decimal else value for name, value in values.items()}


def query_args(query: msgspec.Struct) -> dict[str, object]:
    """The parameters that were given, numbers ready to travel. ApiError 400 CURSOR_INVALID for an ``after`` that no ``next`` ever was."""
    args = as_wire({name: value for name in query.__struct_fields__ if (value := getattr(query, name)) is not None})
    if "after" in args and not _POSITION_FORM.fullmatch(str(args["after"])):
        raise _cursor_invalid()
    return args


def orders_args(query: OrdersQuery | AllOrdersQuery) -> dict[str, object]:
    """The arguments of ``order.list``; several statuses become a list. The cursor of all brokers is taken apart elsewhere."""
    args = query_args(msgspec.structs.replace(query, after=None) if isinstance(query, AllOrdersQuery) else query)
    if query.status is not None:
        args["status"] = [status.strip() for status in query.status.split(",") if status.strip()]
    return args


def read_positions(after: str | None, brokers: Sequence[str]) -> dict[str, str]:
    """A cursor over all brokers, ``oanda:57,coinbase:12``, taken apart. ApiError 400 CURSOR_INVALID."""
    positions: dict[str, str] = {}
    for part in (after or "").split(",") if after else ():
        broker, colon, position = part.partition(":")
        if broker not in brokers or not colon or not _POSITION_FORM.fullmatch(position) or broker in positions:
            raise _cursor_invalid()
        positions[broker] = position
    return positions


def _cursor_invalid() -> ApiError:
    return ApiError(400, "CURSOR_INVALID", "after must be what next was", {"parameter": "after"})


def order_id_of(request: web.Request) -> str:
    """The order of the path. ApiError 404 ORDER_NOT_FOUND for what no order is ever called."""
    order_id = request.match_info["order_id"]
    if not _ORDER_ID_FORM.fullmatch(order_id):
        raise ApiError(404, "ORDER_NOT_FOUND", "there is no such order")
    return order_id


def unknown_answer(request: web.Request, error: OutcomeUnknown, location: str, *, retry_safe: bool = False) -> web.Response:
    """:func:`unknown_told` as an answer."""
    told = unknown_told(request[REQUEST_ID], error, location, retry_safe=retry_safe)
    return json_answer(told.data, told.status, told.headers)


def unknown_told(request_id: str, error: OutcomeUnknown, location: str, *, client_order_id: str | None = None, retry_safe: bool = False) -> Told:
    """202: it was sent and may have happened; ``location`` is where to look. What has an id may be sent again under the same one."""
    is_safe = retry_safe or client_order_id is not None
    # What the adapters and their sockets say ends in "do not send it again", which is true of those who send it under no id, or a new one.
    again = ", and only the same request under the same id may be sent again" if is_safe else ""
    body: dict[str, object] = {
        "ok": False,
        "status": "UNKNOWN",
        "code": "UNKNOWN",
        "message": f"{error.message}: Location is where to look{again}",
        "details": error.details if error.code == "UNKNOWN" else {**error.details, "cause": error.code},
        "retry_safe": is_safe,
        "request_id": request_id,
    }
    if client_order_id is not None:
        body["client_order_id"] = client_order_id
    return Told(202, {"Location": location, "Retry-After": "1"}, body)
