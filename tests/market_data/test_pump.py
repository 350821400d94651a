"""From the feed to the bus, the book and the candles: each quote once, whole, and nobody waits."""

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from bus.doors import Doors
from bus.envelope import Event, decode_event
from bus.proxy import Proxy
from bus.publisher import Publisher
from market_data.book import QuoteBook
from market_data.candles import CandleBuilder, Granularity
from market_data.feeds.base import Feed, FeedState, ScriptedFeed
from market_data.feeds.replay import ReplayFeed, open_recordings
from market_data.pump import Pump, encode_quote
from runtime.clock import ManualClock
from tests.market_data.conftest import DATA, MONDAY_NS, S, quote
from tests.market_data.passing_time import PassingTime
from trading.instruments import Instruments
from trading.quote_files import iter_quotes


class Rig:
    """A pump between ``feed`` and everything it fills."""

    def __init__(self, feed: Feed, instruments: Instruments, publisher: Publisher, clock: ManualClock) -> None:
        self.book = QuoteBook(Decimal(10))
        self.candles = CandleBuilder()
        self.pump = Pump(feed, instruments, publisher=publisher, book=self.book, candles=self.candles, clock=clock)


@pytest.fixture
async def proxy(home: Path) -> AsyncIterator[Proxy]:
    async with Proxy(home, Doors()) as running:
        yield running


@pytest.fixture
async def publisher(home: Path, proxy: Proxy) -> AsyncIterator[Publisher]:
    """Connected to a running proxy by the time it is given."""
    with Publisher(f"ipc://{home}/bus-pub.sock") as opened:
        yield opened


@pytest.fixture
async def subscriber(home: Path, proxy: Proxy, publisher: Publisher) -> AsyncIterator[zmq.asyncio.Socket]:
    """A bare SUB socket for all quotes, whose subscription has reached ``publisher``."""
    with zmq.asyncio.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.subscribe(b"quote.")
        socket.connect(f"ipc://{home}/bus-sub.sock")
        while not await socket.poll(20):
            publisher.publish(b"quote.ready.", b"")
        while await socket.poll(50):
            await socket.recv_multipart()
        yield socket


def test_a_quotes_body_is_the_venues_and_bears_the_markets_time():
    event = decode_event(encode_quote(quote(0.5, "42500.00", "42500.01", "BTC-USD"), "coinbase", 123))
    assert (event.source, event.type, event.ts) == ("coinbase", "quote", "2025-11-24T14:00:00.500000Z")
    assert event.payload == {
        "instrument": "BTC-USD",
        "bid": 42500,
        "ask": 42500.01,
        "synthetic": True,
        "feed": "simulated",
        "time_ns": MONDAY_NS + S // 2,
        "sent_boottime_ns": 123,
    }
    assert (event.seq, event.epoch) == (None, None)


def test_sizes_travel_where_the_feed_has_them(instruments: Instruments):
    sized = next(iter_quotes(DATA / "binance-btcusdt-2024-08-09.csv.gz", instruments["BTC-USD"]))
    payload = decode_event(encode_quote(sized, "coinbase", 0)).payload
    assert (payload["bid_size"], payload["ask_size"]) == (1.25869, 2.44816)


async def test_the_recorded_payrolls_minutes_reach_a_subscriber_whole_and_in_order(
    instruments: Instruments, clock: ManualClock, publisher: Publisher, subscriber: zmq.asyncio.Socket
):
    """6,374 quotes at 1000x, through the real publisher and proxy to a bare SUB socket."""
    recordings = open_recordings(["oanda-eurusd-2014-05-02.csv.gz"], instruments, DATA)
    rig = Rig(ReplayFeed(recordings, Decimal(1000), clock, sleep=PassingTime(clock)), instruments, publisher, clock)

    async def receive() -> list[Event]:
        events = []
        while len(events) < 6374:
            topic, body = await subscriber.recv_multipart()
            assert topic == b"quote.oanda.EUR_USD."
            events.append(decode_event(body))
        return events

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(receive())
        tasks.create_task(rig.pump.run())
    events = receiving.result()
    recorded = list(iter_quotes(DATA / "oanda-eurusd-2014-05-02.csv.gz", instruments["EUR_USD"]))
    assert [event.payload["time_ns"] for event in events] == [one.time_ns for one in recorded]
    assert [(event.payload["bid"], event.payload["ask"]) for event in events] == [(float(one.bid), float(one.ask)) for one in recorded]
    assert {(event.payload["synthetic"], event.payload["feed"]) for event in events} == {(False, "replay")}
    assert rig.book.received == 6374


async def test_candles_of_a_replay_are_in_market_time(instruments: Instruments, clock: ManualClock, publisher: Publisher):
    """The minute of the payrolls: the mid falls from 1.38474 to below 1.38300."""
    recordings = open_recordings(["oanda-eurusd-2014-05-02.csv.gz"], instruments, DATA)
    rig = Rig(ReplayFeed(recordings, Decimal(1000), clock, sleep=PassingTime(clock)), instruments, publisher, clock)
    await rig.pump.run()
    minutes = {one.start_s: one for one in rig.candles.drain() if one.granularity is Granularity.M1}
    assert min(minutes) == 1_399_033_500
    payrolls = minutes[1_399_033_800]
    assert payrolls.bid.low < Decimal("1.38300") < payrolls.bid.open
    assert sum(one.count for one in minutes.values()) == 6374


async def test_when_the_feed_ends_the_pump_returns_and_says_why(
    instruments: Instruments, clock: ManualClock, publisher: Publisher, caplog: pytest.LogCaptureFixture
):
    feed = ScriptedFeed([[quote(0)], [quote(1), quote(2, instrument="GBP_USD")]])
    rig = Rig(feed, instruments, publisher, clock)
    with caplog.at_level(logging.WARNING):
        await rig.pump.run()
    assert rig.book.received == 3
    assert feed.status.state is FeedState.ENDED
    assert "the feed has ended" in caplog.text


async def test_a_bug_in_the_feed_comes_out_and_ends_the_program(instruments: Instruments, clock: ManualClock, publisher: Publisher):
    rig = Rig(ScriptedFeed([[quote(0)], ZeroDivisionError("a bug")]), instruments, publisher, clock)
    with pytest.raises(ZeroDivisionError):
        await rig.pump.run()


async def test_a_feed_that_never_waits_lets_others_run(instruments: Instruments, clock: ManualClock, publisher: Publisher):
    """Heartbeats must not starve behind a replay that cannot keep up."""
    rig = Rig(ScriptedFeed([[quote(at)] for at in range(50)]), instruments, publisher, clock)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    await rig.pump.run()
    beside.cancel()
    assert turns >= 49


async def test_a_quote_given_again_goes_out_again_and_is_no_second_quote_in_a_candle(
    instruments: Instruments, clock: ManualClock, publisher: Publisher, subscriber: zmq.asyncio.Socket
):
    """A live feed says so that the price still stands: fresh for who trades on it, nothing new for the chart."""
    standing, equal = quote(0), quote(0)
    rig = Rig(ScriptedFeed([[standing], [standing], [equal]]), instruments, publisher, clock)
    await rig.pump.run()
    assert rig.book.latest["EUR_USD"].number == 3
    assert {one.count for one in rig.candles.drain()} == {2}
    async with asyncio.timeout(30):
        times = [decode_event((await subscriber.recv_multipart())[1]).payload["time_ns"] for _ in range(3)]
    assert set(times) == {MONDAY_NS}
