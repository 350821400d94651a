"""What trades, at what price and fee, and what is listed of it."""

import time
from decimal import Decimal

from tests.venues.judges.coinbase_sdk.desk import BTC, Desk, check, eventually, new_id, same, status_of


@check
def a_market_buy_by_value_spends_no_more_than_that(desk: Desk) -> None:
    usd, btc = desk.balance("USD")[0], desk.balance("BTC")[0]
    answer = desk.rest.market_order_buy(new_id(), BTC, quote_size="100")
    order = desk.order(answer.success_response["order_id"])
    same((order.status, order.order_type), ("FILLED", "MARKET"))
    spent, got = usd - desk.balance("USD")[0], desk.balance("BTC")[0] - btc
    assert Decimal("99.99") < spent <= 100, spent
    same(got, Decimal(order.filled_size))
    same(spent, Decimal(order.filled_value) + Decimal(order.total_fees), "spent, value and fees")


@check
def a_fill_of_a_buy_by_value_is_sized_in_money(desk: Desk) -> None:
    order_id = desk.rest.market_order_buy(new_id(), BTC, quote_size="100").success_response["order_id"]
    fill = desk.rest.get_fills(order_ids=[order_id]).fills[0]
    same((fill.size_in_quote, fill.size), (True, desk.order(order_id).filled_value))


@check
def a_taker_pays_its_fee_on_every_fill(desk: Desk) -> None:
    fill = desk.rest.get_fills(order_ids=[desk.bought()]).fills[0]
    same((fill.price, fill.size, fill.commission, fill.liquidity_indicator), ("60010", "0.01", "3.6006", "TAKER"))


@check
def a_market_order_ends_with_what_was_offered(desk: Desk) -> None:
    desk.quote("60000.00", "60010.00", ask_size="0.004")
    order = desk.order(desk.bought("0.01"))
    same((order.status, order.filled_size), ("CANCELLED", "0.004"))


@check
def a_limit_order_fills_in_parts_and_adds_up(desk: Desk) -> None:
    order_id = desk.rested()
    desk.quote("58990.00", "59000.00", ask_size="0.004")
    part = desk.order(order_id)
    same((part.status, part.filled_size, part.completion_percentage), ("OPEN", "0.004", "40"))
    desk.quote("58990.00", "59000.00")
    whole = desk.order(order_id)
    fills = desk.rest.get_fills(order_ids=[order_id]).fills
    same((whole.status, whole.number_of_fills, [each.size for each in fills]), ("FILLED", "2", ["0.006", "0.004"]))
    same(sum(Decimal(each.commission) for each in fills), Decimal(whole.total_fees), "fees")
    same((whole.average_filled_price, {each.liquidity_indicator for each in fills}), ("59000", {"MAKER"}))


@check
def a_limit_order_never_trades_beyond_its_price(desk: Desk) -> None:
    order_id = desk.rested()
    desk.quote("59000.00", "59000.01")
    same(desk.order(order_id).status, "OPEN")
    bought = desk.bought()
    sell = desk.rest.limit_order_gtc_sell(new_id(), BTC, "0.01", "59000.01").success_response["order_id"]
    same((desk.order(bought).average_filled_price, desk.order(sell).status), ("59000.01", "OPEN"))


@check
def fill_or_kill_does_one_or_the_other(desk: Desk) -> None:
    desk.quote("60000.00", "60010.00", ask_size="0.004")
    killed = desk.rest.limit_order_fok_buy(new_id(), BTC, "0.01", "60010.00").success_response["order_id"]
    filled = desk.rest.limit_order_fok_buy(new_id(), BTC, "0.004", "60010.00").success_response["order_id"]
    same([(each.status, each.filled_size) for each in map(desk.order, (killed, filled))], [("CANCELLED", "0"), ("FILLED", "0.004")])


@check
def an_immediate_limit_leaves_nothing_behind(desk: Desk) -> None:
    desk.quote("60000.00", "60010.00", ask_size="0.004")
    order = desk.order(desk.rest.limit_order_ioc_buy(new_id(), BTC, "0.01", "60010.00").success_response["order_id"])
    same((order.status, order.filled_size, order.time_in_force), ("CANCELLED", "0.004", "IMMEDIATE_OR_CANCEL"))


@check
def an_order_with_an_end_expires_there(desk: Desk) -> None:
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    order_id = desk.rest.limit_order_gtd_buy(new_id(), BTC, "0.01", "59000.00", end).success_response["order_id"]
    eventually(lambda: desk.order(order_id).status == "EXPIRED", "the end")


@check
def a_stop_limit_waits_for_its_price(desk: Desk) -> None:
    answer = desk.rest.stop_limit_order_gtc_buy(new_id(), BTC, "0.01", "61100.00", "61000.00", "STOP_DIRECTION_STOP_UP")
    order_id = answer.success_response["order_id"]
    waiting = desk.order(order_id)
    same((waiting.status, waiting.trigger_status, waiting.order_type), ("OPEN", "STOP_PENDING", "STOP_LIMIT"))
    desk.quote("61000.00", "61010.00")
    done = desk.order(order_id)
    same((done.status, done.trigger_status, done.average_filled_price), ("FILLED", "STOP_TRIGGERED", "61010"))


@check
def orders_come_page_by_page_each_once_and_newest_first(desk: Desk) -> None:
    placed = [desk.rested(size="0.001") for _ in range(7)]
    desk.option(page_max=3)
    seen, cursor = [], None
    while True:
        page = desk.rest.list_orders(order_status=["OPEN"], limit=50, cursor=cursor)
        assert len(page.orders) <= 3
        seen += [each.order_id for each in page.orders]
        if not page.has_next:
            break
        cursor = page.cursor
    same(seen, placed[::-1])


@check
def orders_are_filtered(desk: Desk) -> None:
    resting, filled = desk.rested(), desk.bought("0.001")
    found = desk.rest.list_orders(order_ids=[resting, filled], order_status=["FILLED", "CANCELLED"], order_side="BUY")
    same([each.order_id for each in found.orders], [filled])
    same(desk.rest.list_orders(order_ids=[filled], product_ids=["ETH-USD"]).orders, [])
    same(status_of(lambda: desk.rest.list_orders(order_status=["OPEN", "FILLED"])), 400, "OPEN beside another status")


@check
def fills_come_page_by_page_each_once(desk: Desk) -> None:
    start = desk.client(None).get_unix_time()["iso"]
    placed = [desk.bought("0.001") for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = desk.rest.get_fills(product_ids=[BTC], start_sequence_timestamp=start, limit=2, cursor=cursor)
        seen += page.fills
        cursor = page.cursor
        if not cursor:
            break
    same([each.order_id for each in seen], placed[::-1])
    same(len({each.entry_id for each in seen}), 5, "entry ids")


@check
def every_number_of_an_order_and_a_fill_is_text(desk: Desk) -> None:
    order_id = desk.bought()
    order, fill = desk.order(order_id).to_dict(), desk.rest.get_fills(order_ids=[order_id]).fills[0].to_dict()
    numbers = [name for row in (order, fill) for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    same(numbers, [], "numbers")
