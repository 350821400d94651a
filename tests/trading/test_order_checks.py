"""Every way an order ticket can be wrong has its code, the field and the values that would do; nothing is rounded."""

from dataclasses import fields, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.test_instruments import shipped
from trading.errors import ArenaError, InvalidRequest, OrderDenied
from trading.order_checks import check_ticket
from trading.orders import BracketOrder, EntryType, OrderTicket, Side, canonical_hash, refuse_odd_numbers, refuse_unknown_fields, ticket_fields

INSTRUMENTS = shipped()
D = Decimal

# The first version's own example.
SEED = OrderTicket(
    instrument="EUR_USD",
    side=Side.BUY,
    units=D(100),
    entry_price=D("1.1655"),
    stop_loss_price=D("1.1600"),
    take_profit_price=D("1.1700"),
    quality_score=D(75),
)


def refused(ticket: OrderTicket, kind: type[ArenaError], code: str, venue: str = "oanda") -> ArenaError:
    with pytest.raises(kind) as refusal:
        check_ticket(ticket, INSTRUMENTS, venue)
    assert refusal.value.code == code
    return refusal.value


def test_the_first_versions_order_passes_with_its_defaults() -> None:
    order = check_ticket(SEED, INSTRUMENTS, "oanda")
    assert (order.entry_type, order.ttl_min, order.trailing_stop_distance) == (EntryType.LIMIT, D(360), None)
    assert (order.stop_loss_price, order.take_profit_price) == (D("1.16"), D("1.17"))


def test_the_other_names_of_instrument_and_units_do_too() -> None:
    ticket = OrderTicket(
        product_id="BTC-USD", side=Side.BUY, size=D("0.001"), entry_price=D("42500.50"), stop_loss_price=D(40000), take_profit_price=D(45000)
    )
    order = check_ticket(ticket, INSTRUMENTS, "coinbase")
    assert (order.instrument, order.units) == ("BTC-USD", D("0.001"))


def test_off_the_tick_both_valid_neighbours_are_named() -> None:
    error = refused(replace(SEED, entry_price=D("1.165503")), OrderDenied, "PRICE_OFF_TICK")
    assert error.details == {"field": "entry_price", "value": D("1.165503"), "tick": D("0.00001"), "below": D("1.1655"), "above": D("1.16551")}
    assert "use 1.1655 or 1.16551" in error.message


def test_below_the_first_tick_there_is_one_neighbour() -> None:
    error = refused(replace(SEED, trailing_stop_distance=D("0.000001")), OrderDenied, "PRICE_OFF_TICK")
    assert (error.details["below"], error.details["above"]) == (None, D("0.00001"))


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"units": D(0)}, "UNITS_NOT_POSITIVE", "units"),
        ({"units": D(-5)}, "UNITS_NOT_POSITIVE", "units"),
        ({"units": D("0.5")}, "UNITS_OFF_STEP", "units"),
        ({"units": D("100.5")}, "UNITS_OFF_STEP", "units"),
        ({"units": D(100_000_001)}, "UNITS_TOO_LARGE", "units"),
        ({"units": D("NaN")}, "NUMBER_NOT_FINITE", "units"),
        ({"units": D("1E+400")}, "NUMBER_TOO_LONG", "units"),
        ({"entry_price": D(0)}, "PRICE_NOT_POSITIVE", "entry_price"),
        ({"entry_price": D("Infinity")}, "NUMBER_NOT_FINITE", "entry_price"),
        ({"entry_price": D("1.165500000000000001")}, "NUMBER_TOO_LONG", "entry_price"),
        ({"stop_loss_price": D("1.160001")}, "PRICE_OFF_TICK", "stop_loss_price"),
        ({"stop_loss_price": D(-1)}, "PRICE_NOT_POSITIVE", "stop_loss_price"),
        ({"take_profit_price": D("1.170001")}, "PRICE_OFF_TICK", "take_profit_price"),
        ({"trailing_stop_distance": D(0)}, "PRICE_NOT_POSITIVE", "trailing_stop_distance"),
        ({"quality_score": D("100.1")}, "QUALITY_OUT_OF_RANGE", "quality_score"),
        ({"quality_score": D(-1)}, "QUALITY_OUT_OF_RANGE", "quality_score"),
        ({"ttl_min": D(0)}, "TTL_OUT_OF_RANGE", "ttl_min"),
        ({"ttl_min": D(-1)}, "TTL_OUT_OF_RANGE", "ttl_min"),
        ({"ttl_min": D(43_201)}, "TTL_OUT_OF_RANGE", "ttl_min"),
    ],
)
def test_a_value_that_cannot_be_is_denied_with_its_field(change: dict[str, Decimal], code: str, field: str) -> None:
    assert refused(replace(SEED, **change), OrderDenied, code).details["field"] == field


