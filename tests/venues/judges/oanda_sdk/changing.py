"""What is changed by hand: cancels, replacements, closes."""

from decimal import Decimal

from tests.venues.judges.oanda_sdk.desk import LONG_EXITS, Desk, check, last_id, market, number, opened, quote, refused, resting, same


@check("a cancelled order is cancelled, and no longer pending")
async def _(desk: Desk) -> None:
    order_id = (await desk.place(resting("LIMIT", "1.00000")))["orderCreateTransaction"]["id"]
    same((await desk.cancel(order_id))["orderCancelTransaction"]["reason"], "CLIENT_REQUEST", "the reason")
    same(((await desk.order(order_id))["state"], await desk.pending()), ("CANCELLED", []), "the order")


@check("a second cancel is refused, and the refusal is in the log")
async def _(desk: Desk) -> None:
    order_id = (await desk.place(resting("LIMIT", "1.00000")))["orderCreateTransaction"]["id"]
    await desk.cancel(order_id)
    seen = await last_id(desk)
    await refused(desk.cancel(order_id), 404, "ORDER_DOESNT_EXIST")
    same([each["type"] for each in await desk.since(seen)], ["ORDER_CANCEL_REJECT"], "the log")


@check("a pending order is cancelled by its client id")
async def _(desk: Desk) -> None:
    await desk.place(resting("LIMIT", "1.00000", clientExtensions={"id": "judge-4"}))
    same((await desk.cancel("@judge-4"))["orderCancelTransaction"]["clientOrderID"], "judge-4", "the client id")


@check("a replacement has an id of its own and names what it replaced")
async def _(desk: Desk) -> None:
    old = (await desk.place(resting("LIMIT", "1.00000")))["orderCreateTransaction"]["id"]
    answer = await desk.replace(old, resting("LIMIT", "1.01000"))
    new = answer["orderCreateTransaction"]["id"]
    same(answer["orderCancelTransaction"]["replacedByOrderID"], new, "replacedByOrderID")
    same(((await desk.order(old))["state"], number((await desk.order(new))["price"])), ("CANCELLED", Decimal("1.01")), "the orders")


@check("a pending order can be given another client id")
async def _(desk: Desk) -> None:
    order_id = (await desk.place(resting("LIMIT", "1.00000")))["orderCreateTransaction"]["id"]
    await desk.name_order(order_id, {"id": "judge-5", "tag": "judge", "comment": "named"})
    same((await desk.order("@judge-5"))["id"], order_id, "the order")


@check("a trade closes in parts, and what it made is in the balance")
async def _(desk: Desk) -> None:
    before = number((await desk.summary())["balance"])
    _, trade = await opened(desk, market(**LONG_EXITS))
    await quote(desk, "1.10500", "1.10510")
    part = (await desk.close_trade(trade["id"], "400"))["orderFillTransaction"]
    same(number(part["tradeReduced"]["units"]), -400, "the units")
    rest = (await desk.close_trade(trade["id"], "ALL"))["orderFillTransaction"]
    same((number(part["pl"]), number(rest["pl"])), (Decimal("1.96"), Decimal("2.94")), "what it made")
    same(number((await desk.summary())["balance"]), before + Decimal("4.9"), "the balance")
    same((await desk.trade(trade["id"]))["state"], "CLOSED", "the state")


@check("closing more than a trade holds is refused")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market("10"))
    await refused(desk.close_trade(trade["id"], "11"), 400, "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE")


@check("an opposite order reduces the oldest trade")
async def _(desk: Desk) -> None:
    await desk.place(market("1000"))
    answer = await desk.place(market("-300"))
    same(number(answer["orderFillTransaction"]["tradeReduced"]["units"]), -300, "the units")
    same(number((await desk.position("EUR_USD"))["long"]["units"]), 700, "the position")


@check("a position closes whole, and closing it again is refused")
async def _(desk: Desk) -> None:
    await opened(desk, market(**LONG_EXITS))
    answer = await desk.close_position("EUR_USD", longUnits="ALL")
    same(answer["longOrderFillTransaction"]["reason"], "MARKET_ORDER_POSITION_CLOSEOUT", "the reason")
    same(number((await desk.position("EUR_USD"))["long"]["units"]), 0, "the position")
    await refused(desk.close_position("EUR_USD", longUnits="ALL"), 404, "CLOSEOUT_POSITION_DOESNT_EXIST")
