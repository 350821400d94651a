"""Where a simulated venue's prices come from: set by hand, a recorded file, or a seeded walk.

Underneath is the market of the paper venue (``brokers.paper.market``): one standing quote an instrument, whose size is used up by what trades on it.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from brokers.paper.market import Market, Standing
from market_data.feeds import simulation
from runtime.clock import NS_PER_S
from tests.venues.common.clock import VenueClock
from trading.instruments import Instruments, Side
from trading.quote_files import instrument_of, iter_quotes
from trading.quotes import Quote

# A gap in a recording that is longer than this (a night, a weekend) is cut short: nobody plays to watch nothing.
PAUSE_S_MAX = 5.0

Listener = Callable[[Standing], None]


def use_up(standing: Standing, side: Side, units: Decimal) -> None:
    """What traded on ``side`` is gone for whoever comes after it on this quote; a simulated venue never takes a fill back."""
    if side is Side.BUY and standing.ask_left is not None:
        standing.ask_left -= units
    if side is Side.SELL and standing.bid_left is not None:
        standing.bid_left -= units


class QuoteBoard:
    """The standing quotes, and who wants to know of a new one."""

    def __init__(self, instruments: Instruments, clock: VenueClock) -> None:
        self.instruments = instruments
        self._clock = clock
        self._market = Market(instruments)
        self._listeners: list[Listener] = []

    def on_quote(self, listener: Listener) -> None:
        """Call ``listener`` with every new standing quote, in the order of the calls to this."""
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        """Call it no more."""
        self._listeners.remove(listener)

    def set(self, instrument: str, *, bid: Decimal, ask: Decimal, bid_size: Decimal | None = None, ask_size: Decimal | None = None) -> Standing:
        """Move the market of ``instrument`` now. Sizes are what can trade at these prices; None is no limit.

        Raises:
            ValueError: no such instrument here, or no quote (a bid above the ask).
        """
        if instrument not in self.instruments:
            raise ValueError(f"{instrument} is not traded here; {', '.join(self.instruments)} are")
        quote = Quote(
            instrument=instrument, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, time_ns=self._clock.now_ns(), synthetic=True, feed="venue"
        )
        standing = self._market.note(quote, fresh=True)
        for listener in list(self._listeners):
            listener(standing)
        return standing

    def repeat(self, instrument: str) -> None:
        """Tell the standing quote once more: what it may do has changed, not what it says."""
        standing = self._market.standing(instrument)
        if standing is not None:
            for listener in list(self._listeners):
                listener(standing)

    def standing(self, instrument: str) -> Standing | None:
        """What stands now; None before the first quote."""
        return self._market.standing(instrument)

    def rate(self, currency: str, into: str) -> Decimal | None:
        """What one unit of ``currency`` is worth ``into`` another, at mid; None while no quote says."""
        return self._market.rate(currency, into)

    def available(self, instrument: str, side: Side, units: Decimal) -> Decimal:
        """How many of ``units`` (above zero) can trade on ``side`` at the standing quote."""
        standing = self._market.standing(instrument)
        return Decimal(0) if standing is None else standing.can_take(side, units, self.instruments[instrument].step)


def begin(board: QuoteBoard, mids: Mapping[str, tuple[str, str]]) -> None:
    """Give every instrument a first quote, ``{name: (bid, ask)}``, so that a market stands before anybody comes."""
    for name, (bid, ask) in mids.items():
        board.set(name, bid=Decimal(bid), ask=Decimal(ask))


async def walk(board: QuoteBoard, clock: VenueClock, *, seed: int) -> None:
    """Move the market as the simulated feed does, for ever; the same seed makes the same prices."""
    market = simulation.Market(board.instruments)
    state = market.begin(seed, clock.now_ns())
    while True:
        state, quote = market.next_quote(state)
        await clock.sleep(max(0.0, (quote.time_ns - clock.now_ns()) / NS_PER_S))
        board.set(quote.instrument, bid=quote.bid, ask=quote.ask, bid_size=quote.bid_size, ask_size=quote.ask_size)


async def play(board: QuoteBoard, clock: VenueClock, path: Path) -> None:
    """Move one market as a recording did (``trading.quote_files`` says which files), at the recording's own speed."""
    last_ns: int | None = None
    for quote in _recorded(path, board.instruments):
        gap_s = 0.0 if last_ns is None else min(PAUSE_S_MAX, (quote.time_ns - last_ns) / NS_PER_S)
        last_ns = quote.time_ns
        await clock.sleep(gap_s)
        board.set(quote.instrument, bid=quote.bid, ask=quote.ask, bid_size=quote.bid_size, ask_size=quote.ask_size)


def _recorded(path: Path, instruments: Instruments) -> Iterator[Quote]:
    return iter_quotes(path, instrument_of(path, instruments))
