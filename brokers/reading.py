"""The operations that only look: orders, trades, fills, equity, positions, the account, instruments, capabilities.

They run on the writer thread between two groups of orders, so what they show is what has been committed. Each takes its checked arguments and returns
its ``result`` map (``bus.replies``).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from brokers import curve, ledger, performance
from brokers.actors import Actor
from brokers.arguments import FillQuery, Modification, OrderLookup, OrderQuery, Page, PositionQuery, TradeQuery, optional
from brokers.base import Mark
from brokers.desk import Desk
from brokers.ledger import Db
from brokers.views import View, account_view, fill_view, instrument_view, order_view, position_view, trade_view, void_view
from bus.envelope import decode_event
from runtime.timestamps import to_text
from trading.brackets import Bracket, Protection
from trading.errors import NotFound
from trading.instruments import Side
from trading.money import nearest
from trading.orders import EntryType

# An order's own events: the first and the newest; a trailing stop alone may have thousands.
EVENTS_MAX = 200

CLIENT_ORDER_ID_CHARS_MAX = 48


def get_order(desk: Desk, db: Db, lookup: OrderLookup, actor: Actor) -> View:
    """``OneOrder``."""
    if not isinstance(lookup.order_id, msgspec.UnsetType):
        return {"order": order_with_events(desk, db, find_order(desk, db, lookup.order_id))}
    client_order_id = str(lookup.client_order_id)
    owners = ledger.find_client_ids(db, client_order_id, desk.broker.account_id)
    owners.sort(key=lambda owner: (owner[1] != actor.user, -(owner[0] or 0)))
    if not owners:
        raise NotFound("no order has this client_order_id", details={"client_order_id": client_order_id})
    n, placed_by, void_reason = owners[0]
    bracket = None if n is None else ledger.order(db, n)
    if bracket is None:
        return {"order": {**void_view(client_order_id, placed_by, desk.source, desk.broker.mode, void_reason), "events": []}}
    return {"order": order_with_events(desk, db, bracket)}


def find_order(desk: Desk, db: Db, order_id: str) -> Bracket:
    """The order called ``order_id``, final or not.

    Raises:
        NotFound: ``NOT_FOUND``.
    """
    n = ledger.order_number(order_id)
    bracket = None if n is None else ledger.order(db, n)
    if bracket is None or bracket.order_id != order_id:
        raise NotFound(f"{desk.source} has no order {order_id[:64]}", details={"order_id": order_id[:64]})
    return bracket


def order_with_events(desk: Desk, db: Db, bracket: Bracket) -> View:
    """An ``OrderWithEvents``."""
    return {**order_view(bracket, desk.source), "events": [_event_view(body) for body in ledger.order_events(db, bracket.n, EVENTS_MAX)]}


def order_with_events_by_n(desk: Desk, db: Db, n: int) -> View:
    """The same of order ``n``, which exists."""
    bracket = ledger.order(db, n)
    assert bracket is not None
    return order_with_events(desk, db, bracket)


def orders_by_n(db: Db, ns: Sequence[int]) -> list[Bracket]:
    """Those orders as they stand."""
    return [bracket for n in ns if (bracket := ledger.order(db, n)) is not None]


def _event_view(body: bytes) -> View:
    event = decode_event(body)
    return {"id": f"{event.source}@{event.epoch}:{event.seq}", "type": event.type, "ts": event.ts, "seq": event.seq, "payload": event.payload}


def list_orders(desk: Desk, db: Db, query: OrderQuery) -> View:
    """``OrderPage``."""
    below_n, statuses, instrument = _row(query.after), query.statuses(), optional(query.instrument)
    if isinstance(query.client_order_id, msgspec.UnsetType):
        found = ledger.list_orders(db, instrument=instrument, statuses=statuses, below_n=below_n, limit=query.limit + 1)
        page = [order_view(bracket, desk.source) for bracket in found[: query.limit]]
        return {"orders": page, "next": str(found[query.limit - 1].n) if len(found) > query.limit else None}
    views: list[View] = []
    for n, placed_by, void_reason in ledger.find_client_ids(db, query.client_order_id, desk.broker.account_id):
        bracket = None if n is None else ledger.order(db, n)
        if bracket is None:
            views.append(void_view(query.client_order_id, placed_by, desk.source, desk.broker.mode, void_reason))
        else:
            views.append(order_view(bracket, desk.source))
    wanted = [view for view in views if (not statuses or view["status"] in statuses) and (instrument is None or view["instrument"] == instrument)]
    return {"orders": wanted[: query.limit], "next": None}


def list_trades(db: Db, query: TradeQuery) -> View:
    """``TradePage``."""
    found = ledger.list_trades(db, instrument=optional(query.instrument), below_id=_row(query.after), limit=query.limit + 1)
    return {"trades": [trade_view(trade) for _, trade in found[: query.limit]], "next": _next(found, query.limit)}


def list_fills(desk: Desk, db: Db, query: FillQuery) -> View:
    """``FillPage``."""
    n, instrument = None, optional(query.instrument)
    if not isinstance(query.order_id, msgspec.UnsetType):
        bracket = find_order(desk, db, query.order_id)
        if instrument is not None and bracket.instrument != instrument:
            return {"fills": [], "next": None}
        n = bracket.n
    found = ledger.list_fills(db, n=n, instrument=instrument, below_id=_row(query.after), limit=query.limit + 1)
    return {"fills": [fill_view(fill) for _, fill in found[: query.limit]], "next": _next(found, query.limit)}


def list_equity(db: Db, query: Page) -> View:
    """``EquityPage``."""
    found = ledger.list_equity(db, below_id=_row(query.after), limit=query.limit + 1, above_id=curve.begins_after(db))
    points = [
        {"at": to_text(at_ns), "balance": nearest(Decimal(balance)), "equity": nearest(Decimal(equity)), "open_pnl": nearest(Decimal(open_pnl))}
        for _, at_ns, balance, equity, open_pnl in found[: query.limit]
    ]
    return {"equity": points, "next": _next(found, query.limit)}


def list_positions(desk: Desk, query: PositionQuery, marks: Iterable[Mark]) -> View:
    """``PositionList``, valued by ``marks``."""
    desk.broker.mark(marks)
    weakest: dict[tuple[str, Side], Protection] = {}
    for bracket in desk.broker.open_brackets():
        if bracket.position_units:
            key = (bracket.instrument, bracket.side)
            weakest[key] = min(weakest.get(key, bracket.protection), bracket.protection, key=_STRENGTH.__getitem__)
    wanted = optional(query.instrument)
    return {
        "positions": [
            position_view(position, str(weakest.get((position.instrument, position.side), Protection.NONE)))
            for position in desk.broker.positions()
            if wanted is None or position.instrument == wanted
        ]
    }


def get_account(desk: Desk, marks: Iterable[Mark], now_ns: int) -> View:
    """``OneAccount``, valued by ``marks``."""
    desk.broker.mark(marks)
    return {"account": account_view(desk.broker.account(now_ns), desk.broker.account_id)}


def get_performance(desk: Desk, db: Db, now_ns: int) -> View:
    """``OnePerformance``."""
    since_ns = performance.since_ns(db)
    return {
        "performance": {
            "broker": desk.source,
            "mode": desk.broker.mode,
            "currency": desk.broker.account(now_ns).currency,
            "since": to_text(since_ns) if since_ns else None,
            **performance.overall(db),
            **{f"by_{kind}": groups for kind, groups in performance.by_group(db).items()},
            **standing(desk, now_ns),
        }
    }


def standing(desk: Desk, now_ns: int) -> View:
    """When a list or a figure was taken from the books, and whether the venue may know more than they do."""
    return {"as_of": to_text(now_ns), "stale": not desk.broker.is_reconciled}


def list_instruments(desk: Desk) -> View:
    """``InstrumentList``."""
    return {"instruments": [instrument_view(instrument) for instrument in desk.instruments.for_venue(desk.source).values()]}


def get_capabilities(desk: Desk, feed: str | None) -> View:
    """``Capabilities``."""
    return {
        "broker": desk.source,
        "mode": desk.broker.mode,
        "account": desk.broker.account_id,
        "entry_types": [str(kind) for kind in EntryType],
        "trailing_stop": True,
        "protection": str(desk.broker.protection),
        "ttl": str(desk.broker.protection),
        "modify": [name for name in Modification.__struct_fields__ if name != "order_id"],
        "client_order_id_chars_max": CLIENT_ORDER_ID_CHARS_MAX,
        "instruments": list(desk.instruments.for_venue(desk.source)),
        "feed": feed,
    }


def _row(cursor: str | msgspec.UnsetType) -> int | None:
    return None if isinstance(cursor, msgspec.UnsetType) else int(cursor)


def _next(found: Sequence[tuple[Any, ...]], limit: int) -> str | None:
    """The row id of the last one shown, when there is another behind it."""
    return str(found[limit - 1][0]) if len(found) > limit else None


# Who guards a stop, weakest first.
_STRENGTH = {Protection.NONE: 0, Protection.ADAPTER: 1, Protection.VENUE: 2}
