"""A fill that a comparison made up, and the venue's own word of it told afterwards: one fill, whatever door it comes through; in virtual time."""

import asyncio
from decimal import Decimal

import pytest

from brokers.live.facts import EntryFilled
from tests.brokers.live.stories import order, virtually
from tests.brokers.live.untold import SHAPES, desk_of, everywhere, looked, settled, traded, until_counted, untold
from trading.orders import CloseReason, Leg, OrderStatus


@everywhere
@virtually
async def test_the_fill_of_an_entry(shape: str, door: str) -> None:
    desk = desk_of(shape)
    async with desk.life():
        await desk.resting()
        with untold(desk, fee=Decimal("0.25")) as say:
            real = desk.exchange.fill(desk.held().client_id, price="1.1651")
            made = await desk.becomes(OrderStatus.OPEN)
            assert made.position_units == 100
            say(door)
        await until_counted(desk, 1)
        bracket = desk.bracket()
        assert (int(bracket.position_units), int(bracket.filled_units), bracket.status) == (100, 100, OrderStatus.OPEN)
        assert (bracket.average_entry_price, bracket.fees) == (Decimal("1.1651"), Decimal("0.25"))
        assert desk.service.broker.positions()[0].units == 100
        await looked(desk)
        assert traded(desk, Leg.ENTRY) == 100
        assert [(each["fill_id"], each["units"]) for each in settled(desk)] == [(real.fill_id, 100)]
        desk.agrees()


@everywhere
@virtually
async def test_several_fills_of_an_entry_that_were_made_up_as_one(shape: str, door: str) -> None:
    desk = desk_of(shape)
    async with desk.life():
        await desk.resting()
        with untold(desk) as say:
            desk.exchange.fill(desk.held().client_id, "40", price="1.1651")
            desk.exchange.fill(desk.held().client_id, "60", price="1.1653")
            await desk.becomes(OrderStatus.OPEN)
            say(door)
        await until_counted(desk, 2)
        bracket = desk.bracket()
        assert (int(bracket.position_units), bracket.average_entry_price) == (100, Decimal("1.16522"))
        await looked(desk)
        assert traded(desk, Leg.ENTRY) == 100
        desk.agrees()


@everywhere
@virtually
async def test_a_part_of_the_position_that_left(shape: str, door: str) -> None:
    desk = desk_of(shape)
    async with desk.life():
        await desk.opened()
        with untold(desk, realized_pnl=Decimal("-0.3"), fee=Decimal("0.1")) as say:
            desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS, units="50")
            await desk.until(lambda: desk.bracket().position_units == 50)
            say(door)
        await until_counted(desk, 2)
        bracket = desk.bracket()
        assert (int(bracket.position_units), bracket.status) == (50, OrderStatus.OPEN), "50 of it are held, with their stop"
        assert (bracket.realized_pnl, bracket.fees, bracket.average_exit_price) == (Decimal("-0.3"), Decimal("0.1"), Decimal("1.16"))
        assert desk.service.broker.account(0).realized_pnl == Decimal("-0.3")
        await looked(desk)
        assert traded(desk, Leg.STOP_LOSS) == 50
        desk.agrees()


@pytest.mark.parametrize("shape", SHAPES)
@virtually
async def test_all_of_the_position_that_left(shape: str) -> None:
    """The bracket has ended, at the price that was quoted: only the stream can speak of it any more."""
    desk = desk_of(shape)
    async with desk.life():
        await desk.opened()
        with untold(desk, realized_pnl=Decimal("-0.55")) as say:
            desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
            assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.EXTERNAL
            say("stream")
        await until_counted(desk, 2)
        bracket = desk.bracket()
        assert (bracket.close_reason, bracket.realized_pnl, bracket.average_exit_price) == (CloseReason.STOP_LOSS, Decimal("-0.55"), Decimal("1.16"))
        assert desk.service.broker.account(0).realized_pnl == Decimal("-0.55")
        await looked(desk)
        assert (int(traded(desk, Leg.STOP_LOSS)), len(desk.told("bracket_closed"))) == (100, 1)


@everywhere
@virtually
async def test_told_twice_and_after_a_restart(shape: str, door: str) -> None:
    desk = desk_of(shape)
    async with desk.life():
        await desk.resting()
        with untold(desk) as say:
            desk.exchange.fill(desk.held().client_id, "40", price="1.1651")
            await desk.until(lambda: desk.bracket().position_units == 40)
    async with desk.life():
        desk.venue.tells = 2
        say(door)
        await until_counted(desk, 1)
        assert desk.bracket().position_units == 40
        await looked(desk)
        desk.exchange.fill(desk.held().client_id)
        await desk.becomes(OrderStatus.OPEN)
        assert traded(desk, Leg.ENTRY) == 100
        desk.agrees()


@everywhere
@virtually
async def test_told_before_the_account_is_compared(shape: str, door: str) -> None:
    """The other order: there is nothing to make up."""
    desk = desk_of(shape)
    async with desk.life():
        await desk.resting()
        with untold(desk) as say:
            desk.exchange.fill(desk.held().client_id)
            say(door)
        await desk.becomes(OrderStatus.OPEN)
        await asyncio.sleep(40)
        assert desk.bracket().venue.fill_ids == tuple(each.fill_id for each in desk.held().facts if isinstance(each, EntryFilled))[:1]
        assert traded(desk, Leg.ENTRY) == 100
        assert not settled(desk)


@pytest.mark.parametrize("shape", SHAPES)
@virtually
async def test_a_fill_that_came_after_the_look_is_none_of_what_was_made_up(shape: str) -> None:
    """Half of it was taken by a hand of which nobody ever speaks; the stop then takes the rest: taken for the same, a position stood that was out."""
    desk = desk_of(shape)
    async with desk.life():
        await desk.opened()
        with untold(desk):
            desk.exchange.hit(desk.held().client_id, Leg.CLOSE, "1.165", units="50")
            await desk.until(lambda: desk.bracket().position_units == 50)
        with untold(desk) as say:
            desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
            say("stream")
        bracket = await desk.becomes(OrderStatus.CLOSED)
        assert (bracket.close_reason, int(traded(desk, Leg.STOP_LOSS))) == (CloseReason.STOP_LOSS, 100)
        assert not settled(desk)


@everywhere
@virtually
async def test_the_fills_of_what_was_found_at_the_venue(shape: str, door: str) -> None:
    """A position that a hand had opened is in the book from the look that found it: its fill, read later, opened it once more."""
    desk = desk_of(shape)
    async with desk.life():
        with untold(desk) as say:
            desk.exchange.place_by_hand(order("hand"), filled=True)
            await desk.until(lambda: bool(desk.store.all()), 60)
            assert desk.bracket().position_units == 100
            say(door)
        await until_counted(desk, 1)
        await looked(desk)
        assert desk.bracket().filled_units == 100
        assert desk.bracket().position_units == 100
        assert traded(desk, Leg.ENTRY) == 0
