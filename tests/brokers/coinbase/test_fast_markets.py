"""A market that runs away between two steps, is halted, or takes only part: nothing is sold twice, stripped of its stop, or hidden."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokers.live.venue import Amendment, VenueRefused
from tests.brokers.coinbase.kit import Pair, bracket, pair

D = Decimal


@pytest.fixture
async def after() -> AsyncIterator[Pair]:
    """Exits are placed after the fill, and the account has coins of its own besides."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        yield made


def sold(at: Pair) -> Decimal:
    return sum((D(one["size"]) for one in at.sim.state()["fills"] if one["side"] == "SELL"), D(0))


@pytest.mark.parametrize("then", ["protect", "close"])
async def test_an_exit_that_trades_at_once_is_not_followed_by_another_sale(after: Pair, then: str) -> None:
    """The target is passed while the exit is on its way, and the stream has not told of it: our own coins must not go too."""
    known = await after.place(bracket())
    after.options(open_delay_s=0.02)
    protecting = asyncio.create_task(after.venue.protect(known.target()))
    while not after.orders(side="SELL"):
        await asyncio.sleep(0)
    after.quote("65100", "65110")
    known.take(await protecting)
    if then == "protect":
        known.take(await after.venue.protect(known.target()))
    else:
        known.take(await after.venue.close(known.target(), known.target().position_units))
    after.quote("66000", "66010")
    assert sold(after) == D("0.01")
    assert known.position == 0


async def test_a_part_that_was_sold_is_told_though_the_rest_is_too_small_for_an_exit(after: Pair) -> None:
    """Who is told that nothing was closed asks again, and sells again."""
    known = await after.place(bracket())
    known.take(await after.venue.protect(known.target()))
    after.quote("60000", "60010", size="0.00999")
    known.take(await after.venue.close(known.target(), known.position))
    assert known.closed == sold(after) == D("0.00999")
    assert known.stop is None


@pytest.mark.parametrize("state", ["cancel_only", "limit_only", "trading_disabled"])
async def test_a_close_that_a_halted_market_would_not_take_leaves_the_stop(after: Pair, state: str) -> None:
    known = await after.place(bracket())
    known.take(await after.venue.protect(known.target()))
    before = after.orders(working=True)
    after.sim.set_state({"products": {"BTC-USD": {state: True}}})
    with pytest.raises(VenueRefused):
        await after.venue.close(known.target(), known.position)
    assert after.orders(working=True) == before


async def test_a_stop_alone_that_the_venue_would_not_have_leaves_the_old_one() -> None:
    async with pair(brackets_supported=False, attached_supported=False) as made:
        known = await made.place(bracket())
        known.take(await made.venue.protect(known.target()))
        before = made.orders(working=True)
        made.sim.set_state({"products": {"BTC-USD": {"trading_disabled": True}}})
        with pytest.raises(VenueRefused):
            await made.venue.amend(known.target(), Amendment(stop_loss_price=D(59000)))
        assert made.orders(working=True) == before
