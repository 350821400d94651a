"""What a person had to see to and was mended is told once more when it comes back; in virtual time."""

from collections.abc import Callable
from dataclasses import replace

from brokers.live.venue import Sighting, Target, VenueMismatch
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.orders import OrderStatus

# Compared with the venue without a pause.
OFTEN = replace(POLICY, reconcile_s=1.0)


def _told(desk: Desk, text: str) -> int:
    """How many differences said so."""
    return sum(text in each for payload in desk.told("reconciled") for each in payload["details"].get("differences", ()))


def _shows(desk: Desk, sighting: Callable[[Target], Sighting]) -> None:
    desk.venue._sighting = sighting  # type: ignore[method-assign, assignment]  # every look, of one bracket or of all


@virtually
async def test_what_the_venue_no_longer_says_twice_is_told_twice() -> None:
    """The second time nobody was told, and the bracket was shown as open."""
    desk = Desk(policy=OFTEN)
    async with desk.life():
        order_id = await desk.opened()
        real = desk.venue._sighting
        for times in (1, 2):
            _shows(desk, lambda _: Sighting(lost="the venue shows nothing of it"))
            await desk.becomes(OrderStatus.UNKNOWN, order_id)
            assert _told(desk, "the venue shows nothing of it") == times
            _shows(desk, real)
            await desk.becomes(OrderStatus.OPEN, order_id)


@virtually
async def test_another_order_under_our_id_twice_is_told_twice() -> None:
    desk = Desk(policy=OFTEN)
    async with desk.life():
        order_id = await desk.opened()
        real = desk.venue.look_up

        async def other(_: Target) -> Sighting:
            raise VenueMismatch("it sells, and we bought")

        for times in (1, 2):
            desk.venue.look_up = other  # type: ignore[method-assign, assignment]  # names of arguments
            desk.venue.next("close", Script.LOSE)
            desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason="MANUAL", now_ns=now_ns))
            await desk.until(lambda times=times: _told(desk, "it sells") == times)  # type: ignore[misc]  # mypy sees no type in a default
            desk.venue.look_up = real  # type: ignore[method-assign]
            await desk.becomes(OrderStatus.OPEN, order_id)
