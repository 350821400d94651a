"""How far a look reached, by the numbers of the account's log: what lies no later is in what it shows."""

from collections.abc import AsyncIterator

import pytest

from brokers.live.venue import EntryFilled, ExitFilled
from tests.brokers.oanda.kit import Pair, bracket, limit, pair
from tests.venues.oanda import closing


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair(hedging=True) as made:
        yield made


async def test_each_kind_of_look_says_how_far_it_reached(at: Pair) -> None:
    rests, holds = await at.place(limit()), await at.place(bracket())
    targets = [rests.target(), holds.target(), at.known(at.intent(limit())).target()]
    last = at.sim.account.log.last_id
    snapshot = await at.venue.snapshot(targets)
    assert snapshot.until == last
    assert [snapshot.sightings[target.client_id].until for target in targets] == [last] * 3
    assert [(await at.venue.look_up(target)).until for target in targets] == [last] * 3


async def test_a_fill_lies_no_later_than_the_look_that_tells_of_it(at: Pair) -> None:
    known = await at.place(limit("1.095"))
    before = (await at.venue.look_up(known.target())).until
    at.quote("1.09400", "1.09410")
    (trade,) = at.sim.account.open.values()
    closing.close_trade(at.sim.account, str(trade.id), {"units": "400"})
    sighting = await at.venue.look_up(known.target())
    fills = [fact.at for fact in sighting.facts if isinstance(fact, EntryFilled | ExitFilled)]
    assert len(fills) == 2
    assert all(before < each <= sighting.until for each in fills)
