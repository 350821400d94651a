"""OANDA's side of the fault campaign."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random

from brokers.live.venue import Venue, VenuePolicy
from brokers.oanda.orders import TRADE_SUFFIX
from brokers.oanda.venue import Limits, OandaVenue
from tests.brokers.oanda.campaign_hand import OandaHand
from tests.brokers.oanda.kit import UNLIMITED, adapter, quote
from tests.venues.campaign_hands import Hand
from tests.venues.campaign_side import Side
from tests.venues.common.faults import FaultScript
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import REQUESTS_PER_S
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue

_OWN = Limits()
_PIP = Decimal("0.0001")
_MIDDLE = Decimal("1.10000")


class OandaSide(Side):
    """A hedging account in EUR_USD.

    Args:
        policy: shorter times of the adapter, where a test has few seconds.
        limits: what the adapter allows itself; the venue refuses more than its own limit. None: both without one.
    """

    source = "oanda"

    def __init__(self, policy: VenuePolicy | None = None, *, limits: Limits | None = _OWN) -> None:
        self._policy = policy
        self._limits = limits or UNLIMITED
        config = AccountConfig(hedging=True, pending_orders_max=100_000)
        self._sim = SimulatedVenue(config=config, heartbeat_s=1.0, requests_per_s=REQUESTS_PER_S if limits else None)
        self._mid = _MIDDLE

    @property
    def faults(self) -> FaultScript:
        return self._sim.faults

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self._sim:
            self._quote()
            yield

    def adapter(self) -> Venue:
        venue: OandaVenue = adapter(self._sim, clock=self.clock, limits=self._limits)
        if self._policy is not None:
            venue.policy = self._policy  # type: ignore[misc]  # a class's own, changed for this one
        return venue

    def move(self, dice: Random) -> None:
        step = _PIP * (dice.randint(-25, 25) if dice.random() < 0.01 else dice.randint(-2, 2))
        self._mid += step - (_PIP if self._mid > _MIDDLE else -_PIP) * (dice.random() < 0.2)  # it comes back, as few markets do
        self._quote()

    def ticket(self, dice: Random) -> dict[str, object]:
        kind, sign = dice.choice(("limit", "stop", "market")), dice.choice((1, -1))
        away = _PIP * dice.randint(0, 12) * (-1 if kind == "limit" else 1)
        entry = self._mid + away * sign
        ticket: dict[str, object] = {
            "instrument": "EUR_USD",
            "side": "BUY" if sign > 0 else "SELL",
            "units": dice.randint(1, 20) * 10,
            "entry_type": kind,
            "stop_loss_price": float(entry - _PIP * dice.randint(4, 40) * sign),
            "take_profit_price": float(entry + _PIP * dice.randint(4, 40) * sign),
            "ttl_min": dice.randint(1, 90),
        }
        if kind != "market":
            ticket["entry_price"] = float(entry)
        if dice.random() < 0.1:
            ticket["trailing_stop_distance"] = float(_PIP * dice.randint(5, 30))
        return ticket

    def created(self) -> Mapping[str, int]:
        made = [each for each in self._sim.account.log.transactions if each.get("reason") == "CLIENT_ORDER" and not each["type"].endswith("_REJECT")]
        return Counter(each["clientExtensions"]["id"] for each in made if "clientExtensions" in each)

    def held(self) -> Mapping[str, Decimal]:
        held: Counter[str] = Counter()
        for trade in self._sim.account.open.values():
            held[(trade.client_id or "").removesuffix(TRADE_SUFFIX)] += abs(trade.units)  # type: ignore[assignment]  # it counts Decimals too
        return held  # type: ignore[return-value]  # as above

    def resting(self) -> Mapping[str, Decimal]:
        entries = [order for order in self._sim.account.pending.values() if not order.request.is_exit]
        return {order.client_id or "": abs(order.request.units or Decimal(0)) for order in entries}

    def hand(self) -> Hand:
        return OandaHand(self._sim.account)

    def requests(self) -> int:
        return sum(self._sim.hits.counts.values())

    def naked(self) -> frozenset[str]:
        stops = {"STOP_LOSS", "TRAILING_STOP_LOSS"}
        # A stop that was reached in a halted market has done its part: the venue closes the trade when that opens.
        open_ = [trade for trade in self._sim.account.open.values() if trade.state == "OPEN"]
        return frozenset(str(trade.id) for trade in open_ if not stops & set(trade.exits))

    def _quote(self) -> None:
        quote(self._sim, str(self._mid), str(self._mid + _PIP / 10))
