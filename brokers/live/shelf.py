"""Brackets by every id that they go by, here and at the venue, and what is to be written of them. Pure; whoever calls is on the writer thread."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace

from brokers.live.facts import ExitFilled, Fact
from brokers.paper.state import State
from trading.brackets import Bracket, Protection
from trading.money import ZERO

# Brackets that have ended and are still recognised when the venue speaks of them.
FINISHED_MAX = 5000


class Shelf:
    """One account's brackets.

    Args:
        state: holds the brackets and what is to be written, and values them.
        held_here: whether the stop of a bracket is held by the adapter rather than placed at the venue.
        releases: whether exits are orders of their own that must come off before a close (``VenuePolicy``).
    """

    def __init__(self, state: State, held_here: Callable[[Bracket], bool], *, releases: bool = False) -> None:
        self.state = state
        self._held_here = held_here
        self._releases = releases
        self.must_compare = False
        self.clear()

    def clear(self) -> None:
        self.state.clear()
        self._n_by_ref: dict[str, int] = {}
        self._refs_of: dict[int, set[str]] = {}
        self._finished: OrderedDict[int, Bracket] = OrderedDict()
        self._early: dict[int, list[ExitFilled]] = {}

    def load(self, bracket: Bracket) -> None:
        """Know a bracket as the store has it, ended or not."""
        if bracket.is_final:
            self._finished[bracket.n] = bracket
        else:
            self.state.load(bracket)
        # Exits that have ended or been replaced besides: one may stand there still, and is no stranger's order.
        self._index(bracket.n, (*bracket.venue.ids(), *bracket.venue.leg_refs))

    def put(self, bracket: Bracket) -> Bracket:
        """Make this the bracket of its n and a row to write, its protection as things stand; returns it."""
        if bracket.is_final:
            bracket = replace(bracket, protection=Protection.NONE, closing_units=ZERO)
            self._finished[bracket.n] = bracket
            self._early.pop(bracket.n, None)
        else:
            bracket = replace(bracket, protection=self._guard_of(bracket))
            self._finished.pop(bracket.n, None)
        self.state.put(bracket)
        self._index(bracket.n, bracket.venue.ids())
        while len(self._finished) > FINISHED_MAX:
            self._forget(self._finished.popitem(last=False)[0])
        return bracket

    def get(self, n: int) -> Bracket | None:
        """The bracket as it stands, ended or not."""
        return self.state.brackets.get(n) or self._finished.get(n)

    def ended(self) -> list[str]:
        """What the brackets that have ended, and are still recognised, are called at the venue."""
        return [bracket.venue.client_id for bracket in self._finished.values()]

    def find(self, fact: Fact) -> Bracket | None:
        for ref in (fact.client_id, fact.trade_ref, fact.order_ref):
            n = self._n_by_ref.get(ref) if ref else None
            if n is not None:
                return self.get(n)
        return None

    def knows(self, ref: str) -> Bracket | None:
        """The bracket that goes by ``ref`` at the venue, ended or not."""
        n = self._n_by_ref.get(ref)
        return None if n is None else self.get(n)

    def _guard_of(self, bracket: Bracket) -> Protection:
        """Who guards the stop of what is held now."""
        held, stop = bracket.position_units, bracket.venue.stop
        if not held:
            return Protection.NONE
        if stop is not None and stop.units >= held:
            return Protection.VENUE
        return Protection.ADAPTER if self._held_here(bracket) else Protection.NONE

    def _index(self, n: int, refs: Iterable[str]) -> None:
        known = self._refs_of.setdefault(n, set())
        for ref in refs:
            if ref and ref not in known:
                known.add(ref)
                self._n_by_ref[ref] = n

    def _forget(self, n: int) -> None:
        for ref in self._refs_of.pop(n, ()):
            if self._n_by_ref.get(ref) == n:
                del self._n_by_ref[ref]
