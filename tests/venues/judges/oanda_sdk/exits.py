"""Exits: they stand, they close, they go together; and no entry is left without one that it asked for."""

from decimal import Decimal

from tests.venues.judges.oanda_sdk.desk import (
    LONG_EXITS,
    SHORT_EXITS,
    Desk,
    check,
    control,
    exits,
    holds,
    last_id,
    market,
    number,
    opened,
    quote,
    same,
)


@check("the target closes the trade and the stop is cancelled with it")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(**LONG_EXITS))
    seen = await last_id(desk)
    await quote(desk, "1.12100", "1.12110")
    fill, cancel = await desk.since(seen)
    same((fill["reason"], number(fill["units"]), number(fill["price"])), ("TAKE_PROFIT_ORDER", -1000, Decimal("1.121")), "the fill")
    same((cancel["reason"], cancel["orderID"]), ("LINKED_TRADE_CLOSED", trade["stopLossOrder"]["id"]), "the cancel")
    same([each["id"] for each in await desk.pending()], [], "what is pending")


@check("a stop that the market jumped over fills where the market is")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market("-1000", **SHORT_EXITS))
    await quote(desk, "1.13000", "1.13010")
    closed = await desk.trade(trade["id"])
    same(
        (closed["state"], number(closed["averageClosePrice"]), number(closed["realizedPL"])),
        ("CLOSED", Decimal("1.1301"), Decimal("-30.1")),
        "the trade",
    )
    same((await desk.order(trade["takeProfitOrder"]["id"]))["state"], "CANCELLED", "the target")


@check("a stop reached in a halted market leaves its trade to be closed when that opens, and it is")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(**LONG_EXITS))
    await control(desk, "faults", {"faults": [{"kind": "market_halted", "instrument": "EUR_USD", "times": None}]})
    await quote(desk, "1.05000", "1.05010")
    waiting = await desk.trade(trade["id"])
    same((waiting["state"], number(waiting["currentUnits"])), ("CLOSE_WHEN_TRADEABLE", Decimal(1000)), "the trade")
    same((await desk.order(trade["stopLossOrder"]["id"]))["state"], "TRIGGERED", "the stop")
    seen = await last_id(desk)
    same([each["type"] for each in await desk.since(str(int(seen) - 1))], ["DELAYED_TRADE_CLOSURE"], "the log")
    await control(desk, "faults", {"clear": True, "faults": []})
    order, fill, cancel = await desk.since(seen)
    same((order["reason"], order["delayedTradeClose"]["tradeID"]), ("DELAYED_TRADE_CLOSE", trade["id"]), "the order")
    same((fill["reason"], number(fill["price"])), ("MARKET_ORDER_DELAYED_TRADE_CLOSE", Decimal("1.05")), "the fill")
    same((cancel["reason"], cancel["orderID"]), ("LINKED_TRADE_CLOSED", trade["takeProfitOrder"]["id"]), "the cancel")
    same((await desk.trade(trade["id"]))["state"], "CLOSED", "the state")


@check("a trailing stop follows the market")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(trailingStopLossOnFill={"distance": "0.00200", "timeInForce": "GTC"}))
    await quote(desk, "1.10500", "1.10510")
    same(number((await desk.trade(trade["id"]))["trailingStopLossOrder"]["trailingStopValue"]), Decimal("1.103"), "the stop")
    await quote(desk, "1.10250", "1.10260")
    same((await desk.trade(trade["id"]))["state"], "CLOSED", "the state")


@check("exits of a trade are replaced, and cancelled by null")
async def _(desk: Desk) -> None:
    _, trade = await opened(desk, market(**LONG_EXITS))
    answer = await desk.set_exits(trade["id"], stopLoss={"price": "1.09500", "timeInForce": "GTC"}, takeProfit=None)
    same(answer["stopLossOrderTransaction"]["reason"], "REPLACEMENT", "the reason")
    after = await desk.trade(trade["id"])
    same(number(after["stopLossOrder"]["price"]), Decimal("1.095"), "the stop")
    holds(not after.get("takeProfitOrder"), "the target still stands")


@check("a stop on the wrong side cancels the entry, and nothing is open")
async def _(desk: Desk) -> None:
    answer = await desk.place(market(**exits("1.12000", "1.10500")))
    same(answer["orderCancelTransaction"]["reason"], "STOP_LOSS_ON_FILL_LOSS", "the reason")
    holds("orderFillTransaction" not in answer, "it filled")
    same(await desk.open_trades(), [], "the open trades")


@check("a target on the wrong side cancels the entry")
async def _(desk: Desk) -> None:
    answer = await desk.place(market(**exits("1.09900", "1.09000")))
    same(answer["orderCancelTransaction"]["reason"], "TAKE_PROFIT_ON_FILL_LOSS", "the reason")
