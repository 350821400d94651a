"""Lists with filters and cursors: orders, fills, accounts.

A cursor names the last row of the page before, so that rows that come in between push nothing out; a row that moves may still be seen twice. The
venue's own oddities are kept: ``OPEN`` cannot be asked for together with another status, leaves out PENDING and queued orders, and does not look at
the dates.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from multidict import MultiMapping

from tests.venues.coinbase.orders import Fill, Order, Status
from tests.venues.coinbase.refusals import BadRequest
from tests.venues.coinbase.wire import read_time
from trading.instruments import Side

RowT = TypeVar("RowT")

_STATUSES = frozenset(Status) | {"QUEUED", "EDIT_QUEUED", "UNKNOWN_ORDER_STATUS"}
_ORDER_PARAMETERS = frozenset(
    {
        "order_ids",
        "product_ids",
        "order_status",
        "limit",
        "start_date",
        "end_date",
        "order_types",
        "order_side",
        "cursor",
        "product_type",
        "order_placement_source",
        "contract_expiry_type",
        "asset_filters",
        "retail_portfolio_id",
        "time_in_forces",
        "sort_by",
    }
)
_FILL_PARAMETERS = frozenset(
    {
        "order_ids",
        "trade_ids",
        "product_ids",
        "start_sequence_timestamp",
        "end_sequence_timestamp",
        "retail_portfolio_id",
        "limit",
        "cursor",
        "sort_by",
    }
)


def page(rows: Sequence[RowT], query: MultiMapping[str], *, page_max: int, default: int, id_of: Callable[[RowT], str]) -> tuple[list[RowT], str]:
    """The rows after ``cursor``, at most ``limit``, and the next cursor, empty at the end. Raises BadRequest for a limit or cursor that cannot be."""
    limit = min(_whole(query, "limit", default), page_max)
    start = 0
    cursor = query.get("cursor", "")
    if cursor:
        try:
            last = base64.urlsafe_b64decode(cursor.encode()).decode()
        except ValueError:
            raise BadRequest(f'parsing field "cursor": {cursor!r}') from None
        places = [place for place, row in enumerate(rows) if id_of(row) == last]
        if not places:
            raise BadRequest(f'parsing field "cursor": {cursor!r} is of no list of ours')
        start = places[0] + 1
    shown = list(rows[start : start + limit])
    more = start + limit < len(rows)
    return shown, base64.urlsafe_b64encode(id_of(shown[-1]).encode()).decode() if more and shown else ""


def find_orders(orders: Iterable[Order], query: MultiMapping[str]) -> list[Order]:
    """The orders that fit the filters, newest first. Raises BadRequest."""
    _refuse_unknown(query, _ORDER_PARAMETERS)
    statuses = query.getall("order_status", [])
    for status in statuses:
        if status not in _STATUSES:
            raise BadRequest(f'parsing list "order_status": {status!r}')
    if Status.OPEN in statuses and len(statuses) > 1:
        raise BadRequest("Cannot pair OPEN orders with other order types")
    only_open = statuses == [Status.OPEN]
    start = read_time(query["start_date"], "start_date") if "start_date" in query else None
    end = read_time(query["end_date"], "end_date") if "end_date" in query else None
    side = query.get("order_side", "")
    if side and side not in set(Side):
        raise BadRequest(f'parsing field "order_side": {side!r}')

    def fits(order: Order) -> bool:
        return (
            _among(order.order_id, query.getall("order_ids", []))
            and _among(order.product.product_id, query.getall("product_ids", []))
            and _among(order.status, statuses)
            and _among(order.terms.order_type, query.getall("order_types", []))
            and _among(order.terms.time_in_force, query.getall("time_in_forces", []))
            and (not side or order.side == side)
            and (only_open or ((start is None or order.created_ns >= start) and (end is None or order.created_ns < end)))
        )

    return [order for order in reversed(list(orders)) if fits(order)]


def find_fills(fills: Sequence[Fill], query: MultiMapping[str], *, listed_until_ns: int) -> list[Fill]:
    """The fills that fit the filters and are listed by now, newest first. Raises BadRequest."""
    _refuse_unknown(query, _FILL_PARAMETERS)
    start = read_time(query["start_sequence_timestamp"], "start_sequence_timestamp") if "start_sequence_timestamp" in query else None
    end = read_time(query["end_sequence_timestamp"], "end_sequence_timestamp") if "end_sequence_timestamp" in query else None
    return [
        fill
        for fill in reversed(fills)
        if fill.time_ns <= listed_until_ns
        and _among(fill.order_id, query.getall("order_ids", []))
        and _among(fill.trade_id, query.getall("trade_ids", []))
        and _among(fill.product_id, query.getall("product_ids", []))
        and (start is None or fill.time_ns // 1000 >= start // 1000)  # times are shown to the microsecond
        and (end is None or fill.time_ns < end)
    ]


def _among(value: str, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def _whole(query: MultiMapping[str], name: str, default: int) -> int:
    value = query.get(name, "")
    if not value:
        return default
    if not value.isdecimal() or int(value) < 1:
        raise BadRequest(f'parsing field "{name}": {value!r}')
    return int(value)


def _refuse_unknown(query: MultiMapping[str], known: frozenset[str]) -> None:
    for name in query:
        if name not in known:
            raise BadRequest(f'unknown parameter "{name}"')
