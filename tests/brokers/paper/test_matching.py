"""The rules of filling at a dealer (OANDA), one at a time."""

from decimal import Decimal

import pytest

from tests.brokers.paper.kit import MIN, D, Desk, oanda, order, said
from trading.orders import OrderStatus


@pytest.fixture
def desk() -> Desk:
    return Desk(oanda())


def test_a_buy_trades_at_the_ask_and_a_sell_at_the_bid(desk: Desk) -> None:
    """Two market orders on one quote: the buyer pays 1.38510, the seller gets 1.38500."""
    desk.place(order("BUY", "100", None, kind="market"))
    desk.place(order("SELL", "100", None, "1.39000", "1.38000", kind="market"))
    desk.quote("1.38500", "1.38510")
    assert desk.fills() == [("entry", D(100), D("1.3851")), ("entry", D(100), D("1.385"))]


@pytest.mark.parametrize(
    ("side", "kind", "untouched", "touching", "price"),
    [
        ("BUY", "limit", ("1.38491", "1.38501"), ("1.38490", "1.38500"), "1.38500"),
        ("SELL", "limit", ("1.38499", "1.38509"), ("1.38500", "1.38510"), "1.38500"),
        ("BUY", "stop", ("1.38489", "1.38499"), ("1.38490", "1.38500"), "1.38500"),
        ("SELL", "stop", ("1.38501", "1.38511"), ("1.38500", "1.38510"), "1.38500"),
    ],
)
def test_an_entry_waits_for_its_own_side_of_the_spread(
    desk: Desk, side: str, kind: str, untouched: tuple[str, str], touching: tuple[str, str], price: str
) -> None:
    """A tick short of its price nothing happens; at its price it fills there."""
    stop, target = ("1.38000", "1.39000") if side == "BUY" else ("1.39000", "1.38000")
    desk.place(order(side, "100", "1.38500", stop, target, kind=kind))
    assert desk.quote(*untouched) == []
    assert said(desk.quote(*touching)) == [f"order_filled entry {Decimal(price).normalize()} 100"]


def test_a_stop_entry_fills_at_the_price_then_quoted(desk: Desk) -> None:
    """A buy stop at 1.38500 gapped to 1.38620 costs 1.38620."""
    desk.place(order("BUY", "100", "1.38500", kind="stop"))
    desk.quote("1.38400", "1.38410")
    assert said(desk.quote("1.38610", "1.38620")) == ["order_filled entry 1.3862 100"]


def test_a_target_fills_at_the_quote_and_never_worse(desk: Desk) -> None:
    """A long's target at 1.39000 gapped to a bid of 1.39040 sells at 1.39040: a dealer gives the better price."""
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500")
    assert desk.quote("1.38999", "1.39009") == []
    assert said(desk.quote("1.39040", "1.39050")) == [
        "order_filled take_profit 1.3904 100",
        "order_cancelled stop_loss oco_sibling",
        "bracket_closed TAKE_PROFIT",
    ]
    assert desk.bracket(order_id).realized_pnl == D("0.54")


@pytest.mark.parametrize(("bid", "ask", "reason"), [("1.38000", "1.38499", "stop_loss_on_fill"), ("1.37900", "1.38000", "stop_loss_on_fill")])
def test_an_entry_whose_stop_is_already_due_is_cancelled(desk: Desk, bid: str, ask: str, reason: str) -> None:
    """The ask meets the limit while the bid is at or below the stop: one event, no fill."""
    order_id = desk.place(order())
    assert said(desk.quote(bid, ask)) == [f"order_cancelled entry {reason}"]
    assert desk.bracket(order_id).status is OrderStatus.CANCELLED
    assert desk.engine.open_brackets() == []


def test_an_entry_whose_target_is_already_due_is_cancelled(desk: Desk) -> None:
    """A buy stop gapped past its own target would buy at the top to sell at once: cancelled."""
    desk.place(order(kind="stop"))
    assert said(desk.quote("1.39000", "1.39010")) == ["order_cancelled entry take_profit_on_fill"]


