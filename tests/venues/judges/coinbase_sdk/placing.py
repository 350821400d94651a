"""Orders are placed, looked up, previewed, cancelled, edited."""

from decimal import Decimal

from tests.venues.judges.coinbase_sdk.desk import BTC, Desk, check, eventually, new_id, same, status_of


@check
def a_limit_order_rests_and_is_found_by_its_id(desk: Desk) -> None:
    client_id = new_id()
    answer = desk.rest.limit_order_gtc_buy(client_id, BTC, "0.01", "59000.00", post_only=True)
    same((answer.success, answer.success_response["client_order_id"]), (True, client_id))
    order = desk.order(answer.success_response["order_id"])
    same((order.status, order.side, order.order_type, order.time_in_force), ("OPEN", "BUY", "LIMIT", "GOOD_UNTIL_CANCELLED"))
    same((order.filled_size, order.number_of_fills, order.client_order_id), ("0", "0", client_id))
    same(order.order_configuration.limit_limit_gtc.to_dict(), {"base_size": "0.01", "limit_price": "59000.00", "post_only": True})


@check
def a_resting_order_holds_its_money_until_it_is_cancelled(desk: Desk) -> None:
    available, hold = desk.balance("USD")
    order_id = desk.rested()
    same(desk.balance("USD"), (available - Decimal("593.54"), hold + Decimal("593.54")))
    result = desk.rest.cancel_orders([order_id]).results[0]
    same((result.success, result.order_id), (True, order_id))
    eventually(lambda: desk.order(order_id).status == "CANCELLED", "the cancel")
    same(desk.balance("USD"), (available, hold))


@check
def an_id_used_again_gives_the_first_order_back(desk: Desk) -> None:
    client_id = new_id()
    first = desk.rest.limit_order_gtc_buy(client_id, BTC, "0.01", "59000.00")
    again = desk.rest.limit_order_gtc_buy(client_id, BTC, "0.01", "59000.00")
    same(again.success_response["order_id"], first.success_response["order_id"])
    same([each.client_order_id for each in desk.rest.list_orders(product_ids=[BTC]).orders].count(client_id), 1, "orders of that id")


@check
def cancels_are_answered_one_by_one(desk: Desk) -> None:
    resting, filled = desk.rested(), desk.bought("0.001")
    results = {each.order_id: each for each in desk.rest.cancel_orders([resting, filled, "unknown"]).results}
    same((results[resting].success, results[filled].success, results["unknown"].success), (True, False, False))
    same((results[filled].failure_reason, results["unknown"].failure_reason), ("ORDER_IS_FULLY_FILLED", "UNKNOWN_CANCEL_ORDER"))


@check
def a_cancel_on_its_way_is_not_yet_a_cancel(desk: Desk) -> None:
    desk.option(cancel_delay_s=60)
    order_id = desk.rested()
    same(desk.rest.cancel_orders([order_id]).results[0].success, True)
    order = desk.order(order_id)
    same((order.status, order.pending_cancel), ("CANCEL_QUEUED", True))
    same(desk.rest.cancel_orders([order_id]).results[0].failure_reason, "DUPLICATE_CANCEL_REQUEST")
    desk.quote("58980.00", "58990.00")
    same(desk.order(order_id).status, "FILLED")


@check
def an_order_nobody_placed_is_404(desk: Desk) -> None:
    same(status_of(lambda: desk.rest.get_order(new_id())), 404)


@check
def a_preview_costs_and_places_nothing(desk: Desk) -> None:
    before = len(desk.rest.list_orders().orders)
    preview = desk.rest.preview_limit_order_gtc_buy(BTC, "0.01", "59000.00")
    same((preview.errs, preview.order_total, preview.commission_total), ([], "593.54", "3.54"))
    assert preview.preview_id
    same(len(desk.rest.list_orders().orders), before, "orders")


@check
def a_preview_says_why_an_order_would_be_refused(desk: Desk) -> None:
    same(desk.rest.preview_limit_order_gtc_buy(BTC, "50", "59000.00").errs, ["PREVIEW_INSUFFICIENT_FUND"])


@check
def a_bracket_is_previewed_supported_or_not(desk: Desk) -> None:
    order_id = desk.bought()
    same(desk.order(order_id).status, "FILLED")
    same(desk.rest.preview_trigger_bracket_order_gtc_sell(BTC, "0.01", "65000.00", "58000.00").errs, [])
    exits = {"trigger_bracket_gtc": {"limit_price": "65000.00", "stop_trigger_price": "58000.00"}}
    same(desk.rest.preview_limit_order_gtc_buy(BTC, "0.01", "59000.00", attached_order_configuration=exits).errs, [])
    desk.option(brackets_supported=False)
    same(desk.rest.preview_trigger_bracket_order_gtc_sell(BTC, "0.01", "65000.00", "58000.00").errs, ["PREVIEW_BRACKET_ORDER_NOT_SUPPORTED"])


@check
def an_edit_moves_price_and_size(desk: Desk) -> None:
    order_id = desk.rested()
    preview = desk.rest.preview_edit_order(order_id, size="0.02", price="58500.00")
    same((preview.errors, preview.quote_size), ([], "1170"))
    same(desk.rest.edit_order(order_id, size="0.02", price="58500.00").success, True)
    order = desk.order(order_id)
    terms = order.order_configuration.limit_limit_gtc
    same((Decimal(terms.limit_price), Decimal(terms.base_size), len(order.edit_history)), (58500, Decimal("0.02"), 1))
    desk.quote("58600.00", "58700.00")
    same(desk.order(order_id).status, "OPEN", "above its new price")
    desk.quote("58490.00", "58500.00")
    same(desk.order(order_id).filled_size, "0.02")


@check
def an_edit_below_what_is_filled_is_refused(desk: Desk) -> None:
    order_id = desk.rested()
    desk.quote("58990.00", "59000.00", ask_size="0.006")
    answer = desk.rest.edit_order(order_id, size="0.005", price="59000.00")
    same((answer.success, answer.errors[0].edit_failure_reason), (False, "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"))


@check
def only_open_orders_are_edited(desk: Desk) -> None:
    answer = desk.rest.edit_order(desk.bought(), size="0.02", price="58500.00")
    same((answer.success, answer.errors[0].edit_failure_reason), (False, "ONLY_OPEN_ORDERS_CAN_BE_EDITED"))
    same(desk.rest.edit_order("unknown", size="0.02", price="58500.00").errors[0].edit_failure_reason, "ORDER_NOT_FOUND")
