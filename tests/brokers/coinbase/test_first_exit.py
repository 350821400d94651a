"""The first exit after a fill, through the whole adapter: nothing may come before it."""

import asyncio
from dataclasses import replace

import pytest

from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import VenueRefused
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.kit import WAIT_S, bracket, pair
from tests.brokers.desk_kit import GRANTED
from tests.venues.coinbase.orders import Order
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import Fault, Kind
from trading.money import ZERO

STOP_ENTRY = {
    "instrument": "BTC-USD",
    "side": "BUY",
    "units": 0.01,
    "entry_type": "stop",
    "entry_price": 61000,
    "stop_loss_price": 59000,
    "take_profit_price": 65000,
}


async def test_the_exit_of_a_stop_entry_is_the_first_thing_asked_after_its_fill(live: Live, sim: SimulatedVenue) -> None:
    """Its entry cannot carry exits, so none is looked for; and the mark of the very call that places one is no doubt to search the venue for."""
    async with live() as (_, ask):
        await ask("order.place", STOP_ENTRY, GRANTED, ttl_ms=10_000)
        sim.hits.counts.clear()
        sim.quote("BTC-USD", "61000", "61010")
        async with asyncio.timeout(WAIT_S):
            while sim.account.unprotected("BTC") != ZERO:
                await asyncio.sleep(0.005)
        assert not [asked for asked in sim.hits.counts if asked.endswith("/batch")], sim.hits.counts


async def test_an_exit_that_was_refused_at_once_is_asked_for_again_without_searching_for_it() -> None:
    """It was sent once, and the venue said no: there is nothing of it to find, and lists of everything made lately took two seconds of five."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        made.strike("leg_refused", reason="TRADING_DISABLED", times=2)
        for _ in range(2):
            with pytest.raises(VenueRefused, match="MARKET_HALTED"):
                await made.venue.protect(known.target())
        made.sim.hits.counts.clear()
        known.take(await made.venue.protect(known.target()))
        assert known.stop is not None
        assert not [asked for asked in made.sim.hits.counts if asked.endswith("/batch")], made.sim.hits.counts


async def test_an_attached_exit_that_was_seen_to_fail_is_not_searched_for(live: Live, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream tells that the venue would not have it: looking for it first took three requests, one after the other."""
    monkeypatch.setattr(CoinbaseVenue, "policy", replace(CoinbaseVenue.policy, reconcile_s=60.0))  # no comparison reads meanwhile
    read_before: list[int] = []

    def note(order: Order) -> None:
        if order.side == "SELL" and not order.originating_order_id and not read_before:
            read_before.append(sum(times for asked, times in sim.hits.counts.items() if "/historical/" in asked))

    async with live() as (_, ask):
        await ask("order.place", STOP_ENTRY | {"entry_type": "limit", "entry_price": 60000}, GRANTED, ttl_ms=10_000)
        sim.faults.add(Fault(kind=Kind.LEG_REFUSED, times=1))
        sim.account.on_order(note)
        sim.hits.counts.clear()
        sim.quote("BTC-USD", "59999", "60000")
        async with asyncio.timeout(WAIT_S):
            while not read_before:
                await asyncio.sleep(0.002)
        assert read_before[0] <= 3, f"more than the two orders with the news, and the executions: {sim.hits.counts}"