def test_brackets_are_served_in_ascending_n_whatever_their_prices(desk: Desk) -> None:
    """The older order gets the size although the younger one asks for a better price."""
    desk.place(order("BUY", "100", "1.38500"))
    desk.place(order("BUY", "100", "1.38600"))
    desk.quote("1.38400", "1.38410", sizes=("150", "150"))
    assert desk.fills() == [("entry", D(100), D("1.3841")), ("entry", D(50), D("1.3841"))]


def test_a_stop_comes_before_an_entry_of_a_younger_bracket_in_the_use_of_size(desk: Desk) -> None:
    """Bracket 1's stop and bracket 2's sell entry both sell into a bid of 120: the stop takes 100, the entry gets 20."""
    desk.place(order("BUY", "100", "1.38500"))
    desk.quote("1.38490", "1.38500")
    desk.place(order("SELL", "100", "1.38000", "1.39000", "1.37000", kind="stop"))
    desk.quote("1.38000", "1.38010", sizes=("120", "120"))
    assert desk.fills()[1:] == [("stop_loss", D(100), D("1.38")), ("entry", D(20), D("1.38"))]


def test_a_partial_entry_has_exits_for_what_is_filled(desk: Desk) -> None:
    """40 of 100 fill; the stop sells those 40, and the 60 that wait are cancelled with it."""
    order_id = desk.place(order())
    assert said(desk.quote("1.38490", "1.38500", sizes=("40", "40"))) == ["order_partially_filled entry 1.385 40"]
    assert desk.bracket(order_id).status is OrderStatus.PARTIALLY_FILLED
    assert said(desk.quote("1.38000", "1.38600")) == [
        "order_filled stop_loss 1.38 40",
        "order_cancelled entry oco_sibling",
        "order_cancelled take_profit oco_sibling",
        "bracket_closed STOP_LOSS",
    ]
    assert desk.bracket(order_id).status is OrderStatus.CLOSED


def test_a_stop_that_is_due_comes_before_the_rest_of_its_own_entry(desk: Desk) -> None:
    """40 of 100 are in; a quote reaches the entry and the stop alike: the stop sells the 40, and the rest ends as its sibling."""
    desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    assert said(desk.quote("1.38000", "1.38010"))[:2] == ["order_filled stop_loss 1.38 40", "order_cancelled entry oco_sibling"]


def test_a_stop_reached_without_size_ends_the_rest_of_its_entry(desk: Desk) -> None:
    """Nothing can be sold yet, but nothing more is bought either."""
    desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    assert said(desk.quote("1.38000", "1.38010", sizes=("0", "500"))) == [
        "order_cancelled entry oco_sibling",
        "order_cancelled take_profit oco_sibling",
    ]


def test_partial_entries_add_up_and_average(desk: Desk) -> None:
    """40 at 1.38500 and 60 at 1.38400 average 1.3844; what is at risk adds up per fill."""
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    desk.quote("1.38390", "1.38400", sizes=("60", "60"))
    bracket = desk.bracket(order_id)
    assert (bracket.status, bracket.average_entry_price) == (OrderStatus.OPEN, D("1.3844"))
    assert bracket.risk_money == D("0.44")  # 40 * 0.005 + 60 * 0.004


def test_a_stop_that_finds_too_little_size_goes_on_at_any_price(desk: Desk) -> None:
    """Reached with a bid of 30: 30 sold, target cancelled; the market recovers and the rest is sold at the better bid all the same."""
    desk.place(order())
    desk.quote("1.38490", "1.38500")
    assert said(desk.quote("1.38000", "1.38010", sizes=("30", "30"))) == [
        "order_partially_filled stop_loss 1.38 30",
        "order_cancelled take_profit oco_sibling",
    ]
    assert said(desk.quote("1.38700", "1.38710", sizes=("70", "70"))) == ["order_filled stop_loss 1.387 70", "bracket_closed STOP_LOSS"]


