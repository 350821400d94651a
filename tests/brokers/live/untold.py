"""Fills that the venue's account shows before log or executions tell of them, and what the book makes of both; in virtual time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokers.live.facts import EntryFilled, ExitFilled, Fact
from brokers.live.venue import Exits
from tests.brokers.live.exchange import Held
from tests.brokers.live.stories import POLICY, Desk
from tests.brokers.live.virtual import BEGIN_NS
from trading.orders import Leg

# Exits in the entry and a log with numbers, and single orders with lists of executions that have times.
SHAPES = {"oanda": (Exits.ATTACHED, POLICY), "coinbase": (Exits.AFTER_FILL, replace(POLICY, releases=True))}
DOORS = ["stream", "look"]
everywhere = pytest.mark.parametrize(("shape", "door"), [(shape, door) for shape in SHAPES for door in DOORS])


def desk_of(shape: str, venue_ahead_ns: int = 0) -> Desk:
    """A desk at a venue of this shape, whose clock is ahead of ours (as it is before any step) by ``venue_ahead_ns``."""
    exits, policy = SHAPES[shape]
    desk = Desk(exits=exits, policy=policy)
    desk.exchange.clock = lambda: BEGIN_NS + desk.clock.boot_ns() + venue_ahead_ns
    desk.exchange.has_log_numbers = shape == "oanda"
    return desk


@contextmanager
def untold(desk: Desk, **more: Any) -> Iterator[Callable[[str], None]]:
    """The account shows what trades meanwhile, and neither log nor executions say so until the door that is yielded is opened.

    Args:
        more: what the venue says of each fill besides.
    """
    tell, kept = desk.exchange._tell, list[tuple[Held, Fact]]()

    def keep(held: Held, fact: Fact) -> Fact:
        if not isinstance(fact, EntryFilled | ExitFilled):
            return tell(held, fact)
        fact = replace(fact, **more)
        kept.append((held, fact))
        return fact

    def say(door: str) -> None:
        for held, fact in kept:
            if door == "stream":
                tell(held, fact)
            held.facts.append(fact)
        kept.clear()

    desk.exchange._tell = keep  # type: ignore[method-assign]
    try:
        yield say
    finally:
        desk.exchange._tell = tell  # type: ignore[method-assign]


def traded(desk: Desk, leg: Leg) -> Decimal:
    """How much people were told to have traded."""
    told = [*desk.told("order_filled"), *desk.told("order_partially_filled")]
    return sum((each["fill_units"] for each in told if (each["leg"] == str(Leg.ENTRY)) == (leg is Leg.ENTRY)), Decimal(0))


def settled(desk: Desk) -> list[dict[str, Any]]:
    """What people were told of fills of the venue that took the place of one that was made up."""
    return [payload["details"]["settled"] for payload in desk.told("reconciled") if "settled" in payload["details"]]


async def until_counted(desk: Desk, fills: int) -> None:
    """Return once the book has so many fills of the venue's own."""
    await desk.until(lambda: sum(not each.startswith("reconciled.") for each in desk.bracket().venue.fill_ids) >= fills)


async def looked(desk: Desk, times: int = 2) -> None:
    """Return when the account has been compared so many times more."""
    looks = desk.venue.calls.count("snapshot")
    await desk.until(lambda: desk.venue.calls.count("snapshot") >= looks + times)
