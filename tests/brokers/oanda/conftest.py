"""A simulated OANDA and an adapter on it. No test waits for the adapter's pauses between looks: what they are good for is a venue's patience."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from brokers.host import Adapter
from brokers.live.broker import LiveBroker
from brokers.live.venue import VenuePolicy
from brokers.oanda.venue import OandaVenue
from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Bus, Caller
from tests.brokers.oanda.kit import WAIT_S, adapter, quote
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue
from trading.instruments import Instruments

Live = Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.rest.READ_PAUSE_S", 0.001)
    monkeypatch.setattr("brokers.oanda.rest.PAUSE_S", 0.01)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look that a change by hand is believed after comes at once."""
    monkeypatch.setattr("brokers.live.seeing.MISSED_S", 0.1)
    monkeypatch.setattr("brokers.live.listening.COMPARE_S_MIN", 0.1)


@pytest.fixture
async def sim() -> AsyncIterator[SimulatedVenue]:
    """EUR_USD stands at 1.16700 to 1.16710, so that the seed's bracket (buy at 1.1655) rests."""
    async with SimulatedVenue(config=AccountConfig(hedging=True), heartbeat_s=0.5, requests_per_s=None) as venue:
        quote(venue, "1.16700", "1.16710")
        yield venue


@pytest.fixture
def live(settings: Settings, instruments: Instruments, bus: Bus, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A reconciled adapter; each call opens it anew on the same store, at the same venue."""
    monkeypatch.setattr(OandaVenue, "policy", VenuePolicy(call_s_max=2.0, look_gap_s=0.3, reconcile_s=1.0))

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Adapter, Caller]]:
        clock = SystemClock()
        broker = LiveBroker(adapter(sim), instruments=instruments, clock=clock)
        async with running(settings, broker, instruments, clock) as pair:
            async with asyncio.timeout(WAIT_S):
                while not broker.is_reconciled:
                    await asyncio.sleep(0.005)
            yield pair

    return opened
