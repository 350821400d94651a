"""The books over all brokers: trades, fills, equity, positions, accounts and performance, each broker's figures and what they come to together.

A broker that cannot be asked is named in ``unavailable`` and the others answer; then there is no total, for a total that misses one is wrong. Sums
are made of the adapters' own booked amounts, exactly. Lists are newest first, each row says its broker, and ``next`` goes on where every broker was
left.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from aiohttp import web

from arena_gateway.answers import (
    AllAccountsAnswer,
    AllEquityAnswer,
    AllFillsAnswer,
    AllPerformanceAnswer,
    AllPositionsAnswer,
    AllTradesAnswer,
    PerformanceAnswer,
)
from arena_gateway.dispatch import Dispatcher
from arena_gateway.errors import api_error
from arena_gateway.requests import AllListQuery, PositionsQuery
from arena_gateway.wire import query_args, read_positions
from bus.codec import from_wire, to_wire
from runtime.http import json_answer, read_query
from runtime.routes import PRINCIPAL, Route
from trading.errors import ArenaError
from trading.money import book
from trading.performance import ratio

_ACCOUNT_SUMS = (
    "balance", "cash", "reserved", "open_pnl", "equity", "margin_used", "margin_available", "holdings_value", "realized_pnl", "fees",
    "financing", "pending_orders", "open_trades",
)  # fmt: skip
_PERFORMANCE_SUMS = ("trades", "wins", "losses", "net_pnl", "fees", "won", "lost")

Said = dict[str, dict[str, Any]]


class BookRoutes:
    """The handlers and their table."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def table(self) -> list[Route]:
        one = Route(
            method="GET", path="/brokers/{broker}/performance", handler=self.performance_of, auth="read", tag="desk", response=PerformanceAnswer,
            summary="What closed trades came to: win rate, expectancy, profit factor, streaks, drawdown; by instrument, quality, hour, weekday",
            codes={404: ("BROKER_NOT_FOUND",), 503: ("ADAPTER_DOWN", "ADAPTER_SLOW")},
        )  # fmt: skip
        return [
            one,
            self._list("trades", "trade.list", "closed_at", AllTradesAnswer, "Closed trades of all brokers, newest first"),
            self._list("fills", "fill.list", "filled_at", AllFillsAnswer, "Executions of all brokers, newest first"),
            self._list("equity", "equity.list", "at", AllEquityAnswer, "The equity curves of all brokers, newest first"),
            Route(
                method="GET", path="/positions", handler=self.positions, summary="What is held at all brokers", auth="read", tag="desk",
                query=PositionsQuery, response=AllPositionsAnswer,
            ),
            Route(
                method="GET", path="/account", handler=self.accounts, summary="The money at all brokers, and its total", auth="read", tag="desk",
                response=AllAccountsAnswer,
            ),
            Route(
                method="GET", path="/performance", handler=self.performance, summary="What closed trades came to at all brokers, and together",
                auth="read", tag="desk", response=AllPerformanceAnswer,
            ),
        ]  # fmt: skip

    def _list(self, name: str, op: str, time: str, response: type, summary: str) -> Route:
        async def handler(request: web.Request) -> web.StreamResponse:
            query = read_query(request, AllListQuery)
            after = read_positions(query.after, self._dispatcher.brokers)
            args: dict[str, object] = {"limit": query.limit}
            if query.instrument is not None and name != "equity":
                args["instrument"] = query.instrument
            asked = {
                broker: {**args, **({"after": after[broker]} if broker in after else {})}
                for broker in self._dispatcher.brokers
                if query.after is None or broker in after
            }
            said, unavailable = await self._ask(request, op, asked)
            rows = [{"broker": broker, **row} for broker, page in said.items() for row in page[name]]
            rows.sort(key=lambda row: str(row[time]), reverse=True)
            following = [f"{broker}:{page['next']}" for broker, page in said.items() if page["next"] is not None]
            following += [f"{broker}:{after[broker]}" for broker in unavailable if broker in after]  # their place is kept
            return json_answer({"ok": True, name: rows, "next": ",".join(following) or None, **_standing(said.values()), "unavailable": unavailable})

        return Route(
            method="GET", path=f"/{name}", handler=handler, summary=summary, auth="read", tag="desk", query=AllListQuery, response=response,
            codes={400: ("CURSOR_INVALID",)},
        )  # fmt: skip

    async def positions(self, request: web.Request) -> web.StreamResponse:
        args = query_args(read_query(request, PositionsQuery))
        said, unavailable = await self._ask(request, "position.list", dict.fromkeys(self._dispatcher.brokers, args))
        rows = [row for page in said.values() for row in page["positions"]]
        return json_answer({"ok": True, "positions": rows, **_standing(said.values()), "unavailable": unavailable})

    async def accounts(self, request: web.Request) -> web.StreamResponse:
        said, unavailable = await self._ask(request, "account.get", self._all)
        accounts = [answer["account"] for answer in said.values()]
        total = None if unavailable else _total(accounts, _ACCOUNT_SUMS)
        return json_answer({"ok": True, "accounts": accounts, "total": total, "unavailable": unavailable})

    async def performance_of(self, request: web.Request) -> web.StreamResponse:
        broker = self._dispatcher.check_broker(request.match_info["broker"])
        result = await self._dispatcher.read(broker, "performance.get", {}, request.get(PRINCIPAL))
        return json_answer({"ok": True, "performance": result["performance"]})

    async def performance(self, request: web.Request) -> web.StreamResponse:
        said, unavailable = await self._ask(request, "performance.get", self._all)
        brokers = [answer["performance"] for answer in said.values()]
        total = None if unavailable else _total(brokers, _PERFORMANCE_SUMS)
        if total is not None:
            trades, won, lost = (from_wire(total[name]) for name in ("trades", "won", "lost"))
            total["win_rate"] = _wire(ratio(from_wire(total["wins"]), trades))
            total["expectancy"] = _wire(book(from_wire(total["net_pnl"]) / trades) if trades else None)
            total["profit_factor"] = _wire(ratio(won, lost))
        return json_answer({"ok": True, "brokers": brokers, "total": total, "unavailable": unavailable})

    @property
    def _all(self) -> Mapping[str, Mapping[str, object]]:
        return {broker: {} for broker in self._dispatcher.brokers}

    async def _ask(self, request: web.Request, op: str, asked: Mapping[str, Mapping[str, object]]) -> tuple[Said, list[str]]:
        """What each broker answered, and those that could not be asked.

        Raises:
            ArenaError: a refusal that is about the request, not about the broker.
        """
        reads = (self._dispatcher.read(broker, op, args, request.get(PRINCIPAL)) for broker, args in asked.items())
        results = await asyncio.gather(*reads, return_exceptions=True)
        said: Said = {}
        unavailable: list[str] = []
        for broker, result in zip(asked, results, strict=True):
            if isinstance(result, ArenaError) and api_error(result).status == web.HTTPServiceUnavailable.status_code:
                unavailable.append(broker)
            elif isinstance(result, BaseException):
                raise result
            else:
                said[broker] = result
        return said, unavailable


def _standing(said: Iterable[Mapping[str, Any]]) -> dict[str, object]:
    """How old the oldest of several answers is, and whether any is stale."""
    answers = list(said)
    return {"as_of": min((str(each["as_of"]) for each in answers if each["as_of"]), default=None), "stale": any(each["stale"] for each in answers)}


def _total(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any] | None:
    """The exact sums of ``names``; None where there is nothing to add up: two currencies, or paper and real money."""
    currencies, modes = {row["currency"] for row in rows}, {row["mode"] for row in rows}
    if len(currencies) != 1 or len(modes) != 1:
        return None
    sums = {name: to_wire(sum((from_wire(row[name]) for row in rows), Decimal(0))) for name in names}
    return {"currency": currencies.pop(), "mode": modes.pop(), **sums, **_standing(rows)}


def _wire(value: Decimal | None) -> int | float | None:
    return None if value is None else to_wire(value)
