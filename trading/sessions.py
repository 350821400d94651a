"""Sessions: when an instrument trades, and where one trading day ends.

The forex week runs from Sunday 17:00 to Friday 17:00 in New York, by New York's own clock: in UTC it begins at 21:00 in summer and at 22:00 in
winter. The clocks there change on Sundays at 02:00, inside the closed hours, so that no boundary is ever ambiguous. What never closes has one
endless session.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from trading.instruments import Calendar

NEW_YORK = ZoneInfo("America/New_York")

_NS = 1_000_000_000
_TURN = time(17)  # the forex day turns at 17:00 in New York
_FRIDAY = 5  # days after Sunday

# Dealers pause around the daily turn: OANDA from 16:58 to 17:03 as a rule, the edges differ by minutes.
_DAILY_PAUSE_FROM, _DAILY_PAUSE_UNTIL = time(16, 55), time(17, 10)

# Beyond every time that an integer of nanoseconds in 64 bits can hold.
_EVER_NS = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A span ``from_ns <= t < until_ns`` in which the market is open throughout, or closed throughout."""

    is_open: bool
    from_ns: int
    until_ns: int

    def covers(self, time_ns: int) -> bool:
        return self.from_ns <= time_ns < self.until_ns


ALWAYS_OPEN = Session(is_open=True, from_ns=-_EVER_NS, until_ns=_EVER_NS)


def session_at(calendar: Calendar, time_ns: int) -> Session:
    """The session, or the pause between two, that ``time_ns`` lies in."""
    if calendar is Calendar.ALWAYS:
        return ALWAYS_OPEN
    local = datetime.fromtimestamp(time_ns // _NS, NEW_YORK)
    sunday = local.date() - timedelta(days=(local.weekday() + 1) % 7)
    opening, closing = _turn_ns(sunday), _turn_ns(sunday + timedelta(days=_FRIDAY))
    if time_ns < opening:
        return Session(is_open=False, from_ns=_turn_ns(sunday - timedelta(days=7 - _FRIDAY)), until_ns=opening)
    if time_ns < closing:
        return Session(is_open=True, from_ns=opening, until_ns=closing)
    return Session(is_open=False, from_ns=closing, until_ns=_turn_ns(sunday + timedelta(days=7)))


def is_open(calendar: Calendar, time_ns: int) -> bool:
    """Whether the market trades at ``time_ns``: the opening minute is in, the closing minute out."""
    return session_at(calendar, time_ns).is_open


def may_be_silent(calendar: Calendar, time_ns: int) -> bool:
    """Whether no price need come at ``time_ns``: the market is closed, or in the minutes around 17:00 in New York when dealers pause.

    Nothing may trade on this: it only says whether silence is worth an alarm.
    """
    if calendar is Calendar.ALWAYS:
        return False
    local = datetime.fromtimestamp(time_ns // _NS, NEW_YORK).time()
    return _DAILY_PAUSE_FROM <= local < _DAILY_PAUSE_UNTIL or not is_open(calendar, time_ns)


def trading_day(time_ns: int, zone: str, turn: str = "00:00") -> date:
    """The day ``time_ns`` counts for where a day ends at ``turn`` (``HH:MM``) in ``zone``.

    A day is named after the date it ends on: with a turn at 17:00, Monday 18:00 counts for Tuesday, as forex desks count. With a turn at midnight
    it is the plain date.
    """
    local = datetime.fromtimestamp(time_ns // _NS, ZoneInfo(zone))
    boundary = time.fromisoformat(turn)
    return local.date() + timedelta(days=1) if boundary != time(0) and local.time() >= boundary else local.date()


def _turn_ns(day: date) -> int:
    return int(datetime.combine(day, _TURN, tzinfo=NEW_YORK).timestamp()) * _NS
