"""Idle ranges: what lies inside them changes nothing, and integers may be used to ask."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.paper.books import Share
from brokers.paper.idle import ALWAYS_IDLE, NEVER_IDLE, NEVER_NS, IdleRange, closeout_reach
from tests.brokers.paper.kit import MIN, T0, D, Desk, coinbase, oanda, order, quote

SCALE = 10**8


@pytest.fixture
def desk() -> Desk:
    return Desk(oanda())


def test_without_orders_every_quote_is_idle(desk: Desk) -> None:
    assert desk.engine.idle_range("EUR_USD") == ALWAYS_IDLE


def test_a_resting_limit_bounds_its_own_side_only(desk: Desk) -> None:
    desk.quote("1.38600", "1.38610")
    desk.place(order())
    idle = desk.engine.idle_range("EUR_USD")
    assert (idle.ask_above, idle.bid_above, idle.bid_below, idle.ask_below) == (D("1.385"), D("-Infinity"), D("Infinity"), D("Infinity"))
    assert idle.until_ns == desk.now + 360 * MIN
    assert idle.holds(D("1.38491"), D("1.38501"))
    assert not idle.holds(D("1.38490"), D("1.38500"))


def test_an_open_position_is_bounded_by_both_exits_and_its_trail(desk: Desk) -> None:
    """A trail of 20 pips behind a stop at 1.38290 moves first at a bid of 1.38491."""
    desk.place(order("BUY", "100", None, kind="market", trail="0.00200"))
    desk.quote("1.38490", "1.38500")
    idle = desk.engine.idle_range("EUR_USD")
    assert (idle.bid_above, idle.bid_below) == (D("1.3829"), D("1.38491"))
    assert idle.until_ns == NEVER_NS


def test_a_market_order_leaves_nothing_idle(desk: Desk) -> None:
    desk.quote("1.38600", "1.38610")
    desk.place(order("BUY", "100", None, kind="market"))
    assert desk.engine.idle_range("EUR_USD") == NEVER_IDLE


def test_the_first_quote_of_an_orders_instrument_is_never_idle(desk: Desk) -> None:
    """It still has to say which feed the order belongs to."""
    desk.place(order())
    assert desk.engine.idle_range("EUR_USD") == NEVER_IDLE
    desk.quote("1.38600", "1.38610")
    assert desk.engine.idle_range("EUR_USD").feed == "replay"


def test_at_an_exchange_a_new_limit_is_not_idle_until_it_rests() -> None:
    desk = Desk(coinbase())
    desk.quote("60090.00", "60100.00", name="BTC-USD")
    desk.place(order("BUY", "0.5", "60000.00", "59000.00", "62000.00", name="BTC-USD"))
    assert desk.engine.idle_range("BTC-USD") == NEVER_IDLE
    desk.engine.match("BTC-USD", now_ns=desk.now, fresh=True)
    assert desk.engine.idle_range("BTC-USD").ask_above == D(60_000)


def test_margin_narrows_the_range_before_a_close_out_can_happen() -> None:
    """10,000 USD and 200,000 EUR: the close-out is at a bid of 1.35760, and the range ends at or before it, but not far before."""
    desk = Desk(oanda("10000"))
    desk.quote("1.38480", "1.38490")
    desk.place(order("BUY", "200000", None, "1.20000", "1.60000", kind="market"))
    desk.quote("1.38490", "1.38500")
    idle = desk.engine.idle_range("EUR_USD")
    assert D("1.3576") <= idle.bid_above < D("1.3585")
    assert desk.quote("1.35800", "1.35810") == []
    assert D("1.3576") <= desk.engine.idle_range("EUR_USD").bid_above < D("1.35765")


def test_positions_in_two_instruments_share_the_room() -> None:
    """Each may use half before both are reckoned again: a range narrower than alone, and moved by what the other one does."""
    desk = Desk(oanda("20000"))
    desk.quote("101.700", "101.710", name="USD_JPY")
    desk.quote("1.38480", "1.38490")
    desk.place(order("BUY", "200000", None, "1.20000", "1.60000", kind="market"))
    desk.quote("1.38490", "1.38500")
    alone = desk.engine.idle_range("EUR_USD").bid_above
    desk.place(order("BUY", "1000", None, "90.000", "110.000", kind="market", name="USD_JPY"))
    desk.quote("101.700", "101.710", name="USD_JPY")
    assert desk.engine.idle_range("EUR_USD").bid_above > alone


HELD = st.integers(0, 400_000)


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_held_quotes_inside_the_ranges_cannot_bring_a_close_out(data: st.DataObject) -> None:
    """Any longs and shorts in two pairs, bought and sold anywhere, one of them converted from yen: after any quotes within both ranges at once,
    equity is still above half the margin used. The ranges are asked for once; the quotes then go to their edges.
    """
    desk = Desk(oanda())
    books, market = desk.engine._state.books, desk.engine.market
    standing = {"EUR_USD": ("1.38500", "1.38510"), "USD_JPY": ("101.700", "101.710")}
    for name, (bid, ask) in standing.items():
        market.note(quote(bid, ask, name=name), fresh=True)
        paid = st.decimals(min_value=D(bid) * D("0.2"), max_value=D(bid) * 4, places=3)
        longs, shorts = D(data.draw(HELD)), D(data.draw(HELD))
        books.shares[name] = Share(
            long_units=longs, long_cost=longs * data.draw(paid), short_units=shorts, short_cost=shorts * data.draw(paid), open_trades=1
        )
    books.balance = D(0)
    # Just enough money for what is held and a little more: the case that matters.
    books.balance = D(data.draw(st.integers(0, 20_000))) - books.valuation().excess
    reach = closeout_reach(books, market, books._instruments)
    for name, (bid, ask) in standing.items():
        distance, tick = reach.get(name, D(0)), books._instruments[name].tick
        if name in reach and not distance:
            continue  # it has no range: each quote of it decides
        lowest, highest = D(bid) - distance, D(ask) + distance
        low = data.draw(st.sampled_from([lowest, D(bid), D(ask), highest]))
        high = data.draw(st.sampled_from([price for price in (lowest, D(bid), D(ask), highest) if price >= low]))
        market.note(quote(str(max(low, tick)), str(max(high, tick)), name=name), fresh=True)
    if any(reach.values()):
        assert books.valuation().excess >= 0


PRICES = st.decimals(min_value="0.00001", max_value=100_000, places=8)


@given(st.tuples(PRICES, PRICES, PRICES, PRICES), st.integers(1, 10**13), st.integers(0, 10**6))
def test_scaled_bounds_ask_the_same_question_in_integers(bounds: tuple[Decimal, ...], bid: int, spread: int) -> None:
    idle = IdleRange(bid_above=bounds[0], bid_below=bounds[1], ask_above=bounds[2], ask_below=bounds[3], until_ns=NEVER_NS, feed=None)
    lowest_bid, highest_bid, lowest_ask, highest_ask = idle.scaled(SCALE)
    ask = bid + spread
    in_integers = lowest_bid <= bid <= highest_bid and lowest_ask <= ask <= highest_ask
    assert in_integers is idle.holds(Decimal(bid) / SCALE, Decimal(ask) / SCALE)


@given(st.integers(1, 10**15))
def test_the_widest_and_the_emptiest_range_scale_too(price: int) -> None:
    low, high, _, _ = ALWAYS_IDLE.scaled(SCALE)
    assert low <= price <= high
    low, high, _, _ = NEVER_IDLE.scaled(SCALE)
    assert not low <= price <= high


def test_bounds_between_two_integers_lose_none() -> None:
    """A bound finer than the scale: 1.5 ticks above means 2 is the least inside."""
    idle = IdleRange(bid_above=D("1.5"), bid_below=D("4.5"), ask_above=D(1), ask_below=D(5), until_ns=T0, feed=None)
    assert idle.scaled(1) == (2, 4, 2, 4)
