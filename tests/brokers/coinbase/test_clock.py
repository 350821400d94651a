"""A wall clock that is put right, or wrong, while the adapter runs: what was sent since then is still found."""

import asyncio
from decimal import Decimal

import pytest

from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import EntryFilled
from runtime.clock import NS_PER_S, SystemClock
from tests.brokers.coinbase.kit import Ear, Pair, adapter, bracket, limit, pair
from tests.brokers.coinbase.test_doubt import CREATE, doubtful

HOUR_S = 3600
stepped = pytest.mark.parametrize("step_s", [-HOUR_S, HOUR_S])


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


async def _with(clock: Stepped, at: Pair) -> None:
    """Go on with an adapter that has ``clock``."""
    at.venue, before = adapter(at.sim, clock=clock), at.venue
    await before.aclose()
    await at.venue.open()


@stepped
async def test_what_is_asked_after_a_step_is_signed_placed_and_told(at: Pair, step_s: int) -> None:
    """Every request was refused for its token's hour; and with the clock ahead, every order was another one than had been sent."""
    clock = Stepped()
    await _with(clock, at)
    async with Ear(at.venue) as ear:
        clock.off_s = step_s
        known = await at.place(limit("59000"))
        at.strike("stream_mute", path="user")
        at.quote("58990", "59000")
        await ear.until(lambda: ear.of(EntryFilled))
        known.take(ear.facts)
        assert known.position == Decimal("0.01")


@stepped
async def test_a_stream_that_is_opened_after_a_step_tells_what_it_missed(at: Pair, step_s: int) -> None:
    """Its cursor came from a clock that was an hour ahead: executions were asked for from a moment that was yet to come."""
    clock = Stepped()
    await _with(clock, at)
    clock.off_s = step_s
    async with Ear(at.venue) as ear:
        known = await at.place(limit("59000"))
        await ear.until(lambda: ear.batches)
        cursor = ear.batches[-1].cursor
    clock.off_s = 0
    at.quote("58990", "59000")
    async with Ear(at.venue, cursor) as ear:
        await ear.until(lambda: ear.of(EntryFilled))
        known.take(ear.facts)
        assert known.position == Decimal("0.01")


@pytest.mark.parametrize("step_s", [-40, -HOUR_S, HOUR_S])
async def test_an_exit_in_doubt_is_found_after_a_step_and_a_new_look_round(step_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent by a clock that was then set back, and the venue's was measured anew: the exit stood, was not found, and another was placed."""
    monkeypatch.setattr("brokers.coinbase.opening.SKEW_S_MAX", 2 * HOUR_S)
    async with pair(attached_supported=False) as at:
        clock = Stepped()
        await _with(clock, at)
        known = await at.place(bracket())
        await at.look(known)
        at.strike("error_after", **CREATE, times=20)
        with pytest.raises(Exception):  # noqa: B017  (any kind of doubt)
            known.take(await at.venue.protect(known.target()))
        at.sim.faults.clear()
        clock.off_s = step_s
        assert isinstance(at.venue, CoinbaseVenue)
        at.venue._info = None
        await at.venue.open()
        known.take(await at.venue.protect(known.target()))
        assert len(at.orders(side="SELL", working=True)) == 1
        assert known.stop is not None


@pytest.mark.parametrize("step_s", [-HOUR_S, 0, HOUR_S])
async def test_a_look_says_how_far_it_reached_by_the_venues_time(at: Pair, step_s: int) -> None:
    """A fill that it shows lies before; one that comes after it lies later, whatever our clock says."""
    clock = Stepped()
    await _with(clock, at)
    at.venue._context.looking.time.found(clock.wall_ns() - clock.boot_ns())  # measured without half a request's error: they share a machine
    clock.off_s = step_s
    known = await at.place(bracket())
    await asyncio.sleep(0.01)  # its times are cut to the millisecond
    sighting, snapshot = await at.venue.look_up(known.target()), await at.venue.snapshot([known.target()])
    await asyncio.sleep(0.01)
    later = await at.place(bracket())
    (first,), (second,) = ([each.at for each in one.fills.values()] for one in (known, later))
    assert first <= sighting.until <= snapshot.until < second
