"""The first exit after a fill, through the whole adapter: nothing may come before it."""

import asyncio

from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.kit import WAIT_S
from tests.brokers.desk_kit import GRANTED
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
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
