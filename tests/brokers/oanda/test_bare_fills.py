"""A stop that a hand took off a waiting entry: when it fills the alarm rings, and ``risk.protection_action`` says what is done, as for a position."""

import asyncio
from pathlib import Path

import pytest

from runtime.program import prepare_home
from runtime.settings import Settings, load_settings
from tests.brokers.desk_kit import event, events_of
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import WAIT_S, quote
from tests.brokers.oanda.test_hands import differences, place, replace_entry, until
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue

WHOLE_ACCOUNT = "GET /v3/accounts/{account}"

pytestmark = pytest.mark.usefixtures("soon")


@pytest.fixture
def settings(home: Path, action: str) -> Settings:
    found = load_settings({"ARENA_HOME": str(home / "var"), "ARENA_STORE__FREE_MB_MIN": "1", "ARENA_RISK__PROTECTION_ACTION": action})
    prepare_home(found)
    return found


@pytest.mark.parametrize("action", ["alarm"])
async def test_where_only_the_alarm_is_wanted_the_hand_that_took_it_off_has_its_way(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        replace_entry(sim, takeProfitOnFill={"price": "1.17"})
        await differences(settings, "without its stop loss")
        quote(sim, "1.16500", "1.16510")
        assert (await event(settings, "protection_lost")).payload["order_id"] == order_id
    async with live() as (_, ask):  # a restart knows that it was taken off
        looks = sim.hits.counts[WHOLE_ACCOUNT]
        async with asyncio.timeout(WAIT_S):
            while sim.hits.counts[WHOLE_ACCOUNT] < looks + 3:
                await asyncio.sleep(0.01)
        assert (await until(ask, order_id, status="OPEN"))["protection"] == "none"
        assert {order.type for order in sim.account.pending.values()} == {"TAKE_PROFIT"}
        assert len([each for each in await events_of(settings, "oanda") if each.type == "protection_lost"]) == 1


@pytest.mark.parametrize("action", ["close"])
async def test_where_what_is_bare_is_to_be_closed_it_is(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        replace_entry(sim, takeProfitOnFill={"price": "1.17"})
        await differences(settings, "without its stop loss")
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="CLOSED", close_reason="KILL_SWITCH")
        assert not sim.account.open
