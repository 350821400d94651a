"""Bodies of creates: what the venue reads in them, and that nothing a user asked for is changed on the way."""

import json
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.coinbase.ids import Part, family_of, part_id, read_part
from brokers.coinbase.orders import Create, bracket_exit, differences, digits, end_time, entry, market, stop_entry_limit, stop_exit
from brokers.live.venue import client_id_of
from runtime.timestamps import from_text
from tests.brokers.coinbase.shapes import CLIENT_ID, GTD, venue_order
from trading.instruments import Side
from trading.orders import BracketOrder, EntryType

TICK = Decimal("0.01")
END_NS = from_text("2026-11-24T00:00:00Z")
SENT_NS = from_text("2026-11-23T12:00:00Z")


def bracket(**changes: Any) -> BracketOrder:
    order = BracketOrder(
        instrument="BTC-USD",
        side=Side.BUY,
        units=Decimal("0.01"),
        entry_price=Decimal(60000),
        stop_loss_price=Decimal(58000),
        take_profit_price=Decimal(65000),
    )
    return replace(order, **changes)


def made(order: BracketOrder, *, attach: bool = False) -> Create:
    return entry(order, client_order_id=CLIENT_ID, tick=TICK, end_ns=END_NS, attach_exits=attach)


def test_a_limit_entry_with_its_exits() -> None:
    assert json.loads(made(bracket(), attach=True).body) == {
        "client_order_id": CLIENT_ID,
        "product_id": "BTC-USD",
        "side": "BUY",
        "order_configuration": {
            "limit_limit_gtd": {"base_size": "0.01", "limit_price": "60000", "post_only": False, "end_time": "2026-11-24T00:00:00Z"}
        },
        "attached_order_configuration": {"trigger_bracket_gtc": {"limit_price": "65000", "stop_trigger_price": "58000"}},
    }


def test_a_market_entry_is_sized_in_coins() -> None:
    body = json.loads(made(bracket(entry_type=EntryType.MARKET, entry_price=None)).body)
    assert body["order_configuration"] == {"market_market_ioc": {"base_size": "0.01"}}
    assert "attached_order_configuration" not in body


@pytest.mark.parametrize(
    ("side", "direction", "limit", "exits"),
    [
        (Side.BUY, "STOP_DIRECTION_STOP_UP", "60600", {}),
        (Side.SELL, "STOP_DIRECTION_STOP_DOWN", "59400", {"stop_loss_price": Decimal(65000), "take_profit_price": Decimal(58000)}),
    ],
)
def test_a_stop_entry_has_a_limit_beyond_its_trigger(side: Side, direction: str, limit: str, exits: dict[str, Any]) -> None:
    body = json.loads(made(bracket(side=side, entry_type=EntryType.STOP, **exits)).body)
    assert body["order_configuration"] == {
        "stop_limit_stop_limit_gtd": {
            "base_size": "0.01",
            "limit_price": limit,
            "stop_price": "60000",
            "stop_direction": direction,
            "end_time": "2026-11-24T00:00:00Z",
        }
    }


def test_a_stop_entry_never_buys_at_its_own_target() -> None:
    near = bracket(entry_type=EntryType.STOP, take_profit_price=Decimal(60100))
    assert stop_entry_limit(near, TICK) == Decimal("60099.99")
    below = bracket(side=Side.SELL, entry_type=EntryType.STOP, stop_loss_price=Decimal(61000), take_profit_price=Decimal(59900))
    assert stop_entry_limit(below, TICK) == Decimal("59900.01")


