"""What the venue refuses, with which status and reason, and what it writes of it."""

from tests.venues.judges.oanda_sdk.desk import Desk, check, control, exits, holds, last_id, market, refused, resting, same


@check("no units, parts of units and a thousand million are refused")
async def _(desk: Desk) -> None:
    await refused(desk.place(market("0")), 400, "UNITS_INVALID")
    await refused(desk.place(market("0.5")), 400, "UNITS_PRECISION_EXCEEDED")
    await refused(desk.place(market("1000000000")), 400, "UNITS_LIMIT_EXCEEDED")


@check("a price with too many decimals is refused, on the order and on its exits")
async def _(desk: Desk) -> None:
    await refused(desk.place(resting("LIMIT", "1.000001")), 400, "PRICE_PRECISION_EXCEEDED")
    await refused(desk.place(market(**exits("1.1200001", "1.09000"))), 400, "TAKE_PROFIT_ON_FILL_PRICE_PRECISION_EXCEEDED")
    await refused(desk.place(market(**exits("1.12000", "1.0900001"))), 400, "STOP_LOSS_ON_FILL_PRICE_PRECISION_EXCEEDED")


@check("a market order cannot rest")
async def _(desk: Desk) -> None:
    await refused(desk.place(market() | {"timeInForce": "GTC"}), 400, "TIME_IN_FORCE_INVALID")


@check("a date in the past is refused")
async def _(desk: Desk) -> None:
    order = resting("LIMIT", "1.00000") | {"timeInForce": "GTD", "gtdTime": "2020-01-01T00:00:00.000000000Z"}
    await refused(desk.place(order), 400, "TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST")


@check("an instrument that nobody knows is refused without a transaction")
async def _(desk: Desk) -> None:
    seen = await last_id(desk)
    await refused(desk.place(market() | {"instrument": "EUR_XXX"}), 400, "oanda::rest::core::InvalidParameterException")
    same(await last_id(desk), seen, "the last id")


@check("the client id of a pending order cannot be used by another, nor one of 129 characters by any")
async def _(desk: Desk) -> None:
    await desk.place(resting("LIMIT", "1.00000", clientExtensions={"id": "judge-6"}))
    await refused(desk.place(resting("LIMIT", "1.00000", clientExtensions={"id": "judge-6"})), 400, "CLIENT_ORDER_ID_ALREADY_EXISTS")
    await refused(desk.place(market(clientExtensions={"id": "j" * 129})), 400, "CLIENT_ORDER_ID_INVALID")


@check("a refused order takes an id, and its reject is in the log")
async def _(desk: Desk) -> None:
    seen = await last_id(desk)
    await refused(desk.place(market("0")), 400, "UNITS_INVALID")
    (reject,) = await desk.since(seen)
    same((reject["type"], reject["rejectReason"], int(reject["id"])), ("MARKET_ORDER_REJECT", "UNITS_INVALID", int(seen) + 1), "the reject")


@check("an order or trade that never was is not found")
async def _(desk: Desk) -> None:
    await refused(desk.order("999999"), 404, "NO_SUCH_ORDER")
    await refused(desk.trade("999999"), 404, "NO_SUCH_TRADE")


@check("a wrong token gets nothing")
async def _(desk: Desk) -> None:
    await refused(desk.with_wrong_token(), 401, None)


@check("an order that the account cannot carry is cancelled")
async def _(desk: Desk) -> None:
    same((await desk.place(market("90000000")))["orderCancelTransaction"]["reason"], "INSUFFICIENT_MARGIN", "the reason")


@check("a halted market cancels a market order and lets a limit wait")
async def _(desk: Desk) -> None:
    await control(desk, "faults", {"faults": [{"kind": "market_halted", "instrument": "EUR_USD", "times": None}]})
    same((await desk.place(market()))["orderCancelTransaction"]["reason"], "MARKET_HALTED", "the reason")
    holds("orderCancelTransaction" not in await desk.place(resting("LIMIT", "1.00000")), "the limit was cancelled")
    same((await desk.prices("EUR_USD"))[0]["tradeable"], False, "tradeable")