@pytest.mark.parametrize(
    "change", [{"quality_score": D(0)}, {"quality_score": D(100)}, {"ttl_min": D("0.01")}, {"ttl_min": D(43_200)}, {"units": D(1)}]
)
def test_the_ends_of_each_range_are_inside(change: dict[str, Decimal]) -> None:
    check_ticket(replace(SEED, **change), INSTRUMENTS, "oanda")


def test_crypto_units_have_a_least_size() -> None:
    ticket = replace(SEED, instrument="BTC-USD", units=D("0.00000001"), entry_price=D(42500), stop_loss_price=D(42000), take_profit_price=D(43000))
    assert refused(ticket, OrderDenied, "UNITS_TOO_SMALL", "coinbase").details["limit"] == D("0.00001")


@pytest.mark.parametrize(
    ("side", "stop", "target", "code"),
    [
        (Side.BUY, "1.1655", "1.1700", "STOP_WRONG_SIDE"),
        (Side.BUY, "1.1660", "1.1700", "STOP_WRONG_SIDE"),
        (Side.BUY, "1.1600", "1.1655", "TARGET_WRONG_SIDE"),
        (Side.BUY, "1.1600", "1.1650", "TARGET_WRONG_SIDE"),
        (Side.SELL, "1.1655", "1.1600", "STOP_WRONG_SIDE"),
        (Side.SELL, "1.1650", "1.1600", "STOP_WRONG_SIDE"),
        (Side.SELL, "1.1700", "1.1660", "TARGET_WRONG_SIDE"),
        (Side.BUY, "1.1700", "1.1600", "STOP_WRONG_SIDE"),
    ],
)
def test_exits_on_the_wrong_side_of_the_entry_are_denied(side: Side, stop: str, target: str, code: str) -> None:
    """At the entry price is on the wrong side too: it would be out the moment it is in."""
    refused(replace(SEED, side=side, stop_loss_price=D(stop), take_profit_price=D(target)), OrderDenied, code)


def test_a_market_entrys_exits_must_at_least_not_cross() -> None:
    ticket = replace(SEED, entry_type=EntryType.MARKET, entry_price=None)
    check_ticket(ticket, INSTRUMENTS, "oanda")
    refused(replace(ticket, side=Side.SELL), OrderDenied, "STOP_WRONG_SIDE")


@pytest.mark.parametrize(
    ("change", "code", "fields_named"),
    [
        ({"product_id": "EUR_USD"}, "FIELDS_CONFLICT", ["instrument", "product_id"]),
        ({"size": D(100)}, "FIELDS_CONFLICT", ["units", "size"]),
        ({"instrument": None}, "FIELD_MISSING", ["instrument", "product_id"]),
        ({"units": None}, "FIELD_MISSING", ["units", "size"]),
        ({"entry_price": None}, "FIELD_MISSING", ["entry_price"]),
        ({"stop_loss_price": None}, "FIELD_MISSING", ["stop_loss_price"]),
        ({"take_profit_price": None}, "FIELD_MISSING", ["take_profit_price"]),
    ],
)
def test_both_names_or_neither_have_no_shape(change: dict[str, object], code: str, fields_named: list[str]) -> None:
    assert refused(replace(SEED, **change), InvalidRequest, code).details["fields"] == fields_named


def test_a_market_entry_with_a_price_has_no_shape() -> None:
    refused(replace(SEED, entry_type=EntryType.MARKET), InvalidRequest, "FIELD_NOT_ALLOWED")


def test_an_unknown_instrument_names_the_known_and_a_foreign_one_its_venue() -> None:
    assert refused(replace(SEED, instrument="EUR_XYZ"), OrderDenied, "UNKNOWN_INSTRUMENT").details["known"] == ["EUR_USD", "GBP_USD", "USD_JPY"]
    assert refused(replace(SEED, instrument="BTC-USD"), OrderDenied, "WRONG_VENUE").details["venue"] == "coinbase"


