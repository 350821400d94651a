"""A wall clock that is put right, or wrong, while the adapter runs: what was sent since then is still found."""

from decimal import Decimal

import pytest

from runtime.clock import NS_PER_S, SystemClock
from tests.brokers.coinbase.kit import Pair, adapter, bracket, limit
from tests.brokers.coinbase.test_doubt import CREATE, doubtful


class Stepped(SystemClock):
    """The machine's clock, off by ``off_s``."""

    off_s = 0

    def wall_ns(self) -> int:
        return super().wall_ns() + self.off_s * NS_PER_S


@pytest.mark.parametrize("steps_s", [(-40, 0), (-40, 0, -40), (-40, -20, 0)], ids=["right", "right_and_wrong", "twice"])
async def test_an_order_in_doubt_is_found_though_the_clock_was_stepped_since_it_was_compared(at: Pair, steps_s: tuple[int, ...]) -> None:
    """It was asked for from a moment that was yet to come there: two empty looks later an order that had filled was told to be none."""
    clock = Stepped()
    clock.off_s = steps_s[0]
    at.venue, before = adapter(at.sim, clock=clock), at.venue
    await before.aclose()
    await at.venue.open()
    for off_s in steps_s[1:]:
        clock.off_s = off_s
        await at.venue.look_up((await at.place(limit())).target())
    at.strike("error_after", **CREATE)
    known = await doubtful(at, bracket())
    standing = await at.look(known)
    assert standing is not None
    assert standing.position_units == Decimal("0.01")
