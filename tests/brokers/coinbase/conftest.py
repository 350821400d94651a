"""A simulated Coinbase and an adapter at it. No test waits for the pauses between looks: what they are good for is a venue's patience."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from brokers.coinbase.venue import CoinbaseVenue
from brokers.host import Adapter
from brokers.live.broker import LiveBroker
from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.brokers.coinbase.kit import WAIT_S, Pair, adapter, pair
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Bus, Caller
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from trading.instruments import Instruments

Live = Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.rest.READ_PAUSES_S", (0.0, 0.001, 0.001))
    monkeypatch.setattr("brokers.coinbase.rest.HOLD_S", 0.01)
    monkeypatch.setattr("brokers.coinbase.legs.LOOK_PAUSES_S", (0.0, 0.01, 0.01, 0.02, 0.05))
    monkeypatch.setattr("brokers.coinbase.placing.CREATE_PAUSES_S", (0.0, 0.001, 0.001, 0.001, 0.001))
    monkeypatch.setattr("brokers.coinbase.placing.AGAIN_PAUSES_S", (0.001, 0.001, 0.001))


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    """The kind venue: exits can be attached."""
    async with pair() as made:
        yield made


@pytest.fixture
async def sim() -> AsyncIterator[SimulatedVenue]:
    """BTC-USD stands at 60500, so that a buy at 60000 rests."""
    async with SimulatedVenue() as venue:
        venue.quote("BTC-USD", "60500.00", "60500.10")
        yield venue


@pytest.fixture
def live(settings: Settings, instruments: Instruments, bus: Bus, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A reconciled adapter process, without its process; each call opens it anew on the same store, at the same venue."""
    policy = replace(CoinbaseVenue.policy, call_s_max=2.0, look_gap_s=0.3, reconcile_s=1.0, attach_s_max=0.3)
    monkeypatch.setattr(CoinbaseVenue, "policy", policy)
    monkeypatch.setattr("brokers.coinbase.entries.WRITE_S_MAX", 0.5)

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Adapter, Caller]]:
        clock = SystemClock()
        broker = LiveBroker(adapter(sim), instruments=instruments, clock=clock)
        async with running(settings, broker, instruments, clock, "coinbase") as pair:
            async with asyncio.timeout(WAIT_S):
                while not broker.is_reconciled:
                    await asyncio.sleep(0.005)
            yield pair

    return opened
