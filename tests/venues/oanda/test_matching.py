"""What the simulated venue does with orders, exits and the market."""

from decimal import Decimal

import pytest

from tests.venues.common.faults import Kind
from tests.venues.oanda import closing, exits, placing, views
from tests.venues.oanda.kit import bracket, desk, limit, market, refusal


def test_a_market_order_with_exits_is_one_batch_of_consecutive_ids() -> None:
    venue = desk()
    answer = venue.place(**market("-1000", **bracket("1.09000", "1.11000")))
    assert answer["relatedTransactionIDs"] == ["4", "5", "6", "7"]
    assert answer["orderFillTransaction"]["price"] == "1.10000"
    assert answer["orderFillTransaction"]["tradeOpened"]["units"] == "-1000"
    assert venue.types(3) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER", "TAKE_PROFIT_ORDER", "STOP_LOSS_ORDER"]
    assert {each["batchID"] for each in venue.account.log.since(3)} == {"4"}


def test_the_stop_closes_the_trade_at_the_gapped_price_and_takes_the_target_with_it() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    venue.quote("1.08000", "1.08020")
    assert venue.types(7) == ["ORDER_FILL STOP_LOSS_ORDER", "ORDER_CANCEL LINKED_TRADE_CLOSED"]
    fill, cancel = venue.account.log.since(7)
    assert (fill["price"], fill["pl"], fill["units"]) == ("1.08000", "-20.1000", "-1000")
    assert (cancel["closedTradeID"], cancel["tradeCloseTransactionID"]) == ("5", fill["id"])
    assert venue.account.balance == Decimal("99979.9")
    assert not venue.account.open
    assert not venue.account.pending


def test_an_exit_on_the_wrong_side_cancels_the_entry_instead_of_leaving_it_naked() -> None:
    venue = desk()
    stopped = venue.place(**market("1000", **bracket("1.12000", "1.10500")))
    assert stopped["orderCancelTransaction"]["reason"] == "STOP_LOSS_ON_FILL_LOSS"
    targeted = venue.place(**market("1000", **bracket("1.09900", "1.09000")))
    assert targeted["orderCancelTransaction"]["reason"] == "TAKE_PROFIT_ON_FILL_LOSS"
    assert not venue.account.trades


def test_a_resting_limit_fills_at_the_quote_and_is_checked_against_its_exits_then() -> None:
    venue = desk()
    assert "orderFillTransaction" not in venue.place(**limit("1000", "1.09000", **bracket("1.12000", "1.08500")))
    venue.quote("1.08900", "1.08910")
    assert venue.types(4) == ["ORDER_FILL LIMIT_ORDER", "TAKE_PROFIT_ORDER", "STOP_LOSS_ORDER"]
    assert venue.account.log.since(4)[0]["price"] == "1.08910"
    venue.place(**limit("1000", "1.08000", **bracket("1.12000", "1.07900")))
    venue.quote("1.07000", "1.07010")
    assert venue.types(8) == ["ORDER_FILL STOP_LOSS_ORDER", "ORDER_CANCEL LINKED_TRADE_CLOSED", "ORDER_CANCEL STOP_LOSS_ON_FILL_LOSS"]


def test_an_opposite_order_reduces_the_oldest_trade_first_on_a_netting_account() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    venue.place(**market("500"))
    fill = venue.place(**market("-1700"))["orderFillTransaction"]
    assert [each["tradeID"] for each in fill["tradesClosed"]] == ["5", "9"]
    assert fill["tradeOpened"]["units"] == "-200"
    assert venue.types(11)[0] == "ORDER_CANCEL LINKED_TRADE_CLOSED"
    partly = venue.place(**market("50"))["orderFillTransaction"]
    assert partly["tradeReduced"]["units"] == "50"


def test_a_hedging_account_opens_a_trade_beside_the_other() -> None:
    venue = desk(hedging=True)
    venue.place(**market("1000"))
    assert "tradeOpened" in venue.place(**market("-400"))["orderFillTransaction"]
    position = views.position_doc(venue.account, "EUR_USD")
    assert (position["long"]["units"], position["short"]["units"]) == ("1000", "-400")
    assert position["marginUsed"] == "36.6317"