def test_a_stop_reached_without_any_size_has_still_been_reached(desk: Desk) -> None:
    """The bid touches the stop with nothing behind it; the next quote is above and sells all the same."""
    desk.place(order())
    desk.quote("1.38490", "1.38500")
    assert said(desk.quote("1.38000", "1.38010", sizes=("0", "0"))) == ["order_cancelled take_profit oco_sibling"]
    assert said(desk.quote("1.38300", "1.38310"))[0] == "order_filled stop_loss 1.383 100"


def test_a_target_that_finds_too_little_size_leaves_the_stop_on_the_rest(desk: Desk) -> None:
    """30 of 100 at the target, the other 70 at the stop later: one bracket, closed by its stop."""
    order_id = desk.place(order())
    desk.quote("1.38490", "1.38500")
    assert said(desk.quote("1.39000", "1.39010", sizes=("30", "30"))) == ["order_partially_filled take_profit 1.39 30"]
    assert said(desk.quote("1.37990", "1.38000"))[0] == "order_filled stop_loss 1.3799 70"
    assert desk.bracket(order_id).realized_pnl == D("0.15") - D("0.357")


def test_a_triggered_stop_entry_takes_its_rest_at_any_price(desk: Desk) -> None:
    """A buy stop reached with size for 40 buys the other 60 lower down: it has become a market order."""
    desk.place(order(kind="stop"))
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    assert said(desk.quote("1.38300", "1.38310")) == ["order_filled entry 1.3831 60"]


def test_a_market_order_trades_on_the_first_quote_after_it(desk: Desk) -> None:
    """Not on the one before, unless that is still standing and is matched again."""
    desk.quote("1.38490", "1.38500")
    desk.place(order("BUY", "100", None, kind="market"))
    assert desk.fills() == []
    desk.engine.match("EUR_USD", now_ns=desk.now, fresh=True)
    desk.take()
    assert desk.fills() == [("entry", D(100), D("1.385"))]


def test_a_standing_quote_matched_again_has_only_what_is_left_of_its_size(desk: Desk) -> None:
    """120 are offered; two orders of 100 placed one after the other against the same quote get 100 and 20."""
    desk.quote("1.38490", "1.38500", sizes=("120", "120"))
    for _ in range(2):
        desk.place(order("BUY", "100", None, kind="market"))
        desk.engine.match("EUR_USD", now_ns=desk.now, fresh=True)
        desk.take()
    assert [units for _, units, _ in desk.fills()] == [D(100), D(20)]


def test_nothing_fills_on_a_stale_quote_and_the_first_fresh_one_decides(desk: Desk) -> None:
    """The stop is far behind when quotes come back: it fills at what is quoted then."""
    desk.place(order())
    desk.quote("1.38490", "1.38500")
    assert desk.quote("1.37000", "1.37010", fresh=False) == []
    assert said(desk.quote("1.36000", "1.36010"))[0] == "order_filled stop_loss 1.36 100"


def test_a_synthetic_quote_knows_no_weekend(desk: Desk) -> None:
    """Saturday 2014-05-03 12:00 UTC: the simulated market trades, the real one does not."""
    saturday = 1_399_118_400_000_000_000
    desk.place(order("BUY", "100", None, kind="market"))
    assert desk.quote("1.38490", "1.38500", time_ns=saturday) == []
    assert said(desk.quote("1.38490", "1.38500", time_ns=saturday, synthetic=True)) == ["order_filled entry 1.385 100"]


def test_a_trailing_stop_follows_and_never_goes_back(desk: Desk) -> None:
    """20 pips behind the bid: 1.38000 at first, 1.38600 after a bid of 1.38800, still there at 1.38700, and filled at 1.38590 when the bid falls
    there.
    """
    order_id = desk.place(order(trail="0.00200"))
    desk.quote("1.38100", "1.38110")
    assert desk.bracket(order_id).stop_price == D("1.38000"), "1.38100 - 0.00200 would loosen it"
    for bid, stop in (("1.38800", "1.38600"), ("1.38700", "1.38600"), ("1.38801", "1.38601")):
        desk.quote(bid, str(Decimal(bid) + Decimal("0.0001")))
        assert desk.bracket(order_id).stop_price == D(stop)
    assert said(desk.quote("1.38590", "1.38600"))[0] == "order_filled stop_loss 1.3859 100"


