"""The watch of the fault campaign itself: what it would not see, no campaign proves."""

from tests.venues.campaign_naked import NakedWatch
from tests.venues.campaign_report import Report


def test_each_time_without_a_stop_counts_once_and_begins_anew() -> None:
    report = Report()
    watch = NakedWatch(report)
    for second in range(21):
        naked = {"a"} if second != 10 else set()
        watch.see(float(second), naked | {"b"} if second < 4 else naked, is_shut=False)
    assert (report.naked, report.naked_longest_s) == (2, 10.0)


def test_what_the_venue_does_not_take_is_told_and_not_judged() -> None:
    report = Report()
    watch = NakedWatch(report)
    for second in range(8):
        watch.see(float(second), {"a"}, is_shut=2 <= second < 5)
    assert (report.naked, report.naked_longest_s) == (0, 4.0)
    assert (report.naked_at_all, report.naked_at_all_longest_s) == (1, 7.0)
    assert report.is_good
    watch.see(10.0, {"a"}, is_shut=False)
    assert report.naked == 1
    assert not report.is_good
