"""What one connection's prices are worth: which become quotes, which are dropped and counted, what still stands, and when to give up."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from market_data.feeds.stream_state import QUIET_S_MAX, SILENCE_S_MAX, StreamState
from market_data.feeds.venue_stream import Gap, Garbage, Heartbeat, Price
from tests.market_data.conftest import MONDAY_NS, S
from trading.instruments import Instruments

# Friday 2025-11-28 16:54 in New York: six minutes before the week ends.
FRIDAY_NS = MONDAY_NS + (4 * 86_400 + 7 * 3600 + 54 * 60) * S
BOOT_NS = 5_000 * S


class Connection:
    """A connection opened at ``wall_ns``; ``at`` gives it a message some seconds later, sent by the venue ``sent`` seconds after the opening."""

    def __init__(self, instruments: Instruments, *, venue: str = "oanda", standing_prices: bool = True, wall_ns: int = MONDAY_NS) -> None:
        self.faults: Counter[str] = Counter()
        self.wall_ns = wall_ns
        self.state = StreamState(venue, instruments.for_venue(venue), standing_prices=standing_prices, boot_ns=BOOT_NS, faults=self.faults)

    def price(self, at: float, bid: str = "1.16694", ask: str = "1.16706", *, sent: float | None = None, **more: Any) -> list[str]:
        """The bids of the quotes that came of it."""
        values = {"instrument": "EUR_USD", "time_ns": self.wall_ns + round((at if sent is None else sent) * S), **more}
        quotes = self.state.take(Price(bid=Decimal(bid), ask=Decimal(ask), **values), BOOT_NS + round(at * S))
        return [str(quote.bid) for quote in quotes]

    def beat(self, at: float, *, sent: float | None = None) -> list[str]:
        heartbeat = Heartbeat(time_ns=self.wall_ns + round((at if sent is None else sent) * S))
        return [f"{quote.instrument} {quote.bid}" for quote in self.state.take(heartbeat, BOOT_NS + round(at * S))]

    def complaint(self, at: float) -> str:
        return self.state.complaint(self.wall_ns + round(at * S), BOOT_NS + round(at * S))


@pytest.fixture
def oanda(instruments: Instruments) -> Connection:
    return Connection(instruments)


def test_a_price_becomes_a_quote_with_the_venues_time_its_sizes_and_no_synthetic_mark(oanda: Connection):
    price = Price(
        instrument="EUR_USD", bid=Decimal("1.16694"), ask=Decimal("1.16706"), bid_size=Decimal(500_000), ask_size=Decimal(1), time_ns=MONDAY_NS
    )
    (quote,) = oanda.state.take(price, BOOT_NS)
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (Decimal("1.16694"), Decimal("1.16706"), Decimal(500_000), Decimal(1))
    assert (quote.time_ns, quote.synthetic, quote.feed) == (MONDAY_NS, False, "oanda")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"bid": "1.2", "ask": "1.1"}, "crossed"),
        ({"bid": "0", "ask": "1.1"}, "garbage"),
        ({"instrument": "XAU_USD"}, "unknown"),
        ({"sent": -1}, "older"),
    ],
)
def test_what_is_no_price_is_dropped_and_counted(oanda: Connection, wrong: dict[str, Any], fault: str):
    assert oanda.price(0) == ["1.16694"]
    assert oanda.price(1, **wrong) == []
    assert oanda.faults == {fault: 1}
    assert oanda.price(2, "1.16695") == ["1.16695"]


def test_a_locked_market_is_a_quote(oanda: Connection):
    assert oanda.price(0, "1.1", "1.1") == ["1.1"]


def test_garbage_and_gaps_are_counted(oanda: Connection):
    assert oanda.state.take(Garbage(reason="no JSON"), BOOT_NS) == []
    assert oanda.state.take(Gap(), BOOT_NS) == []
    assert oanda.faults == {"garbage": 1, "gap": 1}


def test_a_heartbeat_says_that_the_last_prices_still_stand_with_their_own_time(oanda: Connection):
    oanda.price(0)
    oanda.price(1, "1.31000", "1.31020", instrument="GBP_USD")
    oanda.price(2, "1.16700")
    assert oanda.beat(5) == ["GBP_USD 1.31000", "EUR_USD 1.16700"]
    (again, _) = oanda.state.take(Heartbeat(time_ns=MONDAY_NS + 10 * S), BOOT_NS + 10 * S)
    assert again.time_ns == MONDAY_NS + S


def test_a_crossed_price_ends_what_stood_before_it(oanda: Connection):
    oanda.price(0)
    oanda.price(1, "1.2", "1.1")
    assert oanda.beat(5) == []


def test_a_venue_that_speaks_only_when_it_trades_lets_nothing_stand(instruments: Instruments):
    coinbase = Connection(instruments, venue="coinbase", standing_prices=False)
    assert coinbase.price(0, "42500", "42501", instrument="BTC-USD") == ["42500"]
    assert coinbase.beat(1) == []


def test_one_instrument_that_is_still_for_too_long_no_longer_stands_while_the_others_do(oanda: Connection):
    oanda.price(0)
    for at in range(5, int(QUIET_S_MAX) + 10, 5):
        oanda.price(at - 1, "1.31000", "1.31020", instrument="GBP_USD")
        stands = oanda.beat(at)
    assert stands == ["GBP_USD 1.31000"]


def test_what_lay_in_a_buffer_is_late_and_dropped_until_the_connection_has_caught_up(oanda: Connection):
    """A process that stood still for half a minute reads old prices in a burst: none of them is a price of now."""
    oanda.price(0)
    assert oanda.price(1, "1.16695") == ["1.16695"]
    assert [oanda.price(31, "1.2", "1.3", sent=sent) for sent in (2, 10, 27)] == [[], [], []]
    assert oanda.faults == {"late": 3}
    assert oanda.price(31, "1.16690", sent=30) == ["1.16690"]


def test_a_late_price_may_still_stand_when_a_heartbeat_comes_in_time(oanda: Connection):
    oanda.price(0)
    oanda.price(1)
    assert oanda.price(31, "1.2", "1.3", sent=2) == []
    assert oanda.beat(31, sent=5) == []
    assert oanda.beat(35, sent=35) == ["EUR_USD 1.2"]


@pytest.mark.parametrize("skew_s", [-3600, 3600])
def test_a_clock_that_is_set_wrong_makes_nothing_late(instruments: Instruments, skew_s: int):
    oanda = Connection(instruments)
    assert [oanda.price(at, sent=at + skew_s) for at in range(5)] == [["1.16694"]] * 5


def test_clocks_that_drift_apart_make_nothing_late(oanda: Connection):
    """A hundred parts in a million, two days long: seventeen seconds in all."""
    assert all(oanda.price(at, sent=at * 0.9999) for at in range(0, 2 * 86_400, 60))


def test_the_first_price_of_a_connection_may_be_old(oanda: Connection):
    """The snapshot shows where the market stands, and when it got there."""
    assert oanda.price(0, sent=-3000) == ["1.16694"]
    assert oanda.price(0, sent=-2000, instrument="GBP_USD") == ["1.16694"]
    assert oanda.price(1, "1.16695") == ["1.16695"]
    assert not oanda.faults


def test_a_halted_instrument_has_no_quote_and_nothing_stands_until_it_trades_again(oanda: Connection):
    oanda.price(0)
    assert oanda.price(1, tradeable=False) == []
    assert oanda.state.halted == {"EUR_USD"}
    assert oanda.beat(5) == []
    assert oanda.price(6) == ["1.16694"]
    assert oanda.state.halted == frozenset()


def test_a_stream_without_a_readable_word_is_given_up(oanda: Connection):
    oanda.price(0)
    oanda.state.take(Garbage(reason="no JSON"), BOOT_NS + round(SILENCE_S_MAX * S))
    assert oanda.complaint(SILENCE_S_MAX) == ""
    assert "nothing that can be read" in oanda.complaint(SILENCE_S_MAX + 1)


def test_heartbeats_without_prices_are_given_up_in_an_open_market(oanda: Connection):
    oanda.price(0)
    for at in range(5, int(QUIET_S_MAX) + 1, 5):
        oanda.beat(at)
        assert oanda.complaint(at) == ""
    oanda.beat(QUIET_S_MAX + 5)
    assert "no price" in oanda.complaint(QUIET_S_MAX + 5)


def test_prices_that_were_asked_for_do_not_say_that_the_stream_is_well(instruments: Instruments):
    coinbase = Connection(instruments, venue="coinbase", standing_prices=False)
    coinbase.price(0, instrument="BTC-USD")
    for at in range(4, int(QUIET_S_MAX) + 5, 4):
        coinbase.beat(at)
        assert coinbase.price(at, instrument="BTC-USD", asked=True) == ["1.16694"]
    assert "no price" in coinbase.complaint(QUIET_S_MAX + 4)


def test_a_quiet_weekend_is_no_reason_to_give_up_and_nothing_stands_in_it(instruments: Instruments):
    """From six to five on Friday until two quiet minutes after Sunday's opening, heartbeats all the time."""
    oanda = Connection(instruments, wall_ns=FRIDAY_NS)
    oanda.price(0)
    allowed_until = 360 + 48 * 3600 + 600  # ten minutes after the opening at 17:00, which is never sharp
    for at in range(5, allowed_until, 5):
        assert oanda.beat(at) == (["EUR_USD 1.16694"] if at < 60 else []), at
        assert oanda.complaint(at) == "", at
    over = allowed_until + QUIET_S_MAX + 5
    oanda.beat(over)
    assert "no price" in oanda.complaint(over)


def test_halted_instruments_are_no_reason_to_give_up_on_a_holiday(oanda: Connection):
    """The calendar knows no Christmas, the venue does."""
    for name in ("EUR_USD", "GBP_USD", "USD_JPY"):
        oanda.price(0, instrument=name, tradeable=False)
    oanda.beat(QUIET_S_MAX + 5)
    assert oanda.complaint(QUIET_S_MAX + 5) == ""
