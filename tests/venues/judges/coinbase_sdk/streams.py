"""The websocket: ticker, heartbeats, level2, and the user's own orders."""

from coinbase.websocket import WSUserClient

from tests.venues.judges.coinbase_sdk.desk import BTC, Desk, check, same


@check
def a_ticker_needs_no_key_and_follows_the_quote(desk: Desk) -> None:
    with desk.stream() as stream:
        stream.client.ticker([BTC])
        event = stream.next("ticker")
        same((event.type, event.tickers[0].best_bid, event.tickers[0].best_ask), ("snapshot", "60000", "60010"))
        desk.quote("60001.00", "60011.00")
        event = stream.next("ticker")
        same((event.type, event.tickers[0].price, event.tickers[0].best_ask), ("update", "60006", "60011"))


@check
def heartbeats_count_up(desk: Desk) -> None:
    with desk.stream() as stream:
        stream.client.heartbeats()
        counts = [int(stream.next("heartbeats").heartbeat_counter) for _ in range(2)]
        same(counts[1], counts[0] + 1)


@check
def one_sequence_runs_over_all_channels(desk: Desk) -> None:
    with desk.stream(key=desk.keys[0]) as stream:
        stream.client.subscribe([BTC], ["ticker", "level2", "market_trades", "heartbeats", "user"])
        for bid in ("60001.00", "60002.00", "60003.00"):
            desk.quote(bid, "60010.00")
        for _ in range(2):
            stream.next("heartbeats")
        same(stream.numbers, list(range(len(stream.numbers))))


@check
def level2_arrives_as_l2_data(desk: Desk) -> None:
    with desk.stream() as stream:
        stream.client.level2([BTC])
        event = stream.next("l2_data")
        same((event.type, event.product_id), ("snapshot", BTC))
        desk.quote("60002.00", "60010.00", bid_size="0.5")
        updates = [(each.side, each.price_level, each.new_quantity) for each in stream.next("l2_data").updates]
        same(updates[:2], [("bid", "60000", "0"), ("bid", "60002", "0.5")])


@check
def the_user_channel_begins_with_the_open_orders(desk: Desk) -> None:
    order_id = desk.rested()
    with desk.stream(WSUserClient, key=desk.keys[0]) as stream:
        stream.client.user([BTC])
        event = stream.next("user")
        same((event.type, [each.order_id for each in event.orders]), ("snapshot", [order_id]))
        same((event.orders[0].status, event.orders[0].leaves_quantity), ("OPEN", "0.01"))
        same(stream.next("subscriptions").subscriptions.keys(), {"user"})


@check
def the_user_channel_tells_an_orders_whole_life(desk: Desk) -> None:
    with desk.stream(WSUserClient, key=desk.keys[0]) as stream:
        stream.client.user([BTC])
        stream.next("subscriptions")
        order_id = desk.rested()
        desk.quote("58990.00", "59000.00", ask_size="0.004")
        desk.quote("58990.00", "59000.00")
        seen: list[tuple[str, str, str]] = []
        while not seen or seen[-1][0] != "FILLED":
            order = stream.next("user").orders[0]
            same(order.order_id, order_id)
            seen.append((order.status, order.cumulative_quantity, order.leaves_quantity))
        same(seen, [("PENDING", "0", "0.01"), ("OPEN", "0", "0.01"), ("OPEN", "0.004", "0.006"), ("FILLED", "0.01", "0")])


@check
def the_user_channel_tells_of_cancels(desk: Desk) -> None:
    order_id = desk.rested()
    with desk.stream(WSUserClient, key=desk.keys[0]) as stream:
        stream.client.user([BTC])
        stream.next("subscriptions")
        desk.rest.cancel_orders([order_id])
        order = stream.next("user").orders[0]
        same((order.order_id, order.status, order.leaves_quantity), (order_id, "CANCELLED", "0"))


@check
def a_forged_key_hears_nothing_of_the_user(desk: Desk) -> None:
    with desk.stream(WSUserClient, key=desk.keys[2]) as stream:
        stream.client.user([BTC])
        same(stream.raw(), {"type": "error", "message": "authentication failure"})


@check
def the_sdk_comes_back_after_a_cut_and_hears_the_next_quote(desk: Desk) -> None:
    with desk.stream(retry=True) as stream:
        stream.client.ticker([BTC])
        stream.next("ticker")
        desk.control("faults", {"faults": [{"kind": "stream_cut_mid_line", "path": "ticker"}]})
        desk.quote("60001.00", "60010.00")
        event = stream.next("ticker")
        same((event.type, event.tickers[0].best_bid), ("snapshot", "60001"))
