"""Fills: what happens in the log, the book and the money when an order trades, and when it cannot.

An entry that would leave its trade without an exit that it asked for does not trade at all: it is cancelled with the reason. Exits are created, and
those of a closed trade cancelled, in the batch of the fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.venues.common.faults import Kind
from tests.venues.common.quotes import use_up
from tests.venues.oanda import views
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import ZERO, Order, Trade, side_of
from tests.venues.oanda.log import Batch
from tests.venues.oanda.requests import Details, OrderRequest
from tests.venues.oanda.wire import Doc, money, number, price, round_money
from trading.instruments import Side

MARGIN_CLOSEOUT = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order that was to trade now: the transactions, where they were written."""

    fill: Doc | None = None
    cancel: Doc | None = None
    reissue: Doc | None = None


@dataclass(frozen=True, slots=True)
class Reduction:
    """So many units (unsigned) of a trade."""

    trade: Trade
    units: Decimal


def fill_entry(account: Account, batch: Batch, order: Order) -> Outcome:
    """Let an entry trade at the market, or cancel it with the reason why it cannot."""
    request = order.request
    assert request.units is not None
    if account.is_halted(order.instrument):
        return Outcome(cancel=account.cancel_order(batch, order, "MARKET_HALTED"))
    side = side_of(request.units)
    at = account.market_price(order.instrument, side)
    if request.price_bound is not None and (at - request.price_bound) * side.sign > 0:
        return Outcome(cancel=account.cancel_order(batch, order, "BOUNDS_VIOLATION"))
    units = _available(account, order, abs(request.units), side)
    if not units or (units < abs(request.units) and request.time_in_force == "FOK"):
        return Outcome(cancel=account.cancel_order(batch, order, "INSUFFICIENT_LIQUIDITY"))
    reductions, opened = _plan(account, order, units * side.sign)
    if reason := _refusal(account, order, reductions, opened, at):
        return Outcome(cancel=account.cancel_order(batch, order, reason))
    filled = sum((each.units for each in reductions), ZERO) * side.sign + opened
    fill = write_fill(account, batch, order, at, reductions, opened, f"{request.type}_ORDER", requested=request.units)
    rest = request.units - filled
    if not rest or request.time_in_force in {"FOK", "IOC"} or request.position_fill == "REDUCE_ONLY":
        return Outcome(fill=fill)
    remainder = replace(request.with_client(order.client), units=rest)
    _, reissue = account.create_order(batch, remainder, "REPLACEMENT", replacesOrderID=str(order.id), cancellingTransactionID=fill["id"])
    return Outcome(fill=fill, reissue=reissue)


def fill_exit(account: Account, batch: Batch, order: Order) -> Doc:
    """Let an exit of a trade trade at the market, whatever is quoted there: a gap costs what it costs."""
    trade = account.trades[int(str(order.request.trade_id))]
    at = account.market_price(trade.instrument, trade.side.opposite)
    reductions = [Reduction(trade, abs(trade.units))]
    return write_fill(account, batch, order, at, reductions, ZERO, f"{order.type}_ORDER", requested=-trade.units)


def close(account: Account, batch: Batch, reductions: Sequence[Reduction], reason: str, **asked: object) -> tuple[Doc, Outcome]:
    """Close (parts of) trades of one side of one instrument by a market order of reason ``reason``; gives its creation and what became of it."""
    first = reductions[0].trade
    units = -sum((each.units for each in reductions), ZERO) * first.side.sign
    request = OrderRequest(type="MARKET", instrument=first.instrument, units=units, time_in_force="FOK", position_fill="REDUCE_ONLY")
    order, created = account.create_order(batch, request, reason, **asked)
    if account.is_halted(first.instrument):
        return created, Outcome(cancel=account.cancel_order(batch, order, "MARKET_HALTED"))
    at = account.market_price(first.instrument, side_of(units))
    return created, Outcome(fill=write_fill(account, batch, order, at, reductions, ZERO, f"MARKET_ORDER_{reason}", requested=units))


