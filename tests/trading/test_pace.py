"""Orders a minute, the same order again, and the trading day."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from trading.pace import RecentOrders, TradingDay, day_at

S = 1_000_000_000
D = Decimal


def test_a_minute_is_sixty_seconds_back_from_now() -> None:
    recent = RecentOrders()
    for second in (0, 10, 59):
        recent.add("ann", "a", second * S)
    assert [recent.last_minute(now * S) for now in (59, 60, 69, 70, 119)] == [3, 2, 2, 1, 0]


def test_the_same_order_is_the_same_users_same_words() -> None:
    recent = RecentOrders()
    recent.add("ann", "a", 5 * S)
    assert recent.same_order_s("ann", "a", 7 * S + S // 2) == D("2.5")
    assert recent.same_order_s("bob", "a", 7 * S) is None
    assert recent.same_order_s("ann", "b", 7 * S) is None


def test_the_newest_of_the_same_counts_and_outlives_the_older() -> None:
    recent = RecentOrders()
    recent.add("ann", "a", 0)
    recent.add("ann", "a", 30 * S)
    assert recent.same_order_s("ann", "a", 70 * S) == 40
    assert recent.same_order_s("ann", "a", 90 * S) is None


def test_a_longer_window_does_not_lengthen_the_minute() -> None:
    recent = RecentOrders(keep_s=600)
    recent.add("ann", "a", 0)
    recent.add("ann", "b", 100 * S)
    assert recent.last_minute(110 * S) == 1
    assert recent.same_order_s("ann", "a", 110 * S) == 110


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.sampled_from("xyz"), st.integers(0, 50)), max_size=40))
def test_a_restart_forgets_nothing_that_counts(steps: list[tuple[str, str, int]]) -> None:
    """Rebuilt from the stored orders it answers as the one that saw them come."""
    recent, now, stored = RecentOrders(), 0, []
    for user, words, wait in steps:
        now += wait * S
        recent.add(user, words, now)
        stored.append((user, words, now))
    again = RecentOrders()
    again.restore(stored)
    assert again.last_minute(now) == recent.last_minute(now)
    assert [again.same_order_s(user, words, now) for user, words, _ in steps] == [recent.same_order_s(user, words, now) for user, words, _ in steps]


def test_a_day_begins_with_the_equity_it_finds_and_lasts_its_date() -> None:
    """2014-05-05 20:59 UTC is still Monday in New York's forex day, 21:00 is Tuesday."""
    monday = day_at(None, now_ns=1_399_323_540 * S, equity=D(1000), zone="America/New_York", turn="17:00")
    assert monday == TradingDay(day=date(2014, 5, 5), start_equity=D(1000))
    assert day_at(monday, now_ns=1_399_323_599 * S, equity=D(900), zone="America/New_York", turn="17:00") is monday
    tuesday = day_at(monday, now_ns=1_399_323_600 * S, equity=D(900), zone="America/New_York", turn="17:00")
    assert (tuesday.day, tuesday.start_equity, tuesday.pnl(D(850))) == (date(2014, 5, 6), D(900), D(-50))


def test_a_clock_put_back_does_not_begin_yesterday_again() -> None:
    """A loss must not be forgotten by turning the clock."""
    tuesday = TradingDay(day=date(2014, 5, 6), start_equity=D(900))
    assert day_at(tuesday, now_ns=1_399_323_540 * S, equity=D(500), zone="America/New_York", turn="17:00") is tuesday


def test_a_day_reads_back_from_its_record() -> None:
    day = TradingDay(day=date(2014, 5, 6), start_equity=D("900.25"))
    assert TradingDay.from_record(day.record()) == day
