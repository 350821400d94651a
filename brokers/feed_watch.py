"""Which quotes may decide: a pure machine over what came in and when, in boot time.

A quote is fresh for ``stale_after_ns`` after it was sent. An instrument whose standing quote has grown older is stale: nothing fills, and people are
told once, and once more when it is back. An instrument that never had a quote is neither: there is nothing to have lost. A market that is closed
owes no quotes: nothing fills on its old ones, but nobody is told of a stale feed on every weekend.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from brokers.quote_intake import Received
from trading.instruments import Calendar
from trading.sessions import may_be_silent


@dataclass(frozen=True, slots=True, kw_only=True)
class WentStale:
    instrument: str
    feed: str
    age_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    instrument: str
    feed: str
    silent_ns: int


class FeedWatch:
    """The standing quote of each instrument, and whether it is fresh.

    Args:
        calendars: when each instrument trades; one that is not named always does.
    """

    def __init__(self, stale_after_ns: int, calendars: Mapping[str, Calendar] | None = None) -> None:
        self._stale_after_ns = stale_after_ns
        self._calendars = calendars or {}
        self._standing: dict[str, Received] = {}
        self._stale: set[str] = set()

    def take(self, received: Received, boot_ns: int) -> Recovered | None:
        """Make ``received`` the standing quote of its instrument, unless it was sent before that one."""
        name = received.quote.instrument
        before = self._standing.get(name)
        if before is not None and received.sent_boot_ns < before.sent_boot_ns:
            return None
        self._standing[name] = received
        if name not in self._stale or not self.is_fresh(received, boot_ns):
            return None
        self._stale.discard(name)
        silent_ns = 0 if before is None else received.sent_boot_ns - before.sent_boot_ns
        return Recovered(instrument=name, feed=received.quote.feed, silent_ns=silent_ns)

    def tick(self, boot_ns: int) -> list[WentStale]:
        """Those that have gone stale since the last look."""
        gone = [
            WentStale(instrument=name, feed=received.quote.feed, age_ns=boot_ns - received.sent_boot_ns)
            for name, received in self._standing.items()
            if name not in self._stale and not self.is_fresh(received, boot_ns) and not self._may_be_silent(received, boot_ns)
        ]
        self._stale.update(each.instrument for each in gone)
        return gone

    def is_fresh(self, received: Received, boot_ns: int) -> bool:
        """Whether a quote sent then may decide now."""
        return boot_ns - received.sent_boot_ns < self._stale_after_ns

    def _may_be_silent(self, received: Received, boot_ns: int) -> bool:
        """Whether the market is closed by now: by its own time, that of the quote and what has passed since. A synthetic market never is."""
        quote = received.quote
        market_ns = quote.time_ns + boot_ns - received.sent_boot_ns
        return not quote.synthetic and may_be_silent(self._calendars.get(quote.instrument, Calendar.ALWAYS), market_ns)

    def standing(self, instrument: str) -> Received | None:
        """The newest quote of ``instrument``, however old."""
        return self._standing.get(instrument)

    def all_standing(self) -> list[Received]:
        """The newest quote of every instrument. The copy is made in one step, so another thread may ask too."""
        return list(self._standing.values())

    @property
    def feed(self) -> str | None:
        """The feed of the newest quote of all."""
        newest = max(self._standing.values(), key=lambda received: received.sent_boot_ns, default=None)
        return None if newest is None else newest.quote.feed
