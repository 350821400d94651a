"""A close that the venue carries out late, beside an exit placed again meanwhile: that exit must not sell coins that are not the bracket's."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from brokers.coinbase.ids import Part, part_id
from brokers.live.venue import client_id_of
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.kit import WAIT_S
from tests.brokers.desk_kit import GRANTED, Caller
from tests.venues.coinbase.exchange import read_request
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue

D = Decimal
BUY: Mapping[str, object] = {
    "instrument": "BTC-USD",
    "side": "BUY",
    "units": 0.01,
    "entry_type": "market",
    "stop_loss_price": 58000,
    "take_profit_price": 65000,
    "client_order_id": "late",
}


async def _guarded(ask: Caller) -> dict[str, Any]:
    await ask("order.place", BUY, GRANTED, ttl_ms=10_000)
    async with asyncio.timeout(WAIT_S):
        while True:
            (order,) = (await ask("order.list", {}, GRANTED))["orders"]
            if order["protection"] == "venue":
                return dict(order)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("units", ["0.004", "0.01"], ids=["some of it", "all of it"])
async def test_the_exit_beside_a_late_close_is_made_to_fit_or_taken_off(live: Live, sim: SimulatedVenue, units: str) -> None:
    sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "1"}})
    async with live() as (adapter, ask):
        await _guarded(ask)
        client_id = client_id_of(adapter.context.journal.instance_id, str(GRANTED["user"]), "late")
        late = {
            "client_order_id": part_id(client_id, Part.CLOSE, 7),
            "product_id": "BTC-USD",
            "side": "SELL",
            "order_configuration": {"market_market_ioc": {"base_size": units}},
        }
        sim.exchange.create(read_request(late, with_client_id=True))  # the coins are the account's own: those of the bracket are on hold

        def exits() -> Decimal:
            return sum((order.remaining for order in sim.account.live.values() if order.side == "SELL"), D(0))

        async with asyncio.timeout(WAIT_S):
            while exits() != D("0.01") - D(units):
                await asyncio.sleep(0.01)


async def test_an_exit_that_arrives_while_nobody_runs_for_a_bracket_that_has_ended_is_taken_off_after_the_restart(
    live: Live, sim: SimulatedVenue
) -> None:
    """It was not known any more by whose name it goes: a sale of one's own is left alone, and this one would have sold the account's coins."""
    sim.set_state({"options": {"attached_supported": False}, "balances": {"BTC": "1"}})
    async with live() as (adapter, ask):
        await _guarded(ask)
        client_id = client_id_of(adapter.context.journal.instance_id, str(GRANTED["user"]), "late")
        await ask("position.close", {"instrument": "BTC-USD", "percent": 100}, GRANTED, ttl_ms=30_000)
    late = {
        "client_order_id": part_id(client_id, Part.STOP, 7),
        "product_id": "BTC-USD",
        "side": "SELL",
        "order_configuration": {
            "stop_limit_stop_limit_gtc": {
                "base_size": "0.01",
                "stop_price": "58000",
                "limit_price": "57000",
                "stop_direction": "STOP_DIRECTION_STOP_DOWN",
            }
        },
    }
    sim.exchange.create(read_request(late, with_client_id=True))
    assert [order.side for order in sim.account.live.values()] == ["SELL"]
    async with live():
        async with asyncio.timeout(WAIT_S):
            while sim.account.live:
                await asyncio.sleep(0.01)
