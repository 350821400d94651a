"""Executions that are told after the account was compared, over the sockets of the simulated venue, its clock not ours: each counted once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.broker import LiveBroker
from runtime.settings import Settings
from tests.brokers.coinbase.kit import WAIT_S, adapter
from tests.brokers.coinbase.test_clock import Stepped
from tests.brokers.conftest import running
from tests.brokers.desk_kit import GRANTED, Bus, Caller, events_of
from tests.venues.coinbase.exchange import read_request
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import Fault, Kind
from trading.instruments import Instruments

# Beyond the two seconds for which a difference stands before it is believed, and below what the adapter refuses to begin with.
apart = pytest.mark.parametrize("ahead_s", [-40, 0, 40])
Opened = Callable[[int], AbstractAsyncContextManager[Caller]]


@pytest.fixture
def opened(settings: Settings, instruments: Instruments, bus: Bus, sim: SimulatedVenue, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A reconciled adapter whose clock is ahead of the venue's by so many seconds."""
    monkeypatch.setattr(CoinbaseVenue, "policy", replace(CoinbaseVenue.policy, call_s_max=2.0, reconcile_s=1.0))
    monkeypatch.setattr("brokers.live.seeing.MISSED_S", 0.3)
    monkeypatch.setattr("brokers.live.listening.COMPARE_S_MIN", 0.1)

    @asynccontextmanager
    async def live(ahead_s: int) -> AsyncIterator[Caller]:
        clock = Stepped()
        clock.off_s = ahead_s
        broker = LiveBroker(adapter(sim, clock=clock), instruments=instruments, clock=clock)
        async with running(settings, broker, instruments, clock, "coinbase") as (_, ask):
            async with asyncio.timeout(WAIT_S):
                while not broker.is_reconciled:
                    await asyncio.sleep(0.005)
            yield ask

    return live


async def _until(ask: Caller, **wanted: object) -> dict[str, Any]:
    """The only order once its fields are these."""
    async with asyncio.timeout(WAIT_S):
        while True:
            orders = (await ask("order.list", {}, GRANTED))["orders"]
            if orders and {name: orders[0][name] for name in wanted} == wanted:
                return dict(orders[0])
            await asyncio.sleep(0.01)


async def _settled(settings: Settings, times: int) -> list[Any]:
    """What took the place of something that was made up, once it is so much."""
    async with asyncio.timeout(WAIT_S):
        while True:
            told = [each.payload["details"] for each in await events_of(settings, "coinbase") if each.type == "reconciled"]
            found = [details["settled"] for details in told if isinstance(details, dict) and "settled" in details]
            if len(found) >= times:
                return found
            await asyncio.sleep(0.01)


def _dated(sim: SimulatedVenue, time_ns: int) -> None:
    """The newest execution traded then."""
    fills, number = sim.account.fills, len(sim.account.fills) - 1
    fills[-1] = replace(fills[-1], time_ns=time_ns)
    sim.account._fills_of[fills[-1].order_id][-1] = (number, fills[-1])


@apart
async def test_what_a_hand_bought_is_in_the_book_once(opened: Opened, sim: SimulatedVenue, settings: Settings, ahead_s: int) -> None:
    """Half had traded when it was found, and its execution is read after that; the other half trades later, and is news."""
    async with opened(ahead_s) as ask:
        entry = {"limit_limit_gtc": {"base_size": "0.02", "limit_price": "60000"}}
        body = {"client_order_id": "hand-1", "product_id": "BTC-USD", "side": "BUY", "order_configuration": entry}
        sim.exchange.create(read_request(body, with_client_id=True))
        sim.quote("BTC-USD", "59990", "60000", ask_size="0.01")
        found = await _until(ask, origin="external", position_units=0.01)
        assert found["filled_units"] == 0.01
        assert len(await _settled(settings, 1)) == 1
        sim.quote("BTC-USD", "59990", "60000", ask_size="0.01")
        await _until(ask, status="OPEN", position_units=0.02, filled_units=0.02)
        assert len(await _settled(settings, 1)) == 1
        assert [each["units"] for each in (await ask("fill.list", {}, GRANTED))["fills"]] == [0.01], "what it was found with is in no list of ours"


@apart
async def test_an_exit_that_the_coins_showed_before_its_execution_did_is_counted_once(
    opened: Opened, sim: SimulatedVenue, settings: Settings, ahead_s: int
) -> None:
    """The account has fewer coins than its orders say: a part of the stop has traded, and is listed late, with the time at which it did."""
    async with opened(ahead_s) as ask:
        ticket = {"instrument": "BTC-USD", "side": "BUY", "units": 0.02, "entry_price": 60000, "stop_loss_price": 58000, "take_profit_price": 65000}
        await ask("order.place", {**ticket, "client_order_id": "a1"}, GRANTED, ttl_ms=30_000)
        sim.quote("BTC-USD", "59990", "60000")
        await _until(ask, status="OPEN", protection="venue")
        traded_ns = sim.clock.now_ns()
        sim.faults.add(Fault(kind=Kind.DROP_BEFORE, method="POST", path="batch_cancel", times=None))  # its exit stays as it is meanwhile
        sim.set_state({"balances": {"BTC": "0.01"}})
        await _until(ask, position_units=0.01)
        sim.set_state({"balances": {"BTC": "0.02"}})
        sim.quote("BTC-USD", "57990", "58000", bid_size="0.01")
        _dated(sim, traded_ns)
        sim.faults.clear()
        (settled,) = await _settled(settings, 1)
        assert (settled["leg"], settled["units"]) == ("stop_loss", 0.01)
        order = await _until(ask, position_units=0.01)
        assert order["average_exit_price"] == 57990
        out = [each for each in (await ask("fill.list", {}, GRANTED))["fills"] if each["leg"] != "entry"]
        assert sum(each["units"] for each in out) == 0.01
