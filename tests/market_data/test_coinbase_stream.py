"""Coinbase's websocket messages in words of ours, and the holes in their numbers."""

import json
from decimal import Decimal
from typing import Any, Literal

import pytest

from market_data.feeds.coinbase import TickerReader, by_published_name
from market_data.feeds.venue_stream import Gap, Garbage, Heartbeat, Price, SequenceGap, VenueRefuses
from tests.market_data.conftest import MONDAY_NS, S

TICKER = {
    "type": "ticker",
    "product_id": "BTC-USD",
    "price": "21932.98",
    "best_bid": "21931.98",
    "best_bid_quantity": "8000.21000000",
    "best_ask": "21933.98",
    "best_ask_quantity": "8038.07770001",
    "never_seen_before": None,
}


def reader(*names: str, on_gap: Literal["reconnect", "log"] = "reconnect") -> TickerReader:
    return TickerReader(by_published_name(names or ("BTC-USD", "ETH-USD")), on_gap)


def message(number: object, *tickers: Any, channel: str = "ticker", **more: Any) -> bytes:
    body = {
        "channel": channel,
        "timestamp": "2025-11-24T14:00:00.5Z",
        "sequence_num": number,
        "events": [{"type": "update", "tickers": list(tickers)}],
    }
    return json.dumps({name: value for name, value in {**body, **more}.items() if value is not None}).encode()


def test_a_ticker_is_a_price_with_sizes_to_the_last_digit_at_the_messages_time():
    (price,) = reader().read(message(0, TICKER))
    assert price == Price(
        instrument="BTC-USD",
        bid=Decimal("21931.98"),
        ask=Decimal("21933.98"),
        bid_size=Decimal("8000.21"),
        ask_size=Decimal("8038.07770001"),
        time_ns=MONDAY_NS + S // 2,
    )


def test_every_event_and_ticker_of_a_message_counts():
    both = reader().read(message(0, TICKER, {**TICKER, "product_id": "ETH-USD"}))
    assert [one.instrument for one in both if isinstance(one, Price)] == ["BTC-USD", "ETH-USD"]


def test_one_bad_ticker_does_not_cost_the_others():
    found = reader().read(message(0, {**TICKER, "best_bid": "x"}, TICKER))
    assert [type(one) for one in found] == [Garbage, Price]


def test_heartbeats_acknowledgements_and_other_channels():
    reading = reader()
    assert reading.read(message(0, channel="subscriptions")) == []
    assert reading.read(message(1, channel="heartbeats", events=[{"heartbeat_counter": 3049}])) == [Heartbeat(time_ns=MONDAY_NS + S // 2)]
    assert reading.read(message(2, channel="heartbeats", events=[{"heartbeat_counter": "3050"}])) == [Heartbeat(time_ns=MONDAY_NS + S // 2)]
    assert reading.read(message(3, channel="l2_data")) == []


def test_a_book_in_usdc_is_published_as_that_in_usd():
    prices = reader("BTC-USDC", "BTC-USD").read(message(0, TICKER))
    assert [one.instrument for one in prices if isinstance(one, Price)] == ["BTC-USDC", "BTC-USD"]


@pytest.mark.parametrize("numbers", [[0, 1, 3], [0, 1, 1], [0, 1, 0], [1]])
def test_a_hole_or_a_step_back_ends_the_connection(numbers: list[int]):
    reading = reader()
    for number in numbers[:-1]:
        reading.read(message(number, TICKER))
    with pytest.raises(SequenceGap, match="was due"):
        reading.read(message(numbers[-1], TICKER))


def test_where_holes_are_only_logged_the_price_counts_all_the_same():
    reading = reader(on_gap="log")
    reading.read(message(0, TICKER))
    assert [type(one) for one in reading.read(message(5, TICKER))] == [Gap, Price]
    assert [type(one) for one in reading.read(message(6, TICKER))] == [Price]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"7",
        b"[]",
        b"{}",
        message(None, TICKER),
        message("0", TICKER),
        message(True, TICKER),
        message(0, TICKER, timestamp="now"),
        message(0, TICKER, events=None),
        message(0, TICKER, events=7),
        message(0, TICKER, events=[7]),
        message(0, 7),
        message(0, {**TICKER, "product_id": 7}),
        message(0, {**TICKER, "best_bid": None}),
        message(0, {**TICKER, "best_ask": ""}),
        message(0, {**TICKER, "best_bid_quantity": "-1"}),
        message(0, {**TICKER, "best_bid": "Infinity"}),
        message(0, channel="heartbeats", timestamp=None),
    ],
)
def test_what_cannot_be_read_is_garbage(text: bytes):
    (one,) = reader().read(text)
    assert isinstance(one, Garbage)


def test_an_error_is_a_refusal_that_shows_no_control_characters():
    with pytest.raises(VenueRefuses) as refused:
        reader().read(b'{"type":"error","message":"failure to subscribe\\n\\u001b[31m"}')
    assert "failure to subscribe" in str(refused.value)
    assert "\x1b" not in str(refused.value)
