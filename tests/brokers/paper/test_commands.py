"""Cancel, modify, close, reset, and the feed an order belongs to: what each may do, and what it refuses without having changed anything."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.brokers.paper.kit import MIN, D, Desk, oanda, order, said
from trading.errors import ArenaError, InvalidRequest, NotFound, OrderDenied, StateConflict
from trading.orders import CloseReason, OrderStatus


@pytest.fixture
def desk() -> Desk:
    return Desk(oanda())


def refused(desk: Desk, kind: type[ArenaError], code: str, act: Callable[[], object]) -> ArenaError:
    """``act`` is refused with this code, and the engine has nothing to write."""
    with pytest.raises(kind) as refusal:
        act()
    assert refusal.value.code == code
    assert not desk.engine.drain()
    return refusal.value


def opened(desk: Desk, units: str = "100", **more: str) -> str:
    """A long bought at 1.38500."""
    order_id = desk.place(order("BUY", units, None, kind="market", **more))
    desk.quote("1.38490", "1.38500")
    return order_id


# ── cancel ──


def test_cancelling_an_unfilled_order_ends_it(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.engine.cancel(order_id, reason="user", now_ns=desk.now)
    assert said(desk.take()) == ["order_cancelled entry user"]
    assert desk.bracket(order_id).status is OrderStatus.CANCELLED
    assert desk.quote("1.38400", "1.38410") == []


def test_cancelling_a_half_filled_order_leaves_its_position_guarded(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    desk.engine.cancel(order_id, reason="user", now_ns=desk.now)
    desk.take()
    assert desk.bracket(order_id).status is OrderStatus.OPEN
    assert said(desk.quote("1.38000", "1.38010"))[0] == "order_filled stop_loss 1.38 40"


def test_a_filled_order_cannot_be_cancelled_and_an_unknown_one_not_found(desk: Desk) -> None:
    order_id = opened(desk)
    refused(desk, StateConflict, "ORDER_OPEN", lambda: desk.engine.cancel(order_id, reason="user", now_ns=desk.now))
    refused(desk, NotFound, "ORDER_NOT_FOUND", lambda: desk.engine.cancel("paper-oanda-9", reason="user", now_ns=desk.now))


# ── modify ──


def test_prices_can_be_moved_and_the_event_says_from_what_to_what(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.engine.modify(order_id, {"entry_price": D("1.38400"), "stop_loss_price": D("1.37900")}, now_ns=desk.now)
    (event,) = desk.take()
    assert event.payload["changes"] == {
        "entry_price": {"from": D("1.385"), "to": D("1.384")},
        "stop_loss_price": {"from": D("1.38"), "to": D("1.379")},
    }
    assert desk.quote("1.38490", "1.38500") == []
    assert said(desk.quote("1.38390", "1.38400")) == ["order_filled entry 1.384 100"]
    assert said(desk.quote("1.37900", "1.37910"))[0] == "order_filled stop_loss 1.379 100"


def test_the_time_to_live_is_moved_from_now(desk: Desk) -> None:
    """Ten minutes more, five minutes in: it ends at fifteen, not at ten."""
    order_id = desk.place(order(ttl_min="10"))
    desk.now += 5 * MIN
    desk.engine.modify(order_id, {"ttl_min": D(10)}, now_ns=desk.now)
    desk.take()
    desk.now += 9 * MIN
    desk.engine.on_time(desk.now)
    assert desk.take() == []
    desk.now += MIN
    desk.engine.on_time(desk.now)
    assert said(desk.take()) == ["order_cancelled entry ttl_expired"]


def test_a_stop_may_be_moved_into_profit_once_there_is_a_position(desk: Desk) -> None:
    """Break-even and beyond: the entry price is history. Before a fill the same stop is on the wrong side."""
    waiting = desk.place(order())
    error = refused(desk, OrderDenied, "STOP_WRONG_SIDE", lambda: desk.engine.modify(waiting, {"stop_loss_price": D("1.38600")}, now_ns=desk.now))
    assert error.details["entry_price"] == D("1.385")
    desk.engine.cancel(waiting, reason="user", now_ns=desk.now)
    order_id = opened(desk)
    desk.quote("1.38800", "1.38810")
    desk.engine.modify(order_id, {"stop_loss_price": D("1.38700")}, now_ns=desk.now)
    assert said(desk.quote("1.38700", "1.38710"))[1] == "order_filled stop_loss 1.387 100"


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({}, InvalidRequest, "NOTHING_TO_CHANGE"),
        ({"units": D(5)}, InvalidRequest, "FIELD_FIXED"),
        ({"side": "SELL"}, InvalidRequest, "FIELD_FIXED"),
        ({"quality_score": D(5)}, InvalidRequest, "FIELD_FIXED"),
        ({"stop_loss_price": None}, InvalidRequest, "NULL_NOT_ALLOWED"),
        ({"stop_loss_price": D("1.380001")}, OrderDenied, "PRICE_OFF_TICK"),
        ({"stop_loss_price": D(-1)}, OrderDenied, "PRICE_NOT_POSITIVE"),
        ({"stop_loss_price": Decimal("NaN")}, OrderDenied, "NUMBER_NOT_FINITE"),
        ({"stop_loss_price": D("1.39500")}, OrderDenied, "STOP_WRONG_SIDE"),
        ({"take_profit_price": D("1.38500")}, OrderDenied, "TARGET_WRONG_SIDE"),
        ({"entry_price": D("1.37000")}, OrderDenied, "STOP_WRONG_SIDE"),
        ({"ttl_min": D(0)}, OrderDenied, "TTL_OUT_OF_RANGE"),
    ],
)
def test_a_change_that_cannot_be_is_refused_whole(desk: Desk, changes: dict[str, object], kind: type[ArenaError], code: str) -> None:
    order_id = desk.place(order())
    before = desk.engine.bracket(order_id)
    refused(
        desk, kind, code, lambda: desk.engine.modify(order_id, {"trailing_stop_distance": D("0.001"), **changes} if changes else {}, now_ns=desk.now)
    )
    assert desk.engine.bracket(order_id) == before


def test_after_a_fill_entry_price_and_time_to_live_are_fixed(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    for name, value in (("entry_price", "1.38400"), ("ttl_min", "5")):
        refused(desk, StateConflict, "ORDER_FILLED", lambda name=name, value=value: desk.engine.modify(order_id, {name: D(value)}, now_ns=desk.now))


def test_a_market_entry_has_no_price_to_move(desk: Desk) -> None:
    order_id = desk.place(order("BUY", "100", None, kind="market"))
    refused(desk, InvalidRequest, "FIELD_NOT_ALLOWED", lambda: desk.engine.modify(order_id, {"entry_price": D("1.385")}, now_ns=desk.now))


def test_a_trailing_stop_cannot_be_loosened_by_hand(desk: Desk) -> None:
    order_id = opened(desk, trail="0.00200")
    desk.quote("1.38800", "1.38810")
    refused(desk, OrderDenied, "STOP_WOULD_LOOSEN", lambda: desk.engine.modify(order_id, {"stop_loss_price": D("1.38500")}, now_ns=desk.now))
    desk.engine.modify(order_id, {"stop_loss_price": D("1.38700")}, now_ns=desk.now)
    assert desk.engine.open_brackets()[0].stop_price == D("1.387")


def test_the_same_values_again_change_nothing_and_say_nothing(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.engine.modify(order_id, {"stop_loss_price": D("1.38000"), "entry_price": D("1.38500")}, now_ns=desk.now)
    assert not desk.engine.drain()


# ── close ──


def test_closing_sells_at_the_market_and_ends_both_exits(desk: Desk) -> None:
    order_id = opened(desk)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    assert desk.take() == []
    desk.engine.match("EUR_USD", now_ns=desk.now, fresh=True)
    assert said(desk.take()) == [
        "order_filled close 1.3849 100",
        "order_cancelled stop_loss user",
        "order_cancelled take_profit user",
        "bracket_closed MANUAL",
    ]
    assert desk.bracket(order_id).close_reason is CloseReason.MANUAL


def test_a_part_is_closed_oldest_first_and_the_rest_stays_guarded(desk: Desk) -> None:
    """150 of 100 + 100: the older bracket goes, half of the younger; its stop then sells the other 50."""
    first, second = opened(desk), opened(desk)
    asked = desk.engine.close("EUR_USD", units=D(150), now_ns=desk.now)
    assert [bracket.order_id for bracket in asked] == [first, second]
    assert said(desk.quote("1.38600", "1.38610"))[::4] == ["order_filled close 1.386 100", "order_filled close 1.386 50"]
    assert desk.bracket(second).position_units == D(50)
    assert said(desk.quote("1.38000", "1.38010"))[0] == "order_filled stop_loss 1.38 50"


def test_a_second_request_closes_what_the_first_left(desk: Desk) -> None:
    """50 of 100 + 100 asked for, then 100 more before anything traded: 50 of the older bracket are still free, 50 come from the younger."""
    first, second = opened(desk), opened(desk)
    desk.engine.close("EUR_USD", units=D(50), now_ns=desk.now)
    desk.engine.close("EUR_USD", units=D(100), now_ns=desk.now)
    desk.quote("1.38600", "1.38610")
    assert desk.bracket(first).status is OrderStatus.CLOSED
    assert desk.bracket(second).position_units == D(50)


def test_percent_is_of_what_is_open_and_cut_to_whole_steps(desk: Desk) -> None:
    opened(desk, "101")
    desk.engine.close("EUR_USD", percent=D(50), now_ns=desk.now)
    desk.quote("1.38600", "1.38610")
    assert desk.fills()[-1] == ("close", D(50), D("1.386"))


def test_closing_ends_what_of_the_entry_was_still_to_come(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    desk.engine.close("EUR_USD", now_ns=desk.now, reason=CloseReason.KILL_SWITCH)
    assert said(desk.take()) == ["order_cancelled entry kill_switch"]
    desk.quote("1.38490", "1.38500")
    assert desk.fills()[-1] == ("close", D(40), D("1.3849"))
    assert desk.bracket(order_id).close_reason is CloseReason.KILL_SWITCH


def test_until_a_close_has_traded_the_stop_guards_and_two_requests_do_not_sell_twice(desk: Desk) -> None:
    """Asked to close on a stale quote, twice over; the market then gaps through the stop: 100 are sold once."""
    opened(desk)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    error = refused_after_drain(desk, lambda: desk.engine.close("EUR_USD", units=D(1), now_ns=desk.now))
    assert (error.code, error.details["limit"]) == ("UNITS_EXCEED_POSITION", D(0))
    desk.quote("1.37000", "1.37010")
    assert [units for leg, units, _ in desk.fills() if leg != "entry"] == [D(100)]


def refused_after_drain(desk: Desk, act: Callable[[], object]) -> ArenaError:
    desk.take()
    with pytest.raises(ArenaError) as refusal:
        act()
    assert not desk.engine.drain()
    return refusal.value


def test_a_close_that_finds_too_little_size_goes_on(desk: Desk) -> None:
    opened(desk)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    desk.take()
    assert said(desk.quote("1.38600", "1.38610", sizes=("30", "30"))) == ["order_partially_filled close 1.386 30"]
    assert said(desk.quote("1.38500", "1.38510"))[0] == "order_filled close 1.385 70"


def test_only_ones_own_brackets_where_a_user_is_named(desk: Desk) -> None:
    desk.place(order("BUY", "100", None, kind="market"), by="ann")
    desk.place(order("BUY", "70", None, kind="market"), by="bob")
    desk.quote("1.38490", "1.38500")
    (asked,) = desk.engine.close("EUR_USD", placed_by="bob", now_ns=desk.now)
    assert asked.placed_by == "bob"


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ({"units": D(101)}, OrderDenied, "UNITS_EXCEED_POSITION"),
        ({"units": D(0)}, OrderDenied, "UNITS_NOT_POSITIVE"),
        ({"units": D("0.5")}, OrderDenied, "UNITS_OFF_STEP"),
        ({"units": Decimal("Infinity")}, OrderDenied, "NUMBER_NOT_FINITE"),
        ({"percent": D(0)}, OrderDenied, "PERCENT_OUT_OF_RANGE"),
        ({"percent": D(101)}, OrderDenied, "PERCENT_OUT_OF_RANGE"),
        ({"percent": D("0.1")}, OrderDenied, "UNITS_TOO_SMALL"),
        ({"units": D(1), "percent": D(1)}, InvalidRequest, "FIELDS_CONFLICT"),
        ({"side": "SELL"}, NotFound, "NO_POSITION"),
        ({"placed_by": "eve"}, NotFound, "NO_POSITION"),
    ],
)
def test_a_close_that_cannot_be_is_refused(desk: Desk, how: dict[str, object], kind: type[ArenaError], code: str) -> None:
    opened(desk)
    refused(desk, kind, code, lambda: desk.engine.close("EUR_USD", **how, now_ns=desk.now))


def test_a_part_of_a_hedge_needs_its_side(desk: Desk) -> None:
    opened(desk)
    desk.place(order("SELL", "100", None, "1.39000", "1.38000", kind="market"))
    desk.quote("1.38490", "1.38500")
    refused(desk, InvalidRequest, "SIDE_NEEDED", lambda: desk.engine.close("EUR_USD", units=D(50), now_ns=desk.now))
    assert len(desk.engine.close("EUR_USD", now_ns=desk.now)) == 2, "all of it is both sides"


def test_an_order_that_is_on_its_way_out_is_not_modified(desk: Desk) -> None:
    order_id = opened(desk)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    desk.take()
    refused(desk, StateConflict, "ORDER_CLOSING", lambda: desk.engine.modify(order_id, {"stop_loss_price": D("1.381")}, now_ns=desk.now))


# ── reset, and feeds ──


def test_a_reset_voids_everything_and_starts_the_money_over(desk: Desk) -> None:
    """An open position with a loss and a resting order: both VOID, 100,000 again, and the next order takes the next n."""
    held, waiting = opened(desk), desk.place(order())
    desk.engine.close("EUR_USD", units=D(50), now_ns=desk.now)
    desk.quote("1.38100", "1.38110")
    assert desk.engine.account(desk.now).balance == D("99999.8")
    desk.engine.reset(reset_by="ann", now_ns=desk.now)
    (event,) = desk.take()
    assert event.payload == {"venue": "oanda", "reset_by": "ann", "cancelled": 2, "balance": D(100_000), "currency": "USD", "holdings": {}}
    assert {desk.bracket(held).status, desk.bracket(waiting).status} == {OrderStatus.VOID}
    account = desk.engine.account(desk.now)
    assert (account.balance, account.equity, account.realized_pnl, account.margin_used) == (D(100_000), D(100_000), D(0), D(0))
    assert desk.quote("1.37000", "1.37010") == []
    assert desk.place(order()) == "paper-oanda-3"


def test_quotes_of_another_feed_hold_the_fills_and_say_so_once(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.quote("1.38600", "1.38610", feed="replay")
    (event,) = desk.quote("1.30000", "1.30010", feed="simulated")
    assert (event.type, event.payload["reason"]) == ("feed_stale", "FEED_CHANGED")
    assert (event.payload["feed"], event.payload["orders_feed"]) == ("simulated", "replay")
    assert desk.quote("1.38400", "1.38410", feed="simulated") == []
    assert desk.engine.bracket(order_id).status is OrderStatus.PENDING
    error = refused(desk, OrderDenied, "FEED_CHANGED", lambda: desk.engine.place(order(), placed_by="ann", now_ns=desk.now))
    assert error.details == {"instrument": "EUR_USD", "feed": "simulated", "orders_feed": "replay"}


def test_the_first_feed_coming_back_goes_on(desk: Desk) -> None:
    desk.place(order())
    desk.quote("1.38600", "1.38610", feed="replay")
    desk.quote("1.30000", "1.30010", feed="simulated")
    assert said(desk.quote("1.38490", "1.38500", feed="replay")) == ["feed_recovered", "order_filled entry 1.385 100"]


def test_adopting_lets_the_other_feed_decide(desk: Desk) -> None:
    order_id = desk.place(order())
    desk.quote("1.38600", "1.38610", feed="replay")
    desk.quote("1.38490", "1.38500", feed="simulated")
    assert desk.engine.adopt_feed("simulated", now_ns=desk.now) == ["EUR_USD"]
    assert said(desk.take()) == ["feed_recovered"]
    assert desk.bracket(order_id).feed == "simulated"
    assert said(desk.quote("1.38490", "1.38500", feed="simulated")) == ["order_filled entry 1.385 100"]


def test_without_open_orders_any_feed_will_do(desk: Desk) -> None:
    desk.quote("1.38600", "1.38610", feed="replay")
    desk.place(order("BUY", "100", None, kind="market"))
    desk.engine.match("EUR_USD", now_ns=desk.now, fresh=True)
    desk.engine.close("EUR_USD", now_ns=desk.now)
    desk.quote("1.38600", "1.38610", feed="replay")
    assert desk.engine.open_count == 0
    desk.take()
    assert desk.quote("1.20000", "1.20010", feed="simulated") == []
    desk.place(order("BUY", "100", None, "1.10000", "1.30000", kind="market"))
    assert said(desk.quote("1.20000", "1.20010", feed="simulated")) == ["order_filled entry 1.2001 100"]


def test_a_stepped_clock_moves_the_end_of_waiting_orders_along(desk: Desk) -> None:
    """Ten minutes to live, and the clock put forward an hour: it still lives ten minutes."""
    desk.place(order(ttl_min="10"))
    ends_ns = desk.engine.next_expiry_ns
    assert ends_ns is not None
    desk.engine.shift_expiries(60 * MIN)
    assert desk.engine.next_expiry_ns == ends_ns + 60 * MIN
    desk.now += 65 * MIN
    desk.engine.on_time(desk.now)
    assert [event for event in desk.take() if event.type == "order_cancelled"] == []
