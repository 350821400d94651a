"""What the desk holds and has done: positions, account, trades, fills, equity, instruments, capabilities. All but one only look.

Each answer is the adapter's own with ``ok`` before it (arena_gateway/answers.py).
"""

from collections.abc import Mapping
from inspect import get_annotations

import msgspec
from aiohttp import web

from arena_gateway.accounts import Accounts
from arena_gateway.answers import (
    AccountAnswer,
    CapabilitiesAnswer,
    ClosedAnswer,
    EquityAnswer,
    FillsAnswer,
    InstrumentsAnswer,
    PositionsAnswer,
    TradesAnswer,
)
from arena_gateway.dispatch import Dispatcher
from arena_gateway.requests import CloseQuery, EquityQuery, FillsQuery, PositionsQuery, TradesQuery
from arena_gateway.wire import given_id, query_args, unknown_answer
from runtime.http import ApiError, json_answer, read_query
from runtime.routes import PRINCIPAL, Route
from trading.errors import ArenaError, OutcomeUnknown

_READ_CODES: Mapping[int, tuple[str, ...]] = {404: ("BROKER_NOT_FOUND",), 503: ("ADAPTER_DOWN", "ADAPTER_SLOW")}


class DeskRoutes:
    """The handlers and their table."""

    def __init__(self, dispatcher: Dispatcher, accounts: Accounts) -> None:
        self._dispatcher = dispatcher
        self._accounts = accounts

    def table(self) -> list[Route]:
        close = Route(
            method="DELETE", path="/brokers/{broker}/positions/{instrument}", handler=self.close,
            summary="Close a position, or part of it, oldest bracket first", auth="trader", tag="desk", query=CloseQuery, response=ClosedAnswer,
            unknown="Sent, and no answer came: with an Idempotency-Key send it again, else look at the positions first", timeout_s=None,
            codes={
                400: ("FIELDS_CONFLICT", "SIDE_NEEDED", "CLIENT_ORDER_ID_INVALID"), 403: ("NOT_YOUR_ORDER", "LIVE_NOT_GRANTED"),
                404: ("BROKER_NOT_FOUND", "UNKNOWN_INSTRUMENT", "NO_POSITION"), 409: ("STATE_CONFLICT",), 504: ("EXPIRED",),
                422: (
                    "UNITS_NOT_POSITIVE", "UNITS_OFF_STEP", "UNITS_TOO_SMALL", "UNITS_EXCEED_POSITION", "PERCENT_OUT_OF_RANGE", "NUMBER_TOO_LONG",
                    "IDEMPOTENCY_MISMATCH",
                ),
                503: ("ADAPTER_DOWN", "QUOTE_STALE", "MARKET_CLOSED", "SHUTTING_DOWN"),
            },
        )  # fmt: skip
        look = self._look
        return [
            look("positions", "position.list", PositionsAnswer, "What is held, by instrument and side", query=PositionsQuery),
            close,
            look("account", "account.get", AccountAnswer, "Money: balance, equity, margin, holdings"),
            look("trades", "trade.list", TradesAnswer, "Closed trades with their R multiple, newest first", query=TradesQuery),
            look("fills", "fill.list", FillsAnswer, "Executions, newest first", query=FillsQuery),
            look("equity", "equity.list", EquityAnswer, "The equity curve, newest first", query=EquityQuery),
            look("instruments", "instrument.list", InstrumentsAnswer, "Ticks, steps, limits, fees, calendars"),
            look("capabilities", "capabilities.get", CapabilitiesAnswer, "What this broker's adapter can do"),
        ]

    def _look(self, name: str, op: str, response: type, summary: str, *, query: type[msgspec.Struct] | None = None) -> Route:
        """A route that passes one operation on. A list comes with ``next`` where it has pages; what is one thing is put under its name."""
        keys = [key for key in get_annotations(response) if key != "ok"]

        async def handler(request: web.Request) -> web.StreamResponse:
            broker = self._dispatcher.check_broker(request.match_info["broker"])
            args = {} if query is None else query_args(read_query(request, query))
            result = await self._dispatcher.read(broker, op, args, request.get(PRINCIPAL))
            return json_answer({"ok": True, **({key: result[key] for key in keys} if name in result else {name: result})})

        return Route(
            method="GET", path=f"/brokers/{{broker}}/{name}", handler=handler, summary=summary, auth="read", tag="desk", query=query,
            response=response, codes={**_READ_CODES, 400: ("CURSOR_INVALID",)} if "next" in keys else _READ_CODES,
        )  # fmt: skip

    async def close(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        principal, instrument = request[PRINCIPAL], request.match_info["instrument"][:64]
        query = read_query(request, CloseQuery)
        if query.units is not None and query.percent is not None:
            raise ApiError(400, "FIELDS_CONFLICT", "give units or percent, not both", {"fields": ["units", "percent"]})
        close_id = given_id({}, request.headers.get("Idempotency-Key"))
        args = {"instrument": instrument, **query_args(query), **({} if close_id is None else {"client_close_id": close_id})}
        outcome = "ok"
        try:
            result = await self._dispatcher.command(broker, "position.close", args, principal)
        except OutcomeUnknown as error:
            outcome = error.code
            return unknown_answer(request, error, f"/brokers/{broker}/positions", retry_safe=close_id is not None)
        except (ApiError, ArenaError) as error:
            outcome = error.code
            raise
        finally:
            self._accounts.audit(request, principal, "position.close", subject=f"{broker}/{instrument}", outcome=outcome)
        ok = all(item["ok"] for item in result["results"])
        headers = {"Idempotent-Replayed": "true"} if result["replayed"] else None
        return json_answer({"ok": ok, "instrument": result["instrument"], "orders": result["orders"], "results": result["results"]}, 200, headers)
