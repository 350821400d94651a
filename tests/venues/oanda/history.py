"""What has happened: transactions by id and by time, and the changes of an account since one of them."""

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlencode

from tests.venues.oanda import views
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import Order, Trade
from tests.venues.oanda.errors import Malformed, Refusal, not_found
from tests.venues.oanda.wire import Doc, Stamp, read_time

PAGE_MAX = 1_000

# ``type=`` of the transaction calls may name one type or one of these groups.
_GROUPS: dict[str, Callable[[str], bool]] = {
    "ORDER": lambda kind: kind.startswith("ORDER_") or kind.removesuffix("_REJECT").endswith("_ORDER"),
    "FUNDING": lambda kind: kind.startswith("TRANSFER_FUNDS"),
    "ADMIN": lambda kind: kind in {"CREATE", "CLOSE", "REOPEN", "CLIENT_CONFIGURE", "CLIENT_CONFIGURE_REJECT"},
}


def transaction(account: Account, number: str) -> Doc:
    """``GET /transactions/{id}``."""
    found = account.log.get(int(number)) if number.isdecimal() else None
    if found is None:
        raise not_found("NO_SUCH_TRANSACTION", account.log.last_id)
    return {"transaction": found, **_last(account)}


def since(account: Account, query: Mapping[str, str]) -> Doc:
    """``GET /transactions/sinceid``: all after ``id``, without it."""
    return {"transactions": _of_type(account.log.since(_number(account, query, "id")), query), **_last(account)}


def id_range(account: Account, query: Mapping[str, str]) -> Doc:
    """``GET /transactions/idrange``: from ``from`` to ``to``, both included."""
    first, last = _number(account, query, "from"), _number(account, query, "to")
    if first > last:
        raise Malformed("from")
    found = [each for each in account.log.since(first - 1) if int(each["id"]) <= last]
    return {"transactions": _of_type(found, query), **_last(account)}


def pages(account: Account, query: Mapping[str, str], base: str) -> Doc:
    """``GET /transactions``: the addresses to ask for, not the transactions."""
    first_ns = _time(query, "from", account.created_ns)
    last_ns = _time(query, "to", account.clock.now_ns())
    size = query.get("pageSize", "100")
    if not size.isdecimal() or not 1 <= int(size) <= PAGE_MAX:
        raise Malformed("pageSize")
    found = [each for each in account.log.transactions if first_ns <= each["time"].ns <= last_ns]
    kind = {"type": query["type"]} if "type" in query else {}
    chunks = [found[start : start + int(size)] for start in range(0, len(found), int(size))]
    return {
        "from": Stamp(first_ns),
        "to": Stamp(last_ns),
        "pageSize": int(size),
        "count": len(_of_type(found, query)),
        "pages": [f"{base}/idrange?{urlencode({'from': chunk[0]['id'], 'to': chunk[-1]['id'], **kind})}" for chunk in chunks],
        **_last(account),
    }


def changes(account: Account, query: Mapping[str, str]) -> Doc:
    """``GET /changes``: what became of orders and trades since a transaction, and everything that moves with the market now."""
    number = _number(account, query, "sinceTransactionID", status=416)
    orders, trades = list(account.orders.values()), list(account.trades.values())
    opened = [trade for trade in trades if trade.id > number]
    touched = [trade for trade in trades if any(each > number for each in trade.closing_ids)]
    names = dict.fromkeys(trade.instrument for trade in (*opened, *touched))
    return {
        "changes": {
            "ordersCreated": _orders(each for each in orders if each.id > number),
            "ordersCancelled": _orders(each for each in orders if (each.cancelling_id or 0) > number),
            "ordersFilled": _orders(each for each in orders if (each.filling_id or 0) > number),
            "ordersTriggered": [],
            "tradesOpened": _trades(account, opened),
            "tradesReduced": _trades(account, (each for each in touched if each.state != "CLOSED")),
            "tradesClosed": _trades(account, (each for each in touched if each.state == "CLOSED")),
            "positions": [views.position_doc(account, name) for name in names],
            "transactions": account.log.since(number),
        },
        "state": {
            **views.calculated_account(account),
            "orders": [
                {"id": str(each.id), "trailingStopValue": each.as_json()["trailingStopValue"]}
                for each in account.pending.values()
                if each.trailing_value is not None
            ],
            "trades": [views.calculated_trade(account, each) for each in account.open.values()],
            "positions": [views.calculated_position(account, name) for name in dict.fromkeys(each.instrument for each in account.open.values())],
        },
        **_last(account),
    }


def _last(account: Account) -> Doc:
    return {"lastTransactionID": str(account.log.last_id)}


def _number(account: Account, query: Mapping[str, str], key: str, *, status: int = 400) -> int:
    text = query.get(key, "")
    if not text.isdecimal():
        raise Malformed(key)
    if int(text) > account.log.last_id:
        raise Refusal(status, {**Malformed(key).body, **_last(account)})
    return int(text)


def _time(query: Mapping[str, str], key: str, default: int) -> int:
    if key not in query:
        return default
    try:
        return read_time(query[key])
    except ValueError:
        raise Malformed(key) from None


def _of_type(transactions: list[Doc], query: Mapping[str, str]) -> list[Doc]:
    if "type" not in query:
        return transactions
    wanted = query["type"].split(",")
    return [each for each in transactions if any(name == each["type"] or _GROUPS.get(name, _never)(each["type"]) for name in wanted)]


def _never(_kind: str) -> bool:
    return False


def _orders(orders: Iterable[Order]) -> list[Doc]:
    return [each.as_json() for each in orders]


def _trades(account: Account, trades: Iterable[Trade]) -> list[Doc]:
    return [views.trade_doc(account, each, detail=False) for each in trades]
