"""A create that was not answered is sent again where the venue knows its name, and only while anybody still wants it. In virtual time."""

import asyncio
from dataclasses import replace

from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.orders import OrderStatus

RESENDING = replace(POLICY, resends=True)


@virtually
async def test_a_create_that_was_lost_is_sent_again_under_its_name() -> None:
    desk = Desk(policy=RESENDING)
    async with desk.life():
        desk.venue.next("create", Script.LOSE, Script.LOSE)
        desk.place()
        await desk.becomes(OrderStatus.PENDING)
        assert desk.venue.calls.count("create") == 3
        assert list(desk.exchange.creates.values()) == [1]


@virtually
async def test_what_was_cancelled_between_two_tries_is_not_sent_again() -> None:
    """A kill switch, or a person, between two tries: the third opened what was to be ended, and at the market it filled."""
    desk = Desk(policy=RESENDING)
    async with desk.life():
        desk.venue.next("create", Script.LOSE, Script.LOSE)
        desk.place()
        await desk.until(lambda: desk.venue.calls.count("create") == 2)
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="kill_switch", now_ns=now_ns))
        await desk.until(lambda: desk.bracket().is_final)
        assert desk.bracket().status is OrderStatus.REJECTED
        assert not desk.exchange.creates


@virtually
async def test_what_the_stream_has_told_of_is_not_sent_again() -> None:
    """It may have filled and be closed by then, and nobody says for how long the venue knows a name."""
    desk = Desk(policy=RESENDING)
    async with desk.life():
        desk.venue.is_mute = True  # the stream tells after the second try
        desk.venue.next("create", Script.SWALLOW, Script.SWALLOW)
        desk.place()
        await desk.until(lambda: desk.venue.calls.count("create") == 2)
        desk.venue.is_mute = False
        await asyncio.sleep(30)
        assert desk.bracket().status is OrderStatus.PENDING
        assert desk.venue.calls.count("create") == 2