def test_a_trailing_stop_follows_and_never_goes_back() -> None:
    venue = desk()
    venue.place(**market("1000", trailingStopLossOnFill={"distance": "0.00200"}))
    order = venue.account.orders[6]
    venue.quote("1.10500", "1.10510")
    assert order.trailing_value == Decimal("1.10300")
    venue.quote("1.10400", "1.10410")
    assert order.trailing_value == Decimal("1.10300")
    venue.quote("1.10300", "1.10310")
    assert venue.types(6) == ["ORDER_FILL TRAILING_STOP_LOSS_ORDER"]


def test_what_is_quoted_is_used_up_and_the_rest_of_a_limit_rests_under_a_new_id() -> None:
    venue = desk()
    venue.quote("1.10000", "1.10010", size="300")
    assert venue.place(**market("500"))["orderCancelTransaction"]["reason"] == "INSUFFICIENT_LIQUIDITY"
    answer = venue.place(**limit("500", "1.10010"))
    assert (answer["orderFillTransaction"]["units"], answer["orderFillTransaction"]["requestedUnits"]) == ("300", "500")
    assert answer["orderReissueTransaction"]["units"] == "200"
    venue.quote("1.10000", "1.10010", size="1000")
    assert views.position_doc(venue.account, "EUR_USD")["long"]["units"] == "500"


async def test_an_order_good_till_a_date_ends_by_itself() -> None:
    venue = desk()
    async with venue.venue:
        venue.place(**limit("1000", "1.09000", timeInForce="GTD", gtdTime="2026-09-22T14:01:00Z"))
        await venue.clock.advance(59)
        assert venue.types(4) == []
        await venue.clock.advance(2)
        assert venue.types(4) == ["ORDER_CANCEL TIME_IN_FORCE_EXPIRED"]


def test_a_halted_market_cancels_what_wants_to_trade_now_and_lets_the_rest_wait() -> None:
    venue = desk()
    venue.strike(kind=Kind.MARKET_HALTED, instrument="EUR_USD")
    assert venue.place(**market("1000"))["orderCancelTransaction"]["reason"] == "MARKET_HALTED"
    assert "orderCancelTransaction" not in venue.place(**limit("1000", "1.20000"))
    assert "orderFillTransaction" in venue.place(type="MARKET", instrument="USD_JPY", units="1")
    venue.faults.clear()
    assert venue.types(8) == ["ORDER_FILL LIMIT_ORDER"]


@pytest.mark.parametrize("reopens_at", ["1.08000", "1.10500"])
def test_a_stop_reached_while_the_market_is_halted_closes_its_trade_when_that_opens(reopens_at: str) -> None:
    """Wherever the price is then: that it was reached is what counts. Until then nothing about the trade can be changed."""
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    venue.strike(kind=Kind.MARKET_HALTED, instrument="EUR_USD", times=None)
    venue.quote("1.08500", "1.08510")
    (closure,) = venue.account.log.since(7)
    assert (closure["type"], closure["tradeIDs"]) == ("DELAYED_TRADE_CLOSURE", "5")
    assert venue.account.orders[7].state == "TRIGGERED"
    assert views.trade_doc(venue.account, venue.account.open[5], detail=True)["state"] == "CLOSE_WHEN_TRADEABLE"
    assert refusal(lambda: exits.set_exits(venue.account, "5", {"stopLoss": {"price": "1.07000"}}))[1] == "INSTRUMENT_NOT_TRADEABLE"
    venue.quote(reopens_at, "1.10510")
    assert venue.types(8) == []
    venue.faults.clear()
    assert venue.types(8) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER_DELAYED_TRADE_CLOSE", "ORDER_CANCEL LINKED_TRADE_CLOSED"]
    order, fill, _ = venue.account.log.since(8)
    assert (order["reason"], order["delayedTradeClose"]) == ("DELAYED_TRADE_CLOSE", {"tradeID": "5", "sourceTransactionID": "8"})
    assert (fill["price"], [each["tradeID"] for each in fill["tradesClosed"]]) == (reopens_at, ["5"])


def test_two_stops_of_one_trade_reached_while_the_market_is_halted_close_it_once() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000"), trailingStopLossOnFill={"distance": "0.00500"}))
    venue.strike(kind=Kind.MARKET_HALTED, instrument="EUR_USD", times=None)
    venue.quote("1.08500", "1.08510")
    assert venue.types(8) == ["DELAYED_TRADE_CLOSURE"]
    venue.faults.clear()
    assert venue.types(9) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER_DELAYED_TRADE_CLOSE", "ORDER_CANCEL LINKED_TRADE_CLOSED"]


