"""Candles are what the quotes of a stretch did, no more and no less, at boundaries of UTC."""

from decimal import Decimal
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from market_data.candles import Candle, CandleBuilder, Granularity, Ohlc, fold
from tests.market_data.conftest import MONDAY_NS, S, quote
from trading.quotes import Quote

MONDAY_S = MONDAY_NS // S


def latest(candles: list[Candle]) -> dict[tuple[Granularity, int], Candle]:
    """The last form of each candle."""
    return {(one.granularity, one.start_s): one for one in candles}


def built(quotes: list[Quote]) -> dict[tuple[Granularity, int], Candle]:
    builder = CandleBuilder()
    for one in quotes:
        builder.add(one)
    return latest(builder.drain())


def ohlc(*prices: str) -> Ohlc:
    return Ohlc(*map(Decimal, prices))


def test_a_stretch_has_the_first_highest_lowest_and_last_of_bid_ask_and_mid():
    """Three quotes in five seconds; the highest mid is not halfway between the highest bid and the highest ask."""
    candles = built([quote(0, "1.10", "1.12"), quote(1, "1.13", "1.14"), quote(4.9, "1.09", "1.17")])
    candle = candles[Granularity.S5, MONDAY_S]
    assert candle.bid == ohlc("1.10", "1.13", "1.09", "1.09")
    assert candle.ask == ohlc("1.12", "1.17", "1.12", "1.17")
    assert candle.mid == ohlc("1.11", "1.135", "1.11", "1.13")
    assert candle.count == 3


def test_a_quote_on_the_boundary_belongs_to_the_stretch_it_begins():
    candles = built([quote(4.999), quote(5)])
    assert [candles[Granularity.S5, MONDAY_S + start].count for start in (0, 5)] == [1, 1]
    assert candles[Granularity.M1, MONDAY_S].count == 2


def test_all_boundaries_are_utc():
    """A quote at Monday 14:00:00 UTC: H4 began at 12:00 and the day at 00:00 UTC, whatever New York thinks."""
    starts = {one.granularity: one.start_s for one in built([quote(0)]).values()}
    assert starts[Granularity.H4] == MONDAY_S - 2 * 3600
    assert starts[Granularity.D] == MONDAY_S - 14 * 3600
    assert all(start % granularity.seconds == 0 for granularity, start in starts.items())


def test_stretches_without_a_quote_have_no_candle():
    candles = built([quote(0), quote(3600)])
    assert sorted(start for granularity, start in candles if granularity is Granularity.M1) == [MONDAY_S, MONDAY_S + 3600]


def test_a_drain_gives_what_changed_since_the_last_one_and_an_idle_builder_gives_nothing():
    builder = CandleBuilder()
    builder.add(quote(0))
    assert len(builder.drain()) == len(Granularity)
    assert builder.drain() == []
    builder.add(quote(1))
    assert {one.count for one in builder.drain()} == {2}
    builder.add(quote(6))
    changed = latest(builder.drain())
    assert changed[Granularity.S5, MONDAY_S].count == 2
    assert changed[Granularity.S5, MONDAY_S + 5].count == 1
    assert changed[Granularity.D, MONDAY_S - 14 * 3600].count == 3


def test_after_a_restart_quotes_are_added_to_the_unfinished_candles_that_were_kept():
    before = CandleBuilder()
    for at in (0, 1, 30):
        before.add(quote(at, "1.10", "1.12"))
    after = CandleBuilder()
    after.resume(before.drain())
    after.add(quote(45, "1.20", "1.22"))
    candles = latest(after.drain())
    assert candles[Granularity.M1, MONDAY_S].count == 4
    assert candles[Granularity.M1, MONDAY_S].bid == ohlc("1.10", "1.20", "1.10", "1.20")
    assert candles[Granularity.S5, MONDAY_S + 45].count == 1


def test_kept_candles_of_an_earlier_stretch_are_not_mixed_into_the_next():
    before = CandleBuilder()
    before.add(quote(0, "1.10", "1.12"))
    after = CandleBuilder()
    after.resume(before.drain())
    after.add(quote(60, "1.20", "1.22"))
    assert latest(after.drain())[Granularity.M1, MONDAY_S + 60].bid == ohlc("1.20", "1.20", "1.20", "1.20")


def test_time_that_goes_back_begins_the_older_stretch_again():
    """A clock set back by a minute: what is kept of that minute is the newer account, and the later minute stays as it was."""
    candles = built([quote(0, "1.10", "1.11"), quote(60, "1.20", "1.21"), quote(1, "1.30", "1.31")])
    assert candles[Granularity.M1, MONDAY_S].bid == ohlc("1.30", "1.30", "1.30", "1.30")
    assert candles[Granularity.M1, MONDAY_S + 60].bid == ohlc("1.20", "1.20", "1.20", "1.20")


def test_instruments_have_candles_of_their_own():
    builder = CandleBuilder()
    builder.add(quote(0))
    builder.add(quote(0, "42500.00", "42500.01", "BTC-USD"))
    assert {one.instrument for one in builder.drain()} == {"EUR_USD", "BTC-USD"}
    assert builder.unfinished("USD_JPY") == []


_TICKS = st.tuples(st.integers(0, 40_000), st.integers(100, 200), st.integers(1, 5))


@settings(max_examples=50)
@given(st.lists(_TICKS, min_size=1, max_size=60), st.sets(st.integers(0, 60)))
def test_every_candle_equals_what_its_quotes_say_however_often_it_is_drained(ticks: list[tuple[int, int, int]], drains: set[int]):
    """Against a plain computation from the quotes themselves."""
    quotes = [quote(at, str(bid), str(bid + spread)) for at, bid, spread in sorted(ticks, key=lambda tick: tick[0])]
    builder = CandleBuilder()
    found: dict[tuple[Granularity, int], Candle] = {}
    for number, one in enumerate(quotes):
        builder.add(one)
        if number in drains:
            found |= latest(builder.drain())
    found |= latest(builder.drain())
    for granularity in Granularity:
        for start, group in groupby(quotes, key=lambda one: granularity.start_of(one.time_ns // S)):
            members = list(group)
            bids, mids = [one.bid for one in members], [one.mid for one in members]
            candle = found[granularity, start]
            assert candle.count == len(members)
            assert candle.bid == Ohlc(bids[0], max(bids), min(bids), bids[-1])
            assert candle.mid == Ohlc(mids[0], max(mids), min(mids), mids[-1])


def test_folding_puts_neighbours_together_and_keeps_stretches_apart():
    parts = [one for (granularity, _), one in built([quote(0, "1", "2"), quote(7, "3", "4"), quote(61, "5", "6")]).items() if granularity == "S5"]
    folded = fold(sorted(parts, key=lambda one: one.start_s), Granularity.M1)
    assert [(one.start_s - MONDAY_S, one.count, one.bid) for one in folded] == [(0, 2, ohlc("1", "3", "1", "3")), (60, 1, ohlc("5", "5", "5", "5"))]
