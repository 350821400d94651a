"""The wall clock is stepped by an hour while something is waited for: it is waited for neither an hour longer nor shorter."""

import asyncio
from decimal import Decimal

import pytest

from brokers.live.venue import Capability, Exits
from runtime.clock import NS_PER_S
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, virtually
from trading.orders import EntryType, OrderStatus

HOUR_NS = 3600 * NS_PER_S


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_a_position_without_its_stop_is_guarded_as_soon_as_without_a_step(step_ns: int) -> None:
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life() as service:
        desk.venue.next("protect", Script.NOT_SENT, Script.NOT_SENT)
        await desk.resting()
        desk.exchange.fill(desk.held().client_id)
        await desk.until(lambda: "protect" in desk.venue.calls)
        service.step(step_ns)
        await desk.until(lambda: desk.bracket().protection == "venue", seconds=5)


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_an_order_in_doubt_is_looked_for_when_it_would_have_been(step_ns: int) -> None:
    """Not before it can have landed, and not an hour later."""
    desk = Desk()
    async with desk.life() as service:
        desk.venue.next("create", Script.LOSE)
        desk.place()
        await desk.becomes(OrderStatus.UNKNOWN)
        service.step(step_ns)
        await asyncio.sleep(desk.policy.call_s_max / 2)
        assert "look_up" not in desk.venue.calls
        await desk.until(lambda: desk.bracket().status is OrderStatus.REJECTED, seconds=2 * desk.policy.call_s_max + desk.policy.look_gap_s)


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_a_change_in_doubt_is_settled_when_it_would_have_been(step_ns: int) -> None:
    desk = Desk()
    async with desk.life() as service:
        order_id = await desk.opened()
        desk.venue.next("close", Script.LOSE)
        desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason="MANUAL", now_ns=now_ns))
        await desk.becomes(OrderStatus.UNKNOWN)
        service.step(step_ns)
        await desk.until(lambda: desk.bracket().status is OrderStatus.OPEN, seconds=2 * desk.policy.call_s_max + desk.policy.look_gap_s)
        desk.agrees()


@pytest.mark.parametrize("ends_there", [True, False])
@virtually
async def test_an_entry_lives_as_long_as_it_was_to_live(ends_there: bool) -> None:
    """Whether the venue ends it at its date, or it is ended from here."""
    desk = Desk()
    types = frozenset({EntryType.LIMIT}) if ends_there else frozenset()
    async with desk.life(lambda desk: setattr(desk.venue, "capability", Capability(ttl_types=types))) as service:
        desk.place(ttl_min=Decimal(30))
        await desk.becomes(OrderStatus.PENDING)
        service.step(HOUR_NS)
        await asyncio.sleep(20 * 60)
        assert desk.bracket().status is OrderStatus.PENDING
        assert "cancel" not in desk.venue.calls
        if not ends_there:
            await desk.until(lambda: desk.bracket().status is OrderStatus.EXPIRED, seconds=11 * 60)
