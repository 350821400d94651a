"""The venue's clock is not ours, and ours may be stepped: what was made up is told from what traded after it all the same; in virtual time."""

import pytest

from runtime.clock import NS_PER_S
from tests.brokers.live.stories import virtually
from tests.brokers.live.untold import SHAPES, desk_of, everywhere, looked, settled, traded, until_counted, untold
from trading.orders import CloseReason, Leg, OrderStatus

HOUR_S = 3600
apart = pytest.mark.parametrize("venue_ahead_s", [-HOUR_S, -10, 10, HOUR_S])
stepped = pytest.mark.parametrize("step_s", [-HOUR_S, HOUR_S])


@apart
@everywhere
@virtually
async def test_a_fill_that_was_made_up_is_not_counted_beside_the_venues_own_word(shape: str, door: str, venue_ahead_s: int) -> None:
    desk = desk_of(shape, venue_ahead_s * NS_PER_S)
    async with desk.life():
        await desk.resting()
        with untold(desk) as say:
            desk.exchange.fill(desk.held().client_id)
            await desk.becomes(OrderStatus.OPEN)
            say(door)
        await until_counted(desk, 1)
        assert int(desk.bracket().filled_units) == 100
        await looked(desk)
        assert traded(desk, Leg.ENTRY) == 100
        desk.agrees()


@apart
@pytest.mark.parametrize("shape", SHAPES)
@virtually
async def test_a_stop_that_trades_after_a_hand_took_a_part_is_not_taken_for_that(shape: str, venue_ahead_s: int) -> None:
    desk = desk_of(shape, venue_ahead_s * NS_PER_S)
    async with desk.life():
        await desk.opened()
        with untold(desk):
            desk.exchange.hit(desk.held().client_id, Leg.CLOSE, "1.165", units="50")
            await desk.until(lambda: desk.bracket().position_units == 50)
        desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
        assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.STOP_LOSS
        assert not settled(desk)


@stepped
@everywhere
@virtually
async def test_our_clock_is_stepped_between_the_look_and_the_venues_word(shape: str, door: str, step_s: int) -> None:
    desk = desk_of(shape)
    async with desk.life() as service:
        await desk.resting()
        with untold(desk) as say:
            desk.exchange.fill(desk.held().client_id)
            await desk.becomes(OrderStatus.OPEN)
            service.step(step_s * NS_PER_S)
            say(door)
        await until_counted(desk, 1)
        assert int(desk.bracket().filled_units) == 100
        await looked(desk)
        assert traded(desk, Leg.ENTRY) == 100
        desk.agrees()


@pytest.mark.parametrize("when", ["before", "after", "both"])
@stepped
@pytest.mark.parametrize("shape", SHAPES)
@virtually
async def test_our_clock_is_stepped_and_a_stop_is_not_swallowed(shape: str, step_s: int, when: str) -> None:
    """Before the look, after it, or wrong and put right again: it is the venue's own order of things that counts."""
    desk = desk_of(shape)
    async with desk.life() as service:
        await desk.opened()
        if when != "after":
            service.step(step_s * NS_PER_S)
        with untold(desk):
            desk.exchange.hit(desk.held().client_id, Leg.CLOSE, "1.165", units="50")
            await desk.until(lambda: desk.bracket().position_units == 50)
        if when != "before":
            service.step((-step_s if when == "both" else step_s) * NS_PER_S)
        desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
        assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.STOP_LOSS
        assert not settled(desk)
