"""The market as the engine sees it: the standing quote of each instrument, what of its size is left, and what one currency is worth in another.

A quote decides (things may fill on it) when it is fresh and its market is open by the quote's own time; a synthetic quote knows no weekend. One that
does not decide still marks what positions are worth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

from trading.brackets import Bracket
from trading.instruments import Instruments, Side
from trading.money import floor_to
from trading.quotes import Quote
from trading.sessions import Session, session_at

ONE = Decimal(1)


class Taken(NamedTuple):
    """Size that the fill ``fill_n`` of bracket ``n`` used up."""

    side: Side
    units: Decimal
    n: int
    fill_n: int


@dataclass(slots=True)
class Standing:
    """The newest quote of one instrument. ``bid_left`` is what may still be sold into it, ``ask_left`` bought; None is without limit."""

    quote: Quote
    is_fresh: bool
    bid_left: Decimal | None
    ask_left: Decimal | None
    taken: list[Taken] = field(default_factory=list)  # in the order of the fills, where the quote has sizes

    def exit_price(self, side: Side) -> Decimal:
        """What closing a position of ``side`` trades at: a long sells at the bid."""
        return self.quote.bid if side is Side.BUY else self.quote.ask

    def entry_price(self, side: Side) -> Decimal:
        return self.quote.ask if side is Side.BUY else self.quote.bid

    def can_take(self, side: Side, units: Decimal, step: Decimal) -> Decimal:
        """How many of ``units`` can trade on ``side`` now: a multiple of ``step``."""
        left = self.ask_left if side is Side.BUY else self.bid_left
        return units if left is None or left >= units else floor_to(left, step)

    def take(self, side: Side, units: Decimal, bracket: Bracket) -> None:
        """Use up size for the next fill of ``bracket``: what one order takes is gone for whoever comes after it on this quote."""
        if self._add(side, -units):
            self.taken.append(Taken(side, units, bracket.n, bracket.fill_count + 1))

    def give_back(self, next_n: int, brackets: Mapping[int, Bracket]) -> None:
        """Undo what was taken for fills that the store does not have: of ``brackets``, those not final, and of none that is ``next_n`` or later."""
        kept = []
        for each in self.taken:
            bracket = brackets.get(each.n)
            # What is neither to come nor open has ended in the store, with all its fills.
            if each.n < next_n and (bracket is None or each.fill_n <= bracket.fill_count):
                kept.append(each)
            else:
                self._add(each.side, each.units)
        self.taken = kept

    def _add(self, side: Side, units: Decimal) -> bool:
        """Change what is left on ``side``; False where that is without limit."""
        if side is Side.BUY and self.ask_left is not None:
            self.ask_left += units
        elif side is Side.SELL and self.bid_left is not None:
            self.bid_left += units
        else:
            return False
        return True


class Market:
    """Standing quotes by instrument."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._standing: dict[str, Standing] = {}
        self._sessions: dict[str, Session] = {}
        self._routes: dict[tuple[str, str], tuple[str, bool] | None] = {}

    def note(self, quote: Quote, *, fresh: bool) -> Standing:
        """Make ``quote`` the standing one, with all of its size; the standing one shown once more keeps what is left of its size."""
        standing = self._standing.get(quote.instrument)
        if standing is not None and standing.quote == quote:
            standing.is_fresh = fresh
            return standing
        standing = Standing(quote, fresh, quote.bid_size, quote.ask_size)
        self._standing[quote.instrument] = standing
        return standing

    def take_over(self, other: "Market") -> None:
        """Go on from the standing quotes of ``other``."""
        found = {name: other.standing(name) for name in self._instruments}
        self._standing = {name: replace(standing, taken=list(standing.taken)) for name, standing in found.items() if standing is not None}

    def give_back(self, next_n: int, brackets: Mapping[int, Bracket]) -> None:
        """Give the standing quotes back what was taken for fills that the store does not have; see ``Standing.give_back``."""
        for standing in self._standing.values():
            standing.give_back(next_n, brackets)

    def standing(self, instrument: str) -> Standing | None:
        return self._standing.get(instrument)

    def decides(self, standing: Standing) -> bool:
        """Whether things may fill on this quote."""
        return standing.is_fresh and (standing.quote.synthetic or self.is_open(standing.quote.instrument, standing.quote.time_ns))

    def is_open(self, instrument: str, time_ns: int) -> bool:
        session = self._sessions.get(instrument)
        if session is None or not session.covers(time_ns):
            session = self._sessions[instrument] = session_at(self._instruments[instrument].calendar, time_ns)
        return session.is_open

    def rate(self, currency: str, into: str) -> Decimal | None:
        """What one unit of ``currency`` is worth ``into`` another, at mid; None while no quote says."""
        if currency == into:
            return ONE
        route = self.route(currency, into)
        standing = None if route is None else self._standing.get(route[0])
        if route is None or standing is None:
            return None
        return 1 / standing.quote.mid if route[1] else standing.quote.mid

    def awaited(self, instrument: str, into: str) -> set[str]:
        """The instruments whose first quotes would say what ``instrument`` is worth ``into`` a currency; empty where nothing ever converts."""
        names, quoted_in = [instrument], self._instruments[instrument].quote
        if quoted_in != into:
            route = self.route(quoted_in, into)
            if route is None:
                return set()
            names.append(route[0])
        return {name for name in names if name not in self._standing}

    def route(self, currency: str, into: str) -> tuple[str, bool] | None:
        """The instrument whose mid converts, and whether by its inverse."""
        key = (currency, into)
        if key not in self._routes:
            self._routes[key] = self._find_route(currency, into)
        return self._routes[key]

    def _find_route(self, currency: str, into: str) -> tuple[str, bool] | None:
        for instrument in self._instruments.values():
            if (instrument.base, instrument.quote) == (currency, into):
                return instrument.name, False
            if (instrument.base, instrument.quote) == (into, currency):
                return instrument.name, True
        return None
