"""What time and the market do to orders that rest.

A quote meets the pending orders of its instrument in the order of their ids. Each watches the side it would trade at unless it says otherwise: a buy
the ask, a sell the bid, so a long trade's exits the bid. A trailing stop is looked at first and then moved. Exits and stops trade at what is quoted
when they are reached; a limit never worse than its price. A stop that is reached while the market is halted closes its trade when that opens.
"""

from datetime import datetime, time, timedelta
from decimal import Decimal

from tests.venues.oanda import fills
from tests.venues.oanda.account import Account
from tests.venues.oanda.book import DELAYED, Order, side_of
from tests.venues.oanda.fills import Outcome, Reduction
from tests.venues.oanda.log import Batch
from tests.venues.oanda.wire import NS_PER_S
from trading.instruments import Side
from trading.sessions import NEW_YORK

_STOPS = frozenset({"STOP_LOSS", "TRAILING_STOP_LOSS"})
_DAY_ENDS = time(17)  # in New York: when a GFD order ends


def on_quote(account: Account, instrument: str) -> None:
    """Let what is quoted in ``instrument`` do what it does."""
    if account.is_halted(instrument):
        _delay_closes(account, instrument)
        return
    on_time(account)
    _make_up_for(account, instrument)
    for order in [each for each in account.pending.values() if each.instrument == instrument]:
        if order.id in account.pending:
            meet(account, account.log.batch(), order)
    fills.close_out(account)


def _delay_closes(account: Account, instrument: str) -> None:
    """A stop that is reached while nothing trades is triggered: its trade is to be closed as soon as that can be."""
    for order in [each for each in account.pending.values() if each.instrument == instrument and each.type in _STOPS]:
        if order.id in account.pending and _is_reached(account, order):
            trade = account.trades[int(str(order.request.trade_id))]
            batch = account.log.batch()
            order.state = "TRIGGERED"
            account.leave_market(order)
            if trade.state == DELAYED:  # by the other of its stops
                continue
            trade.state = DELAYED
            trade.delayed_by = int(batch.write("DELAYED_TRADE_CLOSURE", reason="TRADE_CLOSE", tradeIDs=str(trade.id))["id"])


def _make_up_for(account: Account, instrument: str) -> None:
    """The market is open: close what was to be closed while it was not, wherever the price is now."""
    for trade in [each for each in account.open_in(instrument) if each.state == DELAYED]:
        asked = {"tradeID": str(trade.id), "sourceTransactionID": str(trade.delayed_by)}
        reductions = [Reduction(trade, abs(trade.units))]
        fills.close(account, account.log.batch(), reductions, "DELAYED_TRADE_CLOSE", delayedTradeClose=asked)


def on_time(account: Account) -> None:
    """End what is past its time."""
    now_ns = account.clock.now_ns()
    for order in list(account.pending.values()):
        ends_ns = expiry_ns(order)
        if ends_ns is not None and ends_ns <= now_ns and order.id in account.pending:
            account.cancel_order(account.log.batch(), order, "TIME_IN_FORCE_EXPIRED")


def next_expiry_ns(account: Account) -> int | None:
    """When the next pending order ends."""
    return min((ends for order in account.pending.values() if (ends := expiry_ns(order)) is not None), default=None)


def expiry_ns(order: Order) -> int | None:
    """When ``order`` ends of itself."""
    if order.request.time_in_force == "GTD":
        return order.request.gtd_ns
    if order.request.time_in_force != "GFD":
        return None
    local = datetime.fromtimestamp(order.created_ns // NS_PER_S, NEW_YORK)
    ends = datetime.combine(local.date() + timedelta(days=local.time() >= _DAY_ENDS), _DAY_ENDS, tzinfo=NEW_YORK)
    return int(ends.timestamp()) * NS_PER_S


def meet(account: Account, batch: Batch, order: Order) -> Outcome:
    """Let the standing quote decide about one pending order; nothing where it is not reached, or the market is halted."""
    if account.is_halted(order.instrument):
        return Outcome()
    if not _is_reached(account, order):
        _trail(account, order)
        return Outcome()
    if not order.request.is_exit:
        return fills.fill_entry(account, batch, order)
    if order.type == "TAKE_PROFIT" and _loses(account, order):
        return Outcome(cancel=account.cancel_order(batch, order, "LOSING_TAKE_PROFIT"))
    return Outcome(fill=fills.fill_exit(account, batch, order))


def _is_reached(account: Account, order: Order) -> bool:
    request, side = order.request, _side(account, order)
    level = order.trailing_value if order.type == "TRAILING_STOP_LOSS" else request.price
    if level is None:
        return False
    seen = _watched(account, order, side)
    above = (seen - level) * side.sign  # above zero: dearer for a buyer, cheaper for a seller
    match order.type:
        case "LIMIT":
            return above <= 0 and (account.market_price(order.instrument, side) - level) * side.sign <= 0
        case "TAKE_PROFIT":
            return above <= 0
        case "MARKET_IF_TOUCHED":
            return seen <= level if order.came_from_above else seen >= level
    return above >= 0


def _watched(account: Account, order: Order, side: Side) -> Decimal:
    standing = account.board.standing(order.instrument)
    assert standing is not None
    quote = standing.quote
    match order.request.trigger:
        case "BID":
            return quote.bid
        case "ASK":
            return quote.ask
        case "MID":
            return quote.mid
        case "INVERSE":
            return standing.entry_price(side.opposite)
    return standing.entry_price(side)


def _side(account: Account, order: Order) -> Side:
    """Which way it would trade."""
    if order.request.trade_id is not None:
        return account.trades[int(order.request.trade_id)].side.opposite
    assert order.request.units is not None
    return side_of(order.request.units)


def _trail(account: Account, order: Order) -> None:
    """A trailing stop follows the market at its distance, and never goes back."""
    if order.type != "TRAILING_STOP_LOSS" or order.request.distance is None or order.trailing_value is None:
        return
    side = _side(account, order)
    follows = _watched(account, order, side) + order.request.distance * side.sign
    order.trailing_value = min(order.trailing_value, follows) if side is Side.BUY else max(order.trailing_value, follows)


def _loses(account: Account, order: Order) -> bool:
    """Whether a target that is reached as soon as it is set would close its trade at a loss."""
    trade = account.trades[int(str(order.request.trade_id))]
    return account.profit(trade, abs(trade.units), account.market_price(trade.instrument, trade.side.opposite))[0] < 0
