"""Who may come in, and what there is to read: keys, accounts, products, prices, fees, limits."""

import time

from coinbase.rest import RESTClient
from requests.exceptions import HTTPError

from tests.venues.judges.coinbase_sdk.desk import BTC, WAIT_S_MAX, Desk, check, new_id, same, status_of


@check
def the_time_is_told_without_a_key(desk: Desk) -> None:
    answer = desk.client(None).get_unix_time()
    assert abs(int(answer.epoch_seconds) - time.time()) < 60
    same(answer.epoch_millis[:-3], answer.epoch_seconds)


@check
def an_es256_key_may_trade_and_not_transfer(desk: Desk) -> None:
    permissions = desk.rest.get_api_key_permissions()
    same((permissions.can_view, permissions.can_trade, permissions.can_transfer), (True, True, False))


@check
def an_ed25519_key_is_let_in_too(desk: Desk) -> None:
    same(desk.client(desk.keys[1]).get_api_key_permissions().can_trade, True)


@check
def a_forged_key_is_turned_away(desk: Desk) -> None:
    same(status_of(desk.client(desk.keys[2]).get_accounts), 401)


@check
def a_key_that_may_not_trade_lacks_the_scope(desk: Desk) -> None:
    desk.option(can_trade=False)
    said = ""
    try:
        desk.rest.market_order_buy(new_id(), BTC, base_size="0.01")
    except HTTPError as error:
        said = str(error)
    same("Missing Required Scopes" in said, True, f"the SDK's own words for a scope that is missing, in {said!r}: ")


@check
def accounts_show_every_currency_and_each_by_its_uuid(desk: Desk) -> None:
    accounts = desk.rest.get_accounts().accounts
    same({each.currency for each in accounts}, {"USD", "USDC", "BTC", "ETH"})
    for each in accounts:
        same(desk.rest.get_account(each.uuid).account.to_dict(), each.to_dict())


@check
def accounts_come_page_by_page(desk: Desk) -> None:
    seen, cursor = [], None
    while True:
        page = desk.rest.get_accounts(limit=3, cursor=cursor)
        seen += [each.currency for each in page.accounts]
        if not page.has_next:
            break
        cursor = page.cursor
    same(sorted(seen), ["BTC", "ETH", "USD", "USDC"])


@check
def products_have_their_increments_as_text(desk: Desk) -> None:
    product = desk.rest.get_product(BTC)
    same((product.base_increment, product.quote_increment, product.price_increment), ("0.00000001", "0.01", "0.01"))
    same((product.status, product.trading_disabled, product.product_type), ("online", False, "SPOT"))
    assert BTC in {each.product_id for each in desk.rest.get_products(product_type="SPOT").products}
    same(desk.client(None).get_public_product(BTC).base_increment, "0.00000001", "without a key")
    same(status_of(lambda: desk.rest.get_product("NO-SUCH")), 404)


@check
def best_bid_and_ask_are_the_quote(desk: Desk) -> None:
    desk.quote("59900.50", "59901.50", bid_size="1.5", ask_size="2")
    book = desk.rest.get_best_bid_ask([BTC]).pricebooks[0]
    same((book.bids[0].price, book.bids[0].size, book.asks[0].price, book.asks[0].size), ("59900.5", "1.5", "59901.5", "2"))
    whole = desk.rest.get_product_book(BTC)
    same(whole.to_dict()["spread_absolute"], "1")


@check
def trades_and_candles_are_told(desk: Desk) -> None:
    desk.quote("60100.00", "60102.00")
    trades = desk.rest.get_market_trades(BTC, limit=1)
    same((trades.trades[0].price, trades.best_bid, trades.best_ask), ("60101", "60100", "60102"))
    now = int(time.time())
    candle = desk.rest.get_candles(BTC, str(now - 600), str(now + 60), "ONE_MINUTE").candles[0]
    same(candle.close, "60101")


@check
def fees_are_told_as_a_tier(desk: Desk) -> None:
    tier = desk.rest.get_transaction_summary().fee_tier
    same((tier["maker_fee_rate"], tier["taker_fee_rate"]), ("0.004", "0.006"))


@check
def limits_are_told_in_headers(desk: Desk) -> None:
    client = RESTClient(
        api_key=desk.keys[0]["name"], api_secret=desk.keys[0]["privateKey"], base_url=desk.host, timeout=WAIT_S_MAX, rate_limit_headers=True
    )
    answer = client.get_api_key_permissions().to_dict()
    assert int(answer["rate_limit_remaining"]) <= int(answer["rate_limit_limit"]), answer


@check
def too_many_requests_are_429(desk: Desk) -> None:
    desk.control("faults", {"faults": [{"kind": "rate_limit", "path": "/accounts$"}]})
    same(status_of(desk.rest.get_accounts), 429)
    assert desk.rest.get_accounts().accounts