def write_fill(
    account: Account,
    batch: Batch,
    order: Order,
    at: Decimal,
    reductions: Sequence[Reduction],
    opened: Decimal,
    reason: str,
    *,
    requested: Decimal,
) -> Doc:
    """Book a fill of ``reductions`` and of ``opened`` signed units at price ``at``, and everything that follows from it; gives the ORDER_FILL."""
    number_of_fill = account.log.next_id()
    parts = [_reduce(account, each, at, number_of_fill, batch.time.ns) for each in reductions]
    trade = _open(account, order, at, opened, number_of_fill, batch.time.ns) if opened else None
    units = opened - sum((each.units * each.trade.side.sign for each in reductions), ZERO)
    realized = sum((Decimal(part["realizedPL"]) for part, _ in parts), ZERO)
    account.balance += realized
    account.realized += realized
    closed = [part for (part, _), each in zip(parts, reductions, strict=True) if not each.trade.units]
    reduced = [part for (part, _), each in zip(parts, reductions, strict=True) if each.trade.units]
    decimals = account.specs[order.instrument].decimals
    transaction = batch.write(
        "ORDER_FILL",
        orderID=str(order.id),
        clientOrderID=order.client_id,
        instrument=order.instrument,
        units=number(units),
        requestedUnits=number(requested),
        price=price(at, decimals),
        fullVWAP=price(at, decimals),
        pl=money(realized),
        quotePL=number(sum((in_quote for _, in_quote in parts), ZERO)),
        financing=money(ZERO),
        baseFinancing="0",
        commission=money(ZERO),
        accountBalance=money(account.balance),
        guaranteedExecutionFee=money(ZERO),
        quoteGuaranteedExecutionFee="0",
        halfSpreadCost=_half_spread(account, order.instrument, units),
        reason=reason,
        tradeOpened=_opened_json(account, trade) if trade else None,
        tradesClosed=closed or None,
        tradeReduced=reduced[0] if reduced else None,
        fullPrice=views.full_price(account, order.instrument),
        **views.conversions(account, order.instrument),
    )
    _settle(account, order, transaction, trade, closed, reduced)
    if trade is not None:
        attach_exits(account, batch, trade, order.request.exits)
    for each in reductions:
        if not each.trade.units:
            drop_exits(account, batch, each.trade, order, transaction)
    return transaction


def attach_exits(account: Account, batch: Batch, trade: Trade, exits: Sequence[Details]) -> None:
    """Create the exits that the entry of ``trade`` asked for: target, stop, trailing stop."""
    for details in exits:
        account.create_order(batch, details.as_request(trade.id, trade.client_id), "ON_FILL", orderFillTransactionID=str(trade.id))


def drop_exits(account: Account, batch: Batch, trade: Trade, by: Order, fill: Doc) -> None:
    """A closed trade's exits go with it, but the one that closed it."""
    for order_id in list(trade.exits.values()):
        if order_id != by.id:
            account.cancel_order(
                batch, account.orders[order_id], "LINKED_TRADE_CLOSED", closedTradeID=str(trade.id), tradeCloseTransactionID=fill["id"]
            )


def close_out(account: Account) -> None:
    """When the account is worth less than half of its margin, every trade goes, in batches of one instrument and side."""
    while account.open and account.nav() < account.margin_used() * MARGIN_CLOSEOUT:
        trade = next((each for each in account.open.values() if not account.is_halted(each.instrument)), None)
        if trade is None:
            return
        reductions = [Reduction(each, abs(each.units)) for each in account.open_in(trade.instrument, trade.side)]
        close(account, account.log.batch(), reductions, "MARGIN_CLOSEOUT", marginCloseout={"reason": "MARGIN_CHECK_VIOLATION"})


def _available(account: Account, order: Order, units: Decimal, side: Side) -> Decimal:
    available = account.board.available(order.instrument, side, units)
    fault = account.faults.take({Kind.PARTIAL_FILL}, instrument=order.instrument)
    if fault is not None:
        available = min(available, (units * Decimal(str(fault.portion))).to_integral_value())
    return available


def _plan(account: Account, order: Order, units: Decimal) -> tuple[list[Reduction], Decimal]:
    """What ``units`` signed reduce, oldest first, and what is left to open."""
    wanted = order.request.position_fill
    if wanted == "OPEN_ONLY" or (wanted == "DEFAULT" and account.config.hedging):
        return [], units
    side, left = side_of(units), abs(units)
    reductions = []
    for trade in account.open_in(order.instrument, side.opposite):
        if not left:
            break
        taken = min(left, abs(trade.units))
        reductions.append(Reduction(trade, taken))
        left -= taken
    return reductions, ZERO if wanted == "REDUCE_ONLY" else left * side.sign


def _refusal(account: Account, order: Order, reductions: Sequence[Reduction], opened: Decimal, at: Decimal) -> str | None:
    """Why the fill cannot be: the reason its order is cancelled for."""
    request = order.request
    if not opened:
        return None if reductions else "POSITION_CLOSEOUT_FAILED"
    side = side_of(opened)
    if request.position_fill == "OPEN_ONLY" and not account.config.hedging and account.open_in(order.instrument, side.opposite):
        return "FIFO_VIOLATION"
    if request.exits and (fault := account.faults.take({Kind.LEG_REFUSED}, instrument=order.instrument)) is not None:
        return fault.reason or "STOP_LOSS_ON_FILL_LOSS"
    if (fault := account.faults.take({Kind.ORDER_FAILED}, instrument=order.instrument)) is not None:
        return fault.reason or "INTERNAL_SERVER_ERROR"
    if request.trade_client is not None and request.trade_client.id and account.find_trade(f"@{request.trade_client.id}") is not None:
        return "CLIENT_TRADE_ID_ALREADY_EXISTS"
    for details in request.exits:
        if reason := _leg_refusal(account, order, details, side, at):
            return reason
    freed = sum((account.margin(each.trade.instrument, each.units) for each in reductions), ZERO)
    if account.nav() - account.margin_used() + freed < account.margin(order.instrument, opened):
        return "INSUFFICIENT_MARGIN"
    return None


