"""The venue has something else than the book, or is away: what is in doubt becomes definite, and the venue wins; in virtual time."""

import asyncio
from decimal import Decimal

from brokers.live.venue import Exits, VenueMismatch
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, order, virtually
from trading.brackets import EXTERNAL, Protection
from trading.events import CancelReason
from trading.orders import CloseReason, OrderStatus


@virtually
async def test_what_somebody_else_holds_without_a_stop_is_shown_and_not_touched() -> None:
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life() as service:
        desk.exchange.place_by_hand(order("hand"), filled=True)
        await desk.until(lambda: bool(desk.store.all()))
        (bracket,) = desk.store.all()
        assert (bracket.origin, bracket.status, bracket.protection) == (EXTERNAL, OrderStatus.OPEN, Protection.NONE)
        await asyncio.sleep(120)
        assert not {"protect", "close", "cancel", "amend"} & set(desk.venue.calls)
        assert service.broker.positions()[0].units == 100
        desk.ask(lambda broker, now_ns: broker.close_bracket(bracket.order_id, reason="MANUAL", now_ns=now_ns))
        assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.MANUAL


@virtually
async def test_another_order_under_our_id_rings_and_stays_unknown() -> None:
    desk = Desk()
    async with desk.life():

        async def mismatch(_: object) -> None:
            raise VenueMismatch("it sells, and we bought")

        desk.venue.create = mismatch  # type: ignore[assignment, method-assign]  # the one answer the exchange never gives
        desk.venue.look_up = mismatch  # type: ignore[assignment, method-assign]  # and again when it is looked up
        desk.place()
        await desk.becomes(OrderStatus.UNKNOWN)
        await asyncio.sleep(5)
        assert desk.bracket().status is OrderStatus.UNKNOWN
        assert any("it sells" in text for payload in desk.told("reconciled") for text in payload["details"].get("differences", ()))


@virtually
async def test_an_order_in_doubt_counts_as_open_risk() -> None:
    desk = Desk()
    async with desk.life() as service:
        desk.venue.next("create", Script.LOSE)
        desk.place()
        await desk.becomes(OrderStatus.UNKNOWN)
        assert service.broker.exposure("EUR_USD").instrument_units == 100
        await desk.becomes(OrderStatus.REJECTED)
        assert service.broker.exposure("EUR_USD").instrument_units == 0


@virtually
async def test_what_is_asked_while_the_venue_is_away_is_done_when_it_is_back() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
    async with desk.life(lambda desk: setattr(desk.venue, "is_down", True), reconciled=False) as service:
        assert not service.broker.is_reconciled
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="kill_switch", now_ns=now_ns))
        await asyncio.sleep(10)
        assert desk.bracket().status is OrderStatus.CANCEL_PENDING
        desk.venue.is_down = False
        await desk.becomes(OrderStatus.CANCELLED)
        assert not desk.exchange.only.remaining


@virtually
async def test_everything_unknown_is_definite_within_half_a_minute_of_the_venue_answering_again() -> None:
    desk = Desk()
    async with desk.life():
        desk.venue.is_mute = True
        for n in range(20):
            desk.venue.next("create", Script.SWALLOW if n % 2 else Script.LOSE)
            desk.place(f"a{n}")
        await asyncio.sleep(0.5)
        desk.venue.is_down = True
        desk.exchange.wake()
        await asyncio.sleep(300)
        assert {bracket.status for bracket in desk.store.all()} == {OrderStatus.UNKNOWN}
        desk.venue.is_down = False
        await asyncio.sleep(30)
        statuses = [bracket.status for bracket in desk.store.all()]
        assert statuses.count(OrderStatus.PENDING) == statuses.count(OrderStatus.REJECTED) == 10


@virtually
async def test_an_entry_that_the_venue_forgot_ends_here_after_it_was_missed_twice() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.forget(desk.held().client_id)
        ended = await desk.becomes(OrderStatus.CANCELLED)
        assert ended.cancel_reason == CancelReason.VENUE
        assert any(payload["details"].get("differences") for payload in desk.told("reconciled"))


@virtually
async def test_an_entry_that_the_venue_does_not_end_at_its_date_is_cancelled_from_here() -> None:
    desk = Desk()
    async with desk.life():
        desk.place(ttl_min=Decimal("0.5"))
        await desk.becomes(OrderStatus.PENDING)
        await desk.until(lambda: desk.bracket().status is not OrderStatus.PENDING, seconds=120)
        ended = await desk.becomes(OrderStatus.EXPIRED)
        assert ended.cancel_reason == "ttl_expired"
        assert not desk.held().remaining
        assert desk.venue.calls.count("look_up") < 5, "it was not hammered meanwhile"


@virtually
async def test_an_entry_that_ended_here_and_still_rests_there_is_ended_there() -> None:
    """A venue that loses sight of half an order for a while, and finds it again: it must not fill behind our back."""
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "40")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED, protection="venue")
        held = desk.held()
        held.is_working = False
        await desk.until(lambda: not desk.bracket().remaining_units)
        held.is_working = True
        await desk.until(lambda: not held.remaining)
        await desk.until(lambda: not desk.bracket().remaining_units)
        assert (await desk.becomes(OrderStatus.OPEN, protection="venue")).position_units == 40
        assert desk.venue.calls.count("look_up") < 10
        desk.agrees()
