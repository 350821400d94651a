"""Orders at a live venue, with a fake one: intent before action, one send, no belief in silence, and the same answer for every repeat."""

import asyncio
from collections.abc import Callable

import pytest

from brokers.base import VenuePort
from brokers.fake import FakeBroker, FakeVenue, Script
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Opened, running
from tests.brokers.desk_kit import ADMIN, GRANTED, TRADER, Bus, event, events_of, ticket, until
from trading.errors import InvalidRequest, NotAllowed, NotFound, OrderDenied, OutcomeUnknown, StateConflict, Unavailable
from trading.instruments import Instruments


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue()


Live = Callable[[], Opened]


@pytest.fixture
def live(settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus, venue: FakeVenue) -> Live:
    """An adapter whose account is at the fake venue; each call opens it anew on the same store."""
    return lambda: running(settings, FakeBroker(venue), instruments, clock)


async def test_an_accepted_order_is_pending_and_was_sent_once(live: Live, venue: FakeVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        assert placed["order_id"] == "live-oanda-1"
        assert placed["status"] == "PENDING"
        assert placed["mode"] == "live"
        assert venue.sent == ["live-oanda-1"]


async def test_a_live_order_without_a_grant_is_refused_and_nothing_is_sent(live: Live, venue: FakeVenue) -> None:
    async with live() as (_, ask):
        for actor in (TRADER, None):
            with pytest.raises(NotAllowed) as refusal:
                await ask("order.place", ticket("a1"), actor)
            assert refusal.value.code == "LIVE_NOT_GRANTED"
        assert venue.sent == []


async def test_the_venues_refusal_is_told_the_same_way_to_every_repeat(live: Live, venue: FakeVenue, settings: Settings) -> None:
    venue.script.append(Script.REJECT)
    async with live() as (_, ask):
        told = []
        for _attempt in range(2):
            with pytest.raises(OrderDenied) as refusal:
                await ask("order.place", ticket("a1"), GRANTED)
            told.append((refusal.value.code, refusal.value.message, refusal.value.details))
        assert told[0] == told[1]
        assert told[0][0] == "MARKET_HALTED"
        assert venue.sent == ["live-oanda-1"]
        assert (await event(settings, "order_rejected")).payload["order_id"] == "live-oanda-1"


async def test_a_lost_answer_is_unknown_until_the_order_is_found_and_never_sent_again(live: Live, venue: FakeVenue, settings: Settings) -> None:
    venue.script.append(Script.SWALLOW)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown) as doubt:
            await ask("order.place", ticket("a1"), GRANTED)
        assert doubt.value.details["order_id"] == "live-oanda-1"
        assert (await event(settings, "order_resolved")).payload["status"] == "PENDING"
        again = await ask("order.place", ticket("a1"), GRANTED)
        assert again["replayed"] is True
        assert again["status"] == "PENDING"
        assert venue.sent == ["live-oanda-1"]


async def test_an_order_the_venue_never_saw_ends_rejected(live: Live, venue: FakeVenue, settings: Settings) -> None:
    venue.script.append(Script.LOSE)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown):
            await ask("order.place", ticket("a1"), GRANTED)
        assert (await event(settings, "order_rejected")).payload["code"] == "NEVER_REACHED_VENUE"
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a1"), GRANTED)
        assert refusal.value.code == "NEVER_REACHED_VENUE"


async def test_a_twin_waits_for_the_answer_of_the_one_that_is_on_its_way(live: Live, venue: FakeVenue) -> None:
    venue.script.append(Script.HANG)
    async with live() as (_, ask):
        first = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED))
        await until(lambda: len(venue.sent) == 1)
        second = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED))
        venue.release.set()
        assert await first == {key: value for key, value in (await second).items() if key != "replayed"}
        assert venue.sent == ["live-oanda-1"]


async def test_a_twin_that_waits_in_vain_is_told_that_it_is_in_flight(live: Live, venue: FakeVenue) -> None:
    venue.script.append(Script.HANG)
    async with live() as (_, ask):
        first = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED))
        await until(lambda: len(venue.sent) == 1)
        with pytest.raises(StateConflict) as conflict:
            await ask("order.place", ticket("a1"), GRANTED, ttl_ms=50)
        assert conflict.value.code == "ORDER_IN_FLIGHT"
        venue.release.set()
        assert (await first)["status"] == "PENDING"


