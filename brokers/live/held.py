"""Exits that the venue cannot hold, watched here quote by quote: a stop or a target without an order of its own, a trailing stop that must be moved,
and a stop at the venue that was reached and has left something behind.

What is decided here is only asked for (``closing_units``, ``trail_to``); the venue does it. A quote that is stale, or of a closed market, decides
nothing.
"""

from dataclasses import replace
from decimal import Decimal

from brokers.live.account import LiveAccount
from brokers.live.venue import Capability, Exits
from brokers.paper.market import Standing
from runtime.clock import NS_PER_S
from trading.brackets import Bracket
from trading.events import CancelReason
from trading.instruments import Instrument, Side
from trading.money import ceil_to, floor_to
from trading.orders import CloseReason

# How long a stop that is a limit order may stay unfilled after the market has passed it.
STOP_RESTS_S = 2.0
# A trailing stop is moved at the venue at most so often.
TRAIL_S = 2.0


class HeldExits:
    """Those of one account; called on the writer thread."""

    def __init__(self, account: LiveAccount) -> None:
        self._account = account
        self._passed_ns: dict[int, int] = {}
        self._trailed_ns: dict[int, int] = {}
        self._held: dict[int, str] = {}
        self.watched: frozenset[str] = frozenset()

    def restart(self) -> None:
        """The book was read anew, or what the venue can do is known only now."""
        self._held.clear()
        self.watched = frozenset()
        for bracket in self._account.state.brackets.values():
            self.note(bracket)

    def shift(self, step_ns: int) -> None:
        """The wall clock was stepped."""
        self._passed_ns = {n: at_ns + step_ns for n, at_ns in self._passed_ns.items()}
        self._trailed_ns = {n: at_ns + step_ns for n, at_ns in self._trailed_ns.items()}

    def note(self, bracket: Bracket) -> None:
        """``bracket`` has changed: ``watched`` are the instruments whose quotes matter here."""
        matters = bracket.position_units and not bracket.closing_units and _is_watched(bracket, self._account.capability(bracket.instrument))
        if matters and bracket.n not in self._held:
            self._held[bracket.n] = bracket.instrument
        elif not matters and bracket.n in self._held:
            del self._held[bracket.n]
        else:
            return
        self.watched = frozenset(self._held.values())

    def on_quote(self, standing: Standing, now_ns: int) -> list[int]:
        """Let a quote decide; the brackets that something is to be done about."""
        if not self._account.state.market.decides(standing):
            return []
        held = [bracket for bracket in self._account.state.in_instrument(standing.quote.instrument) if bracket.position_units]
        return [bracket.n for bracket in held if not bracket.closing_units and self._decide(bracket, standing, now_ns)]

    def _decide(self, bracket: Bracket, standing: Standing, now_ns: int) -> bool:
        capability, price, sign = self._account.capability(bracket.instrument), standing.exit_price(bracket.side), bracket.side.sign
        past_stop = bool(bracket.stop_price) and (price - bracket.stop_price) * sign <= 0
        past_target = bool(bracket.order.take_profit_price) and (price - bracket.order.take_profit_price) * sign >= 0
        if past_stop and capability.exits is Exits.HELD:
            return self._close(bracket, CloseReason.STOP_LOSS, now_ns)
        if past_stop and capability.stop_may_rest:
            since_ns = self._passed_ns.setdefault(bracket.n, now_ns)
            return now_ns - since_ns >= STOP_RESTS_S * NS_PER_S and self._close(bracket, CloseReason.STOP_LOSS, now_ns)
        self._passed_ns.pop(bracket.n, None)
        if past_target and capability.exits in {Exits.HELD, Exits.STOP_ONLY}:
            return self._close(bracket, CloseReason.TAKE_PROFIT, now_ns)
        if bracket.order.trailing_stop_distance is not None and (not capability.trails or capability.exits is Exits.HELD):
            return self._trail(bracket, capability, price, now_ns)
        return False

    def _close(self, bracket: Bracket, reason: CloseReason, now_ns: int) -> bool:
        self._passed_ns.pop(bracket.n, None)
        self._account.want_close(bracket, bracket.position_units, reason, str(CancelReason.OCO_SIBLING), now_ns)
        return True

    def _trail(self, bracket: Bracket, capability: Capability, market: Decimal, now_ns: int) -> bool:
        wanted = trailed(bracket, market, self._account.state.instruments[bracket.instrument])
        if wanted == bracket.stop_price:
            return False
        if capability.exits is Exits.HELD:
            self._account.book.put(replace(bracket, stop_price=wanted, updated_ns=now_ns))
            return False
        if now_ns - self._trailed_ns.get(bracket.n, 0) < TRAIL_S * NS_PER_S:
            return False
        self._trailed_ns[bracket.n] = now_ns
        self._account.notes_of(bracket.n).trail_to = wanted
        return True


def trailed(bracket: Bracket, market: Decimal, instrument: Instrument) -> Decimal:
    """Where the stop stands when the position could be left at ``market``: at most as far away as it trails, and never further than it was."""
    distance = bracket.order.trailing_stop_distance
    if distance is None:
        return bracket.stop_price
    if bracket.side is Side.BUY:
        return max(bracket.stop_price, floor_to(market - distance, instrument.tick))
    return min(bracket.stop_price, ceil_to(market + distance, instrument.tick))


def _is_watched(bracket: Bracket, capability: Capability) -> bool:
    trails_here = bracket.order.trailing_stop_distance is not None and not capability.trails
    return capability.exits in {Exits.HELD, Exits.STOP_ONLY} or capability.stop_may_rest or trails_here
