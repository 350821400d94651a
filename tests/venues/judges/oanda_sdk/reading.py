"""What there is to read: accounts, instruments, prices, candles."""

from decimal import Decimal

from tests.venues.judges.oanda_sdk.desk import LONG_EXITS, Desk, check, holds, market, number, opened, quote, same


@check("the token's accounts are listed")
async def _(desk: Desk) -> None:
    holds(any(each["id"].count("-") == 3 for each in await desk.accounts()), "no account has an id of four parts")


@check("the summary counts what is open and adds up")
async def _(desk: Desk) -> None:
    await opened(desk, market(**LONG_EXITS))
    told = await desk.summary()
    same((told["openTradeCount"], told["openPositionCount"], told["pendingOrderCount"]), (1, 1, 2), "the counts")
    same(number(told["NAV"]), number(told["balance"]) + number(told["unrealizedPL"]), "NAV")
    same(number(told["marginAvailable"]), number(told["NAV"]) - number(told["marginUsed"]), "marginAvailable")


@check("the whole account holds its orders, trades and positions")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(**LONG_EXITS))
    told = await desk.account()
    same([each["id"] for each in told["trades"]], [trade["id"]], "the trades")
    same(sorted(each["type"] for each in told["orders"]), ["STOP_LOSS", "TAKE_PROFIT"], "the orders")
    same([number(each["long"]["units"]) for each in told["positions"] if each["instrument"] == "EUR_USD"], [1000], "the position")


@check("instruments say how prices and units are written")
async def _(desk: Desk) -> None:
    told = {each["name"]: each for each in await desk.instruments()}
    same((told["EUR_USD"]["displayPrecision"], told["EUR_USD"]["pipLocation"], told["USD_JPY"]["displayPrecision"]), (5, -4, 3), "the precision")
    same(number(told["EUR_USD"]["minimumTradeSize"]), 1, "the least size")


@check("prices have a bid below the ask and say that they can be traded")
async def _(desk: Desk) -> None:
    (price,) = await desk.prices("EUR_USD")
    same((number(price["bids"][0]["price"]), number(price["asks"][0]["price"])), (Decimal("1.1"), Decimal("1.1001")), "bid and ask")
    same(price["tradeable"], True, "tradeable")


@check("candles hold the newest price")
async def _(desk: Desk) -> None:
    await quote(desk, "1.10200", "1.10210")
    same(number((await desk.candles("EUR_USD"))[-1]["mid"]["c"]), Decimal("1.10205"), "the last close")
