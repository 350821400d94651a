"""Quotes: what an instrument can be bought and sold for at one moment."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One bid and ask with the size behind each, None where the feed has no sizes.

    ``time_ns`` is market time. ``feed`` names where it came from (``simulated``, ``replay``, ``oanda``, ``coinbase``); ``synthetic`` marks what no
    market ever quoted. A market may be locked (bid equal to ask) for a moment, but a crossed quote is a fault of the feed.
    """

    instrument: str
    bid: Decimal
    ask: Decimal
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    time_ns: int
    synthetic: bool = False
    feed: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.bid <= self.ask:
            raise ValueError(f"{self.instrument}: a bid of {self.bid} and an ask of {self.ask} are no quote")
        for size in (self.bid_size, self.ask_size):
            if size is not None and size < 0:
                raise ValueError(f"{self.instrument}: a quoted size of {size} cannot be")

    @property
    def mid(self) -> Decimal:
        """Halfway between bid and ask."""
        return (self.bid + self.ask) / 2

    @property
    def spread(self) -> Decimal:
        return self.ask - self.bid
