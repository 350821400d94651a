"""Orders: what is taken, what is refused and why, what trades and what is left."""

from decimal import Decimal
from typing import Any

import pytest

from tests.venues.coinbase.kit import Client
from tests.venues.coinbase.options import Options
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import OPEN_MARKET_NS, DrivenClock
from tests.venues.common.faults import Fault, Kind

LIMIT = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "59000.00"}}
EXITS = {"trigger_bracket_gtc": {"limit_price": "65000.00", "stop_trigger_price": "58000.00"}}


def set_options(venue: CoinbaseVenue, **wanted: object) -> None:
    venue.set_state({"options": wanted})


async def test_a_limit_rests_holds_its_money_and_fills_as_a_maker_at_its_own_price(venue: CoinbaseVenue, client: Client) -> None:
    answer = await client.create("one", "BUY", LIMIT)
    order_id = answer["success_response"]["order_id"]
    assert (await client.order(order_id))["status"] == "OPEN"
    usd = (await client.get("/accounts"))["accounts"][0]
    assert usd["hold"]["value"] == "593.54"  # 590 and the taker's fee
    assert usd["available_balance"]["value"] == "99406.46"

    venue.quote("BTC-USD", "58980", "58990")
    order = await client.order(order_id)
    assert (order["status"], order["filled_size"], order["average_filled_price"], order["total_fees"]) == ("FILLED", "0.01", "59000", "2.36")
    fill = (await client.get("/orders/historical/fills", order_ids=order_id))["fills"][0]
    assert (fill["price"], fill["size"], fill["commission"], fill["liquidity_indicator"]) == ("59000", "0.01", "2.36", "MAKER")
    assert venue.state()["balances"]["BTC"] == {"total": "0.01", "hold": "0"}


async def test_a_reused_id_gives_the_first_order_back_and_echoes_the_second_request(client: Client) -> None:
    first = await client.create("same", "BUY", LIMIT)
    other = {"limit_limit_gtc": {"base_size": ".02", "limit_price": "50000.00"}}
    second = await client.create("same", "SELL", other)
    assert second["success_response"]["order_id"] == first["success_response"]["order_id"]
    assert (second["success_response"]["side"], second["order_configuration"]) == ("SELL", other)
    assert len((await client.get("/orders/historical/batch"))["orders"]) == 1


async def test_attached_exits_follow_each_partial_fill_and_turn_when_the_stop_is_passed(venue: CoinbaseVenue, client: Client) -> None:
    ids = (await client.create("entry", "BUY", LIMIT, attached=EXITS))["success_response"]
    assert (await client.order(ids["attached_order_id"]))["status"] == "PENDING"
    venue.quote("BTC-USD", "58990", "59000", ask_size="0.004")
    exit_order = await client.order(ids["attached_order_id"])
    assert (exit_order["status"], exit_order["originating_order_id"]) == ("OPEN", ids["order_id"])
    assert exit_order["order_configuration"]["trigger_bracket_gtc"]["base_size"] == "0.004"
    venue.quote("BTC-USD", "58990", "59000")
    assert (await client.order(ids["attached_order_id"]))["order_configuration"]["trigger_bracket_gtc"]["base_size"] == "0.01"
    assert venue.state()["unprotected"]["BTC"] == "0"

    venue.quote("BTC-USD", "57000", "57010")
    exit_order = await client.order(ids["attached_order_id"])
    assert (exit_order["status"], exit_order["trigger_status"], exit_order["average_filled_price"]) == ("FILLED", "STOP_TRIGGERED", "57000")


async def test_a_crash_beyond_the_stops_limit_leaves_it_unfilled(venue: CoinbaseVenue, client: Client) -> None:
    """The stop of a bracket is a limit 5% below its trigger: there is no stop-market on spot."""
    exit_id = (await client.create("entry", "BUY", LIMIT, attached=EXITS))["success_response"]["attached_order_id"]
    venue.quote("BTC-USD", "58990", "59000")
    venue.quote("BTC-USD", "50000", "50010")
    exit_order = await client.order(exit_id)
    assert (exit_order["status"], exit_order["trigger_status"]) == ("OPEN", "STOP_TRIGGERED")
    venue.quote("BTC-USD", "55100", "55110")
    assert (await client.order(exit_id))["status"] == "FILLED"


