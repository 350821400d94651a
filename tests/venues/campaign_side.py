"""What the fault campaign needs of a venue: the simulator's own books, its market, and our adapter for it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from random import Random

from brokers.live.venue import Venue
from runtime.clock import Clock, SystemClock
from tests.venues.common.faults import FaultScript


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

    @abstractmethod
    def naked(self) -> frozenset[str]:
        """The positions there for which no stop stands."""
