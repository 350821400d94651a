"""The replay feed: recorded quotes, unchanged, at the speed that was asked for; files that are not right are refused before the first quote."""

from decimal import Decimal
from pathlib import Path

import pytest

from market_data.feeds.base import FeedState
from market_data.feeds.replay import ReplayFeed, ReplayRefused, open_recordings
from runtime.clock import ManualClock
from tests.market_data.conftest import DATA, S
from tests.market_data.passing_time import PassingTime
from trading.instruments import Instruments
from trading.quote_files import iter_quotes
from trading.quotes import Quote

PAYROLLS = "oanda-eurusd-2014-05-02.csv.gz"
WEEKEND = "oanda-eurusd-2014-05-02-weekend.csv.gz"
BINANCE = "binance-btcusdt-2024-08-09.csv.gz"


def feed_of(names: list[str], instruments: Instruments, clock: ManualClock, *, speed: int = 1, base: Path = DATA) -> tuple[ReplayFeed, PassingTime]:
    time = PassingTime(clock)
    return ReplayFeed(open_recordings(names, instruments, base), Decimal(speed), clock, sleep=time), time


async def played(feed: ReplayFeed, clock: ManualClock) -> list[tuple[int, Quote]]:
    """Every quote with the boot time it was handed over at."""
    return [(clock.boot_ns(), one) async for batch in feed.batches() for one in batch]


def write(directory: Path, name: str, *rows: str) -> str:
    (directory / name).write_text("time_utc,bid,ask\n" + "".join(row + "\n" for row in rows))
    return name


async def test_every_recorded_quote_is_played_once_and_unchanged(instruments: Instruments, clock: ManualClock):
    feed, _ = feed_of([PAYROLLS], instruments, clock, speed=1000)
    given = await played(feed, clock)
    assert [one for _, one in given] == list(iter_quotes(DATA / PAYROLLS, instruments["EUR_USD"]))
    assert {(one.feed, one.synthetic) for _, one in given} == {("replay", False)}


@pytest.mark.parametrize("speed", [1, 60, 1000])
async def test_each_quote_is_handed_over_at_its_time_divided_by_the_speed(instruments: Instruments, clock: ManualClock, speed: int):
    started_ns = clock.boot_ns()
    feed, _ = feed_of([PAYROLLS], instruments, clock, speed=speed)
    given = await played(feed, clock)
    first_ns = given[0][1].time_ns
    for at_ns, one in given:
        assert abs((at_ns - started_ns) - (one.time_ns - first_ns) / speed) < 0.006 * S


async def test_files_that_overlap_are_merged_by_time(instruments: Instruments, clock: ManualClock, tmp_path: Path):
    eur = write(tmp_path, "eurusd.csv", "2014-05-02T12:00:00Z,1.1,1.2", "2014-05-02T12:00:02Z,1.1,1.2")
    gbp = write(tmp_path, "gbpusd.csv", "2014-05-02T12:00:01Z,1.3,1.4", "2014-05-02T12:00:03Z,1.3,1.4")
    feed, _ = feed_of([gbp, eur], instruments, clock, base=tmp_path)
    given = await played(feed, clock)
    assert [one.instrument for _, one in given] == ["EUR_USD", "GBP_USD", "EUR_USD", "GBP_USD"]
    assert given[1][0] - given[0][0] == 1 * S