async def test_a_bracket_whose_take_profit_is_partly_filled_no_longer_turns(venue: CoinbaseVenue, client: Client) -> None:
    exit_id = (await client.create("entry", "BUY", LIMIT, attached=EXITS))["success_response"]["attached_order_id"]
    venue.quote("BTC-USD", "58990", "59000")
    venue.quote("BTC-USD", "65000", "65010", bid_size="0.003")
    venue.quote("BTC-USD", "57000", "57010")
    exit_order = await client.order(exit_id)
    assert (exit_order["status"], exit_order["filled_size"], exit_order["trigger_status"]) == ("OPEN", "0.003", "STOP_PENDING")


REFUSALS: list[tuple[str, dict[str, dict[str, Any]], str]] = [
    ("BUY", {"limit_limit_gtc": {"base_size": "0.000000001", "limit_price": "59000.00"}}, "PREVIEW_INVALID_SIZE_PRECISION"),
    ("BUY", {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "59000.001"}}, "PREVIEW_INVALID_PRICE_PRECISION"),
    ("BUY", {"limit_limit_gtc": {"base_size": "0.00001", "limit_price": "59000"}}, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    ("BUY", {"limit_limit_gtc": {"base_size": "2", "limit_price": "59000"}}, "PREVIEW_INSUFFICIENT_FUND"),
    ("SELL", {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "61000"}}, "PREVIEW_INSUFFICIENT_FUND"),
    ("BUY", {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "60010", "post_only": True}}, "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY"),
    ("BUY", {"limit_limit_gtd": {"base_size": "0.01", "limit_price": "59000"}}, "PREVIEW_GTD_ORDERS_MUST_HAVE_END_TIME"),
    (
        "BUY",
        {"limit_limit_gtd": {"base_size": "0.01", "limit_price": "59000", "end_time": "2020-01-01T00:00:00Z"}},
        "PREVIEW_END_TIME_IS_IN_THE_PAST",
    ),
    ("BUY", {"market_market_fok": {"base_size": "0.01"}}, "PREVIEW_UNSUPPORTED_ORDER_CONFIGURATION"),
    ("SELL", {"market_market_ioc": {"quote_size": "10"}}, "PREVIEW_UNSUPPORTED_ORDER_CONFIGURATION"),
    (
        "SELL",
        {"trigger_bracket_gtc": {"base_size": "0.01", "limit_price": "58000", "stop_trigger_price": "65000"}},
        "PREVIEW_INVALID_BRACKET_PRICES",
    ),
    (
        "SELL",
        {"trigger_bracket_gtc": {"base_size": "0.01", "limit_price": "65000", "stop_trigger_price": "61000"}},
        "PREVIEW_STOP_TRIGGER_PRICE_OUT_OF_BOUNDS",
    ),
    (
        "BUY",
        {
            "stop_limit_stop_limit_gtc": {
                "base_size": "0.01",
                "limit_price": "59000",
                "stop_price": "58000",
                "stop_direction": "STOP_DIRECTION_STOP_UP",
            }
        },
        "PREVIEW_STOP_PRICE_BELOW_LAST_TRADE_PRICE",
    ),
]


