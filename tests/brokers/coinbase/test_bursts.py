"""Many entries that fill at once, with no more requests than the venue allows: each position has its stop in five seconds."""

import asyncio
from decimal import Decimal

import pytest

from runtime.settings import Settings
from tests.brokers.coinbase.campaign import CoinbaseSide
from tests.brokers.desk_kit import GRANTED, Bus
from tests.venues.campaign_report import NAKED_S_MAX
from tests.venues.campaign_side import opened
from tests.venues.common.paced import run_paced

POSITIONS = 60


@pytest.mark.timeout(120)
def test_sixty_entries_that_fill_at_once_have_their_stops_in_five_seconds(settings: Settings, bus: Bus) -> None:
    """Their orders read one by one would take the venue's limit for five seconds alone, and their executions for as long again."""
    naked_s = run_paced(_longest_naked_s(settings))
    assert 0 < naked_s < NAKED_S_MAX, naked_s


async def _longest_naked_s(settings: Settings) -> float:
    side = CoinbaseSide(attached=False)
    loop = asyncio.get_running_loop()
    async with side.running(), opened(side, settings) as (_, ask):
        for number in range(POSITIONS):
            ticket = {
                "instrument": "BTC-USD",
                "side": "BUY",
                "units": 0.01,
                "entry_type": "limit",
                "entry_price": 59000,
                "stop_loss_price": 50000,
                "take_profit_price": 65000,
                "client_order_id": f"burst-{number}",
            }
            await ask("order.place", ticket, GRANTED, ttl_ms=20_000)
        assert len(side.resting()) == POSITIONS
        side.jump(Decimal(58900))
        began_s = loop.time()
        assert len(side.naked()) == POSITIONS
        async with asyncio.timeout(60):
            while side.naked():
                await asyncio.sleep(0.02)
        return loop.time() - began_s
