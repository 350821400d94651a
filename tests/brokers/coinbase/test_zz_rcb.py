import asyncio
from decimal import Decimal
import pytest
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.test_contract import CoinbaseWorld
from tests.brokers.contract import LiveContract, CRYPTO
from tests.brokers.desk_kit import ADMIN, GRANTED, Bus, event, events_of, until
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from runtime.settings import Settings

D = Decimal


@pytest.fixture
def world(settings, live, sim, bus):
    sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "1"}})
    return CoinbaseWorld(settings, live, sim, bus)


async def test_hand_sale(world, sim, settings):
    async with world.opened() as ask:
        world._hand("SELL", {"limit_limit_gtc": {"base_size": "0.5", "limit_price": "60800"}}, None)
        p = (await event(settings, "oco_placed", "coinbase")).payload
        print(p)
        await world.market(("61000.00", "61000.10"))
        await asyncio.sleep(2.5)
        print("POS", await ask("position.list", {}, GRANTED))
        print(await ask("trading_state.set", {"state": "HALTED", "cancel": True, "flatten": True, "reason": "x"}, ADMIN))
        await asyncio.sleep(2)
        for f in sim.state()["fills"]:
            print("FILL", f)
        for e in await events_of(settings, "coinbase"):
            print("EV", e.type, {k: v for k, v in e.payload.items() if k in ("leg", "reason", "price", "status", "code", "details", "text")})


async def test_dust(world, sim, settings):
    lc = LiveContract()
    async with world.opened() as ask:
        order_id = await lc.filled(world, ask)
        print(await ask("position.close", {"instrument": "BTC-USD", "units": 0.00999}, GRANTED, ttl_ms=30000))
        await asyncio.sleep(8)
        print(await ask("order.list", {}, GRANTED))
        for f in sim.state()["fills"]:
            print("FILL", f)
        evs = await events_of(settings, "coinbase")
        print(len(evs))
        for e in evs:
            print("EV", e.type, {k: v for k, v in e.payload.items() if k in ("leg", "reason", "price", "status", "code", "details", "text")})
