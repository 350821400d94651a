"""The forex week over the changes of the clocks, and where a trading day ends."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.instruments import Calendar
from trading.sessions import is_open, may_be_silent, session_at, trading_day

S = 1_000_000_000


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("2014-05-04T21:00:00", "2014-05-09T21:00:00"),  # summer in New York: UTC-4
        ("2014-12-07T22:00:00", "2014-12-12T22:00:00"),  # winter: UTC-5
        ("2014-03-09T21:00:00", "2014-03-14T21:00:00"),  # clocks went forward that Sunday at 02:00, before the opening
        ("2014-03-02T22:00:00", "2014-03-07T22:00:00"),  # the week before: still winter to its end
        ("2014-11-02T22:00:00", "2014-11-07T22:00:00"),  # clocks went back that Sunday, before the opening
        ("2014-10-26T21:00:00", "2014-10-31T21:00:00"),  # the week before: still summer
        ("2025-12-28T22:00:00", "2026-01-02T22:00:00"),  # over the turn of the year
    ],
)
def test_the_week_runs_from_sunday_to_friday_five_in_new_york(opening: str, closing: str) -> None:
    """The opening instant is in, the closing instant is out, and the nanosecond before each is the other way."""
    first, last = ns(opening), ns(closing)
    assert [is_open(Calendar.FOREX, at) for at in (first - 1, first, last - 1, last)] == [False, True, True, False]
    session = session_at(Calendar.FOREX, first)
    assert (session.from_ns, session.until_ns) == (first, last)


def test_the_pause_reaches_from_friday_to_sunday_and_may_last_49_or_47_hours() -> None:
    """48 hours as a rule; an hour less where New York's clocks go forward in between, an hour more where they go back."""
    hours = {text: session_at(Calendar.FOREX, ns(text)) for text in ("2014-05-03T12:00:00", "2014-03-08T12:00:00", "2014-11-01T12:00:00")}
    assert [(each.until_ns - each.from_ns) // S // 3600 for each in hours.values()] == [48, 47, 49]
    assert not any(each.is_open for each in hours.values())


@given(st.integers(ns("2000-01-01T00:00:00"), ns("2040-01-01T00:00:00")))
def test_sessions_cover_every_instant_without_a_gap(at: int) -> None:
    session = session_at(Calendar.FOREX, at)
    assert session.covers(at)
    after, before = session_at(Calendar.FOREX, session.until_ns), session_at(Calendar.FOREX, session.from_ns - 1)
    assert (after.from_ns, before.until_ns) == (session.until_ns, session.from_ns)
    assert after.is_open is before.is_open is not session.is_open


def test_what_never_closes_is_always_open() -> None:
    assert is_open(Calendar.ALWAYS, ns("2014-05-03T12:00:00"))
    assert session_at(Calendar.ALWAYS, 0).covers(ns("2200-01-01T00:00:00"))


@pytest.mark.parametrize(
    ("at", "zone", "turn", "day"),
    [
        ("2014-05-05T20:59:59", "America/New_York", "17:00", date(2014, 5, 5)),
        ("2014-05-05T21:00:00", "America/New_York", "17:00", date(2014, 5, 6)),
        ("2014-05-05T23:59:59", "UTC", "00:00", date(2014, 5, 5)),
        ("2014-05-05T22:30:00", "Europe/Berlin", "00:00", date(2014, 5, 6)),
        ("2014-03-09T20:59:59", "America/New_York", "17:00", date(2014, 3, 9)),
        ("2014-03-09T21:00:00", "America/New_York", "17:00", date(2014, 3, 10)),
    ],
)
def test_a_day_ends_at_its_turn_in_its_zone(at: str, zone: str, turn: str, day: date) -> None:
    assert trading_day(ns(at), zone, turn) == day


@pytest.mark.parametrize(
    ("time", "silent"),
    [
        ("2014-05-07T20:54:59", False),
        ("2014-05-07T20:55:00", True),  # five to five in New York, any day
        ("2014-05-07T21:09:59", True),
        ("2014-05-07T21:10:00", False),
        ("2014-12-10T21:56:00", True),  # the same in winter
        ("2014-12-10T20:56:00", False),
        ("2014-05-09T20:54:59", False),  # Friday
        ("2014-05-10T12:00:00", True),
        ("2014-05-11T21:09:59", True),  # Sunday: the week has begun, dealers may be late
        ("2014-05-11T21:10:00", False),
    ],
)
def test_dealers_may_be_silent_around_the_daily_turn_and_over_the_weekend(time: str, silent: bool) -> None:
    assert may_be_silent(Calendar.FOREX, ns(time)) is silent
    assert not may_be_silent(Calendar.ALWAYS, ns(time))
