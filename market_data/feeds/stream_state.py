"""What one connection to a venue has said so far, and which of its prices are good enough to become quotes. No I/O: the caller brings the time.

Dropped, each counted by its reason: a crossed, zero or unreadable price; one older than what this connection already showed; one that lay in a
buffer while this process or the network stood still (**late**: the venue's time is compared with ours, and only how much further apart they are than
at best counts, so a clock that is set wrong makes nothing late); one of an instrument nobody asked for. A price the venue does not trade on (a halt,
a weekend) is no quote at all: nothing may fill on it.

Where a venue sends a price only when it changes, its heartbeat says that the others still stand. They are then given again, with their own time, so
that a calm market does not look like a dead one; but never in closed hours, nor for an instrument that has been still for ``QUIET_S_MAX``.

A new connection begins with an empty state: what the venue shows first is the truth again.
"""

from collections import Counter
from collections.abc import Mapping

from market_data.feeds.venue_stream import Gap, Garbage, Heartbeat, Message, Price
from runtime.clock import NS_PER_S
from trading.instruments import Instrument
from trading.quotes import Quote
from trading.sessions import may_be_silent

LATE_S_MAX = 3.0  # networks stall for a second; what took longer says nothing about now
QUIET_S_MAX = 120.0  # the majors have never been still for so long in the recorded open hours; then a fresh connection tells
SILENCE_S_MAX = 10.0  # twice OANDA's heartbeat, ten times Coinbase's

FAULTS = ("garbage", "crossed", "older", "late", "unknown", "gap")


class StreamState:
    """One connection's prices.

    Args:
        standing_prices: whether a heartbeat says that prices still stand.
        boot_ns: when the connection was opened.
        faults: where what is wrong is counted, by its name in ``FAULTS``.
    """

    def __init__(self, venue: str, instruments: Mapping[str, Instrument], *, standing_prices: bool, boot_ns: int, faults: "Counter[str]") -> None:
        self._venue = venue
        self._instruments = instruments
        self._standing_prices = standing_prices
        self._heard_ns = boot_ns
        self._priced_ns = boot_ns
        self._least_ns: int | None = None  # venue time and boot time were never less apart than this
        self._least_at_ns = boot_ns
        self._shown: dict[str, Quote] = {}
        self._shown_at_ns: dict[str, int] = {}
        self._times: dict[str, int] = {}
        self.halted: frozenset[str] = frozenset()
        self._faults = faults

    def take(self, message: Message, boot_ns: int) -> list[Quote]:
        """The quotes that ``message`` brings, received at ``boot_ns``."""
        if isinstance(message, Garbage):
            return self._drop("garbage")
        self._heard_ns = boot_ns
        if isinstance(message, Gap):
            return self._drop("gap")
        if isinstance(message, Heartbeat):
            return [] if self._is_late(message.time_ns, boot_ns) else self._still_standing(message.time_ns, boot_ns)
        return self._priced(message, boot_ns)

    def complaint(self, wall_ns: int, boot_ns: int) -> str:
        """Why this connection should be given up, in a few words; empty while it is well."""
        if boot_ns - self._heard_ns > SILENCE_S_MAX * NS_PER_S:
            return f"nothing that can be read for {SILENCE_S_MAX:g} s"
        if boot_ns - self._priced_ns > QUIET_S_MAX * NS_PER_S:
            if not all(self._may_be_silent(name, wall_ns) for name in self._instruments):
                return f"heartbeats, but no price for {QUIET_S_MAX:g} s"
            self._priced_ns = boot_ns  # when the market opens it has as long again
        return ""

    def _priced(self, price: Price, boot_ns: int) -> list[Quote]:
        name = price.instrument
        if name not in self._instruments:
            return self._drop("unknown")
        if not price.asked:
            self._priced_ns = boot_ns
        before_ns = self._times.get(name)
        if before_ns is not None and price.time_ns < before_ns:
            return self._drop("older")
        # The first on a connection shows where the market stands, however long ago it got there.
        is_late = before_ns is not None and self._is_late(price.time_ns, boot_ns)
        self._times[name] = price.time_ns
        self._shown.pop(name, None)  # whatever is wrong with this one, the one before it stands no more
        if not price.tradeable:
            self.halted |= {name}
            return []
        self.halted -= {name}
        if price.bid > price.ask:
            return self._drop("crossed")
        if not price.bid:
            return self._drop("garbage")
        quote = Quote(
            instrument=name,
            bid=price.bid,
            ask=price.ask,
            bid_size=price.bid_size,
            ask_size=price.ask_size,
            time_ns=price.time_ns,
            synthetic=False,
            feed=self._venue,
        )
        self._shown[name] = quote
        self._shown_at_ns[name] = boot_ns
        return self._drop("late") if is_late else [quote]  # a heartbeat that comes in time may still say that it stands

    def _still_standing(self, time_ns: int, boot_ns: int) -> list[Quote]:
        if not self._standing_prices:
            return []
        since_ns = boot_ns - round(QUIET_S_MAX * NS_PER_S)
        return [
            quote
            for name, quote in self._shown.items()
            if self._shown_at_ns[name] > since_ns and not may_be_silent(self._instruments[name].calendar, time_ns)
        ]

    def _is_late(self, time_ns: int, boot_ns: int) -> bool:
        """Whether what the venue sent at ``time_ns`` took much longer to come than the quickest of this connection."""
        apart_ns = boot_ns - time_ns
        if self._least_ns is not None:
            # Clocks drift apart by a tenth of this at worst: without it a connection of days would see everything late.
            drifted_ns = (boot_ns - self._least_at_ns) // 1000
            apart_ns_max = self._least_ns + drifted_ns + round(LATE_S_MAX * NS_PER_S)
            if apart_ns > apart_ns_max:
                return True
            if apart_ns > self._least_ns + drifted_ns:
                return False
        self._least_ns, self._least_at_ns = apart_ns, boot_ns
        return False

    def _may_be_silent(self, name: str, wall_ns: int) -> bool:
        return name in self.halted or may_be_silent(self._instruments[name].calendar, wall_ns)

    def _drop(self, reason: str) -> list[Quote]:
        self._faults[reason] += 1
        return []
