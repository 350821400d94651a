"""Somebody at the venue's own page while a fault campaign goes on, and a machine whose clock is stepped.

A hand closes a part of a position, takes an exit off, moves a stop, cancels an entry, and trades for itself. What must hold then: the books agree in
the end, nothing is sent that nobody asked for, a position is without its stop no longer than without a hand, unless the hand took it off, and what
the hand trades for itself is left alone.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, NoReturn

from runtime.clock import Clock
from tests.venues.common.stepping import SteppingClock

# Between two things that a hand does, and between two steps of the clock, at most.
HAND_S_MAX = 0.4
STEP_S_MAX = 20.0
# How far a stepped clock is off. An hour is what a wrong time zone makes of it.
OFF_S = (-3600, -10, 0, 10, 3600)
# What a hand trades for itself.
OWN_MAX = 30


class Hand(ABC):
    """One venue's. ``done`` counts what it did; it never touches again what it placed for itself."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()

    @abstractmethod
    def meddle(self, dice: Random) -> None:
        """Do one thing, where there is something to do it to and the venue will."""

    @abstractmethod
    def own_ids(self) -> frozenset[str]:
        """The client ids of what it placed for itself."""

    @abstractmethod
    def excused(self) -> frozenset[str]:
        """Positions that nobody of ours has to guard, as ``Side.naked`` names them: its own, and those without a stop since it took that off."""

    @abstractmethod
    def own_units(self) -> Decimal:
        """Units open there of what it placed for itself, both sides added up."""

    @abstractmethod
    def touched(self) -> Sequence[str]:
        """What somebody else did to what it placed for itself."""

    def differences(self, orders: Sequence[Mapping[str, Any]]) -> list[str]:
        """Where the arena's books show other than its own units for what they have taken up of it."""
        here = sum((Decimal(str(order["position_units"])) for order in orders if order["origin"] != "arena"), Decimal(0))
        return [] if here == self.own_units() else [f"taken up from others {here}, there {self.own_units()}"]

    async def go_on(self, dice: Random) -> NoReturn:
        """Meddle until cancelled."""
        while True:
            await asyncio.sleep(dice.uniform(0, HAND_S_MAX))
            self.meddle(dice)


async def keep_stepping(clock: Clock, dice: Random) -> NoReturn:
    """Step ``clock`` until cancelled."""
    assert isinstance(clock, SteppingClock)
    while True:
        await asyncio.sleep(dice.uniform(0, STEP_S_MAX))
        clock.off_s = dice.choice(OFF_S)
