"""How long positions are without their stop in a fault campaign, with and without the time in which the venue takes none."""

from collections.abc import Collection
from dataclasses import dataclass

from tests.venues.campaign_report import NAKED_S_MAX, Report


@dataclass(slots=True)
class _Span:
    """Seconds without a stop: in which it could have been placed, and in all."""

    open_s: float = 0.0
    all_s: float = 0.0


class NakedWatch:
    """Counts into ``report``: each position once for each time that it is without its stop for too long."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._spans: dict[str, _Span] = {}
        self._seen_s: float | None = None

    def see(self, now_s: float, naked: Collection[str], *, is_shut: bool) -> None:
        """These have no stop at ``now_s``. ``is_shut``: since the last look the venue has answered nobody, or taken no exit."""
        step_s = 0.0 if self._seen_s is None else now_s - self._seen_s
        self._seen_s = now_s
        self._spans = {ref: self._spans.get(ref) or _Span() for ref in naked}
        report = self._report
        for span in self._spans.values():
            before = _Span(span.open_s, span.all_s)
            span.all_s += step_s
            span.open_s += 0.0 if is_shut else step_s
            report.naked += before.open_s <= NAKED_S_MAX < span.open_s
            report.naked_at_all += before.all_s <= NAKED_S_MAX < span.all_s
            report.naked_longest_s = max(report.naked_longest_s, span.open_s)
            report.naked_at_all_longest_s = max(report.naked_at_all_longest_s, span.all_s)
