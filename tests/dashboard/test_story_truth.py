"""What a reader would take Rick's words for must be so: fees, trailing stops, parts of a position, who closed it, and orders that never were."""

import re
from collections.abc import Mapping

import pytest

from tests.dashboard.stories import ORDER, closed, filled, journal, placed, tell, texts

COIN: Mapping[str, object] = {"instrument": "BTC-USD", "units": 0.05, "order_id": "paper-coinbase-1"}
PLACED = placed(**COIN, entry=61700, sl=61626, tp=61701)
IN = filled("entry", 61700, position=0.05, **{**COIN, "fill_units": 0.05, "fee": 18.51})


def worded(*events: tuple[str, Mapping[str, object]]) -> set[str]:
    """All that may be said of the last one: the same story at many places of the journal."""
    return {tell(journal(events, first=place))[1][-1].text for place in range(1, 120, len(events))}


def test_a_target_whose_fees_eat_it_is_no_win_and_paid_nothing() -> None:
    """+0.33 on the price, 12.34 in fees: the account is poorer by this fill."""
    out = filled("take_profit", 61707, position=0, **{**COIN, "fill_units": 0.05, "realized_pnl": 0.3345, "fee": 12.3402})
    comment = tell(journal([PLACED, IN, out]))[1][-1]
    assert comment.tone == "bad"
    assert "+0.33 less 12.34 in fees" in comment.text
    assert not any("paid" in text for text in worded(PLACED, IN, out))


def test_a_stop_that_was_trailed_into_a_win_smaller_than_its_fee_is_no_win() -> None:
    out = filled("stop_loss", 61701, position=0, **{**COIN, "realized_pnl": 0.05, "fee": 12.34})
    assert tell(journal([PLACED, IN, out]))[1][-1].tone == "bad"


def test_an_entry_says_what_it_cost_to_get_in_and_that_the_stake_is_without_fees() -> None:
    first, second = texts(PLACED, IN)
    assert "3.70 USD before fees" in first
    assert "3.70 USD before fees" in second
    assert "18.51 went in fees" in second


def test_without_fees_nothing_is_said_of_them() -> None:
    said = texts(placed(), filled("entry", 1.1655, position=100), filled("take_profit", 1.17, position=0, realized_pnl=0.45))
    assert not any("fee" in text for text in said)
    assert "+0.45 on this fill" in said[-1]


def test_a_trailing_stop_is_called_one_when_it_is_placed_and_when_it_is_hit() -> None:
    trailing = placed(trailing_stop_distance=0.002)
    out = filled("stop_loss", 1.168, position=0, realized_pnl=0.25)
    assert all("trail" in text for text in worded(trailing))
    assert all("trailing stop" in text for text in worded(trailing, filled("entry", 1.1655, position=100), out))
    assert not any("trail" in text for text in worded(placed(), filled("entry", 1.1655, position=100), out))


def test_a_part_that_the_stop_took_is_not_the_whole() -> None:
    """60 of 100 gone, 40 still held: nobody is out."""
    part = ("order_partially_filled", {**ORDER, "leg": "stop_loss", "price": 1.16, "fill_units": 60, "position_units": 40, "realized_pnl": -0.33})
    for text in worded(placed(), filled("entry", 1.1655, position=100), part):
        assert "60 EUR_USD" in text
        assert "40 still held" in text
        assert not re.search(r"Stopped out|did its job", text)


@pytest.mark.parametrize("left", [0, 40])
def test_a_close_does_not_say_who_wanted_it(left: int) -> None:
    """A margin call and the kill switch close as a person does; the fill does not say which, the end of the bracket does."""
    out = filled("close", 1.166, position=left, realized_pnl=0.05, fill_units=100 - left)
    for text in worded(placed(), filled("entry", 1.1655, position=100), out):
        assert not re.search(r"request|[Ss]omebody|by hand", text)


def test_a_refused_order_without_an_id_is_known_by_what_it_was() -> None:
    refused = ("order_rejected", {**ORDER, "order_id": None, "units": 99, "code": "STOP_WRONG_SIDE", "message": "x"})
    for text in worded(refused):
        assert "99 EUR_USD" in text
        assert "an order" not in text
        assert text[0].isupper() or text[0].isdigit()
    nameless = ("order_rejected", {"code": "STOP_WRONG_SIDE", "message": "x"})
    assert all(text[0].isupper() for text in worded(nameless))


def test_a_refusal_by_a_limit_is_told_in_the_limits_own_words() -> None:
    message = "622.71 percent of equity at risk in one trade are more than the 20 allowed"
    (text,) = texts(("order_rejected", {**ORDER, "code": "RISK_PER_TRADE_PCT_MAX", "message": message}))
    assert message in text
    assert "RISK_PER_TRADE" not in text


def test_a_ratio_names_the_share_of_wins_at_which_it_breaks_even() -> None:
    """55 pips to lose, 45 to win: 55 of 100."""
    assert any("breaks even at 55% right" in text for text in worded(placed()))


def test_where_fees_are_usual_nobody_is_told_when_an_order_breaks_even() -> None:
    assert not any("even" in text for text in worded(PLACED))


def test_a_distance_that_per_cent_would_round_to_nothing_is_told_in_money() -> None:
    out = filled("stop_loss", 61624.5, position=0, **{**COIN, "realized_pnl": -3.78, "fee": 0})
    assert "1.5 USD worse than the stop" in texts(PLACED, IN, out)[-1]


def test_a_changed_time_to_live_has_its_unit() -> None:
    assert "time to live now 10 min" in texts(placed(), ("order_modified", {**ORDER, "changes": {"ttl_min": {"from": 360, "to": 10}}}))[-1]


def test_small_results_have_no_idle_digits() -> None:
    (text,) = texts(closed(-0.002, r_multiple=-0.04))
    assert "-0.002," in text


def test_what_ended_at_once_lasted_less_than_a_second() -> None:
    (text,) = texts(closed(0.45, held_s=0.2))
    assert "after less than a second" in text
