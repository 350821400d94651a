"""What people look at: the account, positions per instrument and side, and what an order would cost."""

from collections.abc import Iterable
from decimal import Decimal

from brokers.paper.market import Standing
from brokers.paper.state import State
from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket
from trading.instruments import Instrument, Side
from trading.money import ZERO, book, plain
from trading.orders import BracketOrder, EntryType
from trading.risk import Exposure

_AVERAGE = Decimal("0.0000001")
_RATIO = Decimal("0.01")

# Below this many spreads a stop is likely to be hit by the spread alone.
_STOP_SPREADS_MIN = 3


def account(state: State, now_ns: int) -> Account:
    """The account at the standing quotes. ``as_of_ns`` is the oldest quote it rests on, or now when it rests on none."""
    books = state.books
    valuation = books.valuation()
    marks = [state.market.standing(name) for name in _valued(state)]
    standing = [mark for mark in marks if mark is not None]
    pending = sum(share.pending_orders for share in books.shares.values())
    return Account(
        venue=state.venue,
        mode=state.mode,
        currency=books.currency,
        balance=books.balance,
        cash=books.cash,
        reserved=book(books.reserved),
        open_pnl=valuation.open_pnl,
        equity=valuation.equity,
        margin_used=valuation.margin_used,
        margin_available=plain(valuation.equity - valuation.margin_used) if state.config.on_margin else ZERO,
        holdings=books.holdings,
        holdings_value=valuation.holdings_value,
        realized_pnl=books.realized_pnl,
        fees=books.fees,
        pending_orders=pending,
        open_trades=sum(share.open_trades for share in books.shares.values()),
        as_of_ns=min((mark.quote.time_ns for mark in standing), default=now_ns),
        stale=not valuation.is_complete or len(standing) < len(marks) or not all(_is_current(state, mark) for mark in standing),
        awaited=valuation.awaited,
    )


def positions(state: State) -> list[Position]:
    """One for each instrument and side that is held, instruments in their configured order, longs first."""
    found = []
    for name in state.instruments:
        held = [bracket for bracket in state.in_instrument(name) if bracket.position_units]
        for side in Side:
            brackets = [bracket for bracket in held if bracket.side is side]
            if brackets:
                found.append(_position(state, state.instruments[name], side, brackets))
    return found


def preview(state: State, order: BracketOrder) -> Preview:
    """What ``order`` would cost, lose at its stop and gain at its target, reckoned at its own prices or at the standing quote."""
    instrument = state.instruments[order.instrument]
    standing = state.market.standing(order.instrument)
    price = order.entry_price if order.entry_price is not None else (None if standing is None else standing.entry_price(order.side))
    rate = state.market.rate(instrument.quote, state.books.currency)
    spread = None if standing is None else plain(standing.quote.spread)
    warnings = tuple(_warnings(state, instrument, order, standing))
    available = plain(_available(state))
    if price is None or rate is None:
        return Preview(
            instrument=order.instrument, side=order.side, units=order.units, currency=state.books.currency, entry_price=price, spread=spread,
            notional=None, cost=None, available=available, entry_fee=None, exit_fee=None, loss_at_stop=None, gain_at_target=None, reward_risk=None,
            warnings=warnings,
        )  # fmt: skip
    value = order.units * price * rate
    resting = state.config.has_order_book and order.entry_type is EntryType.LIMIT
    entry_fee = book(value * (instrument.maker_fee_rate if resting else instrument.taker_fee_rate))
    stop = _stop_at_fill(order, price, spread or ZERO)
    stop_fee = book(order.units * stop * rate * instrument.taker_fee_rate)
    target_rate = instrument.maker_fee_rate if state.config.has_order_book else instrument.taker_fee_rate
    target_fee = book(order.units * order.take_profit_price * rate * target_rate)
    sign = order.side.sign
    loss = book((price - stop) * sign * order.units * rate) + entry_fee + stop_fee
    gain = book((order.take_profit_price - price) * sign * order.units * rate) - entry_fee - target_fee
    if state.config.on_margin:
        cost = state.books.margin_after(instrument, order.side, order.units, price)
    else:
        cost = book(value) + entry_fee if order.side is Side.BUY else ZERO
    return Preview(
        instrument=order.instrument,
        side=order.side,
        units=order.units,
        currency=state.books.currency,
        entry_price=plain(price),
        spread=spread,
        notional=book(value),
        cost=cost,
        available=available,
        entry_fee=entry_fee,
        exit_fee=stop_fee,
        loss_at_stop=plain(loss),
        gain_at_target=plain(gain),
        reward_risk=plain((gain / loss).quantize(_RATIO)) if loss > 0 else None,
        warnings=warnings,
    )


