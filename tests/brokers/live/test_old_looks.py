"""A look shows how things were when it began, however late its answer comes: what has happened since is not undone by it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

from brokers.live.venue import Exits, LegStands, Sighting, Target, VenueSnapshot
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.brackets import Bracket
from trading.orders import CloseReason, Leg, OrderStatus

# Compared with the venue without a pause.
OFTEN = replace(POLICY, reconcile_s=1.0)
# Longer than a call may take, shorter than a snapshot may.
SLOW_S = 7.0
# Behind the picture of the second snapshot, before its answer.
ARRIVES_S = 10.0


@asynccontextmanager
async def slow_pictures(*, opened: bool = False) -> AsyncIterator[Desk]:
    """A life at a venue that shows its account as it was ``SLOW_S`` ago, answers no look at a single bracket, and tells nothing.

    Args:
        opened: something has filled before.
    """
    desk = Desk(policy=OFTEN)
    async with desk.life():
        if opened:
            await desk.opened()
        snapshot, shown = desk.venue.snapshot, asyncio.Event()

        async def late(targets: Sequence[Target]) -> VenueSnapshot:
            picture = await snapshot(targets)
            await asyncio.sleep(SLOW_S)
            shown.set()
            return picture

        async def unanswered(_: Target) -> Sighting:
            raise ConnectionError("no answer")

        desk.venue.snapshot = late  # type: ignore[method-assign]  # a venue that is slow in one thing alone
        desk.venue.look_up = unanswered  # type: ignore[method-assign, assignment]  # names of arguments
        await shown.wait()  # the broker has learnt by now how long it takes, and the next picture is taken in a moment
        desk.venue.is_mute = True
        yield desk


async def what_becomes_of(desk: Desk) -> Bracket:
    """The one bracket once it has been in doubt and is not any more."""
    await desk.becomes(OrderStatus.UNKNOWN)
    await desk.until(lambda: desk.bracket().status is not OrderStatus.UNKNOWN)
    return desk.bracket()


@virtually
async def test_an_order_that_arrives_behind_an_empty_look_is_not_called_void_by_it() -> None:
    async with slow_pictures() as desk:
        desk.venue.late_s = ARRIVES_S
        desk.venue.next("create", Script.LATE)
        desk.place()
        assert (await what_becomes_of(desk)).status is OrderStatus.PENDING
        assert not desk.told("order_rejected")


@virtually
async def test_a_close_that_arrives_behind_a_look_is_not_given_up_by_it() -> None:
    async with slow_pictures(opened=True) as desk:
        desk.venue.late_s = ARRIVES_S
        desk.venue.next("close", Script.LATE)
        progress = desk.ask(lambda broker, now_ns: broker.close_bracket("live-oanda-1", reason="MANUAL", now_ns=now_ns))
        assert (await what_becomes_of(desk)).status is OrderStatus.CLOSED
        assert progress.verdicts[0].refusal is None


@virtually
async def test_a_change_that_arrives_behind_a_look_is_not_settled_by_it() -> None:
    async with slow_pictures(opened=True) as desk:
        desk.venue.late_s = 0.95 * POLICY.call_s_max
        desk.venue.next("amend", Script.LATE)
        desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.161")}, now_ns=now_ns))
        known = await what_becomes_of(desk)
        assert (known.status, known.stop_price) == (OrderStatus.OPEN, Decimal("1.161"))


@virtually
async def test_a_stop_that_is_taken_off_while_the_bracket_is_looked_at_is_not_believed_to_stand() -> None:
    """The look saw it, the stream has told of its end since: it is looked at once more."""
    desk = Desk()
    desk.exchange.confirms_cancels = False
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "40")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED, protection="venue")
        look_up, looks = desk.venue.look_up, []

        async def late(target: Target) -> Sighting:
            looks.append(target)
            picture = await look_up(target)
            if len(looks) == 1:
                desk.exchange.remove_stop(desk.held().client_id)
                desk.venue.is_mute = False
                await desk.until(lambda: desk.bracket().protection == "none")
            return picture

        desk.venue.look_up = late  # type: ignore[method-assign]  # a picture that is old when it comes
        desk.venue.is_mute = True
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        await desk.until(lambda: bool(looks))
        await asyncio.sleep(POLICY.reconcile_s / 2)
        assert desk.bracket().protection == "none"


@virtually
async def test_an_exit_that_an_old_picture_shows_is_not_believed_to_stand_after_a_close_took_it_off() -> None:
    """A comparison waited for its turns at the venue while a close released the exits and was lost: the position was bare for thirteen seconds."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=replace(POLICY, releases=True, resends=True, reconcile_s=1.0, call_s_max=8.0))
    async with desk.life():
        order_id = await desk.opened()
        snapshot, taken, gate = desk.venue.snapshot, asyncio.Event(), asyncio.Event()
        client_id, stop = desk.held(order_id).client_id, desk.held(order_id).stop
        assert stop is not None

        async def late(targets: Sequence[Target]) -> VenueSnapshot:
            picture = await snapshot(targets)
            stands = LegStands(client_id=client_id, order_ref=stop.ref, leg=Leg.STOP_LOSS, units=stop.units, price=stop.price)
            sighting = replace(picture.sightings[client_id], facts=[stands])
            taken.set()
            await gate.wait()
            return replace(picture, sightings={client_id: sighting})

        desk.venue.snapshot = late  # type: ignore[method-assign]  # a picture that is old when it comes
        await taken.wait()
        desk.venue.is_mute = True  # that an exit is off for a close is no news of the stream's
        desk.venue.next("close", Script.LOSE)
        desk.venue.next("protect", *[Script.NOT_SENT] * 3)
        before = desk.venue.calls.count("protect")
        desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason=CloseReason.MANUAL, now_ns=now_ns))
        await desk.until(lambda: desk.venue.calls.count("protect") > before)
        assert desk.held(order_id).stop is None
        gate.set()
        await desk.until(lambda: desk.held(order_id).stop is not None or desk.bracket().protection != "none")
        assert desk.held(order_id).stop is not None, "believed in, and not there"
