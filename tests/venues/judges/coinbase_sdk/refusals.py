"""What the venue will not do: each a plain answer of status 200 that names its reason."""

from tests.venues.judges.coinbase_sdk.desk import BTC, Desk, check, new_id, refused, same, status_of


@check
def what_cannot_be_paid_is_refused(desk: Desk) -> None:
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "50", "59000.00"), "INSUFFICIENT_FUND")


@check
def what_is_not_owned_is_not_sold(desk: Desk) -> None:
    available, _ = desk.balance("BTC")
    refused(desk.rest.limit_order_gtc_sell(new_id(), BTC, str(available + 1), "61000.00"), "INSUFFICIENT_FUND")


@check
def money_on_hold_is_not_spent_twice(desk: Desk) -> None:
    desk.rested(size="1.5")
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "1.5", "59000.00"), "INSUFFICIENT_FUND")


@check
def sizes_and_prices_off_their_grid_are_refused(desk: Desk) -> None:
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.010000001", "59000.00"), "PREVIEW_INVALID_SIZE_PRECISION")
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "59000.001"), "PREVIEW_INVALID_PRICE_PRECISION")


@check
def an_order_below_the_least_value_is_refused(desk: Desk) -> None:
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.00001", "59000.00"), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL")


@check
def a_post_only_order_that_would_take_is_refused(desk: Desk) -> None:
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "60010.00", post_only=True), "INVALID_LIMIT_PRICE_POST_ONLY")


@check
def an_unknown_product_is_refused(desk: Desk) -> None:
    refused(desk.rest.limit_order_gtc_buy(new_id(), "NO-SUCH", "0.01", "59000.00"), "INVALID_PRODUCT_ID")


@check
def a_number_that_is_no_text_is_a_bad_request(desk: Desk) -> None:
    same(status_of(lambda: desk.rest.limit_order_gtc_buy(new_id(), BTC, 0.01, "59000.00")), 400)


@check
def a_halted_market_takes_no_order_and_says_so(desk: Desk) -> None:
    desk.control("state", {"products": {BTC: {"trading_disabled": True}}})
    same(desk.rest.get_product(BTC).trading_disabled, True)
    refused(desk.rest.limit_order_gtc_buy(new_id(), BTC, "0.01", "59000.00"), "TRADING_DISABLED")


@check
def closing_a_position_is_for_futures(desk: Desk) -> None:
    refused(desk.rest.close_position(new_id(), BTC), "PREVIEW_UNSUPPORTED_ORDER_CONFIGURATION")
