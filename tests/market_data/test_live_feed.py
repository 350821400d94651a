"""A live feed over many connections: what it gives, how it says what is wrong, and how seldom it knocks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest

from market_data.feeds.base import FeedState
from market_data.feeds.live import REFUSED_S_FIRST, STEADY_S, LiveFeed
from market_data.feeds.venue_stream import Garbage, Heartbeat, Message, Price, SequenceGap, VenueRefuses
from runtime.clock import ManualClock
from runtime.outbound import NotSent, StreamEnded
from tests.market_data.conftest import MONDAY_NS, S
from tests.market_data.passing_time import PassingTime
from trading.instruments import Instruments
from trading.quotes import Quote

Step = float | Message | Sequence[Message] | Exception


class ScriptedStream:
    """A venue by script: each connection is a list of steps. A number lets seconds pass, a message comes, an exception ends it.

    An exception in the place of a list: it cannot be opened. After the last connection there is nobody any more.
    """

    venue = "oanda"
    standing_prices = True

    def __init__(self, clock: ManualClock, *connections: Sequence[Step] | Exception) -> None:
        self._clock = clock
        self._connections = list(connections)
        self.opened_at_s: list[float] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Sequence[Message]]]:
        self.opened_at_s.append(self._clock.boot_ns() / S)
        script = self._connections.pop(0) if self._connections else NotSent("no connection")
        if isinstance(script, Exception):
            raise script
        yield self._play(script)

    async def _play(self, script: Sequence[Step]) -> AsyncIterator[Sequence[Message]]:
        for step in script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, int | float):
                self._clock.advance(step)
            else:
                yield step if isinstance(step, Sequence) else [step]


class Rig:
    """A feed on a script, in time that passes without waiting."""

    def __init__(self, clock: ManualClock, instruments: Instruments, *connections: Sequence[Step] | Exception) -> None:
        self.clock = clock
        self.time = PassingTime(clock)
        self.stream = ScriptedStream(clock, *connections)
        self.lost_at_s: list[float] = []
        self.feed = LiveFeed(
            self.stream,
            instruments.for_venue("oanda"),
            clock,
            sleep=self.time,
            random=Random(1),
        )
        self.feed.on_lost(lambda: self.lost_at_s.append(clock.boot_ns() / S))

    def price(self, bid: str = "1.16694", at: float = 0) -> Price:
        """A price that the venue sent ``at`` seconds after the start."""
        return Price(instrument="EUR_USD", bid=Decimal(bid), ask=Decimal("1.2"), time_ns=MONDAY_NS + round(at * S))

    async def take(self, count: int) -> list[Quote]:
        """The next ``count`` quotes."""
        quotes: list[Quote] = []
        async for batch in self.batches:
            quotes += batch
            if len(quotes) >= count:
                return quotes
        raise AssertionError("the feed ended")

    async def connect_times(self, count: int) -> list[float]:
        """When the first ``count`` connections were tried, in seconds since the first."""
        task = asyncio.create_task(anext(self.batches))
        async with asyncio.timeout(30):
            while len(self.stream.opened_at_s) < count:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [at - self.stream.opened_at_s[0] for at in self.stream.opened_at_s[:count]]

    async def __aenter__(self) -> "Rig":
        self.batches = self.feed.batches()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.batches.aclose()


async def test_quotes_come_and_the_feed_says_so(clock: ManualClock, instruments: Instruments):
    async with Rig(clock, instruments, [Price(instrument="EUR_USD", bid=Decimal(1), ask=Decimal(2), time_ns=MONDAY_NS)]) as rig:
        assert rig.feed.status.state is FeedState.STARTING
        (quote,) = await rig.take(1)
        assert (quote.feed, quote.synthetic) == ("oanda", False)
        assert rig.feed.status.state is FeedState.RUNNING
        assert rig.feed.connected.is_set()


@pytest.mark.parametrize(
    "end", [StreamEnded("the stream broke"), SequenceGap("message 7 came where 5 was due"), StreamEnded("nothing came for 10 s")]
)
async def test_a_connection_that_ends_is_opened_again_and_the_book_is_told_at_once(clock: ManualClock, instruments: Instruments, end: Exception):
    first = Price(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), time_ns=MONDAY_NS)
    async with Rig(clock, instruments, [first, 5.0, end], [first]) as rig:
        await rig.take(1)
        began_s = clock.boot_ns() / S
        waiting = asyncio.create_task(rig.take(1))
        while not rig.lost_at_s:
            await asyncio.sleep(0)
        assert rig.feed.status.state is FeedState.RECONNECTING
        assert str(end) in rig.feed.status.detail
        assert rig.lost_at_s == [began_s + 5]
        await waiting
        assert rig.feed.status.state is FeedState.RUNNING
        assert rig.feed.connections == 2
        assert rig.feed.counts()["gap"] == isinstance(end, SequenceGap)


async def test_a_venue_that_is_away_is_asked_less_and_less_often_and_never_gives_up(clock: ManualClock, instruments: Instruments):
    async with Rig(clock, instruments) as rig:
        times = await rig.connect_times(200)
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert 0.5 <= waits[0] <= 1.0
        assert all(30 <= wait <= 60 for wait in waits[10:])
        assert rig.feed.status.state is FeedState.RECONNECTING


async def test_a_venue_that_accepts_and_cuts_is_not_knocked_at_in_a_loop(clock: ManualClock, instruments: Instruments):
    """A reconnect storm: every connection gives its snapshot and ends. In an hour there are a hundred and not ten thousand."""
    price = Price(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), time_ns=MONDAY_NS)
    async with Rig(clock, instruments, *[[price, StreamEnded("cut")]] * 500) as rig:
        while clock.boot_ns() < (rig.stream.opened_at_s[0] if rig.stream.opened_at_s else 1_000) * S + 3600 * S:
            await rig.take(1)
        assert len(rig.stream.opened_at_s) < 110
        assert min(later - earlier for earlier, later in pairwise(rig.stream.opened_at_s)) >= 0.5


async def test_a_connection_that_held_makes_the_next_loss_a_first_one(clock: ManualClock, instruments: Instruments):
    down = NotSent("no connection")
    steady = [Heartbeat(time_ns=MONDAY_NS), STEADY_S + 1, StreamEnded("cut")]
    async with Rig(clock, instruments, down, down, down, down, down, steady, down) as rig:
        times = await rig.connect_times(7)
        assert times[5] - times[4] >= 8
        assert times[6] - times[5] - STEADY_S - 1 <= 1.0


async def test_a_refusal_says_what_to_set_and_is_asked_again_only_after_minutes(clock: ManualClock, instruments: Instruments):
    refusal = VenueRefuses("OANDA refuses the token (401): put a valid one into OANDA_API_TOKEN_FILE")
    async with Rig(clock, instruments, *[refusal] * 20) as rig:
        times = await rig.connect_times(10)
        assert rig.feed.status.state is FeedState.REFUSED
        assert "OANDA_API_TOKEN_FILE" in rig.feed.status.detail
        assert times[1] >= REFUSED_S_FIRST / 2
        assert times[9] >= 1_800


async def test_garbage_alone_is_no_connection_and_is_given_up(clock: ManualClock, instruments: Instruments):
    script: list[Step] = [1.0, Garbage(reason="no JSON")] * 12
    async with Rig(clock, instruments, script) as rig:
        await rig.connect_times(2)
        assert not rig.feed.connected.is_set()
        assert rig.feed.counts()["garbage"] == 11


async def test_a_halt_is_said_and_is_no_trouble_of_the_connection(clock: ManualClock, instruments: Instruments):
    halted = Price(instrument="EUR_USD", bid=Decimal(0), ask=Decimal(0), time_ns=MONDAY_NS, tradeable=False)
    later = Price(instrument="GBP_USD", bid=Decimal("1.3"), ask=Decimal("1.4"), time_ns=MONDAY_NS)
    async with Rig(clock, instruments, [halted, later]) as rig:
        assert [quote.instrument for quote in await rig.take(1)] == ["GBP_USD"]
        assert rig.feed.status.state is FeedState.RUNNING
        assert rig.feed.status.halted == {"EUR_USD"}
        assert "EUR_USD" in rig.feed.status.detail


async def test_stopping_in_the_middle_closes_the_connection(clock: ManualClock, instruments: Instruments):
    closed = asyncio.Event()

    class Stream(ScriptedStream):
        @asynccontextmanager
        async def connect(self) -> AsyncIterator[AsyncIterator[Sequence[Message]]]:
            try:
                async with super().connect() as messages:
                    yield messages
            finally:
                closed.set()

    rig = Rig(clock, instruments)
    rig.feed._stream = Stream(clock, [rig.price()] * 3)
    async with rig:
        await rig.take(1)
        assert not closed.is_set()
    assert closed.is_set()
