"""The websocket: sequence, snapshots, channels, and what may go wrong on it."""

import pytest
from aiohttp import WSMsgType

from tests.venues.coinbase.kit import Client
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import DrivenClock
from tests.venues.common.faults import Fault, Kind

LIMIT = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "59000.00"}}


async def test_one_sequence_runs_over_all_channels_and_the_snapshot_comes_before_its_acknowledgement(
    venue: CoinbaseVenue, client: Client, clock: DrivenClock
) -> None:
    await client.create("o", "BUY", LIMIT)
    async with client.stream() as stream:
        await stream.subscribe("user")
        await stream.subscribe("heartbeats")
        await stream.subscribe("ticker", "BTC-USD")
        messages = [await stream.next() for _ in range(5)]
        venue.quote("BTC-USD", "60001", "60011")
        messages.append(await stream.next())
        await clock.advance(1)
        messages.append(await stream.next())
    assert [message["channel"] for message in messages] == [
        "user",
        "subscriptions",
        "subscriptions",
        "ticker",
        "subscriptions",
        "ticker",
        "heartbeats",
    ]
    assert [message["sequence_num"] for message in messages] == list(range(7))
    snapshot = messages[0]["events"][0]
    assert (snapshot["type"], snapshot["orders"][0]["client_order_id"], snapshot["orders"][0]["order_type"]) == ("snapshot", "o", "Limit")
    assert messages[5]["events"][0]["tickers"][0]["best_ask"] == "60011"
    assert messages[6]["events"][0]["heartbeat_counter"] == 1


async def test_user_updates_are_cumulative_and_end_with_nothing_left(venue: CoinbaseVenue, client: Client) -> None:
    async with client.stream() as stream:
        await stream.subscribe("user")
        await stream.until("subscriptions")
        await client.create("o", "BUY", LIMIT)
        venue.quote("BTC-USD", "58980", "58990", ask_size="0.004")
        venue.quote("BTC-USD", "58980", "58991")
        seen: list[tuple[str, ...]] = []
        while not seen or seen[-1][0] != "FILLED":
            order = (await stream.until("user"))["events"][0]["orders"][0]
            seen.append((order["status"], order["cumulative_quantity"], order["leaves_quantity"], order["order_type"]))
    assert seen == [
        ("PENDING", "0", "0.01", "LIMIT"),
        ("OPEN", "0", "0.01", "LIMIT"),
        ("OPEN", "0.004", "0.006", "LIMIT"),
        ("FILLED", "0.01", "0", "LIMIT"),
    ]


async def test_a_long_list_of_open_orders_comes_as_several_snapshots(client: Client) -> None:
    for number in range(51):
        await client.create(f"o{number}", "BUY", {"limit_limit_gtc": {"base_size": "0.001", "limit_price": "59000"}})
    async with client.stream() as stream:
        await stream.subscribe("user")
        sizes = [len((await stream.next())["events"][0]["orders"]) for _ in range(2)]
    assert sizes == [50, 1]


@pytest.mark.parametrize(
    ("channel", "product", "token", "complaint"),
    [
        ("user", "BTC-USD", "", "authentication failure"),
        ("ticker", "BTC-USD", "forged", "authentication failure"),
        ("ticker", "DOGE-USD", None, "failure to subscribe"),
        ("candles", "BTC-USD", None, "failure to subscribe"),
    ],
)
async def test_a_subscription_that_cannot_be_is_an_error_without_a_number(
    client: Client, channel: str, product: str, token: str | None, complaint: str
) -> None:
    async with client.stream() as stream:
        await stream.subscribe(channel, product, token=token)
        assert await stream.next() == {"type": "error", "message": complaint}


async def test_level2_arrives_as_l2_data_and_removes_the_level_that_was(venue: CoinbaseVenue, client: Client) -> None:
    async with client.stream() as stream:
        await stream.subscribe("level2", "BTC-USDC")
        snapshot = (await stream.until("l2_data"))["events"][0]
        assert (snapshot["type"], snapshot["product_id"]) == ("snapshot", "BTC-USD")
        venue.quote("BTC-USD", "60002", "60010", bid_size="0.5", ask_size="2")
        updates = (await stream.until("l2_data"))["events"][0]["updates"]
    assert [(each["side"], each["price_level"], each["new_quantity"]) for each in updates] == [
        ("bid", "60000", "0"),
        ("bid", "60002", "0.5"),
        ("offer", "60010", "2"),
    ]


async def test_a_client_that_subscribes_to_nothing_is_sent_away(client: Client, clock: DrivenClock) -> None:
    async with client.stream() as stream:
        await clock.advance(5)
        assert (await stream.ws.receive()).type is WSMsgType.CLOSE


async def test_a_connection_on_which_nothing_is_said_is_closed(client: Client, clock: DrivenClock) -> None:
    async with client.stream() as stream:
        await stream.subscribe("user")
        await stream.until("subscriptions")
        await clock.advance(80)
        assert (await stream.ws.receive()).type is WSMsgType.CLOSE


async def test_messages_swapped_doubled_and_lost_are_told_by_content_and_number(venue: CoinbaseVenue, client: Client) -> None:
    async with client.stream() as stream:
        await stream.subscribe("ticker", "BTC-USD")
        await stream.until("subscriptions")
        venue.faults.add(Fault(kind=Kind.STREAM_SWAP), Fault(kind=Kind.STREAM_TWICE, path="ticker"), Fault(kind=Kind.STREAM_GAP))
        for bid in ("60001", "60002", "60003", "60004"):
            venue.quote("BTC-USD", bid, "60010")
        seen = [await stream.until("ticker") for _ in range(4)]
    bids = [message["events"][0]["tickers"][0]["best_bid"] for message in seen]
    assert bids == ["60002", "60002", "60001", "60004"]
    assert [message["sequence_num"] for message in seen] == [2, 3, 4, 6]


async def test_a_muted_channel_stays_silent_while_the_connection_lives(venue: CoinbaseVenue, client: Client, clock: DrivenClock) -> None:
    async with client.stream() as stream:
        await stream.subscribe("heartbeats")
        await stream.subscribe("ticker", "BTC-USD")
        for _ in range(3):
            await stream.next()
        venue.faults.add(Fault(kind=Kind.STREAM_MUTE, path="ticker"))
        venue.quote("BTC-USD", "60001", "60010")
        venue.quote("BTC-USD", "60002", "60010")
        await clock.advance(1)
        message = await stream.next()
    assert (message["channel"], message["sequence_num"]) == ("heartbeats", 3)


async def test_the_venue_goes_away_with_1001(venue: CoinbaseVenue, client: Client) -> None:
    async with client.stream() as stream:
        await stream.subscribe("heartbeats")
        await stream.until("subscriptions")
        venue.set_state({"close_streams": True})
        message = await stream.ws.receive()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1001)


async def test_a_cut_ends_the_connection_without_a_word(venue: CoinbaseVenue, client: Client) -> None:
    async with client.stream() as stream:
        await stream.subscribe("ticker", "BTC-USD")
        await stream.until("subscriptions")
        venue.faults.add(Fault(kind=Kind.STREAM_CUT_MID_LINE))
        venue.quote("BTC-USD", "60001", "60010")
        message = await stream.ws.receive()
        assert message.type in {WSMsgType.CLOSED, WSMsgType.ERROR}
        assert stream.ws.close_code != 1001
