"""Nothing is left without its stop: stops that are refused, taken off by hand, or taken off by a change that dies; in virtual time."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.facts import EXITS, NO_EXITS
from brokers.live.venue import Batch, Capability, Exits, Remembered
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.orders import CloseReason, EntryType, OrderStatus

R10_TIMES = 1000


@pytest.mark.parametrize("exits", [Exits.ATTACHED, Exits.AFTER_FILL])
@virtually
async def test_a_thousand_refused_stops_leave_nothing_naked_after_five_seconds(exits: Exits) -> None:
    desk = Desk(exits=exits)
    desk.exchange.refuses_stops = True
    async with desk.life():
        for n in range(R10_TIMES):
            desk.place(f"a{n}", kind=EntryType.MARKET, units=Decimal(1))
        await desk.until(lambda: len(desk.exchange.held) == R10_TIMES)
        for held in list(desk.exchange.held.values()):
            desk.exchange.fill(held.client_id)
        await asyncio.sleep(5)
        assert not [held for held in desk.exchange.held.values() if held.open_units]
        await desk.until(lambda: all(bracket.status is OrderStatus.CLOSED for bracket in desk.store.all()))
        assert len(desk.told("protection_lost")) == R10_TIMES


@virtually
async def test_a_stop_that_somebody_takes_off_is_not_put_back_before_it_was_asked_for() -> None:
    """The protection watch rings and asks; the broker itself does not overrule a hand at the venue."""
    desk = Desk()
    async with desk.life() as service:
        order_id = await desk.opened()
        desk.exchange.remove_stop(desk.held().client_id)
        await desk.becomes(OrderStatus.OPEN, protection="none")
        await asyncio.sleep(60)
        assert "protect" not in desk.venue.calls
        service.ask(lambda broker, now_ns: broker.protect(order_id, now_ns=now_ns))
        await desk.becomes(OrderStatus.OPEN, protection="venue")
        desk.agrees()


@virtually
async def test_a_change_that_takes_the_stop_off_and_dies_leaves_nothing_naked_while_it_is_in_doubt() -> None:
    """Where a moved stop is a cancel and a new order: the first was done, the second is in doubt, and the position is guarded meanwhile."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.opened()
        desk.venue.next("amend", Script.LOSE)
        desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
        desk.exchange.release(desk.held().client_id)
        await desk.becomes(OrderStatus.UNKNOWN)
        await asyncio.sleep(1)
        assert desk.held().stop is not None
        assert desk.bracket().status is OrderStatus.UNKNOWN, "whether the change still comes is not known yet"
        known = await desk.becomes(OrderStatus.OPEN, protection="venue")
        assert known.stop_price == Decimal("1.16")
        desk.agrees()


@virtually
async def test_what_was_seen_to_carry_no_exits_waits_for_none() -> None:
    """The venue attaches exits to some entries and not to others: one that carries none is guarded at once when it fills."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life(_promises_exits) as service:
        order_id = await desk.resting()
        seen = Remembered(client_id=desk.held(order_id).client_id, memo={EXITS: NO_EXITS})
        await service.submit(lambda now_ns: service.broker.told(Batch(facts=[seen]), now_ns))
        looks, filled_ns = desk.venue.calls.count("look_up"), desk.clock.boot_ns()
        desk.exchange.fill(desk.held(order_id).client_id)
        await desk.until(lambda: desk.held(order_id).stop is not None)
        assert desk.clock.boot_ns() - filled_ns < 0.1e9
        assert desk.venue.calls.count("look_up") == looks


@virtually
async def test_a_stop_that_was_definitely_not_placed_is_asked_for_again_without_another_look() -> None:
    """A look a try doubled the time in a halted market."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life(_promises_exits):
        desk.venue.next("protect", Script.REFUSE, Script.NOT_SENT, Script.REFUSE)
        order_id = await desk.resting()
        looks = desk.venue.calls.count("look_up")
        desk.exchange.fill(desk.held(order_id).client_id)
        await desk.until(lambda: desk.held(order_id).stop is not None)
        assert desk.venue.calls.count("protect") == 4
        assert desk.venue.calls.count("look_up") == looks + 1


@virtually
async def test_what_a_close_in_doubt_left_bare_is_guarded_at_once() -> None:
    """The pause between two looks for the close held the stop up."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=replace(POLICY, releases=True, resends=True))
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", Script.LOSE)
        desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason=CloseReason.MANUAL, now_ns=now_ns))
        await desk.becomes(OrderStatus.UNKNOWN)
        lost_ns = desk.clock.boot_ns()
        await desk.until(lambda: desk.held(order_id).stop is not None)
        assert desk.clock.boot_ns() - lost_ns < 0.2e9


@virtually
async def test_where_guarding_looks_by_itself_no_look_comes_before_it() -> None:
    """The look took up to two seconds of five, in lists of everything made lately."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=replace(POLICY, releases=True, resends=True))
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", Script.LOSE)
        looks = desk.venue.calls.count("look_up")
        desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason=CloseReason.MANUAL, now_ns=now_ns))
        await desk.becomes(OrderStatus.UNKNOWN)
        await desk.until(lambda: desk.held(order_id).stop is not None)
        assert desk.venue.calls.count("look_up") == looks


def _promises_exits(desk: Desk) -> None:
    desk.venue.capability = Capability(exits=Exits.ATTACHED)


@virtually
async def test_an_entry_that_filled_without_its_stop_is_rung_for_before_its_stop_is_back() -> None:
    """The stream told that the stop stood before the call that placed it was answered: what was over and told to be over rang once more."""
    desk = Desk()
    async with desk.life():
        order_id = await desk.resting()
        desk.exchange.refuses_stops = True  # as if a hand had taken it off the entry
        desk.venue.next("protect", Script.SILENCE)
        desk.exchange.fill(desk.held(order_id).client_id)
        desk.exchange.refuses_stops = False
        await desk.until(lambda: "protect" in desk.venue.calls)
        assert len(desk.told("protection_lost")) == 1
        await asyncio.sleep(30)
        assert len(desk.told("protection_lost")) == 1
