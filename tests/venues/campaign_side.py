"""What the fault campaign needs of a venue: the simulator's own books, its market, and our adapter for it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from random import Random

from brokers.live.broker import LiveBroker
from brokers.live.venue import Venue
from runtime.clock import Clock, SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Caller
from tests.venues.campaign_hands import Hand
from tests.venues.common.conf import instruments_of
from tests.venues.common.faults import FaultScript
from tests.venues.common.paced import PacedLoop


class Side(ABC):
    """One venue: the simulator's side of it, and our adapter for it; made on the loop it runs on.

    ``is_paced``: the campaign runs on a ``PacedLoop``, and both sides read that loop's time from ``clock``.
    """

    source: str
    is_paced: bool = False
    clock: Clock = SystemClock()

    @property
    @abstractmethod
    def faults(self) -> FaultScript:
        """The simulator's script."""

    @abstractmethod
    def running(self) -> AbstractAsyncContextManager[None]:
        """The simulator, serving."""

    @abstractmethod
    def adapter(self) -> Venue:
        """Our adapter for it, new at each call."""

    @abstractmethod
    def move(self, dice: Random) -> None:
        """Let the market move a little."""

    @abstractmethod
    def ticket(self, dice: Random) -> dict[str, object]:
        """An order that may rest, fill, be stopped or reach its target before long; without an id."""

    @abstractmethod
    def created(self) -> Mapping[str, int]:
        """How many orders were ever accepted there under each client id, what was changed counted once."""

    @abstractmethod
    def held(self) -> Mapping[str, Decimal]:
        """Units open there by client id; below zero where more was sold than had been bought."""

    @abstractmethod
    def resting(self) -> Mapping[str, Decimal]:
        """Units of entries that wait there by client id."""

    @abstractmethod
    def requests(self) -> int:
        """How many requests it had."""

    def hand(self) -> Hand | None:
        """Somebody at this venue's own page, None where nobody has been taught to be it."""
        return None

    @abstractmethod
    def naked(self) -> frozenset[str]:
        """The positions there for which no stop stands."""


@asynccontextmanager
async def opened(side: Side, settings: Settings) -> AsyncIterator[tuple[LiveBroker, Caller]]:
    """The whole adapter at ``side``, reconciled, on whatever the store of ``settings`` holds already."""
    clock, instruments = side.clock, instruments_of(side.source)
    broker = LiveBroker(side.adapter(), instruments=instruments, clock=clock)
    async with running(settings, broker, instruments, clock, side.source) as (adapter, ask):
        loop = asyncio.get_running_loop()
        if isinstance(loop, PacedLoop):
            loop.slow_while(lambda: bool(adapter.context.journal._in_flight))
        async with asyncio.timeout(60):
            while not broker.is_reconciled:
                await asyncio.sleep(0.01)
        yield broker, ask
