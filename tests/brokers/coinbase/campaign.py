"""Coinbase's side of the fault campaign."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from brokers.coinbase.ids import FAMILY_CHARS, Part, read_part
from brokers.coinbase.venue import RATE_PER_S, CoinbaseVenue
from brokers.live.venue import Venue, VenuePolicy
from tests.brokers.coinbase.campaign_hand import CoinbaseHand
from tests.brokers.coinbase.kit import adapter
from tests.venues.campaign_hands import Hand
from tests.venues.campaign_side import Side
from tests.venues.coinbase.orders import ON_BOOK, Order
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import FaultScript
from tests.venues.common.paced import LoopClock
from trading.money import ZERO

# What an account may ask of the venue in a second.
VENUE_PER_S = 30

_MIDDLE = Decimal(60000)
_STEP = Decimal(6)  # a basis point


@dataclass(slots=True, kw_only=True)
class _Bracket:
    """One bracket as the venue has it: by the names of its orders, nothing else."""

    client_id: str
    entries: list[Order] = field(default_factory=list)
    others: list[Order] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    @property
    def entered(self) -> Decimal:
        return sum((order.filled_size for order in self.entries), ZERO)

    @property
    def held(self) -> Decimal:
        """Below zero, more was sold for it than it had bought."""
        return self.entered - sum((order.filled_size for order in self.others), ZERO)

    @property
    def covered(self) -> Decimal:
        """What of it an order with a stop would take out."""
        return sum((order.remaining for order in self.others if order.status in ON_BOOK and order.terms.stop_price is not None), ZERO)

    @property
    def is_over(self) -> bool:
        return not self.held and all(order.is_final for order in (*self.entries, *self.others))


class CoinbaseSide(Side):
    """An account with dollars and coins in BTC-USD.

    Args:
        attached: whether the venue takes exits with an entry; without, they are placed after the fill.
        policy: shorter times of the adapter, where a test has few seconds.
        rate_per_s: what the adapter allows itself; the venue refuses more than its 30 a second. None: both without a limit.
    """

    source = "coinbase"
    is_paced = True

    def __init__(self, policy: VenuePolicy | None = None, *, attached: bool = True, rate_per_s: float | None = RATE_PER_S) -> None:
        self.clock = clock = LoopClock()
        self._policy = policy
        self._rate_per_s = rate_per_s
        self._sim = SimulatedVenue(clock=clock)
        self._sim.set_state({"balances": {"USD": "90000000", "BTC": "1000"}, "options": {"attached_supported": attached}})
        if rate_per_s is not None:
            self._sim.set_state({"options": {"requests_per_s": VENUE_PER_S}})
        self._sim.account.on_order(self._note)
        self._mid = _MIDDLE
        self._brackets: dict[str, _Bracket] = {}
        self._open: dict[str, _Bracket] = {}

    @property
    def faults(self) -> FaultScript:
        return self._sim.faults

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._sim:
            self._quote()
            yield

    def adapter(self) -> Venue:
        venue: CoinbaseVenue = adapter(self._sim, clock=self.clock, rate_per_s=self._rate_per_s or 1e6)
        if self._policy is not None:
            venue.policy = self._policy  # type: ignore[misc]  # a class's own, changed for this one
        return venue

    def move(self, dice: Random) -> None:
        step = _STEP * (dice.randint(-25, 25) if dice.random() < 0.01 else dice.randint(-2, 2))
        self._mid += step - (_STEP if self._mid > _MIDDLE else -_STEP) * (dice.random() < 0.2)  # it comes back, as few markets do
        self._quote()

    def jump(self, mid: Decimal) -> None:
        """Let the market be there at once."""
        self._mid = mid
        self._quote()

    def ticket(self, dice: Random) -> dict[str, object]:
        kind, sign = dice.choice(("limit", "stop", "market")), dice.choice((1, 1, -1))
        away = _STEP * dice.randint(1, 12) * (-1 if kind == "limit" else 1)
        entry = self._mid + away * sign
        ticket: dict[str, object] = {
            "instrument": "BTC-USD",
            "side": "BUY" if sign > 0 else "SELL",
            "units": dice.randint(1, 20) / 1000,
            "entry_type": kind,
            "stop_loss_price": float(entry - _STEP * dice.randint(8, 60) * sign),
            "take_profit_price": float(entry + _STEP * dice.randint(8, 60) * sign),
            "ttl_min": dice.randint(1, 90),
        }
        if kind != "market":
            ticket["entry_price"] = float(entry)
        return ticket

    def created(self) -> Mapping[str, int]:
        """An entry that was changed is another order of the same bracket; two that both trade are one too many."""
        made: Counter[str] = Counter()
        for one in self._brackets.values():
            first = sum(1 for order in one.entries if order.client_order_id == one.client_id)
            is_doubled = bool(one.entries) and one.entered > max(order.size for order in one.entries)
            made[one.client_id] = first + is_doubled
        return made

    def held(self) -> Mapping[str, Decimal]:
        return {one.client_id: one.held for one in self._brackets.values() if one.held}

    def resting(self) -> Mapping[str, Decimal]:
        found = {one.client_id: sum((order.remaining for order in one.entries), ZERO) for one in self._brackets.values()}
        return {client_id: units for client_id, units in found.items() if units}

    def hand(self) -> Hand:
        return CoinbaseHand(self._sim.exchange, lambda order: self._brackets[self._family_of(order)].client_id, self._guarded)

    def requests(self) -> int:
        return sum(self._sim.hits.counts.values())

    def naked(self) -> frozenset[str]:
        for family in [family for family, one in self._open.items() if one.is_over]:
            del self._open[family]
        return frozenset(one.client_id for one in self._open.values() if one.held > one.covered)

    def _guarded(self) -> frozenset[str]:
        return frozenset(one.client_id for one in self._brackets.values() if one.is_over or 0 < one.held <= one.covered)

    def _note(self, order: Order) -> None:
        """The first order of a family is its entry: what goes by another name came after it, and attached exits name no family but an order."""
        root, family = self._root_of(order), self._family_of(order)
        one = self._brackets.setdefault(family, _Bracket(client_id=root.client_order_id))
        self._open[family] = one
        if order.order_id not in one.known:
            one.known.add(order.order_id)
            part = None if order.originating_order_id else read_part(one.client_id, order.client_order_id)
            (one.entries if part is not None and part[0] is Part.ENTRY else one.others).append(order)

    def _root_of(self, order: Order) -> Order:
        return self._sim.account.orders[order.originating_order_id] if order.originating_order_id else order

    def _family_of(self, order: Order) -> str:
        return self._root_of(order).client_order_id[:FAMILY_CHARS]

    def _quote(self) -> None:
        self._sim.quote("BTC-USD", f"{self._mid}", f"{self._mid + 1}")
