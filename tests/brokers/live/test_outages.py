"""A venue that is away again and again, for seconds or minutes, while its market goes on and our process dies: soon after each time nothing is bare.

Not all of it is in what the doubt simulation draws: there one call in three goes wrong, here for a while all of them do.
"""

import asyncio

import pytest

from brokers.live.venue import Exits, VenuePolicy
from tests.brokers.live.test_doubt_simulation import NAKED_S_MAX, POLICY, RELEASING, Story
from tests.brokers.live.virtual import run_virtually

OUTAGES = 6
ORDERS_BETWEEN = 25
# From a hiccup to longer than any pause grows.
AWAY_S = (3, 10, 40, 100)
# How long nothing goes wrong after each.
QUIET_S = 12.0


class Outages(Story):
    """The longest time without a stop is counted from the end of each outage."""

    async def happen(self) -> None:
        for _ in range(OUTAGES):
            orders = self.placed + ORDERS_BETWEEN
            while self.placed < orders:
                await self._moment()
            await self._go_away()
            await self._come_back()

    async def _go_away(self) -> None:
        service, venue = self.service, self.venue
        assert service is not None
        assert venue is not None
        venue.is_down = True
        if self.dice.random() < 0.5:
            service.kill()
        until = asyncio.get_running_loop().time() + self.dice.choice(AWAY_S)
        while asyncio.get_running_loop().time() < until:
            await self._revive()
            await asyncio.sleep(self.dice.expovariate(1))
            self._market(0.2)

    async def _revive(self) -> None:
        """Who has died begins anew, at a venue that is away."""
        service = self.service
        assert service is not None
        if service.is_dead:
            assert service.bug is None, service.bug
            await service.gone()
            self.begin_life()
        assert self.venue is not None
        self.venue.is_down = True

    async def _come_back(self) -> None:
        venue = self.venue
        assert venue is not None
        self.is_faulty = venue.is_down = venue.is_mute = False
        self.quiet_since = asyncio.get_running_loop().time()
        self._market(0.5)
        await self._settle(QUIET_S)
        self.is_faulty = True


@pytest.mark.parametrize(
    ("exits", "policy"),
    [pytest.param(Exits.AFTER_FILL, POLICY, id="after_fill"), pytest.param(Exits.STOP_ONLY, RELEASING, id="stop_only")],
)
def test_soon_after_an_outage_nothing_is_bare(exits: Exits, policy: VenuePolicy) -> None:
    story = Outages(0, exits, policy)
    run_virtually(story.play)
    story.check()
    assert story.worst_naked_s <= NAKED_S_MAX
    assert story.lives > OUTAGES / 3, "and somebody has died meanwhile"
