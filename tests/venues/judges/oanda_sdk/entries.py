"""Entries: at the market, resting, with their exits, and how they are found again."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.venues.judges.oanda_sdk.desk import (
    LONG_EXITS,
    SHORT_EXITS,
    Desk,
    check,
    exits,
    holds,
    market,
    number,
    opened,
    quote,
    refused,
    resting,
    same,
)


@check("a market order fills with both exits in one batch of consecutive ids")
async def _(desk: Desk) -> None:
    answer, trade = await opened(desk, market(**LONG_EXITS))
    ids = [int(each) for each in answer["relatedTransactionIDs"]]
    same(ids, list(range(ids[0], ids[0] + 4)), "relatedTransactionIDs")
    same((answer["orderCreateTransaction"]["id"], trade["id"]), (str(ids[0]), str(ids[1])), "order and trade id")
    same((trade["takeProfitOrder"]["id"], trade["stopLossOrder"]["id"]), (str(ids[2]), str(ids[3])), "the exits' ids")


@check("an open trade shows its target and its stop at the prices asked for")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(**LONG_EXITS))
    same((number(trade["takeProfitOrder"]["price"]), number(trade["stopLossOrder"]["price"])), (Decimal("1.12"), Decimal("1.09")), "target and stop")


@check("a buy trades at the ask")
async def _(desk: Desk) -> None:
    answer, _ = await opened(desk, market("1000"))
    same(number(answer["orderFillTransaction"]["price"]), Decimal("1.1001"), "the price")


@check("a sell trades at the bid, and its units are below zero everywhere")
async def _(desk: Desk) -> None:
    answer, trade = await opened(desk, market("-1000", **SHORT_EXITS))
    fill = answer["orderFillTransaction"]
    same(number(fill["price"]), Decimal("1.1"), "the price")
    found = [number(each) for each in (fill["units"], fill["tradeOpened"]["units"], trade["currentUnits"], trade["initialUnits"])]
    same(found, [-1000] * 4, "the units")


@check("a resting limit is found by its id and by its client id, and fills when the market comes")
async def _(desk: Desk) -> None:
    answer = await desk.place(resting("LIMIT", "1.09500", clientExtensions={"id": "judge-1", "tag": "judge"}, **exits("1.12000", "1.08000")))
    order_id = answer["orderCreateTransaction"]["id"]
    same(((await desk.order(order_id))["state"], (await desk.order("@judge-1"))["id"]), ("PENDING", order_id), "the order")
    await quote(desk, "1.09400", "1.09410")
    filled = await desk.order(order_id)
    same(filled["state"], "FILLED", "the state")
    trade = await desk.trade(filled["tradeOpenedID"])
    same(number(trade["price"]), Decimal("1.0941"), "the price")
    holds(trade.get("takeProfitOrder") and trade.get("stopLossOrder"), "the trade stands without one of its exits")


@check("a client id finds pending orders only")
async def _(desk: Desk) -> None:
    await desk.place(market("1", clientExtensions={"id": "judge-2"}))
    await refused(desk.order("@judge-2"), 404, "NO_SUCH_ORDER")


@check("a client id may be used again once its order is not pending")
async def _(desk: Desk) -> None:
    for _ in range(2):
        holds("orderFillTransaction" in await desk.place(market("1", clientExtensions={"id": "judge-3"})), "it did not fill")


@check("a stop entry waits below the market and fills beyond its price")
async def _(desk: Desk) -> None:
    answer = await desk.place(resting("STOP", "1.10500"))
    holds("orderFillTransaction" not in answer, "it filled at once")
    await quote(desk, "1.10600", "1.10610")
    same((await desk.order(answer["orderCreateTransaction"]["id"]))["state"], "FILLED", "the state")


@check("a limit good till a date is cancelled when it is over")
async def _(desk: Desk) -> None:
    until = (datetime.now(UTC) + timedelta(seconds=0.5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    answer = await desk.place(resting("LIMIT", "1.00000") | {"timeInForce": "GTD", "gtdTime": until})
    number_ = answer["orderCreateTransaction"]["id"]
    ends = time.monotonic() + 20
    while (await desk.order(number_))["state"] == "PENDING" and time.monotonic() < ends:
        await asyncio.sleep(0.1)
    same([each["reason"] for each in await desk.since(number_) if each["type"] == "ORDER_CANCEL"], ["TIME_IN_FORCE_EXPIRED"], "the reason")