def _stop_at_fill(order: BracketOrder, price: Decimal, spread: Decimal) -> Decimal:
    """Where the stop stands once the entry has filled at ``price``: a trailing one at most its distance behind what an exit would get then."""
    if order.trailing_stop_distance is None:
        return order.stop_loss_price
    behind = price - order.side.sign * (spread + order.trailing_stop_distance)
    return max(order.stop_loss_price, behind) if order.side is Side.BUY else min(order.stop_loss_price, behind)


def exposure(state: State, name: str) -> Exposure:
    """What the risk limits look at before an order in instrument ``name``; costs the same however many orders rest."""
    books = state.books
    open_orders, instrument_notional = 0, books.notional(name)
    total_notional: Decimal | None = ZERO
    for each, share in books.shares.items():
        open_orders += share.pending_orders
        more = instrument_notional if each == name else books.notional(each)
        total_notional = None if total_notional is None or more is None else total_notional + more
    rate = state.market.rate(state.instruments[name].quote, books.currency)
    valuation = books.valuation()
    return Exposure(books.currency, valuation.equity, rate, open_orders, books.units(name), instrument_notional, total_notional, valuation.awaited)


def _available(state: State) -> Decimal:
    if not state.config.on_margin:
        return book(state.books.cash - state.books.reserved)
    valuation = state.books.valuation()
    return valuation.equity - valuation.margin_used


def _warnings(state: State, instrument: Instrument, order: BracketOrder, standing: Standing | None) -> Iterable[str]:
    if standing is None:
        yield "NO_QUOTE"
        return
    if not standing.is_fresh:
        yield "QUOTE_STALE"
    if not standing.quote.synthetic and not state.market.is_open(instrument.name, standing.quote.time_ns):
        yield "MARKET_CLOSED"
    price = order.entry_price if order.entry_price is not None else standing.entry_price(order.side)
    if abs(price - order.stop_loss_price) < _STOP_SPREADS_MIN * standing.quote.spread:
        yield "STOP_WITHIN_SPREADS"
    sign = order.side.sign
    past_entry = (standing.entry_price(order.side) - price) * sign
    if order.entry_type is EntryType.LIMIT and past_entry <= 0:
        yield "FILLS_AT_ONCE"
    if order.entry_type is EntryType.STOP and past_entry >= 0:
        yield "FILLS_AT_ONCE"
    exit_price = standing.exit_price(order.side)
    if (exit_price - order.stop_loss_price) * sign <= 0 or (order.take_profit_price - exit_price) * sign <= 0:
        yield "EXIT_ALREADY_PASSED"


def _position(state: State, instrument: Instrument, side: Side, brackets: list[Bracket]) -> Position:
    units = sum((bracket.position_units for bracket in brackets), ZERO)
    cost = sum((bracket.open_cost for bracket in brackets), ZERO)
    standing = state.market.standing(instrument.name)
    long_pnl, short_pnl, margin = state.books.marked(instrument.name)
    open_pnl = long_pnl if side is Side.BUY else short_pnl
    return Position(
        venue=state.venue,
        instrument=instrument.name,
        side=side,
        units=plain(units),
        average_price=plain((cost / units).quantize(_AVERAGE)),
        mark_price=None if standing is None else plain(standing.exit_price(side)),
        open_pnl=open_pnl if open_pnl is not None else ZERO,
        margin_used=_margin_share(state, instrument.name, side, margin),
        order_ids=tuple(bracket.order_id for bracket in brackets),
        as_of_ns=0 if standing is None else standing.quote.time_ns,
        stale=open_pnl is None or standing is None or not _is_current(state, standing),
    )


def _margin_share(state: State, name: str, side: Side, margin: Decimal | None) -> Decimal:
    """The margin of an instrument counts for its larger side: the other one sets nothing aside."""
    share = state.books.share(name)
    larger = Side.BUY if share.long_units >= share.short_units else Side.SELL
    return margin if margin is not None and side is larger else ZERO


def _valued(state: State) -> list[str]:
    """The instruments whose quotes the account's value rests on."""
    names = {name for name, share in state.books.shares.items() if share.open_trades}
    for currency, amount in state.books.own_holdings.items():
        route = state.market.route(currency, state.books.currency) if amount else None
        if route is not None:
            names.add(route[0])
    for name in list(names):
        route = state.market.route(state.instruments[name].quote, state.books.currency)
        if state.instruments[name].quote != state.books.currency and route is not None:
            names.add(route[0])
    return sorted(names)


def _is_current(state: State, standing: Standing) -> bool:
    return standing.is_fresh and standing.quote.instrument not in state.held_by_feed
