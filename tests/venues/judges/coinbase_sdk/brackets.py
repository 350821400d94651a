"""Entries with exits: how they open, take profit, stop out, and go when the entry goes."""

from decimal import Decimal

from tests.venues.judges.coinbase_sdk.desk import BTC, Desk, check, new_id, refused, same


def entered(desk: Desk) -> tuple[str, str]:
    """A limit buy with attached exits at 65000 and 58000, filled; the ids of both."""
    exits = {"trigger_bracket_gtc": {"limit_price": "65000.00", "stop_trigger_price": "58000.00"}}
    answer = desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "59000.00", attached_order_configuration=exits)
    ids = answer.success_response
    same(desk.order(ids["attached_order_id"]).status, "PENDING", "before the entry")
    desk.quote("58990.00", "59000.00")
    same(desk.order(ids["order_id"]).status, "FILLED", "the entry")
    return ids["order_id"], ids["attached_order_id"]


@check
def attached_exits_open_with_the_size_of_the_fill(desk: Desk) -> None:
    available, _ = desk.balance("BTC")
    parent, child = entered(desk)
    order = desk.order(child)
    same((order.status, order.side, order.order_type, order.originating_order_id), ("OPEN", "SELL", "BRACKET", parent))
    same(order.order_configuration.trigger_bracket_gtc.to_dict(), {"base_size": "0.01", "limit_price": "65000.00", "stop_trigger_price": "58000.00"})
    same(desk.order(parent).attached_order_id, child)
    same(desk.balance("BTC"), (available, Decimal("0.01")), "coins free and on hold")


@check
def a_bracket_takes_its_profit_once(desk: Desk) -> None:
    coins = sum(desk.balance("BTC"))
    _, child = entered(desk)
    desk.quote("65100.00", "65110.00")
    order = desk.order(child)
    same((order.status, order.average_filled_price, order.trigger_status), ("FILLED", "65000", "STOP_PENDING"))
    desk.quote("57000.00", "57010.00")
    same(sum(desk.balance("BTC")), coins, "coins afterwards")


@check
def a_bracket_stops_out_once(desk: Desk) -> None:
    coins = sum(desk.balance("BTC"))
    _, child = entered(desk)
    desk.quote("57500.00", "57510.00")
    order = desk.order(child)
    same((order.status, order.average_filled_price, order.trigger_status), ("FILLED", "57500", "STOP_TRIGGERED"))
    desk.quote("66000.00", "66010.00")
    same(sum(desk.balance("BTC")), coins, "coins afterwards")


@check
def a_crash_beyond_the_stops_limit_leaves_it_open(desk: Desk) -> None:
    _, child = entered(desk)
    desk.quote("50000.00", "50010.00")
    order = desk.order(child)
    same((order.status, order.trigger_status, order.filled_size), ("OPEN", "STOP_TRIGGERED", "0"))
    same(desk.rest.cancel_orders([child]).results[0].success, True)


@check
def an_entry_that_is_cancelled_takes_its_exits_along(desk: Desk) -> None:
    exits = {"trigger_bracket_gtc": {"limit_price": "65000.00", "stop_trigger_price": "58000.00"}}
    ids = desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "59000.00", attached_order_configuration=exits).success_response
    desk.rest.cancel_orders([ids["order_id"]])
    same([desk.order(ids[name]).status for name in ("order_id", "attached_order_id")], ["CANCELLED", "CANCELLED"])


@check
def a_bracket_of_its_own_holds_the_coins(desk: Desk) -> None:
    desk.bought()
    available, hold = desk.balance("BTC")
    answer = desk.rest.trigger_bracket_order_gtc_sell(new_id(), BTC, "0.01", "65000.00", "58000.00")
    same(desk.balance("BTC"), (available - Decimal("0.01"), hold + Decimal("0.01")))
    desk.quote("58000.00", "58000.00")
    same(desk.order(answer.success_response["order_id"]).status, "FILLED")


@check
def a_bracket_with_its_prices_crossed_is_refused(desk: Desk) -> None:
    desk.bought()
    refused(desk.rest.trigger_bracket_order_gtc_sell(new_id(), BTC, "0.01", "58000.00", "65000.00"), "PREVIEW_INVALID_BRACKET_PRICES")
    exits = {"trigger_bracket_gtc": {"limit_price": "65000.00"}}
    answer = desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "59000.00", attached_order_configuration=exits)
    refused(answer, "PREVIEW_SINGLE_LEGGED_TPSL_NOT_ALLOWED")