def test_a_trailing_stop_of_a_short_follows_the_ask_down(desk: Desk) -> None:
    order_id = desk.place(order("SELL", "100", "1.38500", "1.39000", "1.37000", trail="0.00200"))
    desk.quote("1.38500", "1.38510")
    assert desk.bracket(order_id).stop_price == D("1.3871")
    desk.quote("1.38290", "1.38300")
    assert desk.bracket(order_id).stop_price == D("1.385")
    assert said(desk.quote("1.38490", "1.38500"))[0] == "order_filled stop_loss 1.385 100"


def test_a_trailing_stop_moves_in_whole_ticks(desk: Desk) -> None:
    """A feed that quotes finer than the tick: the stop is put on the tick below, so that it stays a price the venue knows."""
    order_id = desk.place(order(trail="0.00200"))
    desk.quote("1.384999", "1.38500")
    desk.quote("1.388007", "1.38810")
    assert desk.bracket(order_id).stop_price == D("1.386")


def test_the_time_to_live_is_the_unfilled_entrys_alone(desk: Desk) -> None:
    """Of two orders for ten minutes the unfilled one expires, the one that filled keeps its exits for ever."""
    filled = desk.place(order("BUY", "100", None, kind="market", ttl_min="10"))
    waiting = desk.place(order("BUY", "100", "1.38100", ttl_min="10"))
    desk.quote("1.38490", "1.38500")
    desk.now += 10 * MIN
    desk.engine.on_time(desk.now)
    assert said(desk.take()) == ["order_cancelled entry ttl_expired"]
    assert desk.bracket(waiting).status is OrderStatus.EXPIRED
    assert [bracket.order_id for bracket in desk.engine.open_brackets()] == [filled]


def test_the_rest_of_a_partial_entry_expires_and_the_position_stays(desk: Desk) -> None:
    order_id = desk.place(order(ttl_min="10"))
    desk.quote("1.38490", "1.38500", sizes=("40", "40"))
    desk.now += 10 * MIN
    assert said(desk.quote("1.38490", "1.38500", sizes=("60", "60"))) == ["order_cancelled entry ttl_expired"]
    bracket = desk.bracket(order_id)
    assert (bracket.status, bracket.position_units) == (OrderStatus.OPEN, D(40))


def test_an_order_whose_time_is_over_does_not_fill_on_the_quote_of_that_instant(desk: Desk) -> None:
    desk.place(order(ttl_min="10"))
    desk.now += 10 * MIN
    assert said(desk.quote("1.38400", "1.38410")) == ["order_cancelled entry ttl_expired"]


def test_a_quote_of_an_unknown_instrument_is_nothing_to_us(desk: Desk) -> None:
    desk.place(order())
    assert desk.quote("1.00", "1.10", name="XAU_USD") == []


def test_every_order_event_says_who_and_what(desk: Desk) -> None:
    """Each event about an order carries the seven common fields, with the bracket's own side and units whatever the leg."""
    desk.place(order(ref="my-id"), by="ann")
    desk.quote("1.38490", "1.38500")
    desk.quote("1.39000", "1.39010")
    assert len(desk.events) == 5
    for event in desk.events:
        about = {name: event.payload[name] for name in ("order_id", "client_order_id", "placed_by", "instrument", "side", "units", "mode")}
        assert about == {
            "order_id": "paper-oanda-1",
            "client_order_id": "my-id",
            "placed_by": "ann",
            "instrument": "EUR_USD",
            "side": "BUY",
            "units": D(100),
            "mode": "paper",
        }