def _leg_refusal(account: Account, order: Order, details: Details, side: Side, at: Decimal) -> str | None:
    if details.time_in_force == "GTD" and details.gtd_ns is not None and details.gtd_ns <= account.clock.now_ns():
        return f"{details.type}_ON_FILL_GTD_TIMESTAMP_IN_PAST"
    if details.client is not None and details.client.id and account.find_order(f"@{details.client.id}") is not None:
        return f"{details.type}_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS"
    watched = account.market_price(order.instrument, side.opposite)
    stop = at - details.distance * side.sign if details.type == "STOP_LOSS" and details.distance is not None else details.price
    if details.type == "STOP_LOSS" and stop is not None and (watched - stop) * side.sign <= 0:
        return "STOP_LOSS_ON_FILL_LOSS"
    if details.type == "TAKE_PROFIT" and details.price is not None and (watched - details.price) * side.sign >= 0:
        return "TAKE_PROFIT_ON_FILL_LOSS"
    return None


def _reduce(account: Account, reduction: Reduction, at: Decimal, fill_id: int, now_ns: int) -> tuple[Doc, Decimal]:
    """Take units off a trade; gives its part of the ORDER_FILL and what it made in the quote currency."""
    trade, units = reduction.trade, reduction.units
    in_quote, realized = account.profit(trade, units, at)
    account.resize(trade, -units * trade.side.sign)
    trade.realized += realized
    trade.closed_value += units * at
    trade.closing_ids.append(fill_id)
    account.realized_by_side[trade.instrument, trade.side] += realized
    if not trade.units:
        trade.state = "CLOSED"
        trade.closed_ns = now_ns
        del account.open[trade.id]
    part: Doc = {
        "tradeID": str(trade.id),
        **({"clientTradeID": trade.client_id} if trade.client_id else {}),
        "units": number(-units * trade.side.sign),
        "price": price(at, trade.decimals),
        "realizedPL": money(realized),
        "financing": money(ZERO),
        "baseFinancing": "0",
        "guaranteedExecutionFee": money(ZERO),
        "quoteGuaranteedExecutionFee": "0",
        "halfSpreadCost": _half_spread(account, trade.instrument, units),
    }
    return part, in_quote


def _open(account: Account, order: Order, at: Decimal, units: Decimal, fill_id: int, now_ns: int) -> Trade:
    trade = Trade(
        id=fill_id,
        instrument=order.instrument,
        decimals=order.decimals,
        price=at,
        opened_ns=now_ns,
        initial_units=units,
        units=ZERO,
        initial_margin=round_money(account.margin(order.instrument, units)),
        client=order.request.trade_client,
    )
    account.trades[trade.id] = account.open[trade.id] = trade
    account.resize(trade, units)
    return trade


def _opened_json(account: Account, trade: Trade) -> Doc:
    return {
        "tradeID": str(trade.id),
        "units": number(trade.units),
        "price": price(trade.price, trade.decimals),
        "guaranteedExecutionFee": money(ZERO),
        "quoteGuaranteedExecutionFee": "0",
        "halfSpreadCost": _half_spread(account, trade.instrument, trade.units),
        "initialMarginRequired": money(trade.initial_margin),
        **({"clientExtensions": trade.client.as_json()} if trade.client else {}),
    }


def _half_spread(account: Account, instrument: str, units: Decimal) -> str:
    standing = account.board.standing(instrument)
    assert standing is not None
    return money(abs(units) * standing.quote.spread / 2 * account.home_rate(account.specs[instrument].instrument.quote))


def _settle(account: Account, order: Order, fill: Doc, trade: Trade | None, closed: Sequence[Doc], reduced: Sequence[Doc]) -> None:
    """The order is filled; what was quoted is used up by an entry."""
    order.state = "FILLED"
    order.filling_id = int(fill["id"])
    order.filled_ns = fill["time"].ns
    order.trade_opened = trade.id if trade else None
    order.trades_closed = [int(each["tradeID"]) for each in closed]
    order.trade_reduced = int(reduced[0]["tradeID"]) if reduced else None
    account.leave_market(order)
    standing = account.board.standing(order.instrument)
    if standing is not None and not order.request.is_exit and order.request.position_fill != "REDUCE_ONLY":
        units = Decimal(fill["units"])
        use_up(standing, side_of(units), abs(units))