async def test_who_placed_an_order_that_the_venue_is_slow_about_is_told_that_it_is_unknown(live: Live, venue: FakeVenue) -> None:
    """Not that it conflicts with itself: that would read as a refusal of an order that may fill."""
    venue.script.append(Script.HANG)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown) as doubt:
            await ask("order.place", ticket("a1"), GRANTED, ttl_ms=50)
        assert doubt.value.details["client_order_id"] == "a1"
        venue.release.set()
        assert (await ask("order.place", ticket("a1"), GRANTED))["replayed"] is True
        assert venue.sent == ["live-oanda-1"]


async def test_the_intent_is_on_disk_before_anything_is_sent_and_unknown_after_a_restart(live: Live, venue: FakeVenue, settings: Settings) -> None:
    """The process ends while the venue holds its answer back: the order exists there and here, and the next start finds out."""
    venue.script.append(Script.HANG)
    async with live() as (_, ask):
        placing = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED, ttl_ms=300))
        await until(lambda: len(venue.sent) == 1)
        order = (await ask("order.get", {"client_order_id": "a1"}))["order"]
        assert order["status"] == "SUBMITTING"
        with pytest.raises((StateConflict, OutcomeUnknown)):
            await placing
    venue.has.add("live-oanda-1")
    async with live() as (_, ask):
        await event(settings, "order_unknown")
        assert (await event(settings, "order_resolved")).payload["status"] == "PENDING"
        assert (await ask("order.place", ticket("a1"), GRANTED))["replayed"] is True
        assert venue.sent == ["live-oanda-1"]


async def test_until_the_account_is_reconciled_orders_wait_and_the_rest_works(
    settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus, venue: FakeVenue
) -> None:
    may_reconcile = asyncio.Event()

    class Slow(FakeBroker):
        async def run(self, port: VenuePort) -> None:
            await may_reconcile.wait()
            await super().run(port)

    async with running(settings, Slow(venue), instruments, clock) as (adapter, ask):
        assert adapter.status == "starting"
        with pytest.raises(Unavailable) as refusal:
            await ask("order.place", ticket("a1"), GRANTED)
        assert refusal.value.code == "STREAM_RECONCILING"
        assert (await ask("order.list"))["orders"] == []
        assert (await ask("trading_state.set", {"state": "HALTED"}))["state"] == "HALTED"
        may_reconcile.set()
        await until(lambda: adapter.status == "ok")


async def test_a_cancel_is_asked_of_the_venue_and_shown_when_it_is_done(live: Live, venue: FakeVenue) -> None:
    async with live() as (_, ask):
        await ask("order.place", ticket("a1"), GRANTED)
        cancelled = (await ask("order.cancel", {"order_id": "live-oanda-1"}, GRANTED))["order"]
        assert cancelled["status"] == "CANCELLED"
        assert venue.has == set()


async def test_a_live_account_has_nothing_to_reset(live: Live) -> None:
    async with live() as (_, ask):
        with pytest.raises(StateConflict) as refusal:
            await ask("paper.reset", {}, ADMIN)
        assert refusal.value.code == "NOT_PAPER"


async def test_an_order_id_of_another_mode_is_not_found(live: Live) -> None:
    async with live() as (_, ask):
        await ask("order.place", ticket("a1"), GRANTED)
        for order_id in ("paper-oanda-1", "live-oanda-01", "live-oanda-2", "1", "", "live-coinbase-1"):
            with pytest.raises((NotFound, InvalidRequest)) as refusal:
                await ask("order.get", {"order_id": order_id})
            assert refusal.value.code in {"NOT_FOUND", "INVALID_FIELD"}


async def test_committed_events_reach_the_bus_in_the_order_of_the_journal(live: Live, settings: Settings, bus: Bus) -> None:
    async with live() as (_, ask):
        await bus.heard()
        for number in range(5):
            await ask("order.place", ticket(f"a{number}"), GRANTED)
        journal = await events_of(settings)
        seen = [seq async for seq in bus.seqs(last=journal[-1].seq)]
    assert [each.seq for each in journal] == list(range(1, len(journal) + 1))
    assert seen == [each.seq for each in journal][-5:]