def test_the_exits_of_a_long() -> None:
    both = bracket_exit("BTC-USD", Side.SELL, Decimal("0.5"), target=Decimal(65000), stop=Decimal(58000), client_order_id="x")
    assert json.loads(both.body)["order_configuration"] == {
        "trigger_bracket_gtc": {"base_size": "0.5", "limit_price": "65000", "stop_trigger_price": "58000"}
    }
    alone = stop_exit("BTC-USD", Side.SELL, Decimal("0.5"), stop=Decimal("58000.33"), tick=TICK, client_order_id="x")
    members = json.loads(alone.body)["order_configuration"]["stop_limit_stop_limit_gtc"]
    assert members["stop_direction"] == "STOP_DIRECTION_STOP_DOWN"
    assert Decimal("55100.31") <= Decimal(members["limit_price"]) <= Decimal("55100.32")
    assert json.loads(market("BTC-USD", Side.SELL, Decimal("0.5"), client_order_id="x").body)["order_configuration"] == {
        "market_market_ioc": {"base_size": "0.5"}
    }


def test_a_stop_of_almost_nothing_still_has_a_limit_above_zero() -> None:
    low = stop_exit("X-USD", Side.SELL, Decimal(1), stop=TICK, tick=TICK, client_order_id="x")
    assert low.configuration.limit_price == TICK


@pytest.mark.parametrize(("value", "text"), [("1E-8", "0.00000001"), ("1E+2", "100"), ("60000.10", "60000.1"), ("0.00000001", "0.00000001")])
def test_numbers_have_no_exponent(value: str, text: str) -> None:
    assert digits(Decimal(value)) == text


def test_an_end_is_a_whole_second_and_never_early() -> None:
    assert end_time(END_NS) == "2026-11-24T00:00:00Z"
    assert end_time(END_NS + 1) == "2026-11-24T00:00:01Z"


def test_the_same_order_makes_the_same_bytes() -> None:
    assert made(bracket(), attach=True).body == made(bracket(), attach=True).body


def test_what_the_venue_shows_is_what_was_meant() -> None:
    assert differences(made(bracket()), venue_order(), sent_ns=SENT_NS) == []
    padded = {"limit_limit_gtd": {**GTD["limit_limit_gtd"], "limit_price": "60000.00", "base_size": ".010"}}
    assert differences(made(bracket()), venue_order(order_configuration=padded), sent_ns=SENT_NS) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("client_order_id", {"client_order_id": "another"}),
        ("product_id", {"product_id": "ETH-USD"}),
        ("side", {"side": "SELL"}),
        ("base_size", {"order_configuration": {"limit_limit_gtd": {**GTD["limit_limit_gtd"], "base_size": "0.02"}}}),
        ("limit_price", {"order_configuration": {"limit_limit_gtd": {**GTD["limit_limit_gtd"], "limit_price": "60000.01"}}}),
        ("end_time", {"order_configuration": {"limit_limit_gtd": {**GTD["limit_limit_gtd"], "end_time": "2026-11-25T00:00:00Z"}}}),
        ("kind", {"order_configuration": {"market_market_ioc": {"base_size": "0.01"}}}),
        ("created_time", {"created_time": "2026-11-23T11:00:00Z"}),
    ],
)
def test_another_order_under_our_id_is_told_by_what_differs(name: str, changes: dict[str, Any]) -> None:
    assert name in differences(made(bracket()), venue_order(**changes), sent_ns=SENT_NS)


def test_parts_are_known_by_their_names_alone() -> None:
    client_id = client_id_of("instance", "user", "order")
    for part in Part:
        for number in (1, 7, 4095, 1_000_000):
            name = part_id(client_id, part, number)
            assert str(uuid.UUID(name)) == name
            assert family_of(name) == family_of(client_id)
            assert read_part(client_id, name) == (part, number)
    assert read_part(client_id, client_id) == (Part.ENTRY, 0)


def test_a_name_that_only_looks_like_ours_is_not() -> None:
    client_id = client_id_of("instance", "user", "order")
    ours = part_id(client_id, Part.CLOSE, 1)
    flipped = ours[:-1] + ("0" if ours[-1] != "0" else "1")
    others = (flipped, ours[:-1], ours + "0", client_id_of("instance", "user", "other"), "", "by hand", ours[:24] + "zz0001ffffff")
    for name in others:
        assert read_part(client_id, name) is None
    assert read_part(client_id_of("instance", "user", "other"), ours) is None
