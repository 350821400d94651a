"""Rick's story: what he says about which event, and that it depends on the journal alone."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.narrator.rules import RULES
from dashboard.narrator.state import ORDERS_MAX, Story, order_from_json, order_to_json
from dashboard.narrator.story import TEXT_CHARS_MAX
from tests.dashboard.stories import EPOCH, ORDER, closed, filled, hostile_events, journal, placed, sensible_events, tell, texts
from trading.events import CancelReason, EventType
from trading.orders import CloseReason

# Advice has a verb in the second person or the imperative; Rick reports.
_ADVICE = re.compile(r"\b(you|should|must|recommend|consider|better to|try|buy now|sell now|take profit now|wait for|don't)\b", re.IGNORECASE)


def kept(story: Story) -> Story:
    """The story as a restart finds it: through JSON and back."""
    orders = [order_from_json(order_to_json(order)) for order in story.orders.values()]
    return Story(orders, streak=story.streak, wins=story.wins, losses=story.losses)


@given(st.lists(st.one_of(sensible_events, hostile_events), max_size=25), st.data())
@settings(max_examples=150, deadline=None)
def test_the_same_journal_tells_the_same_story_however_often_it_was_interrupted(
    events: list[tuple[str, dict[str, object]]], data: st.DataObject
) -> None:
    """Told in one go, or with restarts at any points in between: the same comments and the same memory."""
    whole = journal(events)
    story, comments = tell(whole)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=5)))
    pieces, told, again = [0, *cuts, len(whole)], [], Story()
    for start, end in pairwise(pieces):
        again, more = tell(whole[start:end], kept(again))
        told += more
    assert [comment.payload() for comment in told] == [comment.payload() for comment in comments]
    assert again == story


@given(st.lists(hostile_events, max_size=10))
@settings(max_examples=200, deadline=None)
def test_no_payload_stops_the_story_or_breaks_its_line(events: list[tuple[str, dict[str, object]]]) -> None:
    """Every event gets exactly one comment: one printable line of bounded length about exactly that event."""
    whole = journal(events)
    _, comments = tell(whole)
    assert [(comment.about.epoch, comment.about.seq) for comment in comments] == [(EPOCH, event.seq) for event in whole]
    for comment in comments:
        assert comment.text.isprintable()
        assert 0 < len(comment.text) <= TEXT_CHARS_MAX
        assert comment.tone in {"plain", "good", "bad", "warning", "serious"}


@given(st.lists(sensible_events, max_size=12))
@settings(max_examples=150, deadline=None)
def test_rick_never_gives_advice(events: list[tuple[str, dict[str, object]]]) -> None:
    """No comment speaks to the reader or tells anybody what to do."""
    for comment in tell(journal(events))[1]:
        assert not _ADVICE.search(comment.text), comment.text


def test_a_placed_order_says_reward_to_risk_the_distance_and_the_cost_of_the_stop() -> None:
    """55 pips to lose, 45 to win: 0.82 to 1, and 0.55 USD on 100 units."""
    (text,) = texts(placed())
    assert "0.82" in text
    assert "55.0 pips" in text
    assert "0.55 USD" in text
    assert "1.16550" in text
    assert "Quality 75" in text


def test_the_same_order_is_worded_differently_at_another_place_in_the_journal() -> None:
    """Twenty equal orders do not read like one line twenty times, and each reads the same when told again."""
    once = [tell(journal([placed()], first=seq))[1][0].text for seq in range(1, 21)]
    again = [tell(journal([placed()], first=seq))[1][0].text for seq in range(1, 21)]
    assert once == again
    assert len(set(once)) > 5


def test_yen_pairs_count_pips_in_hundredths_and_money_in_whole_yen() -> None:
    (text,) = texts(placed(instrument="USD_JPY", entry=150.0, sl=149.5, tp=151.0, units=10_000))
    assert "50.0 pips" in text
    assert "5,000 JPY" in text
    assert "150.000" in text


def test_crypto_distances_are_per_cent_of_the_price() -> None:
    (text,) = texts(placed(instrument="BTC-USD", side="SELL", units=0.001, entry=42_500, sl=43_000, tp=41_000))
    assert "1.18%" in text
    assert "0.50 USD" in text
    assert "short" in text.lower()
    assert "pips" not in text


def test_a_market_order_has_no_price_to_reckon_with_until_it_fills() -> None:
    """Distance and cost come with the fill."""
    first, second = texts(placed(entry=None, entry_type="market"), filled("entry", 1.1650, position=100))
    assert "pips" not in first
    assert "50.0 pips" in second
    assert "0.50 USD" in second
    assert "asked" not in second


@pytest.mark.parametrize(("price", "words"), [(1.16548, "0.2 pips better"), (1.16553, "0.3 pips worse"), (1.1655, "In at|Filled|from")])
def test_an_entry_fill_says_its_slippage_against_the_price_it_waited_for(price: float, words: str) -> None:
    text = texts(placed(), filled("entry", price, position=100))[1]
    assert re.search(words, text)
    assert ("than asked" in text) is (price != 1.1655)


def test_slippage_of_a_short_is_worse_where_it_sold_lower() -> None:
    sell = {"side": "SELL", "sl": 1.17, "tp": 1.16}
    text = texts(placed(**sell), filled("entry", 1.1650, position=100, side="SELL"))[1]
    assert "5.0 pips worse than asked" in text


def test_a_stop_that_slips_is_compared_with_its_level() -> None:
    """Stopped two pips below the stop of a long: worse; the loss of the fill is named."""
    comment = tell(journal([placed(), filled("entry", 1.1655, position=100), filled("stop_loss", 1.1598, position=0, realized_pnl=-0.57)]))[1][2]
    assert "2.0 pips worse than the stop" in comment.text
    assert "-0.57" in comment.text
    assert comment.tone == "bad"


def test_a_trailing_stop_is_reckoned_from_where_it_stands_at_the_entry() -> None:
    """20 pips behind, not the 55 of its first price; where it went from there is in no event, so its fill is compared with nothing."""
    trailing = placed(trailing_stop_distance=0.002)
    out = filled("stop_loss", 1.168, position=0, realized_pnl=0.25)
    said = [comment.text for comment in tell(journal([trailing, filled("entry", 1.1655, position=100), out]))[1]]
    assert "20.0 pips" in said[0]
    assert "0.20 USD" in said[0]
    assert "20.0 pips" in said[1]
    assert "0.20 USD" in said[1]
    assert "than the stop" not in said[2]


def test_a_target_filled_beyond_its_price_is_better() -> None:
    comment = tell(journal([placed(), filled("entry", 1.1655, position=100), filled("take_profit", 1.1701, position=0, realized_pnl=0.46)]))[1][2]
    assert "1.0 pips better than the target" in comment.text
    assert comment.tone == "good"


def test_a_partial_fill_says_what_still_waits_and_reckons_with_what_is_held() -> None:
    """60 of 100 in: 40 wait, and the stop would cost 0.33, not 0.55."""
    partial = ("order_partially_filled", {**ORDER, "leg": "entry", "price": 1.1655, "fill_units": 60, "remaining_units": 40, "position_units": 60})
    text = texts(placed(), partial)[1]
    assert "40 still waiting" in text
    assert "0.33 USD" in text


def test_a_second_order_the_same_way_and_one_against_it_are_told_apart() -> None:
    open_long = [placed(), filled("entry", 1.1655, position=100)]
    more = texts(*open_long, placed(order_id="paper-oanda-2"))[-1]
    against = texts(*open_long, placed(order_id="paper-oanda-2", side="SELL", sl=1.17, tp=1.16))[-1]
    elsewhere = texts(*open_long, placed(order_id="paper-oanda-2", instrument="GBP_USD"))[-1]
    assert "adds to 100 already held" in more
    assert "against 100 held the other way" in against
    assert "held" not in elsewhere


def test_exposure_is_the_net_of_the_brackets_that_hold_a_position() -> None:
    second = {"order_id": "paper-oanda-2"}
    events = [placed(), filled("entry", 1.1655, position=100), placed(**second), filled("entry", 1.1655, position=100, **second)]
    assert "Together 200 EUR_USD long." in texts(*events)[-1]


def test_streaks_count_results_after_fees() -> None:
    """A win that its fees eat is a loss; nil ends no streak; the third in a row is called the third."""
    told = texts(closed(0.45), closed(0.45), closed(0), closed(0.45), closed(0.01, fees=0.02), closed(-1))
    assert "1 won, 0 lost" in told[0]
    assert "second win in a row" in told[1]
    assert "in a row" not in told[2]
    assert "third win in a row" in told[3]
    assert "3 won, 1 lost" in told[4]
    assert "-0.01 after 0.02 in fees" in told[4]
    assert "second loss in a row" in told[5]


def test_a_close_says_result_r_multiple_and_how_long_it_was_held() -> None:
    (text,) = texts(closed(0.45))
    assert "EUR_USD" in text
    assert "+0.45" in text
    assert "+0.82R" in text
    assert "14 min" in text


@pytest.mark.parametrize(
    ("reason", "words", "tone"),
    [
        ("user", "taken back", "plain"),
        ("ttl_expired", "Expired", "plain"),
        ("oco_sibling", "other side of the bracket", "plain"),
        ("kill_switch", "kill switch", "warning"),
        ("venue", "the venue took it away", "warning"),
        ("stop_loss_on_fill", "stop would have been hit", "warning"),
        ("take_profit_on_fill", "target was already behind", "warning"),
        ("insufficient_margin", "could not carry", "warning"),
        ("market_halted", "stopped trading", "warning"),
    ],
)
def test_every_reason_for_a_cancel_has_words_of_its_own(reason: str, words: str, tone: str) -> None:
    event = ("order_cancelled", {**ORDER, "leg": "entry", "reason": reason, "status": "CANCELLED"})
    comment = tell(journal([placed(), event]))[1][1]
    assert words in comment.text
    assert comment.tone == tone


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        ("PRICE_OFF_TICK", "x", "between two ticks"),
        ("NEVER_REACHED_VENUE", "x", "never saw it"),
        ("SOMETHING_NEW", "the venue is in a mood", "SOMETHING_NEW, the venue is in a mood"),
        ("SOMETHING_NEW", None, "SOMETHING_NEW"),
        (None, None, "no reason was given"),
    ],
)
def test_a_refusal_says_why(code: str | None, message: str | None, words: str) -> None:
    """In Rick's words for a known code, in the venue's for another."""
    comment = tell(journal([("order_rejected", {**ORDER, "code": code, "message": message})]))[1][0]
    assert words in comment.text
    assert comment.tone == "warning"


def test_units_that_a_hand_changed_at_the_venue_are_what_the_stop_costs() -> None:
    changed = ("order_modified", {**ORDER, "changes": {"units": {"from": 100, "to": 10}}})
    said = texts(placed(), changed)[1]
    assert "units now 10" in said
    assert "0.55 USD" not in said
    assert "0.06 USD" in said


def test_a_tightened_stop_costs_less_and_a_loosened_one_is_called_so() -> None:
    def moved(to: float) -> tuple[str, Mapping[str, object]]:
        return "order_modified", {**ORDER, "changes": {"stop_loss_price": {"from": 1.16, "to": to}}}

    tightened = texts(placed(), filled("entry", 1.1655, position=100), moved(1.165))[2]
    loosened = texts(placed(), filled("entry", 1.1655, position=100), moved(1.155))[2]
    assert "tightened by 50.0 pips to 1.16500" in tightened
    assert "0.05 USD" in tightened
    assert "loosened by 50.0 pips" in loosened


@pytest.mark.parametrize(
    ("kind", "payload", "words", "tone"),
    [
        ("protection_lost", {**ORDER, "reason": "venue refused the leg"}, "lost its stop", "serious"),
        ("order_unknown", ORDER, "Nobody knows", "serious"),
        ("trading_state_changed", {"old": "ACTIVE", "new": "HALTED", "reason": "day's loss", "changed_by": "risk"}, "halted, by risk", "serious"),
        ("trading_state_changed", {"old": "HALTED", "new": "ACTIVE", "reason": "", "changed_by": "a@b"}, "trading again", "good"),
        ("protection_restored", ORDER, "stop", "good"),
        ("feed_stale", {"instruments": ["EUR_USD"], "reason": "stale", "feed": "oanda", "age_ms": 12_000}, "12 s", "warning"),
        ("feed_stale", {"instruments": ["EUR_USD"], "reason": "FEED_CHANGED", "feed": "simulated", "orders_feed": "replay"}, "held", "warning"),
        ("feed_recovered", {"instruments": ["EUR_USD"], "feed": "oanda", "silent_s": 95.0}, "1 min", "good"),
        ("reconciled", {"instrument": None, "blind_s": 61, "orders": 2}, "2 orders were open", "plain"),
        ("reconciled", {"blind_s": 0, "details": {"differences": ["live-oanda-7: its units are 60 at the venue"]}}, "60 at the venue", "warning"),
        ("reconciled", {"blind_s": 0, "details": {"differences": ["the venue charged 1.25 USD"], "booked": {}}}, "charged 1.25 USD", "plain"),
        ("reconciled", {"blind_s": 3, "details": {"differences": [None] * 3}}, "the books are checked", "plain"),
        ("clock_stepped", {"step_s": -3600}, "1 h backwards", "warning"),
        ("source_reset", {"old_epoch": None, "new_epoch": EPOCH}, "Page one", "plain"),
        ("source_reset", {"old_epoch": "a" * 16, "new_epoch": EPOCH}, "old one", "warning"),
        ("paper_reset", {"balance": 100_000, "currency": "USD"}, "100,000.00 USD", "plain"),
        ("order_resolved", {**ORDER, "status": "OPEN"}, "OPEN", "plain"),
        ("something_new", {}, "something new", "plain"),
    ],
)
def test_what_concerns_the_whole_source_has_its_words_and_its_tone(kind: str, payload: Mapping[str, object], words: str, tone: str) -> None:
    comment = tell(journal([(kind, payload)]))[1][0]
    assert words in comment.text
    assert comment.tone == tone


def test_his_own_narration_and_what_only_passes_by_get_no_comment() -> None:
    assert tell(journal([("narration", {}), ("heartbeat", {}), ("quote", {})]))[1] == []


def test_markup_in_a_payload_stays_text() -> None:
    """It is neither interpreted nor dropped: the reader sees what was written."""
    text = tell(journal([("order_rejected", {**ORDER, "instrument": "<img src=x onerror=alert(1)>", "code": "X"})]))[1][0].text
    assert "<img src=x onerror=alert(1)>" in text


def test_the_memory_is_bounded_and_forgets_what_is_over() -> None:
    """The oldest goes when too many are open; a closed, cancelled or refused order goes at once."""
    many = journal([placed(order_id=f"paper-oanda-{n}") for n in range(ORDERS_MAX + 3)])
    story, _ = tell(many)
    assert len(story.orders) == ORDERS_MAX
    assert "paper-oanda-2" not in story.orders
    assert "paper-oanda-3" in story.orders
    over = ("order_cancelled", {**ORDER, "leg": "entry", "reason": "user", "status": "CANCELLED"})
    assert tell(journal([placed(), over]))[0].orders == {}
    assert tell(journal([placed(), closed(1)]))[0].orders == {}


def test_the_oldest_is_counted_by_the_comment_on_the_order_that_displaces_it() -> None:
    """Who speaks of the company of an order looks at what was there when it came."""
    said = [comment.text for comment in tell(journal([placed(order_id=f"paper-oanda-{n}") for n in range(ORDERS_MAX + 3)]))[1]]
    ordinals = [re.findall(r"The (\w+) order on EUR_USD", text) for text in said[-4:]]
    assert ordinals == [["200th"], ["201st"], ["201st"], ["201st"]]


@given(st.lists(st.one_of(sensible_events, hostile_events), max_size=40))
@settings(max_examples=100, deadline=None)
def test_the_company_of_an_order_is_what_a_look_at_all_orders_finds(events: list[tuple[str, dict[str, object]]]) -> None:
    """The story counts along; whatever came, it counts right."""
    story, _ = tell(journal(events))
    for order in story.orders.values():
        others = [other for other in story.orders.values() if other.instrument == order.instrument and other is not order]
        assert story.others(order) == len(others)
        assert story.others_holding(order) == [other for other in others if other.position]
    assert tell([], story)[0] == story


def test_a_reset_starts_the_memory_afresh() -> None:
    for reset in ("source_reset", "paper_reset"):
        assert tell(journal([placed(), closed(1), (reset, {})]))[0] == Story()


def test_a_remembered_order_of_another_shape_is_refused() -> None:
    for values in ({"order_id": "x"}, {"order_id": "x", "instrument": "y", "side": "BUY", "units": "abc"}, {"nonsense": 1}):
        with pytest.raises(ValueError, match="not a remembered order"):
            order_from_json(json.dumps(values))


def test_every_type_of_the_closed_set_has_a_rule_of_its_own() -> None:
    """But for narration, on which nobody comments."""
    assert {str(kind) for kind in EventType if kind.is_journalled} - {"narration"} == set(RULES)


def test_every_reason_and_every_leg_of_the_closed_sets_has_words() -> None:
    """A new one in trading shows up here, before it shows up in the feed as a code."""
    for reason in CancelReason:
        (text,) = texts(("order_cancelled", {**ORDER, "leg": "entry", "reason": str(reason)}))
        assert "the reason given" not in text, reason
    for reason in CloseReason:
        (text,) = texts(closed(1, close_reason=str(reason)))
        assert "EUR_USD is done after" not in text, reason


def test_nothing_is_ever_minus_nil() -> None:
    """A result that rounds to nothing has no sign; one below a cent has more digits."""
    (text,) = texts(closed(-0.0012, r_multiple=-0.0007))
    assert "-0.0012," in text
    assert " 0.00R" in text
    (text,) = texts(closed(-0.0000001, r_multiple=0.004))
    assert ": 0.00, 0.00R." in text


def test_the_exits_of_a_position_closed_by_hand_go_with_it() -> None:
    for leg, name in (("stop_loss", "stop"), ("take_profit", "target")):
        (text,) = texts(("order_cancelled", {**ORDER, "leg": leg, "reason": "user", "status": "CLOSED"}))
        assert name in text
        assert "taken back" not in text