def test_a_refused_leg_cancels_the_entry_for_the_reason_in_the_script() -> None:
    venue = desk()
    venue.strike(kind=Kind.LEG_REFUSED, reason="TAKE_PROFIT_ON_FILL_LOSS")
    assert venue.place(**market("1000", **bracket("1.12000", "1.09000")))["orderCancelTransaction"]["reason"] == "TAKE_PROFIT_ON_FILL_LOSS"
    assert "orderFillTransaction" in venue.place(**market("1000", **bracket("1.12000", "1.09000")))


def test_too_little_margin_cancels_the_order_and_half_of_it_left_closes_everything() -> None:
    venue = desk(balance=Decimal(1000))
    assert venue.place(**market("30000"))["orderCancelTransaction"]["reason"] == "INSUFFICIENT_MARGIN"
    venue.place(**market("25000", **bracket("1.20000", "1.00000")))
    venue.quote("1.07500", "1.07510")
    assert venue.types(9) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER_MARGIN_CLOSEOUT", *["ORDER_CANCEL LINKED_TRADE_CLOSED"] * 2]


def test_a_client_id_is_taken_only_while_its_order_is_pending() -> None:
    venue = desk()
    named = {"clientExtensions": {"id": "mine"}}
    assert "orderFillTransaction" in venue.place(**market("1", **named))
    assert "orderFillTransaction" in venue.place(**market("1", **named))
    venue.place(**limit("1", "1.00000", **named))
    status, code, body = refusal(lambda: venue.place(**market("1", **named)))
    assert (status, code) == (400, "CLIENT_ORDER_ID_ALREADY_EXISTS")
    assert body["orderRejectTransaction"]["type"] == "MARKET_ORDER_REJECT"
    assert body["lastTransactionID"] == body["orderRejectTransaction"]["id"]


def test_a_replacement_keeps_the_client_id_and_names_what_it_replaces() -> None:
    venue = desk()
    venue.place(**limit("1000", "1.09000", clientExtensions={"id": "mine"}))
    answer = placing.replace(venue.account, "@mine", {"order": limit("1000", "1.09500")})
    assert answer["orderCancelTransaction"]["replacedByOrderID"] == answer["orderCreateTransaction"]["id"] == "6"
    assert answer["orderCreateTransaction"]["replacesOrderID"] == "4"
    found = venue.account.find_order("@mine")
    assert found is not None
    assert found.id == 6
    assert refusal(lambda: placing.cancel(venue.account, "4"))[:2] == (404, "ORDER_DOESNT_EXIST")


def test_exits_are_set_replaced_and_cancelled_together_or_not_at_all() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    answer = exits.set_exits(venue.account, "5", {"takeProfit": None, "stopLoss": {"price": "1.09500"}})
    assert answer["takeProfitOrderCancelTransaction"]["reason"] == "CLIENT_REQUEST"
    assert answer["stopLossOrderCancelTransaction"]["reason"] == "CLIENT_REQUEST_REPLACED"
    assert answer["stopLossOrderTransaction"]["reason"] == "REPLACEMENT"
    status, code, body = refusal(lambda: exits.set_exits(venue.account, "5", {"takeProfit": {"price": "1.2"}, "stopLoss": {"price": "1.095001"}}))
    assert (status, code) == (400, "PRICE_PRECISION_EXCEEDED")
    assert "stopLossOrderRejectTransaction" in body
    assert list(venue.account.trades[5].exits) == ["STOP_LOSS"]


def test_a_replaced_exit_that_names_no_price_keeps_its_own() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    answer = exits.set_exits(venue.account, "5", {"stopLoss": {"clientExtensions": {"id": "stop"}}})
    assert (answer["stopLossOrderTransaction"]["price"], answer["stopLossOrderTransaction"]["clientExtensions"]) == ("1.09000", {"id": "stop"})


