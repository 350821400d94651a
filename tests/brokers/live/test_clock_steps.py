"""The wall clock is stepped by an hour while something is waited for: it is waited for neither an hour longer nor shorter."""

import asyncio
from decimal import Decimal

import pytest

from brokers.live.venue import Capability, Exits, Intent
from runtime.clock import NS_PER_S
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, order, virtually
from tests.brokers.live.test_held import show, with_capability
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
@pytest.mark.parametrize("next_step_ns", [-HOUR_NS, 0, HOUR_NS])
@virtually
async def test_an_order_in_doubt_is_looked_for_when_it_would_have_been(step_ns: int, next_step_ns: int) -> None:
    """Not before it can have landed, and not an hour later, also when the clock is stepped once more while the first step is followed."""
    desk = Desk()
    desk.clock.unfollowed_ns = next_step_ns
    async with desk.life() as service:
        desk.venue.next("create", Script.LOSE)
        desk.place()
        await desk.becomes(OrderStatus.UNKNOWN)
        service.step(step_ns)
        await asyncio.sleep(desk.policy.call_s_max / 2)
        assert "look_up" not in desk.venue.calls
        desk.clock.unfollowed_ns = 0
        service.step(next_step_ns)
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


@virtually
async def test_a_clock_set_back_between_a_request_and_its_transaction_gives_no_order_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline was said by the time before the step; no order runs late."""
    desk = Desk()
    async with desk.life() as service:
        seen: list[Intent] = []
        create = desk.venue.create
        monkeypatch.setattr(desk.venue, "create", lambda intent: seen.append(intent) or create(intent))
        deadline_ns = service.now_ns() + 3 * NS_PER_S
        service.step(-HOUR_NS)
        service.ask(lambda broker, now_ns: broker.place(order(), placed_by="ann", now_ns=now_ns, deadline_ns=deadline_ns))
        await desk.until(lambda: bool(seen))
        assert seen[0].deadline_boot_ns - desk.clock.boot_ns() <= 30 * NS_PER_S


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_a_stop_that_was_run_over_is_closed_at_the_market_when_it_would_have_been(step_ns: int) -> None:
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life(lambda desk: with_capability(desk, stop_may_rest=True)) as service:
        await desk.opened()
        show(desk, "1.15900", "1.15910")
        await asyncio.sleep(1)
        service.step(step_ns)
        show(desk, "1.15800", "1.15810", at=1)
        await asyncio.sleep(0.5)
        assert desk.bracket().status is OrderStatus.OPEN
        await asyncio.sleep(1)
        show(desk, "1.15800", "1.15810", at=2)
        await desk.becomes(OrderStatus.CLOSED)


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_a_position_that_is_gone_must_be_missing_as_long_as_without_a_step(step_ns: int) -> None:
    """Neither one look nor an hour of them."""
    desk = Desk()
    async with desk.life() as service:
        await desk.opened()
        desk.exchange.forget(desk.held().client_id)
        looks = desk.venue.calls.count("snapshot")
        await desk.until(lambda: desk.venue.calls.count("snapshot") > looks)
        service.step(step_ns)
        began_ns = desk.clock.boot_ns()
        await desk.becomes(OrderStatus.CLOSED)
        assert 1.9 * NS_PER_S < desk.clock.boot_ns() - began_ns < 5 * NS_PER_S


@pytest.mark.parametrize("step_ns", [-HOUR_NS, HOUR_NS])
@virtually
async def test_a_cancel_and_a_close_that_are_tried_again_wait_no_hour(step_ns: int) -> None:
    desk = Desk()
    async with desk.life() as service:
        rests, holds = desk.place("rests"), await desk.opened("holds")
        desk.venue.next("cancel", Script.LOSE, Script.LOSE)
        desk.venue.next("close", Script.NOT_SENT, Script.NOT_SENT)
        desk.ask(lambda broker, now_ns: broker.cancel(rests, reason="ttl_expired", now_ns=now_ns))
        desk.ask(lambda broker, now_ns: broker.close_bracket(holds, reason="KILL_SWITCH", now_ns=now_ns))
        await desk.until(lambda: {"cancel", "close"} <= set(desk.venue.calls))
        service.step(step_ns)
        await desk.becomes(OrderStatus.EXPIRED, rests)
        await desk.becomes(OrderStatus.CLOSED, holds)
