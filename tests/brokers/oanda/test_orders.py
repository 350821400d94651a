"""What is sent: entries with their exits in them, replacements, exits of a trade, closes."""

from decimal import Decimal

import pytest

from brokers.oanda import orders
from tests.brokers.oanda.kit import bracket, limit, stop
from trading.instruments import Side

EXPIRES_NS = 1_790_971_200_000_000_000
ID = "7f3a0000-0000-4000-8000-000000000001"


def test_a_market_entry_is_whole_or_nothing_and_has_no_date() -> None:
    order = bracket(side=Side.SELL, units="10000", stop_loss_price="1.09", take_profit_price="1.08", client_order_id="mine")
    assert orders.entry(order, venue_id=ID, expires_ns=EXPIRES_NS, decimals=5) == {
        "order": {
            "type": "MARKET",
            "instrument": "EUR_USD",
            "units": "-10000",
            "positionFill": "OPEN_ONLY",
            "timeInForce": "FOK",
            "clientExtensions": {"id": ID, "tag": "rbot", "comment": "mine"},
            "tradeClientExtensions": {"id": f"{ID}-t", "tag": "rbot", "comment": "mine"},
            "takeProfitOnFill": {"price": "1.08000", "timeInForce": "GTC"},
            "stopLossOnFill": {"price": "1.09000", "timeInForce": "GTC"},
        }
    }


@pytest.mark.parametrize(("make", "kind"), [(limit, "LIMIT"), (stop, "STOP")])
def test_a_waiting_entry_has_its_price_and_date(make: object, kind: str) -> None:
    body = orders.entry(make(trailing_stop_distance="0.004"), venue_id=ID, expires_ns=EXPIRES_NS, decimals=5)["order"]  # type: ignore[operator]
    assert (body["type"], body["timeInForce"], body["gtdTime"]) == (kind, "GTD", "2026-10-02T20:00:00.000000000Z")
    assert body["price"] in {"1.09500", "1.10500"}
    assert body["trailingStopLossOnFill"] == {"distance": "0.00400", "timeInForce": "GTC"}
    assert body["stopLossOnFill"]["price"] == "1.09000"


def test_a_replacement_leaves_the_entrys_name_to_the_venue() -> None:
    body = orders.replacement(limit(), Decimal(700), venue_id=ID, expires_ns=EXPIRES_NS, decimals=5)["order"]
    assert "clientExtensions" not in body
    assert (body["units"], body["tradeClientExtensions"]["id"]) == ("700", f"{ID}-t")


def test_what_has_no_date_and_no_exits_gets_none_by_being_changed() -> None:
    by_hand = limit("1.095", stop_loss_price="0", take_profit_price="2")
    body = orders.replacement(by_hand, Decimal(5), venue_id=ID, expires_ns=0, decimals=5)["order"]
    assert body["timeInForce"] == "GTC"
    assert not {"gtdTime", "stopLossOnFill"} & set(body)
    assert body["takeProfitOnFill"]["price"] == "2.00000"


def test_exits_name_only_what_is_to_change() -> None:
    assert orders.exits(decimals=3, stop_loss_price=Decimal("157.1")) == {"stopLoss": {"price": "157.100", "timeInForce": "GTC"}}
    assert orders.exits(decimals=3, take_profit_price=Decimal(158), trailing_stop_distance=Decimal("0.4")) == {
        "takeProfit": {"price": "158.000", "timeInForce": "GTC"},
        "trailingStopLoss": {"distance": "0.400", "timeInForce": "GTC"},
    }
    assert orders.exits(decimals=3) == {}


def test_a_close_says_all_or_how_much() -> None:
    assert orders.close(None) == {"units": "ALL"}
    assert orders.close(Decimal("1E+3")) == {"units": "1000"}


def test_a_price_with_too_many_decimals_is_a_bug_and_not_rounded() -> None:
    with pytest.raises(ValueError, match="decimals"):
        orders.entry(limit("1.095001"), venue_id=ID, expires_ns=EXPIRES_NS, decimals=5)
