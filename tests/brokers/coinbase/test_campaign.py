"""Three calls in ten go wrong: nothing is doubled, nothing stays naked, nothing is denied that the venue has, and every doubt ends.

``ARENA_CAMPAIGN_ORDERS=10000 pytest tests/brokers/coinbase/test_campaign.py -s --timeout 3600`` is the long form, ``ARENA_CAMPAIGN_SEED``
another one.
"""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from brokers.live.broker import LiveBroker
from runtime.clock import SystemClock
from runtime.program import prepare_home
from runtime.settings import load_settings
from tests.brokers.coinbase.campaign import SETTLED_S_MAX, Campaign
from tests.brokers.coinbase.kit import WAIT_S, adapter
from tests.brokers.conftest import running
from tests.brokers.desk_kit import Bus
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from trading.instruments import Instruments

ORDERS = int(os.environ.get("ARENA_CAMPAIGN_ORDERS", "150"))
SEED = int(os.environ.get("ARENA_CAMPAIGN_SEED", "1"))


@pytest.mark.parametrize("attached", [True, False], ids=["attached", "after the fill"])
async def test_brackets_in_the_midst_of_faults(home: Path, attached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the pauses and time-outs are those of real life
    settings = load_settings({"ARENA_HOME": str(home / "var"), "ARENA_STORE__FREE_MB_MIN": "1", "ARENA_RISK__HEARTBEAT_WATCH": "off"})
    prepare_home(settings)
    instruments, clock = Instruments.from_config(settings.instruments), SystemClock()
    async with SimulatedVenue(seed=SEED) as sim:
        # Without attached exits a coin is needed for the preview that proves brackets; it is spent before anything is counted.
        sim.set_state({"options": {"attached_supported": attached}, "balances": {"USD": "10000000", "BTC": "0" if attached else "1"}})
        broker = LiveBroker(adapter(sim), instruments=instruments, clock=clock)
        with Bus(settings) as bus:
            async with running(settings, broker, instruments, clock, "coinbase") as (_, ask):
                async with asyncio.timeout(WAIT_S):
                    while not broker.is_reconciled:
                        await asyncio.sleep(0.01)
                sim.set_state({"balances": {"BTC": "0"}})
                figures = await Campaign(sim, ask, bus, orders=ORDERS, at_once=min(40, ORDERS // 4), seed=SEED).run()
    print("\n", {name: value for name, value in asdict(figures).items() if name != "naked"}, "naked:", len(figures.naked))
    assert figures.wrong() == {}
    assert figures.settled_s <= SETTLED_S_MAX
    assert sum(figures.statuses.values()) == ORDERS
