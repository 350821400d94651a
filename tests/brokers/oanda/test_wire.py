"""Reading and writing v20's values: exact, strict about what decides, deaf to what is new."""

from decimal import Decimal

import pytest

from brokers.oanda import wire
from brokers.oanda.wire import Malformed


@pytest.mark.parametrize(("sent", "read"), [("1.13835", "1.13835"), ("-10000", "-10000"), ("0", "0"), (500000, "500000"), (Decimal("1.5"), "1.5")])
def test_a_number_comes_in_quotes_or_not(sent: object, read: str) -> None:
    assert wire.number({"price": sent}, "price") == Decimal(read)


@pytest.mark.parametrize("sent", [None, "", "NaN", "Infinity", "1e9", "1_000", " 1", "1.", "١", True, 1.5, [], {}, "9" * 99])
def test_what_is_no_number_is_malformed(sent: object) -> None:
    with pytest.raises(Malformed):
        wire.number({"price": sent}, "price")


def test_a_default_stands_for_what_is_absent_and_never_for_what_is_wrong() -> None:
    assert wire.number_or({}, "fee", Decimal(7)) == 7
    assert wire.number_or({"fee": None}, "fee", Decimal(7)) == 7
    with pytest.raises(Malformed):
        wire.number_or({"fee": "?"}, "fee", Decimal(7))


@pytest.mark.parametrize("sent", [None, 31, "", "0", "-1", "1.0", "31a", "٣", "9" * 20])
def test_an_id_is_a_whole_number_in_quotes(sent: object) -> None:
    with pytest.raises(Malformed):
        wire.identity({"id": sent}, "id")


def test_ids_are_told_apart_from_counters() -> None:
    assert wire.identity({"id": "31"}, "id") == "31"
    assert wire.counter({"lastTransactionID": "0"}, "lastTransactionID") == 0
    assert wire.identity_or_none({}, "id") is None


def test_arrays_and_objects_that_must_be_there_are_not_made_up() -> None:
    assert wire.parts_or_none({}, "orders") == ()
    for broken in ({}, {"orders": {}}, {"orders": ["x"]}):
        with pytest.raises(Malformed):
            wire.parts(broken, "orders")
    for broken in ({}, {"order": []}, {"order": None}):
        with pytest.raises(Malformed):
            wire.part(broken, "order")
    for broken in (None, "true", 1):
        with pytest.raises(Malformed):
            wire.flag({"hedgingEnabled": broken}, "hedgingEnabled")


def test_times_are_utc_both_ways() -> None:
    read = wire.time_ns({"time": "2026-09-23T21:14:07.570329138Z"}, "time")
    assert read == 1_790_198_047_570_329_000
    assert wire.write_time(read) == "2026-09-23T21:14:07.570329000Z"


@pytest.mark.parametrize("sent", ["2026-09-23T21:14:07", "yesterday", "", None, 1_790_198_047])
def test_a_time_without_its_zone_is_no_time(sent: object) -> None:
    with pytest.raises(Malformed):
        wire.time_ns({"time": sent}, "time")


def test_prices_are_padded_and_never_rounded() -> None:
    assert wire.write_price(Decimal("1.08"), 5) == "1.08000"
    assert wire.write_price(Decimal("157.250"), 3) == "157.250"
    assert wire.write_number(Decimal("1E+5")) == "100000"
    with pytest.raises(ValueError, match="more than 3 decimals"):
        wire.write_price(Decimal("157.2505"), 3)
