"""Lists with filters and cursors: orders, fills, accounts.

A cursor names the last row of the page before, so that rows that come in between push nothing out; while rows leave the list, one may be missed. The
venue's own oddities are kept: ``OPEN`` cannot be asked for together with another status, leaves out PENDING and queued orders, and does not look at
the dates.
"""

import base64
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import TypeVar

from multidict import MultiMapping

from tests.venues.coinbase.orders import Fill, Order, Status
from tests.venues.coinbase.refusals import BadRequest
from tests.venues.coinbase.wire import read_time
from trading.instruments import Side

RowT = TypeVar("RowT")

_STATUSES = frozenset(Status) | {"EDIT_QUEUED", "UNKNOWN_ORDER_STATUS"}
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
    start = _start(rows, query.get("cursor", ""), id_of)
    shown = list(rows[start : start + limit])
    more = start + limit < len(rows)
    return shown, _cursor(start + limit, id_of(shown[-1])) if more and shown else ""


def _cursor(place: int, last: str) -> str:
    return base64.urlsafe_b64encode(f"{place} {last}".encode()).decode()


def _start(rows: Sequence[RowT], cursor: str, id_of: Callable[[RowT], str]) -> int:
    """Where a page begins: after the row its cursor names; where that row is no longer listed, at the place it had, so that rows may be missed."""
    if not cursor:
        return 0
    try:
        place, last = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        start = int(place)
    except ValueError:
        raise BadRequest(f'parsing field "cursor": {cursor!r}') from None
    return next((number + 1 for number, row in enumerate(rows) if id_of(row) == last), start)


def find_orders(orders: Sequence[Order], query: MultiMapping[str]) -> list[Order]:
    """The orders that fit the filters, newest first. Raises BadRequest."""
    _refuse_unknown(query, _ORDER_PARAMETERS)
    statuses = query.getall("order_status", [])
    for status in statuses:
        if status not in _STATUSES:
            raise BadRequest(f'parsing list "order_status": {status!r}')
    if Status.OPEN in statuses and len(statuses) > 1:
        raise BadRequest("Cannot pair OPEN orders with other order types")
    only_open = statuses == [Status.OPEN]
    start = None if only_open else _time(query, "start_date")
    end = None if only_open else _time(query, "end_date")
    side = query.get("order_side", "")
    if side and side not in set(Side):
        raise BadRequest(f'parsing field "order_side": {side!r}')
    # Read once: a list may be asked for while thousands of orders stand.
    ids, products, types, times = (set(query.getall(name, [])) for name in ("order_ids", "product_ids", "order_types", "time_in_forces"))
    wanted = set(statuses)

    def fits(order: Order) -> bool:
        return (
            (not wanted or order.status in wanted)
            and (not ids or order.order_id in ids)
            and (not products or order.product.product_id in products)
            and (not types or order.terms.order_type in types)
            and (not times or order.terms.time_in_force in times)
            and (not side or order.side == side)
            and (start is None or order.created_ns >= start)
            and (end is None or order.created_ns < end)
        )

    return [order for order in reversed(orders) if fits(order)]


def find_fills(fills: Sequence[Fill], query: MultiMapping[str], *, listed_until_ns: int) -> list[Fill]:
    """The fills that fit the filters and are listed by now, newest first. Raises BadRequest."""
    _refuse_unknown(query, _FILL_PARAMETERS)
    start, end = _time(query, "start_sequence_timestamp"), _time(query, "end_sequence_timestamp")
    ids, trades, products = (set(query.getall(name, [])) for name in ("order_ids", "trade_ids", "product_ids"))

    def is_recent(fill: Fill) -> bool:
        return start is None or fill.time_ns // 1000 >= start // 1000  # times are shown to the microsecond

    # Newest first, and no further back than was asked for: a campaign has tens of thousands.
    return [
        fill
        for fill in takewhile(is_recent, reversed(fills))
        if (not ids or fill.order_id in ids)
        and fill.time_ns <= listed_until_ns
        and (not trades or fill.trade_id in trades)
        and (not products or fill.product_id in products)
        and (end is None or fill.time_ns < end)
    ]


def _time(query: MultiMapping[str], name: str) -> int | None:
    return read_time(query[name], name) if query.get(name) else None


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
