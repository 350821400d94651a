"""What a close would leave that is too little for any order of the venue's: it can neither be guarded nor got out again."""

from decimal import Decimal

import pytest

from brokers.live.venue import VenueRefused
from tests.brokers.coinbase.kit import Pair, bracket, pair, short

D = Decimal


@pytest.mark.parametrize("order", [bracket(), short()], ids=["bought", "sold"])
async def test_a_remainder_that_nothing_could_guard_is_closed_too(order: object) -> None:
    """The campaign held 0.24 USD for good, and asked to be rid of it three times a second."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        known = await made.place(order)
        known.take(await made.venue.protect(known.target()))
        known.take(await made.venue.close(known.target(), D("0.00999592")))
        assert known.position == 0
        assert not made.sim.account.live


async def test_a_close_too_small_for_the_venue_is_refused_before_the_exits_are_touched(at: Pair) -> None:
    known = await at.place(bracket())
    before = at.orders(working=True)
    with pytest.raises(VenueRefused, match="UNITS_TOO_SMALL"):
        await at.venue.close(known.target(), D("0.00000408"))
    assert at.orders(working=True) == before
