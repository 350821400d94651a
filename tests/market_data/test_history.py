"""The synthetic past: long enough for a first chart, on the grid, and ending where the live market begins."""

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest

from market_data.candles import Candle, Granularity
from market_data.feeds.history import synthetic_history
from market_data.feeds.simulation import Market, mid_price
from tests.market_data.conftest import MONDAY_NS, S
from trading.instruments import Instruments

END_S = MONDAY_NS // S + 1234  # 14:20:34, in the middle of every stretch
END_NS = END_S * S + 567_000_000

Series = dict[tuple[str, Granularity], list[Candle]]


@pytest.fixture(scope="module")
def history(instruments: Instruments) -> Series:
    market = Market(instruments)
    series: Series = defaultdict(list)
    for candle in synthetic_history(market, market.begin(1, END_NS)):
        series[candle.instrument, candle.granularity].append(candle)
    return series


def test_there_is_a_day_of_minutes_and_a_month_of_longer_candles_without_a_hole(history: Series, instruments: Instruments):
    for name in instruments:
        minutes = history[name, Granularity.M1]
        assert len(minutes) >= 1440
        assert len(history[name, Granularity.D]) >= 30
        assert len(history[name, Granularity.S5]) >= 1440
        for granularity in Granularity:
            starts = [one.start_s for one in history[name, granularity]]
            assert all(later - earlier == granularity.seconds for earlier, later in pairwise(starts))


def test_it_ends_at_the_price_and_the_moment_the_live_market_begins_from(history: Series, instruments: Instruments):
    for granularity in Granularity:
        last = history["EUR_USD", granularity][-1]
        assert abs(last.mid.close - Decimal("1.16700")) <= Decimal("0.00001")
        assert last.start_s <= END_S < last.start_s + granularity.seconds + 5


def test_it_ends_at_the_price_a_kept_market_stands_at(instruments: Instruments):
    """When the candle file is lost and the market goes on, its new past leads to where it stands."""
    market = Market(instruments)
    state, _ = market.advance(market.begin(1, END_NS), END_NS + 86_400 * S)
    minutes = [one for one in synthetic_history(market, state) if one.instrument == "EUR_USD" and one.granularity is Granularity.M1]
    stands_at = Decimal(mid_price("EUR_USD", state.marks["EUR_USD"].log_price))
    assert abs(stands_at - Decimal("1.16700")) > Decimal("0.00050")
    assert abs(minutes[-1].mid.close - stands_at) < Decimal("0.00002")


def test_every_candle_is_on_its_instruments_grid_and_holds_its_own_ends(history: Series, instruments: Instruments):
    for (name, _), candles in history.items():
        tick = instruments[name].tick
        for one in candles:
            for side in (one.bid, one.ask):
                assert all(price % tick == 0 for price in (side.open, side.high, side.low, side.close))
                assert side.low <= min(side.open, side.close) <= max(side.open, side.close) <= side.high
            assert one.bid.close < one.ask.close
            assert one.count > 0


def test_longer_candles_agree_with_the_shorter_ones_inside_them(history: Series):
    for name in ("EUR_USD", "BTC-USD"):
        minutes = {one.start_s: one for one in history[name, Granularity.M1]}
        for one in history[name, Granularity.M5]:
            inside = [minutes[start] for start in range(one.start_s, one.start_s + 300, 60) if start in minutes]
            assert one.bid.high == max(part.bid.high for part in inside)
            assert one.ask.low == min(part.ask.low for part in inside)
            assert (one.mid.open, one.mid.close) == (inside[0].mid.open, inside[-1].mid.close)


def test_the_same_seed_has_the_same_past_and_another_seed_another(history: Series, instruments: Instruments):
    market = Market(instruments)
    first = [candle for series in history.values() for candle in series]
    again, other = (synthetic_history(market, market.begin(seed, END_NS)) for seed in (1, 2))
    assert first == again
    assert first != other
