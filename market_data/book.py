"""The latest quote of each instrument, and how old it is. No I/O: whoever feeds it says what time it is.

Age is measured from receipt by the boot clock, never from the quote's own time: a replayed quote is ten years old by its time and fresh by ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from runtime.clock import NS_PER_S
from trading.quotes import Quote

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A latest quote; ``number`` counts the instrument's quotes, ``received_boot_ns`` is when it came."""

    quote: Quote
    received_boot_ns: int
    number: int

    def age_ms(self, now_boot_ns: int) -> int:
        return (now_boot_ns - self.received_boot_ns) // NS_PER_MS


class QuoteBook:
    """Latest quotes by instrument.

    Args:
        stale_s: a quote older than this is stale; the paper venue fills nothing on it.
    """

    def __init__(self, stale_s: Decimal) -> None:
        self.stale_ns = int(stale_s * NS_PER_S)
        self.latest: dict[str, Standing] = {}
        self.received = 0
        self._lost: set[str] = set()

    def receive(self, quote: Quote, now_boot_ns: int) -> bool:
        """Let ``quote`` take the place of the instrument's last. Returns False for that very quote again: its feed says that it stands."""
        before = self.latest.get(quote.instrument)
        self.received += 1
        self._lost.discard(quote.instrument)
        number = 1 if before is None else before.number + 1
        self.latest[quote.instrument] = Standing(quote=quote, received_boot_ns=now_boot_ns, number=number)
        return before is None or quote is not before.quote

    def lose(self, instruments: Iterable[str]) -> None:
        """Their source is gone: what stands is stale from now on, however young it is."""
        self._lost.update(instruments)

    def is_stale(self, standing: Standing, now_boot_ns: int) -> bool:
        return standing.quote.instrument in self._lost or now_boot_ns - standing.received_boot_ns > self.stale_ns

    def stale(self, now_boot_ns: int) -> list[str]:
        """The instruments whose latest quote is stale."""
        return [name for name, standing in self.latest.items() if self.is_stale(standing, now_boot_ns)]