async def test_files_of_different_years_are_played_side_by_side(instruments: Instruments, clock: ManualClock):
    """Ticks of 2014 and a book of 2024 both begin at once, each in its own market time."""
    feed, _ = feed_of([PAYROLLS, BINANCE], instruments, clock, speed=1000)
    given = await played(feed, clock)
    firsts = {one.instrument: at_ns for at_ns, one in reversed(given)}
    assert abs(firsts["EUR_USD"] - firsts["BTC-USD"]) < 0.01 * S
    assert {one.instrument: one.time_ns // (365 * 86_400 * S) for _, one in given} == {"EUR_USD": 44, "BTC-USD": 54}


async def test_two_files_of_one_instrument_follow_each_other_and_never_mix(instruments: Instruments, clock: ManualClock):
    """Friday's payrolls and Friday's close are eight hours apart, and stay so."""
    feed, time = feed_of([WEEKEND, PAYROLLS], instruments, clock, speed=1000)
    times = [one.time_ns for _, one in await played(feed, clock)]
    assert times == sorted(times)
    assert max(time.slept) == pytest.approx(48 * 3600 / 1000, rel=0.01)


async def test_the_end_of_the_recording_ends_the_feed_and_says_when_it_was(instruments: Instruments, clock: ManualClock):
    feed, _ = feed_of([PAYROLLS], instruments, clock, speed=1000)
    await played(feed, clock)
    assert feed.status.state is FeedState.ENDED
    assert "2014-05-02T12:34:57.809" in feed.status.detail
    assert feed.snapshot() is None


async def test_a_file_that_is_changed_while_it_plays_fails_the_feed_with_its_line(instruments: Instruments, clock: ManualClock, tmp_path: Path):
    name = write(tmp_path, "eurusd.csv", "2014-05-02T12:00:00Z,1.1,1.2")
    feed, _ = feed_of([name], instruments, clock, base=tmp_path)
    write(tmp_path, name, "2014-05-02T12:00:00Z,1.1,oops")
    assert await played(feed, clock) == []
    assert feed.status.state is FeedState.FAILED
    assert "line 2" in feed.status.detail


async def test_a_replay_that_cannot_keep_up_gives_everything_in_bounded_batches(instruments: Instruments, clock: ManualClock):
    """A clock that stands far ahead: all quotes are due at once."""
    feed, _ = feed_of([PAYROLLS], instruments, clock)
    batches = feed.batches()
    sizes = [len(await anext(batches))]
    clock.advance(3600)
    sizes += [len(batch) async for batch in batches]
    assert sum(sizes) == 6374
    assert max(sizes) == 200


def test_a_mapping_names_the_instrument_that_a_file_name_does_not(instruments: Instruments, tmp_path: Path):
    name = write(tmp_path, "ticks.csv", "2014-05-02T12:00:00Z,1.1,1.2")
    (recording,) = open_recordings([f"GBP_USD={name}"], instruments, tmp_path)
    assert recording.instrument.name == "GBP_USD"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], "needs files"),
        (["ticks.csv"], "say which one it holds"),
        (["EUR_SEK=ticks.csv"], "EUR_SEK is no instrument"),
        (["EUR_USD=nowhere.csv"], "No such file"),
        (["EUR_USD=broken.csv"], "broken.csv line 3"),
        (["EUR_USD=bars.csv"], "bars of trades"),
        (["EUR_USD=backwards.csv"], "backwards.csv line 3: goes back in time"),
    ],
)
def test_files_that_cannot_be_replayed_are_refused_before_the_first_quote(instruments: Instruments, tmp_path: Path, entries: list[str], why: str):
    write(tmp_path, "ticks.csv", "2014-05-02T12:00:00Z,1.1,1.2")
    write(tmp_path, "broken.csv", "2014-05-02T12:00:00Z,1.1,1.2", "2014-05-02T12:00:01Z,1.3,1.2")
    write(tmp_path, "backwards.csv", "2014-05-02T12:00:01Z,1.1,1.2", "2014-05-02T12:00:00Z,1.1,1.2")
    (tmp_path / "bars.csv").write_text("time_utc,open,high,low,close,volume_btc\n2016-10-07T00:00:04.000Z,1,2,1,2,3\n")
    with pytest.raises(ReplayRefused, match="replay") as caught:
        open_recordings(entries, instruments, tmp_path)
    assert why in str(caught.value)


@pytest.mark.parametrize("speed", ["0", "0.5", "1001", "-1"])
def test_a_speed_outside_1_to_1000_is_refused(instruments: Instruments, clock: ManualClock, speed: str):
    with pytest.raises(ReplayRefused, match="must be 1 to 1000"):
        ReplayFeed([], Decimal(speed), clock)