@pytest.mark.parametrize("client_order_id", ["", "a" * 49, "a b", "é", "a\n", "../x"])
def test_an_id_of_other_characters_or_length_is_refused(client_order_id: str) -> None:
    refused(replace(SEED, client_order_id=client_order_id), InvalidRequest, "CLIENT_ORDER_ID_INVALID")


def test_an_id_within_the_rule_is_kept() -> None:
    assert check_ticket(replace(SEED, client_order_id="A-b_9" + "x" * 43), INSTRUMENTS, "oanda").client_order_id == "A-b_9" + "x" * 43


def test_unknown_fields_are_refused_by_name() -> None:
    refuse_unknown_fields(ticket_fields())
    with pytest.raises(InvalidRequest) as refusal:
        refuse_unknown_fields(["side", "stop_los_price"])
    assert (refusal.value.code, refusal.value.details["field"]) == ("UNKNOWN_FIELD", "stop_los_price")


def test_the_same_order_written_otherwise_has_the_same_hash() -> None:
    """Trailing zeros, the other field names and the id under which it was sent make no other order; a tick does."""
    order = check_ticket(SEED, INSTRUMENTS, "oanda")
    same = OrderTicket(
        product_id="EUR_USD", side=Side.BUY, size=D("100.0"), entry_price=D("1.16550"), stop_loss_price=D("1.16"), take_profit_price=D("1.17"),
        quality_score=D("75.00"), ttl_min=D("360.0"), client_order_id="other",
    )  # fmt: skip
    assert canonical_hash(check_ticket(same, INSTRUMENTS, "oanda")) == canonical_hash(order)
    assert canonical_hash(replace(order, stop_loss_price=D("1.16001"))) != canonical_hash(order)


CHANGED = {
    "instrument": "GBP_USD", "side": Side.SELL, "units": D(101), "entry_type": EntryType.STOP, "entry_price": D("1.1656"), "stop_loss_price":
    D("1.15"), "take_profit_price": D("1.18"), "trailing_stop_distance": D("0.001"), "quality_score": D(76), "ttl_min": D(5),
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(BracketOrder) if field.name != "client_order_id"])
def test_every_field_but_the_id_counts_in_the_hash(name: str) -> None:
    order = check_ticket(SEED, INSTRUMENTS, "oanda")
    if name == "side":
        order = replace(order, entry_price=D("1.165"))
        other = replace(order, side=Side.SELL, stop_loss_price=order.take_profit_price, take_profit_price=order.stop_loss_price)
    else:
        other = replace(order, **{name: CHANGED[name]})
    assert canonical_hash(other) != canonical_hash(order)


@given(st.decimals(allow_nan=True, allow_infinity=True), st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(list(EntryType)))
def test_whatever_the_numbers_the_answer_is_an_order_or_a_refusal(units: Decimal, price: Decimal, kind: EntryType) -> None:
    """No number makes the checks fail in a way of their own; what passes is on the grids."""
    ticket = replace(SEED, units=units, entry_price=None if kind is EntryType.MARKET else price, entry_type=kind)
    try:
        order = check_ticket(ticket, INSTRUMENTS, "oanda")
    except ArenaError:
        return
    assert order.units % 1 == 0
    assert order.entry_price is None or order.entry_price % D("0.00001") == 0


@pytest.mark.parametrize("text", ["1_1655", "١.٢", " 1.5", "1.5 ", "0x10", "1e", "", "--1", "Infinity", "NaN"])
def test_a_text_that_only_python_takes_for_a_number_is_refused(text: str) -> None:
    """1_1655 would be eleven thousand."""
    ticket = OrderTicket(instrument="EUR_USD", side=Side.BUY, entry_price=Decimal(1))
    with pytest.raises(InvalidRequest, match="entry_price is not a plain number"):
        refuse_odd_numbers({"entry_price": text}, ticket)


@pytest.mark.parametrize("text", ["1.1655", "100", "-1", "+1", ".5", "1.", "1e-3", "1E5"])
def test_numbers_as_json_writes_them_pass_as_text(text: str) -> None:
    refuse_odd_numbers({"entry_price": text, "instrument": "EUR_USD"}, OrderTicket(instrument="EUR_USD", side=Side.BUY, entry_price=Decimal(1)))
