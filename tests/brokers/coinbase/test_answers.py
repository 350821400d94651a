"""What the venue says, read strictly where money hangs on it and leniently where nothing does."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.coinbase.answers import Holding, Malformed, configuration, fill, holding, items, order
from brokers.coinbase.coins import held, missing
from brokers.coinbase.facts import entry_end, exit_leg, facts_of
from brokers.coinbase.family import Family, sort_out, standing
from brokers.coinbase.ids import Part, part_id
from brokers.coinbase.messages import Numbers, StreamBroken, read
from brokers.coinbase.products import product, refuse
from brokers.coinbase.refusals import create_refusal, failure_reason, family
from brokers.live.venue import EntryEnded, EntryFilled, EntryRefused, ExitFilled, LegGone, LegStands, Target, VenueRefused
from tests.brokers.coinbase.kit import limit
from tests.brokers.coinbase.shapes import CLIENT_ID, fill_json, order_json, venue_bracket, venue_fill, venue_order
from trading.events import CancelReason
from trading.orders import Leg
from trading.venue_refs import StandingLeg, VenueRefs

D = Decimal
EXIT = part_id(CLIENT_ID, Part.BRACKET, 1)
CLOSE = part_id(CLIENT_ID, Part.CLOSE, 2)
REFS = VenueRefs(client_id=CLIENT_ID, order_refs=("o1",))
FILLED: dict[str, Any] = {"status": "FILLED", "filled_size": "0.01", "number_of_fills": "1", "average_filled_price": "60000"}

PRODUCT: dict[str, Any] = {
    "product_id": "BTC-USD",
    "base_increment": "0.00000001",
    "quote_increment": "0.01",
    "price_increment": "0.01",
    "base_min_size": "0.00000001",
    "base_max_size": "3400",
    "quote_min_size": "1",
    "quote_max_size": "150000000",
    "status": "online",
    "base_currency_id": "BTC",
    "quote_currency_id": "USD",
}


# ── orders and fills ──


NAMED = ("order_id", "product_id", "status")
READ = ("side", "filled_size", "created_time", "order_configuration")


@pytest.mark.parametrize("name", [*NAMED, *READ])
@pytest.mark.parametrize("value", [None, "", 7.5, [], {}], ids=str)
def test_an_order_without_what_decides_about_money_is_unreadable(name: str, value: object) -> None:
    with pytest.raises(Malformed):
        order(order_json() | {name: value})
    with pytest.raises(Malformed):
        order({key: given for key, given in order_json().items() if key != name})


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("value", ["NaN", "1e999", "x" * 100])
def test_an_order_with_text_where_a_value_belongs_is_unreadable(name: str, value: str) -> None:
    with pytest.raises(Malformed):
        order(order_json() | {name: value})


def test_a_status_of_tomorrow_still_works() -> None:
    assert not venue_order(status="HALF_DONE").status.is_final


@pytest.mark.parametrize("data", [{}, {"a": {}, "b": {}}, {"limit_limit_gtc": 3}, None])
def test_a_configuration_has_one_kind(data: object) -> None:
    with pytest.raises(Malformed):
        configuration(data)


@pytest.mark.parametrize("changes", [{"price": "0"}, {"size": "-1"}, {"price": "NaN"}, {"commission": None}, {"side": "UP"}, {"entry_id": ""}])
def test_a_fill_that_cannot_be_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        fill(fill_json(**changes))


def test_a_size_in_dollars_becomes_coins() -> None:
    assert venue_fill(size="600", size_in_quote=True).size == D("0.01")


def test_a_missing_list_is_no_empty_list() -> None:
    with pytest.raises(Malformed):
        items({}, "orders")
    assert items({"orders": []}, "orders") == []


def test_wallets_of_one_currency_add_up() -> None:
    one = holding({"currency": "BTC", "available_balance": {"value": "1"}, "hold": {"value": "0.5"}})
    assert (one + one).total == 3


# ── the venue's no ──


def no(**reasons: str) -> dict[str, Any]:
    return {"success": False, "error_response": {"message": "…", **reasons}}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (no(error="INSUFFICIENT_FUND", preview_failure_reason="PREVIEW_INSUFFICIENT_FUND"), "INSUFFICIENT_FUNDS"),
        (no(error="UNKNOWN_FAILURE_REASON", new_order_failure_reason="TRADING_DISABLED"), "MARKET_HALTED"),
        (no(preview_failure_reason="PREVIEW_INVALID_PRICE_PRECISION"), "PRICE_OFF_TICK"),
        (no(preview_failure_reason="PREVIEW_INVALID_SIZE_PRECISION"), "UNITS_OFF_STEP"),
        (no(error="BRACKET_ORDER_NOT_SUPPORTED"), "BRACKET_NOT_SUPPORTED"),
        (no(error="A_REASON_OF_TOMORROW"), "VENUE_REJECTED"),
        ({"success": False, "failure_reason": "INSUFFICIENT_FUND"}, "INSUFFICIENT_FUNDS"),
    ],
)
def test_a_no_with_a_reason_is_a_no(answer: dict[str, Any], code: str) -> None:
    refusal = create_refusal(answer)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False},
        no(error="UNKNOWN_FAILURE_REASON"),
        {"success": False, "error_response": "?"},
        no(error="DUPLICATE_CLIENT_ORDER_ID"),
        no(error="INSUFFICIENT_FUND", new_order_failure_reason="DUPLICATE_CLIENT_ORDER_ID"),
        {"success": False, "failure_reason": "DUPLICATE_CLIENT_ORDER_ID", "error_response": {"error": "INSUFFICIENT_FUND"}},
    ],
)
def test_a_no_without_a_reason_or_about_a_known_id_is_doubt(answer: dict[str, Any]) -> None:
    assert create_refusal(answer) is None


def test_what_only_fills_a_place_is_no_reason() -> None:
    assert failure_reason({"failure_reason": "UNKNOWN_FAILURE_REASON"}) == ""
    assert family("") == "VENUE_REJECTED"


# ── products ──


def test_a_product_without_its_grid_is_unreadable() -> None:
    for name in ("base_increment", "base_min_size", "quote_min_size", "base_max_size"):
        with pytest.raises(Malformed):
            product({key: value for key, value in PRODUCT.items() if key != name})
    with pytest.raises(Malformed):
        product({**PRODUCT, "base_increment": "0"})
    assert product({key: value for key, value in PRODUCT.items() if key != "price_increment"}).price_increment == D("0.01")


@pytest.mark.parametrize("flag", ["is_disabled", "trading_disabled", "view_only", "cancel_only", "limit_only", "post_only", "auction_mode"])
def test_a_market_that_is_not_open_says_so(flag: str) -> None:
    assert product({**PRODUCT, flag: True}).closed_because
    assert not product(PRODUCT).closed_because
    assert "offline" in product({**PRODUCT, "status": "offline"}).closed_because


def test_a_value_that_the_venue_never_takes_is_not_sent() -> None:
    read_product = product(PRODUCT)
    refuse(read_product, units=D("0.01"), price=D(60000), is_market=False)
    for units in (D("0.00000001"), D(3400)):
        with pytest.raises(VenueRefused):
            refuse(read_product, units=units, price=D(60000), is_market=False)


# ── families ──


def whole(*orders: Any, fills: Any = (), refs: VenueRefs = REFS) -> Family:
    return sort_out(CLIENT_ID, refs, orders, fills)


def test_a_family_finds_its_own_among_all() -> None:
    others = [venue_order("x1", client_order_id="by hand"), venue_bracket("x2", part_id("0" * 8 + CLIENT_ID[8:], Part.BRACKET, 1))]
    child = venue_bracket("o2", "whatever", originating_order_id="o1")
    found = whole(venue_order(**FILLED), child, venue_bracket("o3", EXIT), *others, fills=[venue_fill()])
    assert [one.order_id for one in found.entries] == ["o1"]
    assert [one.order_id for one in found.exits] == ["o2", "o3"]
    assert (found.position_units, found.remaining_units, found.number) == (D("0.01"), 0, 1)


def test_an_entry_that_ended_with_a_fill_is_not_whole_without_it() -> None:
    ended = venue_order(status="CANCELLED", filled_size="0.004", number_of_fills="1")
    assert whole(ended).not_whole
    assert not whole(ended, fills=[venue_fill(size="0.004")]).not_whole


def test_facts_come_in_the_order_of_what_happened() -> None:
    entry = venue_order(status="CANCELLED", filled_size="0.004", number_of_fills="1", cancel_message="User requested cancel")
    exit_order = venue_bracket("o2", EXIT, size="0.004", status="FILLED", filled_size="0.004", number_of_fills="1")
    fills = [
        venue_fill("f2", "o2", price="65000", size="0.004", side="SELL", trade_time="2026-11-23T12:00:09Z"),
        venue_fill("f1", "o1", size="0.004"),
    ]
    kinds = [type(fact) for fact in facts_of(whole(entry, exit_order, fills=fills), REFS)]
    assert kinds.index(EntryFilled) < kinds.index(ExitFilled) < kinds.index(EntryEnded)


@pytest.mark.parametrize(
    ("price", "leg"), [("65000", Leg.TAKE_PROFIT), ("65010", Leg.TAKE_PROFIT), ("58000", Leg.STOP_LOSS), ("64999.99", Leg.STOP_LOSS)]
)
def test_a_bracket_trades_at_its_target_or_it_is_its_stop(price: str, leg: Leg) -> None:
    assert exit_leg(venue_bracket("o2", EXIT), D(price)) is leg


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": "EXPIRED"}, CancelReason.TTL_EXPIRED),
        ({"status": "CANCELLED", "cancel_message": "User requested cancel"}, CancelReason.USER),
        ({"status": "CANCELLED", "cancel_message": "Immediate or cancel"}, CancelReason.VENUE),
    ],
)
def test_why_an_entry_ended(changes: dict[str, Any], reason: CancelReason) -> None:
    (end,) = entry_end(whole(venue_order(**changes)))
    assert isinstance(end, EntryEnded)
    assert end.reason is reason


def test_an_entry_that_failed_before_it_traded_was_refused() -> None:
    (end,) = entry_end(whole(venue_order(status="FAILED", reject_reason="INSUFFICIENT_FUND")))
    assert isinstance(end, EntryRefused)
    assert end.code == "INSUFFICIENT_FUNDS"


def test_an_exit_guards_only_when_it_is_in_the_book() -> None:
    for status, stands in (("PENDING", False), ("QUEUED", False), ("CANCEL_QUEUED", False), ("OPEN", True), ("HALF_DONE", False)):
        found = whole(venue_order(**FILLED), venue_bracket("o2", EXIT, status=status), fills=[venue_fill()])
        assert bool([fact for fact in facts_of(found, REFS) if isinstance(fact, LegStands)]) is stands


def test_an_exit_that_the_book_believes_in_and_that_is_over_is_told_as_gone() -> None:
    believed = replace(REFS, stop=StandingLeg(ref="o2", units=D("0.01")))
    found = whole(venue_order(**FILLED), venue_bracket("o2", EXIT, status="CANCELLED"), fills=[venue_fill()], refs=believed)
    (gone,) = [fact for fact in facts_of(found, believed) if isinstance(fact, LegGone)]
    assert gone.order_ref == "o2"


def test_a_triggered_bracket_is_a_stop_at_work_and_no_target() -> None:
    found = whole(venue_order(**FILLED), venue_bracket("o2", EXIT) and replace(venue_bracket("o2", EXIT), is_triggered=True), fills=[venue_fill()])
    stands = standing(found)
    assert stands is not None
    assert stands.stop is not None
    assert stands.target is None


# ── coins ──


def target(**changes: Any) -> Target:
    order = limit("60000")
    fields: dict[str, Any] = {
        "refs": REFS,
        "position_units": D("0.01"),
        "remaining_units": D(0),
        "stop_price": D(58000),
        "expires_ns": 0,
        "created_ns": 1,
    }
    return Target(order_id="x", order=order, **{**fields, **changes})


def test_what_is_held_is_the_books_and_what_it_has_not_heard_yet() -> None:
    found = whole(venue_order(**FILLED), fills=[venue_fill()])
    assert held(found, target(position_units=D(0))) == D("0.01"), "a fill that was not told"
    counted = replace(REFS, fill_ids=("f1",))
    assert held(found, target(refs=counted)) == D("0.01")
    assert held(found, target(refs=counted, position_units=D("0.004"))) == D("0.004"), "some was sold by hand"


def test_coins_that_are_not_there_are_missed_from_those_without_an_exit() -> None:
    bare = whole(venue_order(**FILLED), fills=[venue_fill()])
    products = {"BTC-USD": product(PRODUCT)}
    families = {CLIENT_ID: bare}
    assert missing(families, [target()], products, {"BTC": Holding(currency="BTC", available=D("0.01"), hold=D(0))}) == {}
    assert missing(families, [target()], products, {"BTC": Holding(currency="BTC", available=D("0.004"), hold=D(0))}) == {CLIENT_ID: D("0.006")}
    assert missing(families, [target()], products, {}) == {}, "a currency that is not listed proves nothing"


# ── messages ──


def message(number: object, channel: str = "heartbeats", events: object = ()) -> bytes:
    import json

    return json.dumps({"channel": channel, "sequence_num": number, "events": list(events)}).encode()  # type: ignore[call-overload]  # a list


def test_numbers_follow_one_another_over_all_channels() -> None:
    numbers = Numbers()
    read(message(0), numbers)
    read(message(1, "subscriptions", [{"subscriptions": {"user": ["x"]}}]), numbers)
    for wrong in (1, 3, None, "2", True):
        with pytest.raises(StreamBroken):
            read(message(wrong), numbers)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"type":"error","message":"authentication failure"}', b'{"channel":"user","sequence_num":0}'])
def test_a_message_that_cannot_be_read_ends_the_stream(data: bytes) -> None:
    with pytest.raises(StreamBroken):
        read(data, Numbers())
