"""One store, several accounts one after another: practice first, then real money. What belonged to the one is nothing of the other's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal

import pytest

from brokers.host import Adapter
from brokers.live.broker import LiveBroker
from runtime.clock import SystemClock
from runtime.program import CannotStart
from runtime.settings import Settings
from tests.brokers.conftest import Open, running
from tests.brokers.desk_kit import GRANTED, Bus, Caller, ticket, until
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import ScriptedVenue
from tests.brokers.live.stories import order
from trading.instruments import Instruments

At = Callable[[str, Exchange], AbstractAsyncContextManager[tuple[Adapter, Caller]]]


@pytest.fixture
def at(settings: Settings, instruments: Instruments, bus: Bus) -> At:
    """A reconciled adapter at an account, always on the same store."""

    @asynccontextmanager
    async def opened(account_id: str, exchange: Exchange) -> AsyncIterator[tuple[Adapter, Caller]]:
        clock, venue = SystemClock(), ScriptedVenue(exchange, instruments)
        venue.account_id = account_id
        broker = LiveBroker(venue, instruments=instruments, clock=clock)
        async with running(settings, broker, instruments, clock) as pair:
            async with asyncio.timeout(30):
                while not broker.is_reconciled:
                    await asyncio.sleep(0.005)
            yield pair

    return opened


async def _traded(ask: Caller, exchange: Exchange, client_order_id: str) -> None:
    """A bracket from its entry to its end."""
    placed = await ask("order.place", ticket(client_order_id), GRANTED)
    held = list(exchange.held.values())[-1]
    exchange.fill(held.client_id)
    exchange.close(held.client_id, held.open_units)
    await _shows(ask, placed["order_id"], "CLOSED")


async def _shows(ask: Caller, order_id: str, status: str) -> None:
    async with asyncio.timeout(30):
        while not any((each["order_id"], each["status"]) == (order_id, status) for each in (await ask("order.list"))["orders"]):
            await asyncio.sleep(0.01)


async def test_the_same_numbers_at_another_account_are_other_fills(at: At) -> None:
    """Every account counts from 1, so a practice account and a real one soon have fills of the same number."""
    practice, real = Exchange(), Exchange()
    async with at("101-practice", practice) as (_, ask):
        await _traded(ask, practice, "a1")
    async with at("001-real", real) as (_, ask):
        await _traded(ask, real, "a1")
        fills = (await ask("fill.list"))["fills"]
        assert len(fills) == 4


async def test_orders_of_another_account_are_not_taken_for_this_ones(at: At) -> None:
    """With something open elsewhere it does not start: not as ended, for it stands there; not as ours, for a number there is another trade here."""
    practice, real = Exchange(), Exchange()
    async with at("101-practice", practice) as (_, ask):
        await ask("order.place", ticket("a1"), GRANTED)
    with pytest.raises(CannotStart, match="101-practice"):
        async with at("001-real", real):
            pass
    async with at("101-practice", practice) as (_, ask):
        assert (await ask("order.get", {"client_order_id": "a1"}, GRANTED))["order"]["status"] == "PENDING"


async def test_what_a_stranger_has_at_another_account_stays_there(at: At) -> None:
    practice, real = Exchange(), Exchange()
    practice.create("by-hand", order(), 0)
    async with at("101-practice", practice) as (_, ask):
        await _shows(ask, "live-oanda-1", "PENDING")
    async with at("001-real", real) as (_, ask):
        await _shows(ask, "live-oanda-1", "VOID")
        await _traded(ask, real, "a1")


async def test_a_day_of_real_money_does_not_begin_with_paper(at: At, paper: Open) -> None:
    """Paper's 100,000 is no measure of what a real account of 250 has lost."""
    async with paper() as (adapter, _):
        await until(lambda: adapter.context.desk.limits.day_result is not None)
    real = Exchange()
    real.balance = Decimal(250)
    async with at("001-real", real) as (adapter, _):
        await until(lambda: adapter.context.desk.limits.day_result is not None)
        result = adapter.context.desk.limits.day_result
        assert result is not None
        assert result.pnl == 0


async def test_the_curve_and_the_results_are_of_one_account(at: At) -> None:
    """What practice won is no result of real money, nor is its equity a point of the real curve; the trades themselves stay."""
    practice, real = Exchange(), Exchange()
    real.balance = Decimal(250)
    async with at("101-practice", practice) as (_, ask):
        await _traded(ask, practice, "a1")
        await _drawn(ask)
    async with at("101-practice", practice) as (_, ask):
        assert (await ask("performance.get"))["performance"]["trades"] == 1
        assert (await ask("equity.list"))["equity"]
    async with at("001-real", real) as (_, ask):
        assert (await ask("performance.get"))["performance"]["trades"] == 0
        assert (await ask("equity.list"))["equity"] == []
        assert len((await ask("trade.list"))["trades"]) == 1
        await _traded(ask, real, "a1")
        await _drawn(ask)
        assert (await ask("performance.get"))["performance"]["trades"] == 1
        assert all(point["equity"] < 1000 for point in (await ask("equity.list"))["equity"])


async def _drawn(ask: Caller) -> None:
    """The equity curve has a point."""
    async with asyncio.timeout(30):
        while not (await ask("equity.list"))["equity"]:
            await asyncio.sleep(0.01)