def test_a_trade_closes_in_parts_and_its_exits_go_with_the_last() -> None:
    venue = desk()
    venue.place(**market("1000", **bracket("1.12000", "1.09000")))
    part = closing.close_trade(venue.account, "5", {"units": "400"})
    assert part["orderFillTransaction"]["tradeReduced"]["units"] == "-400"
    assert refusal(lambda: closing.close_trade(venue.account, "5", {"units": "700"}))[:2] == (400, "CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE")
    whole = closing.close_trade(venue.account, "5", {"units": "ALL"})
    assert whole["orderFillTransaction"]["reason"] == "MARKET_ORDER_TRADE_CLOSE"
    assert len(whole["relatedTransactionIDs"]) == 4
    assert refusal(lambda: closing.close_trade(venue.account, "5", {}))[:2] == (404, "TRADE_DOESNT_EXIST")


def test_a_position_is_closed_by_its_side() -> None:
    venue = desk()
    assert refusal(lambda: closing.close_position(venue.account, "EUR_USD", {"longUnits": "ALL"}))[:2] == (404, "CLOSEOUT_POSITION_DOESNT_EXIST")
    venue.place(**market("1000"))
    assert refusal(lambda: closing.close_position(venue.account, "EUR_USD", {"shortUnits": "ALL"}))[:2] == (400, "CLOSEOUT_POSITION_DOESNT_EXIST")
    answer = closing.close_position(venue.account, "EUR_USD", {"longUnits": "ALL"})
    assert answer["longOrderFillTransaction"]["reason"] == "MARKET_ORDER_POSITION_CLOSEOUT"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (market("0"), "UNITS_INVALID"),
        (market("0.5"), "UNITS_PRECISION_EXCEEDED"),
        (market("1000000000"), "UNITS_LIMIT_EXCEEDED"),
        (market("1", timeInForce="GTC"), "TIME_IN_FORCE_INVALID"),
        (limit("1", "1.100001"), "PRICE_PRECISION_EXCEEDED"),
        (limit("1", "0"), "PRICE_INVALID"),
        ({"type": "LIMIT", "instrument": "EUR_USD", "units": "1"}, "PRICE_MISSING"),
        (limit("1", "1.1", timeInForce="GTD"), "TIME_IN_FORCE_GTD_TIMESTAMP_MISSING"),
        (limit("1", "1.1", timeInForce="GTD", gtdTime="2020-01-01T00:00:00Z"), "TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST"),
        (market("1", clientExtensions={"id": "x" * 129}), "CLIENT_ORDER_ID_INVALID"),
        (market("1", stopLossOnFill={"price": "1.0000001"}), "STOP_LOSS_ON_FILL_PRICE_PRECISION_EXCEEDED"),
        (market("1", stopLossOnFill={"price": "1", "distance": "1"}), "STOP_LOSS_ON_FILL_PRICE_AND_DISTANCE_BOTH_SPECIFIED"),
        (market("1", takeProfitOnFill={}), "TAKE_PROFIT_ON_FILL_PRICE_MISSING"),
        (market("1", trailingStopLossOnFill={"distance": "0.0001"}), "TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MINIMUM_NOT_MET"),
        ({"type": "STOP_LOSS", "tradeID": "99", "price": "1"}, "TRADE_DOESNT_EXIST"),
        ({"units": "1"}, "INSTRUMENT_MISSING"),
    ],
)
def test_what_makes_no_sense_is_rejected_with_its_reason_and_takes_an_id(order: dict[str, object], code: str) -> None:
    venue = desk()
    _, found, body = refusal(lambda: venue.place(**order))
    assert found == code == body["orderRejectTransaction"]["rejectReason"]
    assert body["orderRejectTransaction"]["id"] == "4" == body["lastTransactionID"]


@pytest.mark.parametrize(
    "order",
    [
        {**market("1"), "units": 1},
        {**market("1"), "units": "1e3"},
        {**market("1"), "instrument": "EUR_XXX"},
        {**market("1"), "timeInForce": "SOON"},
        {**market("1"), "stopLosOnFill": {"price": "1"}},
        limit("1", "1.1", timeInForce="GTD", gtdTime="2030-01-01T00:00:00"),
        {"type": "ICEBERG"},
    ],
)
def test_what_is_no_request_at_all_is_refused_without_a_transaction(order: dict[str, object]) -> None:
    venue = desk()
    status, code, body = refusal(lambda: venue.place(**order))
    assert (status, code) == (400, "oanda::rest::core::InvalidParameterException")
    assert "lastTransactionID" not in body
    assert venue.account.log.last_id == 3
