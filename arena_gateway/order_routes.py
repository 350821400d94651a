"""Looking at, changing and cancelling orders, and the table of all routes of orders."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.answers import AllOrdersAnswer, CancelledAnswer, OrderAnswer, OrdersAnswer, PlacedAnswer, PreviewAnswer
from arena_gateway.dispatch import Dispatcher
from arena_gateway.errors import api_error
from arena_gateway.placing import ROLE, Placing
from arena_gateway.requests import AllOrdersQuery, CancelAllQuery, ModifyBody, OrdersQuery
from arena_gateway.wire import as_wire, given_id, order_id_of, orders_args, query_args, read_positions, ticket_args, unknown_answer
from runtime.http import ApiError, json_answer, read_query
from runtime.http_body import BODY_BYTES_MAX, convert, parse_object, read_body
from runtime.routes import PRINCIPAL, Route
from trading.errors import ArenaError, OutcomeUnknown
from trading.orders import OrderTicket, refuse_odd_numbers, ticket_fields

_FIXED = frozenset(ticket_fields()) - set(ModifyBody.__struct_fields__)

_VALUE_CODES = (
    "NUMBER_NOT_FINITE", "NUMBER_TOO_LONG", "PRICE_NOT_POSITIVE", "PRICE_OFF_TICK", "STOP_WRONG_SIDE", "TARGET_WRONG_SIDE", "TTL_OUT_OF_RANGE",
)  # fmt: skip
_PLACE_CODES = {
    400: ("FIELD_MISSING", "FIELDS_CONFLICT", "FIELD_NOT_ALLOWED", "CLIENT_ORDER_ID_INVALID", "IDEMPOTENCY_KEY_CONFLICT"),
    403: ("LIVE_NOT_GRANTED",),
    404: ("BROKER_NOT_FOUND",),
    409: ("ORDER_VOID", "ORDER_IN_FLIGHT"),
    422: (
        *_VALUE_CODES, "UNKNOWN_INSTRUMENT", "WRONG_VENUE", "UNITS_NOT_POSITIVE", "UNITS_OFF_STEP", "UNITS_TOO_SMALL", "UNITS_TOO_LARGE",
        "QUALITY_OUT_OF_RANGE", "IDEMPOTENCY_MISMATCH", "TRADING_HALTED", "TRADING_REDUCING", "INSUFFICIENT_MARGIN", "INSUFFICIENT_FUNDS",
        "INSUFFICIENT_HOLDINGS", "CURRENCY_NOT_HELD", "FEED_CHANGED", "QUOTE_NEEDED", "LIVE_NOTIONAL_PER_DAY_MAX", "the limits of [risk]",
    ),
    429: ("RATE_LIMITED",),
    503: ("ADAPTER_DOWN", "ADAPTER_BUSY", "STORE_LOW", "STORE_BUSY", "STREAM_RECONCILING", "VENUE_UNREACHABLE", "SHUTTING_DOWN"),
    504: ("EXPIRED",),
}  # fmt: skip
_CHANGE_CODES = {
    403: ("NOT_YOUR_ORDER", "LIVE_NOT_GRANTED"),
    404: ("BROKER_NOT_FOUND", "NOT_FOUND", "ORDER_NOT_FOUND"),
    409: ("ORDER_FINAL", "ORDER_OPEN", "ORDER_CLOSING", "ORDER_FILLED", "ORDER_BUSY", "CANCEL_REFUSED", "STATE_CONFLICT"),
    503: ("ADAPTER_DOWN", "ADAPTER_BUSY", "STORE_LOW", "STREAM_RECONCILING", "VENUE_UNREACHABLE", "SHUTTING_DOWN"),
    504: ("EXPIRED",),
}
_READ_CODES = {404: ("BROKER_NOT_FOUND",), 503: ("ADAPTER_DOWN", "ADAPTER_SLOW")}
_UNKNOWN = "Sent, and no answer came: code UNKNOWN, retry_safe says whether the same request may be sent again; Location is where to look"


class OrderRoutes:
    """The routes under ``/brokers/{broker}/orders`` and ``/orders``; a placement itself is arena_gateway/placing.py."""

    def __init__(self, dispatcher: Dispatcher, accounts: Accounts, placing: Placing) -> None:
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._placing = placing

    def table(self) -> list[Route]:
        orders, one = "/brokers/{broker}/orders", "/brokers/{broker}/orders/{order_id}"
        return [
            Route(
                method="POST", path=orders, handler=self._placing.place, summary="Place a bracket order", auth=ROLE, tag="orders",
                request=OrderTicket, json_only=False, response=PlacedAnswer, status=201,
                also={200: "The same id and body again: the first answer, byte for byte"},
                unknown=_UNKNOWN, codes=_PLACE_CODES, timeout_s=None,
            ),
            Route(
                method="POST", path=f"{orders}/preview", handler=self.preview, summary="What an order would cost and risk; places nothing",
                auth="viewer", tag="orders", request=OrderTicket, json_only=False, response=PreviewAnswer,
                codes={**_PLACE_CODES, 409: (), 429: (), 504: ()},
            ),
            Route(
                method="GET", path=orders, handler=self.page, summary="Orders of a broker, newest first", auth="read", tag="orders",
                query=OrdersQuery, response=OrdersAnswer, codes={**_READ_CODES, 400: ("INVALID_FIELD", "CURSOR_INVALID")},
            ),
            Route(
                method="GET", path=one, handler=self.one, summary="An order, its legs and its events", auth="read", tag="orders",
                response=OrderAnswer, codes={**_READ_CODES, 404: ("BROKER_NOT_FOUND", "NOT_FOUND", "ORDER_NOT_FOUND")},
            ),
            Route(
                method="PATCH", path=one, handler=self.modify, summary="Change prices or time to live", auth="trader", tag="orders",
                request=ModifyBody, response=OrderAnswer, unknown=_UNKNOWN, timeout_s=None,
                codes={**_CHANGE_CODES, 400: ("FIELD_FIXED", "NOTHING_TO_CHANGE", "NULL_NOT_ALLOWED"), 422: (*_VALUE_CODES, "STOP_WOULD_LOOSEN")},
            ),
            Route(
                method="DELETE", path=one, handler=self.cancel, summary="Cancel an order", auth="trader", tag="orders", response=OrderAnswer,
                unknown=_UNKNOWN, codes=_CHANGE_CODES, timeout_s=None,
            ),
            Route(
                method="DELETE", path=orders, handler=self.cancel_all, summary="Cancel all your unfilled entries (an admin: everybody's)",
                auth="trader", tag="orders", query=CancelAllQuery, response=CancelledAnswer, status=207, unknown=_UNKNOWN, codes=_CHANGE_CODES,
                timeout_s=None,
            ),
            Route(
                method="GET", path="/orders", handler=self.everywhere, summary="Orders of all brokers; one that is down is named, the others answer",
                auth="read", tag="orders", query=AllOrdersQuery, response=AllOrdersAnswer, codes={400: ("INVALID_FIELD", "CURSOR_INVALID")},
            ),
        ]  # fmt: skip

    async def preview(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        body = parse_object(await read_body(request, BODY_BYTES_MAX))
        args = ticket_args(body, given_id(body, request.headers.get("Idempotency-Key")))
        return json_answer({"ok": True, "preview": await self._dispatcher.read(broker, "order.preview", args, request[PRINCIPAL])})

    async def page(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        result = await self._dispatcher.read(broker, "order.list", orders_args(read_query(request, OrdersQuery)), request.get(PRINCIPAL))
        return json_answer({"ok": True, "orders": result["orders"], "next": result["next"]})

    async def everywhere(self, request: web.Request) -> web.StreamResponse:
        query = read_query(request, AllOrdersQuery)
        positions = read_positions(query.after, self._dispatcher.brokers)
        args = orders_args(query)
        asked = [broker for broker in self._dispatcher.brokers if query.after is None or broker in positions]
        results = await asyncio.gather(
            *(
                self._dispatcher.read(
                    broker, "order.list", {**args, **({"after": positions[broker]} if broker in positions else {})}, request.get(PRINCIPAL)
                )
                for broker in asked
            ),
            return_exceptions=True,
        )
        orders: list[dict[str, Any]] = []
        following, unavailable = [], []
        for broker, result in zip(asked, results, strict=True):
            if isinstance(result, ArenaError) and api_error(result).status == web.HTTPServiceUnavailable.status_code:
                unavailable.append(broker)
                if broker in positions:  # its place is kept: the next page goes on where this one could not
                    following.append(f"{broker}:{positions[broker]}")
            elif isinstance(result, BaseException):
                raise result
            else:
                orders += result["orders"]
                if result["next"] is not None:
                    following.append(f"{broker}:{result['next']}")
        orders.sort(key=lambda order: str(order["placed_at"] or ""), reverse=True)
        return json_answer({"ok": True, "orders": orders, "next": ",".join(following) or None, "unavailable": unavailable})

    async def one(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        result = await self._dispatcher.read(broker, "order.get", {"order_id": order_id_of(request)}, request.get(PRINCIPAL))
        return json_answer({"ok": True, "order": result["order"]})

    async def modify(self, request: web.Request) -> web.StreamResponse:
        body = parse_object(await read_body(request, BODY_BYTES_MAX))
        fixed = sorted(_FIXED & set(body))
        if fixed:
            raise ApiError(400, "FIELD_FIXED", f"{fixed[0]} of a placed order is fixed: cancel it and place another", {"fields": fixed})
        nulls = [name for name in ModifyBody.__struct_fields__ if name in body and body[name] is None]
        if nulls:
            raise ApiError(400, "NULL_NOT_ALLOWED", f"{nulls[0]} must be a number; leave it out to keep it", {"field": nulls[0]})
        wanted = convert(body, ModifyBody)
        refuse_odd_numbers(body, wanted)
        changes = as_wire({name: value for name in ModifyBody.__struct_fields__ if (value := getattr(wanted, name)) is not msgspec.UNSET})
        if not changes:
            raise ApiError(400, "NOTHING_TO_CHANGE", f"name what to change: {', '.join(ModifyBody.__struct_fields__)}")
        return await self._change(request, "order.modify", changes)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "order.cancel", {})

    async def cancel_all(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        principal = request[PRINCIPAL]
        args = query_args(read_query(request, CancelAllQuery))
        try:
            result = await self._dispatcher.command(broker, "order.cancel_all", args, principal)
        except OutcomeUnknown as error:
            self._accounts.audit(request, principal, "order.cancel_all", subject=broker, outcome=error.code)
            return unknown_answer(request, error, f"/brokers/{broker}/orders")
        self._accounts.audit(request, principal, "order.cancel_all", subject=broker, outcome="ok")
        body = {"ok": result["failed"] == 0, "results": result["results"], "cancelled": result["cancelled"], "failed": result["failed"]}
        return json_answer(body, 207)

    async def _change(self, request: web.Request, op: str, changes: Mapping[str, object]) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        principal, order_id = request[PRINCIPAL], order_id_of(request)
        outcome = "ok"
        try:
            result = await self._dispatcher.command(broker, op, {"order_id": order_id, **changes}, principal)
            return json_answer({"ok": True, "order": result["order"]})
        except OutcomeUnknown as error:
            outcome = error.code
            return unknown_answer(request, error, f"/brokers/{broker}/orders/{order_id}")
        except (ApiError, ArenaError) as error:
            outcome = error.code
            raise
        finally:
            self._accounts.audit(request, principal, op, subject=order_id, outcome=outcome)
