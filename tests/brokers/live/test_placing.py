"""Placing at a live venue: the intent first, one send, no belief in silence, and the same answer for every repeat."""

import asyncio

import pytest

from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, event, ticket
from tests.brokers.live.conftest import Live
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import Script, ScriptedVenue
from trading.errors import OrderDenied, OutcomeUnknown, Unavailable


async def test_an_accepted_order_is_pending_and_was_sent_once(live: Live, exchange: Exchange, venue: ScriptedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        assert (placed["order_id"], placed["status"], placed["mode"]) == ("live-oanda-1", "PENDING", "live")
        assert venue.calls.count("create") == 1
        assert exchange.only.order.units == 100


async def test_a_lost_answer_is_unknown_until_the_order_is_found(live: Live, exchange: Exchange, venue: ScriptedVenue, settings: Settings) -> None:
    venue.is_mute = True
    venue.next("create", Script.SWALLOW)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown):
            await ask("order.place", ticket("a1"), GRANTED)
        assert (await event(settings, "order_resolved")).payload["status"] == "PENDING"
        assert (await ask("order.place", ticket("a1"), GRANTED))["replayed"] is True
        assert list(exchange.creates.values()) == [1]


async def test_an_order_the_venue_never_saw_is_rejected_after_two_looks(live: Live, venue: ScriptedVenue, settings: Settings) -> None:
    venue.next("create", Script.LOSE)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown):
            await ask("order.place", ticket("a1"), GRANTED)
        assert (await event(settings, "order_rejected")).payload["code"] == "NEVER_REACHED_VENUE"
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a1"), GRANTED)
        assert refusal.value.code == "NEVER_REACHED_VENUE"
        assert venue.calls.count("create") == 1
        assert venue.calls.count("look_up") + venue.calls.count("snapshot") >= 2


async def test_what_was_not_sent_is_void_and_says_so(live: Live, venue: ScriptedVenue) -> None:
    venue.next("create", Script.NOT_SENT)
    async with live() as (_, ask):
        for _attempt in range(2):
            with pytest.raises(Unavailable) as refusal:
                await ask("order.place", ticket("a1"), GRANTED)
            assert refusal.value.code == "VENUE_UNREACHABLE"
        assert venue.calls.count("create") == 1


async def test_a_fill_leads_to_an_open_bracket_that_the_venue_guards(live: Live, exchange: Exchange, settings: Settings) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        exchange.fill(exchange.only.client_id)
        await event(settings, "order_filled")
        async with asyncio.timeout(30):
            while (order := (await ask("order.get", {"order_id": placed["order_id"]}))["order"])["protection"] != "venue":
                await asyncio.sleep(0.01)
        assert (order["status"], order["position_units"]) == ("OPEN", 100)


async def test_a_refusal_that_was_told_is_taken_back_when_the_order_turns_up(live: Live, venue: ScriptedVenue, settings: Settings) -> None:
    venue.late_s = 1.5
    venue.next("create", Script.LATE)
    async with live() as (_, ask):
        with pytest.raises(OutcomeUnknown):
            await ask("order.place", ticket("a1"), GRANTED)
        await event(settings, "order_rejected")
        with pytest.raises(OrderDenied):
            await ask("order.place", ticket("a1"), GRANTED)
        await event(settings, "order_cancelled")
        again = await ask("order.place", ticket("a1"), GRANTED)
        assert (again["status"], again["replayed"]) == ("CANCELLED", True)
