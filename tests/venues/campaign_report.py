"""What came of a fault campaign, and whether it may pass."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# RULES R10 and issue 6: how long a position may be without its stop, and an order in doubt after the venue answers again.
NAKED_S_MAX = 5.0
UNKNOWN_S_MAX = 30.0


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of it. The first group must all be zero."""

    doubled: int = 0
    unasked: int = 0
    refused_but_there: int = 0
    naked: int = 0
    oversold: int = 0
    unknown_at_the_end: int = 0
    disagreeing: list[str] = field(default_factory=list)
    touched: Sequence[str] = ()  # of what a hand at the venue had placed for itself

    naked_longest_s: float = 0.0
    naked_at_all: int = 0  # the same with the time in which the venue answered nobody or took no exit
    naked_at_all_longest_s: float = 0.0
    orders: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    struck: Mapping[str, int] = field(default_factory=dict)
    requests: int = 0
    in_doubt: int = 0
    unknown_s: Sequence[float] = ()
    definite_after_calm_s: float = 0.0
    alarms: int = 0
    adopted: int = 0
    by_hand: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        bad = self.doubled + self.unasked + self.refused_but_there + self.naked + self.oversold + self.unknown_at_the_end + len(self.disagreeing)
        bad += len(self.touched)
        return not bad and self.definite_after_calm_s <= UNKNOWN_S_MAX

    def lines(self) -> list[str]:
        spans = sorted(self.unknown_s)
        middle, longest = (spans[len(spans) // 2], spans[-1]) if spans else (0.0, 0.0)
        return [
            f"{self.orders} orders in {self.seconds:.0f} s; {self.requests} requests, {sum(self.struck.values())} faults: {self.struck}",
            f"answers {dict(self.answers)}; in the end {dict(self.statuses)}",
            f"doubled {self.doubled}, there without having been asked for {self.unasked}, REJECTED or VOID and there {self.refused_but_there}",
            f"positions without a stop for {NAKED_S_MAX:g} s {self.naked} (the longest {self.naked_longest_s:.1f} s); "
            f"with the time in which the venue answered nobody or took no exit {self.naked_at_all} ({self.naked_at_all_longest_s:.1f} s)",
            f"more sold than held {self.oversold}, alarms {self.alarms}, taken up late {self.adopted}",
            f"in doubt {self.in_doubt}: for {middle:.1f} s in the middle, {longest:.1f} s at most; "
            f"all definite {self.definite_after_calm_s:.1f} s after the last fault, {self.unknown_at_the_end} open",
            f"books that disagree {len(self.disagreeing)}: {self.disagreeing[:5]}",
            *([f"by hand {dict(self.by_hand)}; of its own touched {len(self.touched)}: {self.touched[:5]}"] if self.by_hand else []),
        ]
