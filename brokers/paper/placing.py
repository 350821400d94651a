"""Placing: a bracket order becomes a bracket under the next n, if the account can carry it."""

from decimal import Decimal

from brokers.paper.books import share_of
from brokers.paper.state import State
from trading import events
from trading.brackets import Bracket, Protection
from trading.errors import OrderDenied
from trading.instruments import Instrument, Side
from trading.money import ZERO, plain
from trading.order_checks import check_exits_around_entry
from trading.orders import BracketOrder, OrderStatus

_NS_PER_MIN = Decimal(60_000_000_000)


def place(state: State, order: BracketOrder, *, placed_by: str, now_ns: int) -> Bracket:
    """Accept ``order`` under the next n.

    Raises:
        OrderDenied: UNKNOWN_INSTRUMENT, STOP_WRONG_SIDE, TARGET_WRONG_SIDE, FEED_CHANGED, CURRENCY_NOT_HELD, INSUFFICIENT_MARGIN, INSUFFICIENT_FUNDS,
            INSUFFICIENT_HOLDINGS.
    """
    instrument = find_instrument(state, order.instrument)
    check_exits_around_entry(order)
    _check_feed(state, instrument.name)
    if not state.config.on_margin and instrument.quote != state.books.currency:
        raise OrderDenied(
            f"the paper account pays in {state.books.currency}, and {instrument.name} costs {instrument.quote}",
            code="CURRENCY_NOT_HELD",
            details={"instrument": instrument.name, "currency": instrument.quote},
        )
    standing = state.market.standing(instrument.name)
    bracket = Bracket(
        order_id=f"{state.mode}-{state.venue}-{state.next_n}",
        n=state.next_n,
        order=order,
        placed_by=placed_by,
        mode=state.mode,
        status=OrderStatus.PENDING,
        protection=Protection.ADAPTER,
        placed_ns=now_ns,
        updated_ns=now_ns,
        ttl_expires_ns=expiry_ns(order.ttl_min, now_ns),
        feed=state.feeds.get(instrument.name) or ("" if standing is None else standing.quote.feed),
        stop_price=order.stop_loss_price,
        reserve_price=reserve_price_of(state, order),
    )
    check_affordable(state, instrument, None, bracket)
    state.next_n += 1
    state.put(bracket)
    state.expect(bracket)
    state.tell(events.oco_placed(bracket))
    return bracket


def find_instrument(state: State, name: str) -> Instrument:
    instrument = state.instruments.find(name)
    if instrument is None:
        raise OrderDenied(
            f"{state.venue} has no instrument {name}", code="UNKNOWN_INSTRUMENT", details={"instrument": name, "known": list(state.instruments)}
        )
    return instrument


def expiry_ns(ttl_min: Decimal, now_ns: int) -> int:
    return now_ns + int(ttl_min * _NS_PER_MIN)


def reserve_price_of(state: State, order: BracketOrder) -> Decimal:
    """What a unit is reckoned to cost until it has filled: its price; for a market entry what is quoted, else the dearest it could fill at."""
    if order.entry_price is not None:
        return order.entry_price
    standing = state.market.standing(order.instrument)
    if standing is not None:
        return plain(standing.entry_price(order.side))
    return max(order.take_profit_price, order.stop_loss_price) if order.side is Side.BUY else min(order.take_profit_price, order.stop_loss_price)


def check_affordable(state: State, instrument: Instrument, before: Bracket | None, after: Bracket) -> None:
    if state.config.on_margin:
        _check_margin(state, instrument, before, after)
        return
    old, new = None if before is None else share_of(before, instrument), share_of(after, instrument)
    more_quote = new.hold_quote - (old.hold_quote if old else ZERO)
    more_base = new.hold_base - (old.hold_base if old else ZERO)
    books = state.books
    free_cash, free_base = books.cash - books.reserved, plain(books.free_base(instrument.base))
    if more_base > 0 and more_base > free_base:
        raise OrderDenied(
            f"only what is held can be sold, and {free_base} {instrument.base} of it is free",
            code="INSUFFICIENT_HOLDINGS",
            details={"currency": instrument.base, "value": plain(more_base), "limit": free_base},
        )
    if more_quote > 0 and more_quote > free_cash:
        raise OrderDenied(
            f"this would need {more_quote:.2f} {books.currency} with its fee, and {free_cash:.2f} is free",
            code="INSUFFICIENT_FUNDS",
            details={"currency": books.currency, "value": round(more_quote, 2), "limit": round(free_cash, 2)},
        )


def _check_margin(state: State, instrument: Instrument, before: Bracket | None, after: Bracket) -> None:
    units = after.remaining_units
    if not units or (before is not None and before.reserve_price == after.reserve_price):
        return
    more = state.books.margin_after(instrument, after.order.side, units, after.reserve_price)
    valuation = state.books.valuation()
    free = valuation.equity - valuation.margin_used
    if more is not None and more > free:
        raise OrderDenied(
            f"this would set {more:.2f} {state.books.currency} aside, and {free:.2f} is free",
            code="INSUFFICIENT_MARGIN",
            details={"currency": state.books.currency, "value": round(more, 2), "limit": round(free, 2)},
        )


def _check_feed(state: State, name: str) -> None:
    other = state.held_by_feed.get(name)
    if other is not None:
        raise OrderDenied(
            f"open orders in {name} belong to the {state.feeds.get(name)} feed, not to {other}: reset the paper account, or adopt the feed",
            code="FEED_CHANGED",
            details={"instrument": name, "feed": other, "orders_feed": state.feeds.get(name)},
        )
