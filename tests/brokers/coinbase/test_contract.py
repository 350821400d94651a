"""Coinbase keeps the contract of every Broker, whether its exits are attached, placed after the fill, or a stop alone."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from runtime.settings import Settings
from tests.brokers.coinbase.conftest import Live
from tests.brokers.contract import CRYPTO, LiveContract, LiveWorld, Quoted, Trouble
from tests.brokers.desk_kit import Bus, Caller
from tests.venues.coinbase.exchange import read_request
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import Fault, Kind

# Which request each call of the core is; a changed entry is taken off and made anew.
_PATHS = {"create": "/orders$", "cancel": "batch_cancel$", "amend": "/orders$", "close": "/orders$", "protect": "/orders$"}
# An adapter takes a quote for stale after seconds: it is shown again well before.
REPEAT_S = 0.1


class CoinbaseWorld(LiveWorld):
    """The simulated venue, seen from its own side; its quotes reach the adapter over the bus as the venue's feed would bring them."""

    source = "coinbase"
    scene = CRYPTO

    def __init__(self, settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> None:
        self.settings = settings
        self._live = live
        self._sim = sim
        self._bus = bus
        self._quote: Quoted = self.scene.resting
        self._n = 0
        self._hands = 0

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        self._sim.quote(self.scene.instrument, *self._quote)
        task = asyncio.create_task(self._show())
        try:
            async with self._live() as (_, ask):
                yield ask
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def opened(self):  # type: ignore[no-untyped-def]  # as the base says
        return self._opened()

    async def _show(self) -> None:
        while True:
            self._n += 1
            bid, ask = self._quote
            now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self._bus.quote(bid, ask, instrument=self.scene.instrument, sent_boot_ns=now_ns, n=self._n, feed="coinbase", synthetic=False)
            await asyncio.sleep(REPEAT_S)

    async def market(self, quoted: Quoted) -> None:
        self._quote = quoted
        self._sim.quote(self.scene.instrument, *quoted)

    def trouble(self, call: str, *what: Trouble) -> None:
        # What is asked for again under its own name has to be lost each time, to be lost; a change never arrives when its first step does not.
        times = 1 if call == "create" else 5
        first = _PATHS["cancel"] if call == "amend" else _PATHS[call]
        for each in what:
            match each:
                case Trouble.REFUSE:
                    assert call == "create"
                    self._sim.set_state({"products": {self.scene.instrument: {"trading_disabled": True}}})
                case Trouble.LOSE:
                    self._sim.faults.add(Fault(kind=Kind.DROP_BEFORE, method="POST", path=first, times=4 if call == "amend" else times))
                case Trouble.SWALLOW:
                    self._sim.faults.add(Fault(kind=Kind.DROP_AFTER, method="POST", path=_PATHS[call], times=times))
                case Trouble.SILENCE:
                    self._sim.faults.add(Fault(kind=Kind.SLOW_AFTER, seconds=30, method="POST", path=_PATHS[call], times=times))

    def creates(self) -> Mapping[str, int]:
        mine = [one for one in self._sim.account.orders.values() if one.side == "BUY" and not one.client_order_id.startswith("hand-")]
        return Counter(one.client_order_id for one in mine)

    async def by_hand(self) -> None:
        scene = self.scene
        entry = {"limit_limit_gtc": {"base_size": scene.units, "limit_price": scene.entry}}
        exits = {"trigger_bracket_gtc": {"limit_price": scene.target, "stop_trigger_price": scene.stop}}
        self._hand("BUY", entry, exits if self._sim.account.options.attached_supported else None)

    async def close_by_hand(self) -> None:
        for order in list(self._sim.account.live.values()):
            if order.side == "SELL":
                self._sim.exchange.cancel(order.order_id)
        coins = self._sim.account.available("BTC")
        self._hand("SELL", {"market_market_ioc": {"base_size": f"{coins:f}"}}, None)

    def _hand(self, side: str, configuration: object, attached: object) -> None:
        self._hands += 1
        body = {
            "client_order_id": f"hand-{self._hands}",
            "product_id": self.scene.instrument,
            "side": side,
            "order_configuration": configuration,
        }
        self._sim.exchange.create(read_request(body if attached is None else {**body, "attached_order_configuration": attached}, with_client_id=True))

    def refuse_stops(self, *, refuse: bool) -> None:
        self._sim.faults.clear()
        if refuse:
            self._sim.faults.add(Fault(kind=Kind.LEG_REFUSED, times=None))

    def go_away(self, *, away: bool) -> None:
        self._sim.faults.clear()
        if away:
            self._sim.faults.add(Fault(kind=Kind.STREAM_CUT, times=None), Fault(kind=Kind.DROP_BEFORE, times=None))


@pytest.fixture
def world(settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> CoinbaseWorld:
    return CoinbaseWorld(settings, live, sim, bus)


class TestExitsAttached(LiveContract):
    """The entry carries both exits."""


class TestExitsAfterTheFill(LiveContract):
    """The venue takes brackets and attaches none."""

    @pytest.fixture
    def world(self, settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> CoinbaseWorld:
        # A coin on the side, without which no preview could prove that brackets are taken.
        sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "0.5"}})
        return CoinbaseWorld(settings, live, sim, bus)


class TestAStopAlone(LiveContract):
    """The venue takes no brackets: the target is held by the adapter. Only what that changes is lived through once more."""

    @pytest.fixture
    def world(self, settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> CoinbaseWorld:
        sim.set_state({"options": {"attached_supported": False, "brackets_supported": False}})
        return CoinbaseWorld(settings, live, sim, bus)


_WITH_EXITS = ("the_stop", "the_target", "close", "guarded")
for _name in [name for name in dir(LiveContract) if name.startswith("test_") and not any(word in name for word in _WITH_EXITS)]:
    setattr(TestAStopAlone, _name, None)
