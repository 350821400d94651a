"""A venue that refuses its account for some seconds, as happens with good keys too; in virtual time."""

from brokers.live.venue import VenueInfo, VenueRefused
from tests.brokers.live.stories import Desk, virtually


@virtually
async def test_a_refusal_of_some_seconds_is_over_soon_and_one_that_stays_is_asked_for_seldom() -> None:
    for lasts_s, within_s, most in ((4.0, 20.0, 3), (600.0, 700.0, 30)):
        desk, tries = Desk(), list[int]()

        def refuse(desk: Desk, tries: list[int] = tries, lasts_s: float = lasts_s) -> None:
            real = desk.venue.open
            since_ns = desk.clock.boot_ns()

            async def open_() -> VenueInfo:
                tries.append(1)
                if desk.clock.boot_ns() - since_ns < lasts_s * 1e9:
                    raise VenueRefused("401")
                return await real()

            desk.venue.open = open_  # type: ignore[method-assign]

        async with desk.life(refuse, reconciled=False) as service:
            await desk.until(lambda service=service: service.broker.is_reconciled, within_s)  # type: ignore[misc]  # mypy sees no type in a default
        assert len(tries) <= most
