"""The live broker in its adapter: what callers are told while the venue is slow, and what is on disk before anything is sent."""

import asyncio
from dataclasses import replace

import pytest

from brokers.live.broker import LiveBroker
from runtime.clock import SystemClock
from runtime.settings import Settings
from tests.brokers.conftest import Open, running
from tests.brokers.desk_kit import ADMIN, GRANTED, TRADER, Bus, Caller, event, events_of, ticket, until
from tests.brokers.live.conftest import Live
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import Script, ScriptedVenue
from trading.errors import InvalidRequest, NotAllowed, NotFound, OutcomeUnknown, StateConflict, Unavailable
from trading.instruments import Instruments


async def test_a_live_order_without_a_grant_is_refused_and_nothing_is_sent(live: Live, venue: ScriptedVenue) -> None:
    async with live() as (_, ask):
        for actor in (TRADER, None):
            with pytest.raises(NotAllowed) as refusal:
                await ask("order.place", ticket("a1"), actor)
            assert refusal.value.code == "LIVE_NOT_GRANTED"
        assert "create" not in venue.calls


async def test_a_twin_waits_for_the_answer_of_the_one_that_is_on_its_way(live: Live, venue: ScriptedVenue) -> None:
    venue.next("create", Script.HANG)
    async with live() as (_, ask):
        first = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED))
        await until(lambda: "create" in venue.calls)
        second = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED))
        venue.release.set()
        assert await first == {key: value for key, value in (await second).items() if key != "replayed"}
        assert venue.calls.count("create") == 1


@pytest.fixture
def patient(venue: ScriptedVenue) -> ScriptedVenue:
    """A venue whose silence is no time-out while the test looks at it."""
    venue.policy = replace(venue.policy, call_s_max=30.0)
    return venue


async def test_a_twin_that_waits_in_vain_is_told_that_it_is_in_flight(live: Live, patient: ScriptedVenue) -> None:
    patient.next("create", Script.HANG)
    async with live() as (_, ask):
        first = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED, ttl_ms=30_000))
        await until(lambda: "create" in patient.calls)
        with pytest.raises(StateConflict) as conflict:
            await ask("order.place", ticket("a1"), GRANTED, ttl_ms=50)
        assert conflict.value.code == "ORDER_IN_FLIGHT"
        patient.release.set()
        assert (await first)["status"] == "PENDING"


async def test_who_placed_an_order_that_the_venue_is_slow_about_is_told_that_it_is_unknown(live: Live, patient: ScriptedVenue) -> None:
    """Not that it conflicts with itself: that would read as a refusal of an order that may fill."""
    patient.next("create", Script.HANG)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown) as doubt:
            await ask("order.place", ticket("a1"), GRANTED, ttl_ms=500)
        assert doubt.value.details["client_order_id"] == "a1"
        patient.release.set()
        assert (await ask("order.place", ticket("a1"), GRANTED))["replayed"] is True
        assert patient.calls.count("create") == 1


async def test_who_changes_an_order_that_the_venue_is_slow_about_is_told_that_it_is_unknown(live: Live, patient: ScriptedVenue) -> None:
    """Neither that it was done nor that it failed."""
    async with live() as (_, ask):
        order_id = (await ask("order.place", ticket("a1"), GRANTED))["order_id"]
        patient.next("amend", Script.HANG)
        with pytest.raises(OutcomeUnknown):
            await ask("order.modify", {"order_id": order_id, "entry_price": 1.1653}, GRANTED, ttl_ms=500)
        patient.release.set()
        await _shows(ask, order_id, "entry_price", 1.1653)
        patient.release.clear()
        patient.next("cancel", Script.HANG)
        with pytest.raises(OutcomeUnknown):
            await ask("order.cancel", {"order_id": order_id}, GRANTED, ttl_ms=500)
        patient.release.set()
        await _shows(ask, order_id, "status", "CANCELLED")


async def _shows(ask: Caller, order_id: str, field: str, value: object) -> None:
    async with asyncio.timeout(30):
        while (await ask("order.get", {"order_id": order_id}))["order"][field] != value:
            await asyncio.sleep(0.01)


async def test_the_intent_is_on_disk_before_anything_is_sent_and_unknown_after_a_restart(
    live: Live, exchange: Exchange, patient: ScriptedVenue, settings: Settings
) -> None:
    """The process ends while the venue holds its answer back: the order exists there and here, and the next start finds out."""
    patient.next("create", Script.SILENCE)
    async with live() as (_, ask):
        placing = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED, ttl_ms=300))
        patient.is_mute = True
        await until(lambda: "create" in patient.calls)
        order = (await ask("order.get", {"client_order_id": "a1"}))["order"]
        assert order["status"] == "SUBMITTING"
        with pytest.raises((StateConflict, OutcomeUnknown)):
            await placing
    async with live() as (_, ask):
        await event(settings, "order_unknown")
        assert (await event(settings, "order_resolved")).payload["status"] == "PENDING"
        assert (await ask("order.place", ticket("a1"), GRANTED))["replayed"] is True
        assert list(exchange.creates.values()) == [1]


async def test_until_the_account_is_reconciled_orders_wait_and_the_rest_works(
    settings: Settings, instruments: Instruments, bus: Bus, venue: ScriptedVenue
) -> None:
    venue.next("snapshot", Script.HANG)
    clock = SystemClock()
    async with running(settings, LiveBroker(venue, instruments=instruments, clock=clock), instruments, clock) as (adapter, ask):
        assert adapter.status == "starting"
        with pytest.raises(Unavailable) as refusal:
            await ask("order.place", ticket("a1"), GRANTED)
        assert refusal.value.code == "STREAM_RECONCILING"
        assert (await ask("order.list"))["orders"] == []
        assert (await ask("trading_state.set", {"state": "HALTED"}))["state"] == "HALTED"
        venue.release.set()
        await until(lambda: adapter.status == "ok")


async def test_a_cancel_is_asked_of_the_venue_and_shown_when_it_is_done(live: Live, exchange: Exchange) -> None:
    async with live() as (_, ask):
        await ask("order.place", ticket("a1"), GRANTED)
        cancelled = (await ask("order.cancel", {"order_id": "live-oanda-1"}, GRANTED))["order"]
        assert cancelled["status"] == "CANCELLED"
        assert not exchange.only.remaining


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
    assert seen == [each.seq for each in journal][-len(seen) :]
    assert len(seen) >= 5


async def test_orders_of_a_paper_account_that_shares_the_store_are_void_and_its_money_stays(
    paper: Open, live: Live, venue: ScriptedVenue, settings: Settings
) -> None:
    async with paper() as (_, ask):
        placed = await ask("order.place", ticket("p1"), TRADER)
        balance = (await ask("account.get"))["account"]["balance"]
    async with live() as (_, ask):
        order = (await ask("order.get", {"order_id": placed["order_id"]}))["order"]
        assert (order["status"], order["mode"]) == ("VOID", "paper")
        assert "create" not in venue.calls
        assert (await ask("order.place", ticket("a1"), GRANTED))["order_id"] == "live-oanda-2"
    async with paper() as (_, ask):
        assert (await ask("account.get"))["account"]["balance"] == balance
        assert (await event(settings, "order_resolved")).payload["status"] == "VOID"
