"""What can neither be guarded nor closed, and what somebody sold by hand: said once, and nothing is traded for it."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import Fact, Target
from runtime.settings import Settings
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.kit import WAIT_S
from tests.brokers.coinbase.test_contract import CoinbaseWorld
from tests.brokers.contract import LiveContract
from tests.brokers.desk_kit import GRANTED, Bus, event, events_of
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import Fault, Kind
from trading.errors import OutcomeUnknown, StateConflict

D = Decimal
BTC = "BTC-USD"


@pytest.fixture
def world(settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus) -> CoinbaseWorld:
    """Exits are placed after the fill, and the account has a coin of its own."""
    sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "1"}})
    return CoinbaseWorld(settings, live, sim, bus)


async def test_a_rest_too_small_for_a_stop_and_a_sale_is_rung_for_once(
    world: CoinbaseWorld, settings: Settings, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is tried to sell: a storm of refusals once rang for each."""
    tries = 0
    close = CoinbaseVenue.close

    async def counted(venue: CoinbaseVenue, target: Target, units: Decimal) -> Sequence[Fact]:
        nonlocal tries
        tries += 1
        return await close(venue, target, units)

    monkeypatch.setattr(CoinbaseVenue, "close", counted)
    async with world._opened() as ask:
        await LiveContract().filled(world, ask)
        sim.quote(BTC, "60000", "60000.10", bid_size="0.00999", ask_size="0.00999")  # the close finds no more than that
        with contextlib.suppress(StateConflict):
            await ask("position.close", {"instrument": BTC, "percent": 100}, GRANTED, ttl_ms=30_000)
        await event(settings, "protection_lost", "coinbase")
        until = tries + 4
        async with asyncio.timeout(WAIT_S):
            while tries < until:
                await asyncio.sleep(0.01)
        told = [each.type for each in await events_of(settings, "coinbase")]
        (order,) = (await ask("order.list", {}, GRANTED))["orders"]
    assert told.count("protection_lost") <= 2, "by who asked for the stop, and by the watch"
    assert "order_unknown" not in told
    assert (order["status"], order["position_units"], order["protection"]) == ("OPEN", 0.00001, "none")


@pytest.mark.parametrize("what", ["change", "close"])
async def test_a_change_in_doubt_leaves_no_position_bare_while_the_stream_is_away(
    world: CoinbaseWorld, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The exits are off, the next step is lost, and nothing is heard: the book neither trusts the old stop nor waits for the doubt to end."""
    monkeypatch.setattr(CoinbaseVenue, "policy", replace(CoinbaseVenue.policy, call_s_max=30.0, reconcile_s=30.0))
    async with world._opened() as ask:
        order_id = await LiveContract().filled(world, ask)
        await LiveContract().becomes(ask, order_id, status="OPEN", guarded=True)
        sim.faults.add(Fault(kind=Kind.STREAM_CUT, times=None))
        sim.faults.add(Fault(kind=Kind.ERROR_BEFORE, method="POST", path="/orders$", times=5))
        with contextlib.suppress(OutcomeUnknown, StateConflict):
            if what == "change":
                await ask("order.modify", {"order_id": order_id, "stop_loss_price": 58500}, GRANTED, ttl_ms=1000)
            else:
                await ask("position.close", {"instrument": BTC, "units": 0.005}, GRANTED, ttl_ms=1000)
        async with asyncio.timeout(20):  # less than the doubt lasts
            while not sim.faults.struck or D(sim.state()["unprotected"]["BTC"]) > 1:
                await asyncio.sleep(0.01)
