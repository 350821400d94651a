"""While the stream is away nobody tells of fills, and an exit that is made after the fill waits for whoever sees it; in virtual time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.venue import Exits, Target, VenueInfo, VenueSnapshot
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from tests.brokers.live.virtual import with_fields
from trading.changes import Changes
from trading.orders import CloseReason, OrderStatus
from trading.venue_refs import Doubt

# What may lie between a venue that answers again and a stop that stands.
NAKED_S_MAX = 5.0
# Longer than any pause between two tries.
AWAY_S = 100.0
RELEASING = replace(POLICY, releases=True, resends=True)


async def _lose_stream(desk: Desk, *then: Script) -> None:
    """The stream breaks; ``then`` is what becomes of the next ones."""
    desk.venue.next("stream", *then)
    before = desk.venue.calls.count("stream")
    desk.venue.is_down = True
    await desk.until(lambda: desk.venue.calls.count("open") > before)
    desk.venue.is_down = False
    await desk.until(lambda: desk.venue.calls.count("stream") > before)


async def _seconds_bare(desk: Desk) -> float:
    """How long until everything that is held has its stop."""
    begun_ns = desk.clock.boot_ns()
    assert any(held.open_units and held.stop is None for held in desk.exchange.held.values())
    await desk.until(lambda: all(held.stop is not None for held in desk.exchange.held.values() if held.open_units))
    return (desk.clock.boot_ns() - begun_ns) / 1e9


@pytest.mark.parametrize("exits", [Exits.AFTER_FILL, Exits.STOP_ONLY])
@virtually
async def test_a_fill_is_guarded_while_the_next_stream_hangs(exits: Exits) -> None:
    """One doubt story in thirty held positions for up to 8.5 s: a stream had begun while nothing answered, and it alone was waited for."""
    desk = Desk(exits=exits)
    async with desk.life():
        await desk.resting()
        await _lose_stream(desk, Script.HANG)
        desk.exchange.fill(desk.held().client_id)
        assert await _seconds_bare(desk) < NAKED_S_MAX


@virtually
async def test_a_fill_is_guarded_while_a_comparison_hangs_too() -> None:
    """Both had been asked for before the venue answered again."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
        await _lose_stream(desk, Script.HANG, Script.HANG)
        desk.venue.next("snapshot", Script.HANG)
        before = desk.venue.calls.count("snapshot")
        await desk.until(lambda: desk.venue.calls.count("snapshot") > before, seconds=NAKED_S_MAX)
        desk.exchange.fill(desk.held().client_id)
        assert await _seconds_bare(desk) < NAKED_S_MAX


@virtually
async def test_a_fill_of_a_long_outage_is_guarded_soon_after_it() -> None:
    """However long the pauses have grown in which the venue was away."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
        desk.venue.is_down = True
        await asyncio.sleep(AWAY_S)
        desk.exchange.fill(desk.held().client_id)
        desk.venue.is_down = False
        assert await _seconds_bare(desk) < NAKED_S_MAX


@pytest.mark.parametrize("hangs", [False, True])
@virtually
async def test_a_process_that_begins_in_an_outage_guards_what_filled_in_it_soon_after_it(hangs: bool) -> None:
    """It has not been told yet what the venue can do, so it can ask for nothing before that."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
    desk.exchange.fill(desk.held().client_id)
    async with desk.life(lambda desk: setattr(desk.venue, "is_down", True), reconciled=False):
        await asyncio.sleep(AWAY_S)
        if hangs:
            before = desk.venue.calls.count("open")
            desk.venue.next("open", Script.HANG)
            desk.venue.is_down = False
            await desk.until(lambda: desk.venue.calls.count("open") > before)
        desk.venue.is_down = False
        assert await _seconds_bare(desk) < NAKED_S_MAX


@virtually
async def test_a_stream_that_gives_no_sign_of_life_is_not_waited_for_to_its_end() -> None:
    """It owes one every ``silence_s_max / 2``, and is dead after ``silence_s_max``."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
        desk.venue.is_mute = True
        desk.exchange.fill(desk.held().client_id)
        assert await _seconds_bare(desk) < POLICY.silence_s_max


@virtually
async def test_an_account_that_takes_long_to_show_leaves_as_much_time_for_everything_else() -> None:
    """The stream has to be opened beside it, within the same limit of requests."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
        await _lose_stream(desk, *[Script.LOSE] * 100)
        snapshot = desk.venue.snapshot

        async def slow(targets: Sequence[Target]) -> VenueSnapshot:
            await asyncio.sleep(0.9 * POLICY.call_s_max)
            return await snapshot(targets)

        desk.venue.snapshot = slow  # type: ignore[method-assign]  # a venue with much to show
        before = desk.venue.calls.count("snapshot")
        await asyncio.sleep(0.9 * POLICY.call_s_max * 20)
        assert 8 <= desk.venue.calls.count("snapshot") - before <= 11


@virtually
async def test_an_account_that_takes_longer_to_open_than_a_call_may_is_opened_by_the_third_try() -> None:
    desk = Desk()

    def slow(desk: Desk) -> None:
        real = desk.venue.open

        async def late() -> VenueInfo:
            info = await real()
            await asyncio.sleep(3 * POLICY.call_s_max)
            return info

        desk.venue.open = late  # type: ignore[method-assign]  # a venue with many instruments

    async with desk.life(slow):
        assert desk.venue.calls.count("open") == 3


@virtually
async def test_what_the_venue_guards_by_itself_is_not_compared_more_often_without_a_stream() -> None:
    desk = Desk(exits=Exits.ATTACHED)
    async with desk.life():
        await desk.resting()
        before = desk.venue.calls.count("snapshot")
        await _lose_stream(desk, *[Script.LOSE] * 20)
        await asyncio.sleep(POLICY.reconcile_s / 2)
        assert desk.venue.calls.count("snapshot") <= before + 1


@pytest.mark.parametrize("asked", [Doubt.CLOSE, Doubt.AMEND, Doubt.PROTECT])
@virtually
async def test_what_a_restart_finds_asked_for_has_its_exits_looked_for_at_once(asked: Doubt) -> None:
    """They come off before a close or a move; whether that left this machine nobody knows, and the stop in the book is no proof."""

    def blind(desk: Desk) -> None:
        desk.venue.next("stream", Script.HANG)
        desk.venue.next("snapshot", Script.LOSE)

    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
    bracket, closing = desk.bracket(), Decimal(100 if asked is Doubt.CLOSE else 0)
    refs = replace(bracket.venue, asked=asked, asked_ns=desk.clock.wall_ns(), released=True)
    desk.store.commit(Changes(brackets=[with_fields(bracket, venue=refs, closing_units=closing, closing_reason=CloseReason.MANUAL)]))
    desk.exchange.release(desk.held().client_id)
    async with desk.life(blind, reconciled=False):
        assert await _seconds_bare(desk) < 1
        assert (await desk.becomes(OrderStatus.OPEN, order_id, protection="venue")).position_units == 100