@pytest.mark.parametrize(("side", "configuration", "reason"), REFUSALS, ids=[reason for _, _, reason in REFUSALS])
async def test_a_refusal_is_an_answer_of_200_with_the_venues_reason_and_changes_nothing(
    client: Client, side: str, configuration: dict[str, dict[str, Any]], reason: str
) -> None:
    answer = await client.create("refused", side, configuration)
    assert answer["success"] is False
    assert answer["error_response"]["preview_failure_reason"] == reason
    preview = await client.post("/orders/preview", {"product_id": "BTC-USD", "side": side, "order_configuration": configuration})
    assert preview["errs"] == [reason]
    assert (await client.get("/orders/historical/batch"))["orders"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"side": "buy"},
        {"client_order_id": ""},
        {"order_configuration": {"limit_limit_gtc": {"base_size": 0.01, "limit_price": "59000"}}},
        {"order_configuration": {"limit_limit_gtc": {"base_size": "1e-2", "limit_price": "59000"}}},
        {"order_configuration": {"limit_limit_gtc": {"base_size": "0.01"}}},
        {"order_configuration": {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "59000", "post_only": "false"}}},
        {"order_configuration": LIMIT | {"market_market_ioc": {"quote_size": "10"}}},
        {"order_configuration": {"market_market_ioc": {"quote_size": "10", "base_size": "1"}}},
        {"attached_order_configuration": {"limit_limit_gtc": {}}},
        {"time_in_force": "GTC"},
    ],
    ids=str,
)
async def test_what_cannot_be_read_is_an_http_400(client: Client, change: dict[str, object]) -> None:
    body = {"client_order_id": "bad", "product_id": "BTC-USD", "side": "BUY", "order_configuration": LIMIT} | change
    status, answer = await client.ask("POST", "/orders", body)
    assert (status, answer["error"]) == (400, "INVALID_ARGUMENT")


ATTACHED = [
    ({"limit_price": "65000.00"}, "SINGLE_LEGGED_TPSL_NOT_ALLOWED"),
    ({"limit_price": "65000.00", "stop_trigger_price": "58000.00", "base_size": "0.01"}, "ATTACHED_ORDER_SIZE_MUST_BE_NIL"),
    ({"limit_price": "58900.00", "stop_trigger_price": "58000.00"}, "INVALID_ATTACHED_TAKE_PROFIT_PRICE"),
    ({"limit_price": "65000.00", "stop_trigger_price": "59000.00"}, "INVALID_ATTACHED_STOP_LOSS_PRICE"),
    ({"limit_price": "65000.001", "stop_trigger_price": "58000.00"}, "INVALID_ATTACHED_TAKE_PROFIT_PRICE_PRECISION"),
]


@pytest.mark.parametrize(("members", "reason"), ATTACHED, ids=[reason for _, reason in ATTACHED])
async def test_exits_that_cannot_be_attached_are_refused_by_name(client: Client, members: dict[str, str], reason: str) -> None:
    answer = await client.create("entry", "BUY", LIMIT, attached={"trigger_bracket_gtc": members})
    assert answer["error_response"]["preview_failure_reason"] == f"PREVIEW_{reason}"


async def test_where_brackets_or_stops_are_not_supported_the_venue_says_so(venue: CoinbaseVenue, client: Client) -> None:
    set_options(venue, attached_supported=False)
    body = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": LIMIT, "attached_order_configuration": EXITS}
    assert (await client.post("/orders/preview", body))["errs"] == ["PREVIEW_BRACKET_ORDER_NOT_SUPPORTED"]
    assert (await client.create("entry", "BUY", LIMIT))["success"]
    set_options(venue, stop_limits_supported=False)
    stop = {"base_size": "0.01", "limit_price": "61100", "stop_price": "61000", "stop_direction": "STOP_DIRECTION_STOP_UP"}
    refused = await client.create("stop", "BUY", {"stop_limit_stop_limit_gtc": stop})
    assert refused["error_response"]["preview_failure_reason"] == "PREVIEW_UNSUPPORTED_ORDER_CONFIGURATION"


async def test_a_market_order_ends_cancelled_with_what_it_found(venue: CoinbaseVenue, client: Client) -> None:
    venue.quote("BTC-USD", "60000", "60010", ask_size="0.004")
    order_id = (await client.create("m", "BUY", {"market_market_ioc": {"base_size": "0.01"}}))["success_response"]["order_id"]
    order = await client.order(order_id)
    assert (order["status"], order["filled_size"], order["number_of_fills"]) == ("CANCELLED", "0.004", "1")
    spent = (await client.create("q", "BUY", {"market_market_ioc": {"quote_size": "10"}}))["error_response"]
    assert spent["preview_failure_reason"] == "PREVIEW_INVALID_NO_LIQUIDITY"


