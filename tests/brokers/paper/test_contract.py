"""The paper account keeps the contract of every Broker."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.contract import FOREX, BrokerContract, Quoted, World
from tests.brokers.desk_kit import Bus, Caller
from trading.instruments import Instruments


class PaperWorld(World):
    """The quotes are the venue: each is shown until something is there to meet it."""

    source = "oanda"
    mode = "paper"
    scene = FOREX

    def __init__(self, settings: Settings, instruments: Instruments, bus: Bus) -> None:
        self.settings = settings
        self._instruments = instruments
        self._bus = bus
        self._quote: Quoted = self.scene.resting
        self._n = 0

    def opened(self) -> AbstractAsyncContextManager[Caller]:
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Caller]:
        broker = PaperBroker(venue=self.source, instruments=self._instruments, account=PaperAccountConfig.for_venue(self.source, self.settings.paper))
        async with running(self.settings, broker, self._instruments, SystemClock()) as (_, ask), asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(self._show())
            yield ask
            showing.cancel()

    async def market(self, quote: Quoted) -> None:
        self._quote = quote
        self._publish()

    async def _show(self) -> None:
        while True:
            self._publish()
            await asyncio.sleep(0.05)

    def _publish(self) -> None:
        self._n += 1
        self._bus.quote(*self._quote, sent_boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), n=self._n)


@pytest.fixture
def world(settings: Settings, instruments: Instruments, bus: Bus) -> PaperWorld:
    return PaperWorld(settings, instruments, bus)


class TestPaperKeepsTheContract(BrokerContract):
    """Every test of it."""
