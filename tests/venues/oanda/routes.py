"""The REST calls of an account: from a request to the function that answers it."""

from collections.abc import Callable, Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.venues.oanda import closing, exits, history, placing, views
from tests.venues.oanda.account import Account
from tests.venues.oanda.doors import ACCOUNT, REQUEST_ID, json_of, respond
from tests.venues.oanda.errors import Malformed, not_found
from tests.venues.oanda.wire import Doc

PREFIX = "/v3/accounts/{account}"
COUNT_DEFAULT = 50
COUNT_MAX = 500

_ORDER_STATES = {"PENDING", "FILLED", "TRIGGERED", "CANCELLED", "ALL"}
_TRADE_STATES = {"OPEN", "CLOSED", "CLOSE_WHEN_TRADEABLE", "ALL"}

Change = Callable[[Account, str, Doc, str], Doc]


def add_routes(app: web.Application) -> None:
    """Everything but prices and streams."""
    app.router.add_get("/v3/accounts", _accounts)
    for path, read in (
        ("", lambda account, _request: {"account": views.whole_account(account)}),
        ("/summary", lambda account, _request: {"account": views.summary(account)}),
        ("/instruments", lambda account, request: {"instruments": _instruments(account, request.query)}),
        ("/orders", lambda account, request: {"orders": _orders(account, request.query)}),
        ("/pendingOrders", lambda account, _request: {"orders": _newest_first(order.as_json() for order in account.pending.values())}),
        ("/orders/{spec}", lambda account, request: {"order": _order(account, request.match_info["spec"])}),
        ("/trades", lambda account, request: {"trades": _trades(account, request.query)}),
        ("/openTrades", lambda account, _request: {"trades": _trades(account, {"count": str(COUNT_MAX)})}),
        ("/trades/{spec}", lambda account, request: {"trade": _trade(account, request.match_info["spec"])}),
        ("/positions", lambda account, _request: {"positions": _positions(account, views.traded_instruments(account))}),
        (
            "/openPositions",
            lambda account, _request: {"positions": _positions(account, dict.fromkeys(each.instrument for each in account.open.values()))},
        ),
        ("/positions/{instrument}", lambda account, request: {"position": _position(account, request.match_info["instrument"])}),
        ("/transactions", lambda account, request: history.pages(account, request.query, str(request.url.with_query(None)))),
        ("/transactions/sinceid", lambda account, request: history.since(account, request.query)),
        ("/transactions/idrange", lambda account, request: history.id_range(account, request.query)),
        ("/transactions/{number}", lambda account, request: history.transaction(account, request.match_info["number"])),
        ("/changes", lambda account, request: history.changes(account, request.query)),
    ):
        app.router.add_get(PREFIX + path, _reading(read))
    app.router.add_post(f"{PREFIX}/orders", _post_order)
    for path, change, status in (
        ("/orders/{spec}", placing.replace, 201),
        ("/orders/{spec}/cancel", lambda account, spec, _body, request_id: placing.cancel(account, spec, request_id), 200),
        ("/orders/{spec}/clientExtensions", placing.set_order_extensions, 200),
        ("/trades/{spec}/orders", exits.set_exits, 200),
        ("/trades/{spec}/close", closing.close_trade, 200),
        ("/trades/{spec}/clientExtensions", exits.set_trade_extensions, 200),
        ("/positions/{spec}/close", closing.close_position, 200),
    ):
        app.router.add_put(PREFIX + path, _changing(change, status))


def instruments_named(account: Account, query: Mapping[str, str]) -> list[str]:
    """The instruments of a query, which must be known ones; all without a query."""
    if "instruments" not in query:
        return list(account.specs)
    names = [name for name in query["instruments"].split(",") if name]
    if not names or any(name not in account.specs for name in names):
        raise Malformed("instruments")
    return names


def _reading(read: Callable[[Account, web.Request], Doc]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        account = request.app[ACCOUNT]
        return respond(request, {**read(account, request), "lastTransactionID": str(account.log.last_id)})

    return handler


def _changing(change: Change, status: int) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        body = await json_of(request)
        doc = change(request.app[ACCOUNT], request.match_info["spec"], body, request[REQUEST_ID])
        return respond(request, doc, status=status)

    return handler


async def _accounts(request: web.Request) -> web.Response:
    return respond(request, {"accounts": [{"id": request.app[ACCOUNT].config.id, "tags": []}]})


async def _post_order(request: web.Request) -> web.Response:
    doc = placing.place(request.app[ACCOUNT], await json_of(request), request[REQUEST_ID])
    created = doc["orderCreateTransaction"]["id"]
    return respond(request, doc, status=201, location=f"{request.url.origin()}{request.path}/{created}")


def _instruments(account: Account, query: Mapping[str, str]) -> list[Doc]:
    return [account.specs[name].as_json() for name in instruments_named(account, query)]


def _orders(account: Account, query: Mapping[str, str]) -> list[Doc]:
    state = _choice(query, "state", _ORDER_STATES, "PENDING")
    ids = set(query["ids"].split(",")) if "ids" in query else None
    found = [
        order.as_json()
        for order in account.orders.values()
        if state in {"ALL", order.state}
        and (ids is None or str(order.id) in ids)
        and query.get("instrument", order.instrument) == order.instrument
        and order.id < _before(query)
    ]
    return _newest_first(found)[: _count(query)]


def _trades(account: Account, query: Mapping[str, str]) -> list[Doc]:
    state = _choice(query, "state", _TRADE_STATES, "OPEN")
    ids = set(query["ids"].split(",")) if "ids" in query else None
    found = [
        views.trade_doc(account, trade, detail=False)
        for trade in account.trades.values()
        if state in {"ALL", trade.state}
        and (ids is None or str(trade.id) in ids)
        and query.get("instrument", trade.instrument) == trade.instrument
        and trade.id < _before(query)
    ]
    return _newest_first(found)[: _count(query)]


def _order(account: Account, spec: str) -> Doc:
    order = account.find_order(spec)
    if order is None:
        raise not_found("NO_SUCH_ORDER", account.log.last_id)
    return order.as_json()


def _trade(account: Account, spec: str) -> Doc:
    trade = account.find_trade(spec)
    if trade is None:
        raise not_found("NO_SUCH_TRADE", account.log.last_id)
    return views.trade_doc(account, trade, detail=True)


def _positions(account: Account, names: Iterable[str]) -> list[Doc]:
    return [views.position_doc(account, name) for name in names]


def _position(account: Account, instrument: str) -> Doc:
    if instrument not in views.traded_instruments(account):
        raise not_found("NO_SUCH_POSITION", account.log.last_id)
    return views.position_doc(account, instrument)


def _choice(query: Mapping[str, str], key: str, choices: set[str], default: str) -> str:
    value = query.get(key, default)
    if value not in choices:
        raise Malformed(key)
    return value


def _before(query: Mapping[str, str]) -> float:
    text = query.get("beforeID")
    if text is None:
        return float("inf")
    if not text.isdecimal():
        raise Malformed("beforeID")
    return int(text)


def _count(query: Mapping[str, str]) -> int:
    text = query.get("count", str(COUNT_DEFAULT))
    if not text.isdecimal() or not 1 <= int(text) <= COUNT_MAX:
        raise Malformed("count")
    return int(text)


def _newest_first(docs: Iterable[Doc]) -> list[Doc]:
    return sorted(docs, key=lambda doc: -int(doc["id"]))