async def test_a_market_buy_by_value_spends_no_more_than_that_fees_included(client: Client) -> None:
    order_id = (await client.create("q", "BUY", {"market_market_ioc": {"quote_size": "100"}}))["success_response"]["order_id"]
    order = await client.order(order_id)
    assert order["status"] == "FILLED"
    assert Decimal("99.99") < Decimal(order["total_value_after_fees"]) <= 100
    fill = (await client.get("/orders/historical/fills"))["fills"][0]
    assert (fill["size_in_quote"], fill["size"]) == (True, order["filled_value"])


async def test_a_stop_limit_waits_outside_the_book_until_its_price_is_reached(venue: CoinbaseVenue, client: Client) -> None:
    stop = {"base_size": "0.01", "limit_price": "61100", "stop_price": "61000", "stop_direction": "STOP_DIRECTION_STOP_UP"}
    order_id = (await client.create("s", "BUY", {"stop_limit_stop_limit_gtc": stop}))["success_response"]["order_id"]
    assert (await client.order(order_id))["trigger_status"] == "STOP_PENDING"
    venue.quote("BTC-USD", "61000", "61010")
    order = await client.order(order_id)
    assert (order["status"], order["average_filled_price"]) == ("FILLED", "61010")


async def test_a_fill_may_win_against_a_cancel_that_is_on_its_way(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    set_options(venue, cancel_delay_s=2)
    ids = [(await client.create(name, "BUY", LIMIT))["success_response"]["order_id"] for name in ("a", "b")]
    results = (await client.post("/orders/batch_cancel", {"order_ids": [ids[0], "no-such"]}))["results"]
    assert [(each["success"], each["failure_reason"]) for each in results] == [
        (True, "UNKNOWN_CANCEL_FAILURE_REASON"),
        (False, "UNKNOWN_CANCEL_ORDER"),
    ]
    assert (await client.order(ids[0]))["status"] == "CANCEL_QUEUED"
    venue.quote("BTC-USD", "58980", "58990")
    assert (await client.order(ids[0]))["status"] == "FILLED"
    venue.quote("BTC-USD", "60000", "60010")
    other = (await client.create("c", "BUY", LIMIT))["success_response"]["order_id"]
    await client.post("/orders/batch_cancel", {"order_ids": [other]})
    await clock.advance(2)
    assert (await client.order(other))["status"] == "CANCELLED"


async def test_orders_are_pending_before_they_are_open_where_the_venue_is_slow(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    set_options(venue, open_delay_s=1)
    order_id = (await client.create("slow", "BUY", LIMIT))["success_response"]["order_id"]
    assert (await client.get("/orders/historical/batch", order_status="OPEN"))["orders"] == []
    await clock.advance(1)
    assert (await client.order(order_id))["status"] == "OPEN"


async def test_a_gtd_order_expires_at_its_time(client: Client, clock: DrivenClock) -> None:
    assert clock.now_ns() == OPEN_MARKET_NS
    terms = {"base_size": "0.01", "limit_price": "59000", "end_time": "2026-09-22T14:01:00Z"}
    order_id = (await client.create("gtd", "BUY", {"limit_limit_gtd": terms}))["success_response"]["order_id"]
    await clock.advance(59)
    assert (await client.order(order_id))["status"] == "OPEN"
    await clock.advance(1)
    assert (await client.order(order_id))["status"] == "EXPIRED"


async def test_an_edit_needs_both_numbers_and_is_refused_for_what_it_cannot_change(venue: CoinbaseVenue, client: Client) -> None:
    order_id = (await client.create("e", "BUY", LIMIT))["success_response"]["order_id"]
    halves = ({"price": "58000"}, {"size": "0.02"})
    reasons = [(await client.post("/orders/edit", {"order_id": order_id, **half}))["errors"][0]["edit_failure_reason"] for half in halves]
    assert reasons == ["INVALID_EDITED_SIZE", "INVALID_EDITED_PRICE"]
    assert (await client.post("/orders/edit", {"order_id": order_id, "price": "58000.00", "size": "0.02"}))["success"]
    assert (await client.order(order_id))["order_configuration"]["limit_limit_gtc"] == {"base_size": "0.02", "limit_price": "58000"}
    venue.quote("BTC-USD", "57990", "58000", ask_size="0.015")
    refused = await client.post("/orders/edit", {"order_id": order_id, "price": "58000.00", "size": "0.01"})
    assert refused["errors"][0]["edit_failure_reason"] == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    set_options(venue, edit_errors="object")
    done = await client.post("/orders/edit", {"order_id": order_id, "price": "57000.00", "size": "0.03"})
    assert (done["success"], done["errors"]["edit_failure_reason"]) == (True, "UNKNOWN_EDIT_ORDER_FAILURE_REASON")


async def test_a_halted_market_takes_nothing_trades_nothing_and_lets_cancel(venue: CoinbaseVenue, client: Client) -> None:
    order_id = (await client.create("before", "BUY", LIMIT))["success_response"]["order_id"]
    venue.faults.add(Fault(kind=Kind.MARKET_HALTED, instrument="BTC-USD"))
    venue.quote("BTC-USD", "58980", "58990")
    assert (await client.order(order_id))["status"] == "OPEN"
    assert (await client.get("/products/BTC-USD"))["trading_disabled"] is True
    assert (await client.create("during", "BUY", LIMIT))["error_response"]["new_order_failure_reason"] == "TRADING_DISABLED"
    venue.faults.clear()
    assert (await client.order(order_id))["status"] == "FILLED"
    venue.set_state({"products": {"BTC-USD": {"cancel_only": True}}})
    assert (await client.create("after", "BUY", LIMIT))["error_response"]["new_order_failure_reason"] == "ORDER_ENTRY_DISABLED"


async def test_a_leg_that_is_refused_leaves_the_position_naked_and_says_so(venue: CoinbaseVenue, client: Client) -> None:
    venue.faults.add(Fault(kind=Kind.LEG_REFUSED, times=2))
    exit_id = (await client.create("entry", "BUY", LIMIT, attached=EXITS))["success_response"]["attached_order_id"]
    venue.quote("BTC-USD", "58990", "59000")
    exit_order = await client.order(exit_id)
    assert (exit_order["status"], exit_order["reject_reason"]) == ("FAILED", "COMMANDER_REJECTED_NEW_ORDER")
    bracket = {"trigger_bracket_gtc": {"base_size": "0.01", "limit_price": "65000", "stop_trigger_price": "58000"}}
    assert not (await client.create("again", "SELL", bracket))["success"]
    assert venue.state()["unprotected"]["BTC"] == "0.01"
    assert (await client.create("third", "SELL", bracket))["success"]
    assert venue.state()["unprotected"]["BTC"] == "0"


async def test_a_pair_that_shares_a_book_trades_on_it_with_its_own_money(client: Client) -> None:
    order_id = (await client.create("u", "BUY", {"market_market_ioc": {"base_size": "0.01"}}, product_id="BTC-USDC"))["success_response"]["order_id"]
    order = await client.order(order_id)
    assert (order["product_id"], order["average_filled_price"]) == ("BTC-USDC", "60010")
    assert (await client.get("/best_bid_ask", product_ids="BTC-USDC"))["pricebooks"][0]["product_id"] == "BTC-USD"


def test_an_option_that_does_not_exist_or_cannot_be_changes_nothing() -> None:
    for wanted in ({"colour": "red"}, {"attached_follows": "never"}, {"brackets_supported": "yes"}):
        with pytest.raises(ValueError, match="option"):
            Options().changed(wanted)
