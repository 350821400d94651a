"""Which quotes may decide: age by boot time, told once when it is too great and once when it is well again."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.feed_watch import FeedWatch
from brokers.quote_intake import Received, read_quote
from bus.codec import MalformedMessage
from bus.envelope import encode_event
from runtime.clock import NS_PER_S
from trading.instruments import Calendar
from trading.quotes import Quote

STALE_NS = 10 * NS_PER_S
QUOTE = Quote(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), time_ns=5, synthetic=True, feed="simulated")


def received(at_s: float, instrument: str = "EUR_USD") -> Received:
    return Received(quote=replace(QUOTE, instrument=instrument), sent_boot_ns=round(at_s * NS_PER_S))


def test_an_instrument_goes_stale_once_and_recovers_once() -> None:
    watch = FeedWatch(STALE_NS)
    assert watch.take(received(100), 100 * NS_PER_S) is None
    assert watch.tick(110 * NS_PER_S - 1) == []
    (stale,) = watch.tick(110 * NS_PER_S)
    assert (stale.instrument, stale.feed, stale.age_ns) == ("EUR_USD", "simulated", STALE_NS)
    assert watch.tick(120 * NS_PER_S) == []
    recovered = watch.take(received(130), 130 * NS_PER_S)
    assert recovered is not None
    assert recovered.silent_ns == 30 * NS_PER_S
    assert watch.take(received(131), 131 * NS_PER_S) is None


def test_a_quote_that_lay_in_a_queue_is_stale_when_it_is_read() -> None:
    watch = FeedWatch(STALE_NS)
    old = received(100)
    watch.take(old, 150 * NS_PER_S)
    assert not watch.is_fresh(old, 150 * NS_PER_S)


def test_an_old_quote_does_not_end_an_instruments_staleness() -> None:
    watch = FeedWatch(STALE_NS)
    watch.take(received(100), 100 * NS_PER_S)
    watch.tick(120 * NS_PER_S)
    assert watch.take(received(101), 120 * NS_PER_S) is None
    assert watch.take(received(119), 120 * NS_PER_S) is not None


def test_a_quote_sent_before_the_standing_one_does_not_replace_it() -> None:
    watch = FeedWatch(STALE_NS)
    newer = received(101)
    watch.take(newer, 101 * NS_PER_S)
    watch.take(received(100), 101 * NS_PER_S)
    assert watch.standing("EUR_USD") is newer


def test_instruments_do_not_answer_for_one_another() -> None:
    watch = FeedWatch(STALE_NS)
    watch.take(received(100), 100 * NS_PER_S)
    watch.take(received(109, "GBP_USD"), 109 * NS_PER_S)
    assert [stale.instrument for stale in watch.tick(111 * NS_PER_S)] == ["EUR_USD"]
    assert {each.quote.instrument for each in watch.all_standing()} == {"EUR_USD", "GBP_USD"}


def test_a_weekend_is_not_told_of_and_an_opening_without_quotes_is() -> None:
    """From Friday 16:54 in New York, six minutes before the week ends, to eleven minutes after Sunday's opening."""
    friday_ns = 1_764_366_840 * NS_PER_S
    watch = FeedWatch(STALE_NS, {"EUR_USD": Calendar.FOREX})
    last = replace(QUOTE, time_ns=friday_ns + 55 * NS_PER_S, synthetic=False, feed="oanda")
    watch.take(Received(quote=last, sent_boot_ns=100 * NS_PER_S), 100 * NS_PER_S)
    for minutes in (1, 4, 5, 600, 48 * 60, 48 * 60 + 14):
        assert watch.tick((100 + minutes * 60) * NS_PER_S) == [], minutes
    (stale,) = watch.tick((100 + 48 * 3600 + 16 * 60) * NS_PER_S)
    assert stale.instrument == "EUR_USD"


def test_a_synthetic_market_has_no_weekend_and_its_silence_is_told_of() -> None:
    saturday = replace(QUOTE, time_ns=1_764_460_800 * NS_PER_S)
    watch = FeedWatch(STALE_NS, {"EUR_USD": Calendar.FOREX})
    watch.take(Received(quote=saturday, sent_boot_ns=100 * NS_PER_S), 100 * NS_PER_S)
    assert len(watch.tick(120 * NS_PER_S)) == 1


PAYLOAD = {"instrument": "EUR_USD", "bid": 1.1655, "ask": 1.1656, "synthetic": True, "feed": "simulated", "time_ns": 7, "sent_boottime_ns": 90}


def test_a_quote_is_read_with_its_exact_digits_and_its_age() -> None:
    read = read_quote(encode_event("oanda", "quote", {**PAYLOAD, "bid_size": 1000, "ask_size": 0.5}, 7), 100)
    assert (read.quote.bid, read.quote.ask) == (Decimal("1.1655"), Decimal("1.1656"))
    assert (read.quote.bid_size, read.quote.ask_size) == (Decimal(1000), Decimal("0.5"))
    assert (read.quote.time_ns, read.sent_boot_ns) == (7, 90)


@pytest.mark.parametrize("sent", [101, None])
def test_a_send_time_from_another_boot_counts_as_now(sent: int | None) -> None:
    payload = {name: value for name, value in {**PAYLOAD, "sent_boottime_ns": sent}.items() if value is not None}
    assert read_quote(encode_event("oanda", "quote", payload, 7), 100).sent_boot_ns == 100


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid": None},
        {"bid": "1.1655"},
        {"bid": True},
        {"bid": 1.2},  # above the ask
        {"bid": -1},
        {"ask": 0.12345678901234567},
        {"instrument": 5},
        {"feed": None},
        {"time_ns": -1},
        {"time_ns": 1.5},
        {"bid_size": -1},
        {"sent_boottime_ns": "now"},
    ],
)
def test_what_is_no_quote_is_malformed(wrong: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        read_quote(encode_event("oanda", "quote", {**PAYLOAD, **wrong}, 7), 100)
    with pytest.raises(MalformedMessage):
        read_quote(b"\xc1", 100)
