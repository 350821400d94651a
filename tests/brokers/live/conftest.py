"""An adapter on the scripted venue, over its real sockets and store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from brokers.host import Adapter
from brokers.live.broker import LiveBroker
from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Bus, Caller
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import ScriptedVenue
from trading.instruments import Instruments

Live = Callable[[], AbstractAsyncContextManager[tuple[Adapter, Caller]]]


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def venue(exchange: Exchange, instruments: Instruments) -> ScriptedVenue:
    return ScriptedVenue(exchange, instruments)


@pytest.fixture
def live(settings: Settings, instruments: Instruments, bus: Bus, venue: ScriptedVenue) -> Live:
    """A reconciled adapter; each call opens it anew on the same store and the same exchange."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Adapter, Caller]]:
        clock = SystemClock()
        broker = LiveBroker(venue, instruments=instruments, clock=clock)
        async with running(settings, broker, instruments, clock) as pair:
            async with asyncio.timeout(30):
                while not broker.is_reconciled:
                    await asyncio.sleep(0.005)
            yield pair

    return opened
