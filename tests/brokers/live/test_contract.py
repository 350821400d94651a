"""The core over the scripted venue keeps the contract of every Broker, whatever kind of exits the venue has."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from brokers.live.venue import Exits
from runtime.settings import Settings
from tests.brokers.contract import FOREX, BrokerContract, LiveContract, LiveWorld, Quoted, Trouble
from tests.brokers.desk_kit import Bus, Caller
from tests.brokers.live.conftest import Live
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.market import ScriptedMarket
from tests.brokers.live.scripted_venue import Script, ScriptedVenue

_SCRIPT = {Trouble.REFUSE: Script.REFUSE, Trouble.LOSE: Script.LOSE, Trouble.SWALLOW: Script.SWALLOW, Trouble.SILENCE: Script.SILENCE}


class ScriptedWorld(LiveWorld):
    """The exchange in memory, moved by quotes."""

    source = "oanda"
    scene = FOREX

    def __init__(self, settings: Settings, bus: Bus, live: Live, exchange: Exchange, venue: ScriptedVenue) -> None:
        self.settings = settings
        self._live = live
        self._exchange = exchange
        self._venue = venue
        self._market = ScriptedMarket(exchange, bus)

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        async with self._live() as (_, ask), self._market.running():
            await self.market(self._market.quote or self.scene.resting)
            yield ask

    def opened(self) -> AbstractAsyncContextManager[Caller]:
        return self._opened()

    async def market(self, quote: Quoted) -> None:
        self._market.move(quote)
        await asyncio.sleep(0)

    def trouble(self, call: str, *what: Trouble) -> None:
        self._venue.next(call, *(_SCRIPT[each] for each in what))

    def creates(self) -> Mapping[str, int]:
        return {client_id: made for client_id, made in self._exchange.creates.items() if not client_id.startswith("hand-")}

    async def by_hand(self) -> None:
        self._market.place_by_hand(self.scene)

    async def close_by_hand(self) -> None:
        self._market.close_all_by_hand()

    def refuse_stops(self, *, refuse: bool) -> None:
        self._exchange.refuses_stops = refuse

    def go_away(self, *, away: bool) -> None:
        self._venue.is_down = away
        self._exchange.wake()


@pytest.fixture
def world(settings: Settings, bus: Bus, live: Live, exchange: Exchange, venue: ScriptedVenue) -> ScriptedWorld:
    return ScriptedWorld(settings, bus, live, exchange, venue)


class TestAttachedExits(LiveContract):
    """As OANDA: the create carries both exits."""


class TestExitsAfterTheFill(LiveContract):
    """As Coinbase: both are placed once something has filled."""

    @pytest.fixture(autouse=True)
    def _exits(self, exchange: Exchange) -> None:
        exchange.exits = Exits.AFTER_FILL


class TestAStopAlone(BrokerContract):
    """The venue holds the stop; the target is watched here."""

    @pytest.fixture(autouse=True)
    def _exits(self, exchange: Exchange) -> None:
        exchange.exits = Exits.STOP_ONLY


class TestHeldExits(BrokerContract):
    """The venue holds neither, and who asks is told so."""

    @pytest.fixture(autouse=True)
    def _exits(self, exchange: Exchange) -> None:
        exchange.exits = Exits.HELD

    async def test_the_adapter_is_named_as_who_guards(self, world: ScriptedWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            assert (await self.order(ask, order_id))["protection"] == "adapter"
