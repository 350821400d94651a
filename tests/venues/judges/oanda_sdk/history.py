"""What has happened: the log, the changes since, both streams; and how all of it is written."""

from decimal import Decimal
from typing import Any

from tests.venues.judges.oanda_sdk.desk import LONG_EXITS, Desk, Doc, check, holds, last_id, market, number, opened, quote, resting, same


@check("the log has no hole, and each transaction follows the one before")
async def _(desk: Desk) -> None:
    await desk.place(market(**LONG_EXITS))
    ids = [int(each["id"]) for each in await desk.since("0")]
    same(ids, list(range(1, len(ids) + 1)), "the ids")


@check("a range of ids and what came since one are the same transactions")
async def _(desk: Desk) -> None:
    seen = await last_id(desk)
    await desk.place(market(**LONG_EXITS))
    since = await desk.since(seen)
    same([each["id"] for each in await desk.id_range(str(int(seen) + 1), await last_id(desk))], [each["id"] for each in since], "the ids")
    same([each["type"] for each in since], ["MARKET_ORDER", "ORDER_FILL", "TAKE_PROFIT_ORDER", "STOP_LOSS_ORDER"], "the types")


@check("changes since an id tell what was opened and what was created")
async def _(desk: Desk) -> None:
    seen = await last_id(desk)
    _, trade = await opened(desk, market(**LONG_EXITS))
    told = (await desk.changes(seen))["changes"]
    same([each["id"] for each in told["tradesOpened"]], [trade["id"]], "the trades")
    same(len(told["transactions"]), 4, "how many transactions there are")


@check("every answer but an error of form ends with the newest id")
async def _(desk: Desk) -> None:
    await opened(desk, market(**LONG_EXITS))
    desk.raw.clear()
    answer = await desk.place(resting("LIMIT", "1.00000"))
    await desk.order(answer["orderCreateTransaction"]["id"])
    await desk.pending()
    await desk.open_trades()
    await desk.summary()
    same([each.get("lastTransactionID") for each in desk.raw], [answer["orderCreateTransaction"]["id"]] * 5, "lastTransactionID")


@check("the price stream begins with what stands and goes on with what changes")
async def _(desk: Desk) -> None:
    stream = desk.price_stream("EUR_USD")
    first = await anext(stream)
    same((first["type"], number(first["bids"][0]["price"])), ("PRICE", Decimal("1.1")), "the first price")
    await quote(desk, "1.10300", "1.10310")
    async for price in stream:
        if price["type"] == "PRICE":
            same(number(price["asks"][0]["price"]), Decimal("1.1031"), "the next price")
            break


@check("the transaction stream tells what happened, in order, cancels too")
async def _(desk: Desk) -> None:
    stream = desk.transaction_stream()
    same((await anext(stream))["type"], "HEARTBEAT", "what comes first where nothing happens")
    seen = int(await last_id(desk))
    _, trade = await opened(desk, market(**LONG_EXITS))
    await desk.close_trade(trade["id"], "ALL")
    wanted = [each["type"] for each in await desk.since(str(seen))]
    told: list[Doc] = []
    async for each in stream:
        if each["type"] == "HEARTBEAT" and int(each["lastTransactionID"]) >= seen + len(wanted):
            break
        if each["type"] != "HEARTBEAT":
            told.append(each)
    same([each["type"] for each in told], wanted, "what was told")
    same([int(each["id"]) for each in told], list(range(seen + 1, seen + 1 + len(wanted))), "the ids")


@check("every number in every answer so far was text, but counts and precisions")
async def _(desk: Desk) -> None:
    answer = await desk.place(market(**LONG_EXITS))
    await desk.trade(answer["orderFillTransaction"]["tradeOpened"]["tradeID"])
    await desk.account()
    holds(desk.raw, "no answer was kept")
    for doc in desk.raw:
        _all_text(doc, "")


# Keys whose values are numbers in JSON; everything else that looks like a number is text.
NUMBERS = {
    *("userID", "createdByUserID", "divisionID", "siteID", "accountUserID", "accountNumber", "openTradeCount", "openPositionCount"),
    *("pendingOrderCount", "pipLocation", "displayPrecision", "tradeUnitsPrecision", "daysCharged", "liquidity", "pageSize", "count"),
    *("complete", "volume"),
}


def _all_text(value: Any, key: str) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            _all_text(each, name)
    elif isinstance(value, list):
        for each in value:
            _all_text(each, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holds(key in NUMBERS and isinstance(value, int), f"{key} is the number {value}")
