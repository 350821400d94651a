"""A stop that was triggered and cannot fill, because the market jumped past its limit: it guards nothing, whatever our quotes show."""

from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.coinbase.answers import VenueStatus
from brokers.coinbase.resting import RESTS_S, Resting
from brokers.coinbase.venue import CoinbaseVenue
from runtime.clock import NS_PER_S
from runtime.settings import Settings
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.shapes import venue_bracket
from tests.brokers.coinbase.test_contract import CoinbaseWorld
from tests.brokers.contract import LiveContract
from tests.brokers.desk_kit import GRANTED, Bus, event
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue

D = Decimal
BTC = "BTC-USD"


@pytest.fixture(params=[True, False], ids=["attached", "after the fill"])
def world(
    request: pytest.FixtureRequest, settings: Settings, live: Live, sim: SimulatedVenue, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> CoinbaseWorld:
    """The account has a coin of its own, which no sale of ours may touch; comparisons by the clock are too seldom to help."""
    monkeypatch.setattr(CoinbaseVenue, "policy", replace(CoinbaseVenue.policy, reconcile_s=600.0))
    sim.set_state({"options": {"attached_supported": request.param}, "balances": {"BTC": "1"}})
    return CoinbaseWorld(settings, live, sim, bus)


@pytest.mark.parametrize("first", ["0", "0.004"], ids=["unfilled", "partly filled"])
async def test_a_stop_that_rests_beyond_the_market_is_rung_for_and_its_position_sold_once(
    world: CoinbaseWorld, sim: SimulatedVenue, settings: Settings, first: str
) -> None:
    """The feed shows the old price all the while."""
    async with world._opened() as ask:
        order_id = await LiveContract().filled(world, ask)
        if D(first):
            sim.quote(BTC, "57000", "57010", bid_size=first)
        sim.quote(BTC, "50000", "50010")
        lost = await event(settings, "protection_lost", "coinbase")
        assert lost.payload["order_id"] == order_id
        order = await LiveContract().becomes(ask, order_id, status="CLOSED")
        fills = (await ask("fill.list", {"order_id": order_id}, GRANTED))["fills"]
    sold = [(D(str(one["units"])), D(str(one["price"]))) for one in fills if one["leg"] != "entry"]
    assert sorted(sold) == sorted(([(D(first), D(57000))] if D(first) else []) + [(D("0.01") - D(first), D(50000))])
    assert order["position_units"] == 0
    assert sum(D(one["size"]) for one in sim.state()["fills"] if one["side"] == "SELL") == D("0.01")
    assert not sim.account.live, "the stop is off the book"


def test_only_a_stop_that_makes_no_progress_rests() -> None:
    now_ns = 0
    resting = Resting(lambda: now_ns)
    waiting = venue_bracket("x1", "exit")
    triggered = replace(waiting, is_triggered=True)
    assert not resting.judged(waiting).rests
    for filled in ("0", "0.001", "0.002"):
        assert not resting.judged(replace(triggered, filled_size=D(filled))).rests
        now_ns += round(RESTS_S * NS_PER_S) - 1
        assert not resting.judged(replace(triggered, filled_size=D(filled))).rests
    now_ns += 1
    assert resting.judged(replace(triggered, filled_size=D("0.002"))).rests
    assert not resting.judged(replace(triggered, status=VenueStatus.FILLED)).rests
