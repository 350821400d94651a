"""OANDA keeps the contract of every Broker."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from runtime.settings import Settings
from tests.brokers.contract import FOREX, LiveContract, LiveWorld, Quoted, Trouble
from tests.brokers.desk_kit import Caller
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import quote
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda import closing, placing
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue

# Which request each call of the core is.
_PATHS = {"create": "/orders$", "cancel": "/cancel$", "amend": r"/orders(/\d+)?$", "close": "/close$", "protect": r"/trades/\d+/orders$"}


class OandaWorld(LiveWorld):
    """The simulated venue, seen from its own side."""

    source = "oanda"
    scene = FOREX

    def __init__(self, settings: Settings, live: Live, sim: SimulatedVenue) -> None:
        self.settings = settings
        self._live = live
        self._sim = sim
        self._quote: Quoted = self.scene.resting

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        quote(self._sim, *self._quote)
        async with self._live() as (_, ask):
            yield ask

    def opened(self):  # type: ignore[no-untyped-def]  # as the base says
        return self._opened()

    async def market(self, quoted: Quoted) -> None:
        self._quote = quoted
        quote(self._sim, *quoted)

    def trouble(self, call: str, *what: Trouble) -> None:
        method = "POST" if call == "create" else "PUT"
        for each in what:
            match each:
                case Trouble.REFUSE:
                    assert call == "create"
                    self._sim.account.config = replace(self._sim.account.config, pending_orders_max=0)
                case Trouble.LOSE:
                    self._sim.faults.add(Fault(kind=Kind.DROP_BEFORE, method=method, path=_PATHS[call]))
                case Trouble.SWALLOW:
                    self._sim.faults.add(Fault(kind=Kind.DROP_AFTER, method=method, path=_PATHS[call]))
                case Trouble.SILENCE:
                    self._sim.faults.add(Fault(kind=Kind.SLOW_AFTER, seconds=30, method=method, path=_PATHS[call]))

    def creates(self) -> Mapping[str, int]:
        made = [each for each in self._sim.account.log.transactions if each.get("reason") == "CLIENT_ORDER" and not each["type"].endswith("_REJECT")]
        return Counter(each["clientExtensions"]["id"] for each in made if "clientExtensions" in each)

    async def by_hand(self) -> None:
        scene = self.scene
        exits = {"takeProfitOnFill": {"price": scene.target}, "stopLossOnFill": {"price": scene.stop}}
        order = {"type": "LIMIT", "instrument": scene.instrument, "units": scene.units, "price": scene.entry, **exits}
        placing.place(self._sim.account, {"order": order})

    async def close_by_hand(self) -> None:
        closing.close_position(self._sim.account, self.scene.instrument, {"longUnits": "ALL"})

    def refuse_stops(self, *, refuse: bool) -> None:
        self._sim.faults.clear()
        if refuse:
            self._sim.faults.add(Fault(kind=Kind.LEG_REFUSED, times=None))

    def go_away(self, *, away: bool) -> None:
        self._sim.faults.clear()
        if away:
            self._sim.faults.add(Fault(kind=Kind.STREAM_CUT, times=None), Fault(kind=Kind.DROP_BEFORE, times=None))


@pytest.fixture
def world(settings: Settings, live: Live, sim: SimulatedVenue) -> OandaWorld:
    return OandaWorld(settings, live, sim)


class TestOanda(LiveContract):
    """Exits attached to the entry, the venue's log as the truth."""
