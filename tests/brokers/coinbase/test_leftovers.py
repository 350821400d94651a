"""What can neither be guarded nor closed, and what somebody sold by hand: said once, and nothing is traded for it."""

import asyncio
from decimal import Decimal

import pytest

from runtime.settings import Settings
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.test_contract import CoinbaseWorld
from tests.brokers.contract import LiveContract
from tests.brokers.desk_kit import GRANTED, Bus, event, events_of
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue

D = Decimal
BTC = "BTC-USD"


@pytest.fixture
def world(settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> CoinbaseWorld:
    """Exits are placed after the fill, and the account has a coin of its own."""
    sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "1"}})
    return CoinbaseWorld(settings, live, sim, bus)


async def test_a_rest_too_small_for_a_stop_and_a_sale_is_rung_for_once(world: CoinbaseWorld, sim: SimulatedVenue, settings: Settings) -> None:
    async with world._opened() as ask:
        await LiveContract().filled(world, ask)
        await ask("position.close", {"instrument": BTC, "units": 0.00999}, GRANTED, ttl_ms=30_000)
        await event(settings, "protection_lost", "coinbase")
        await asyncio.sleep(3)  # as long as a storm would take to show
        told = [each.type for each in await events_of(settings, "coinbase")]
        (order,) = (await ask("order.list", {}, GRANTED))["orders"]
    assert told.count("protection_lost") <= 2, "by who asked for the stop, and by the watch"
    assert "order_unknown" not in told
    assert (order["status"], order["position_units"], order["protection"]) == ("OPEN", 0.00001, "none")
