"""The stop of every position, watched by its adapter: one that is missing rings once, and what is done then is a setting."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bus.txn import Txn
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.arena_kit import Arena
from tests.brokers.desk_kit import Bus, event, events_of, ticket
from trading import events
from trading.brackets import Protection
from trading.instruments import Instruments


@pytest.fixture
def arena(settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus) -> Arena:
    return Arena(settings, instruments, clock, bus)


async def test_a_position_without_its_stop_rings_once_and_is_told_when_it_is_back(arena: Arena) -> None:
    async with arena.open(protection_action="alarm") as (adapter, ask):
        await arena.fill(ask)
        engine = adapter.context.desk.broker._engine  # type: ignore[attr-defined]
        await adapter.context.journal.run(lambda _: _guard(engine, Protection.NONE))
        lost = await _watched(arena, "protection_lost")
        assert (lost.payload["order_id"], lost.payload["position_units"]) == ("paper-oanda-1", 100_000)
        for _ in range(5):
            arena.clock.advance(1)
            await asyncio.sleep(0)
        await adapter.context.journal.run(lambda _: _guard(engine, Protection.ADAPTER))
        await _watched(arena, "protection_restored")
        kinds = [each.type for each in await events_of(arena.settings)]
        assert (kinds.count("protection_lost"), kinds.count("protection_restored")) == (1, 1)


@pytest.mark.parametrize("first", ["watch", "broker"])
async def test_what_watch_and_broker_both_notice_rings_once_until_it_is_back(arena: Arena, first: str) -> None:
    async with arena.open(protection_action="alarm") as (adapter, ask):
        await arena.fill(ask)
        desk = adapter.context.desk
        engine = desk.broker._engine  # type: ignore[attr-defined]

        def notice(txn: Txn, now_ns: int) -> None:
            for _ in range(2):
                engine._state.tell(events.protection_lost(engine.bracket("paper-oanda-1"), reason="it filled without", ts_ns=now_ns))
            desk.record(txn)

        await adapter.context.journal.run(lambda _: _guard(engine, Protection.NONE))
        if first == "watch":
            await _watched(arena, "protection_lost")
        await adapter.context.write(None, notice)
        for _ in range(5):
            arena.clock.advance(1)
            await asyncio.sleep(0.02)
        await adapter.context.journal.run(lambda _: _guard(engine, Protection.ADAPTER))
        await _watched(arena, "protection_restored")
        await adapter.context.write(None, notice)
        kinds = [each.type for each in await events_of(arena.settings)]
        assert kinds.count("protection_lost") == 2, "once, and once more after it was back"


@pytest.mark.parametrize(("action", "told"), [("protect", "protection_restored"), ("close", "bracket_closed")])
async def test_a_lost_stop_is_asked_for_again_or_the_position_closed_as_the_settings_say(arena: Arena, action: str, told: str) -> None:
    """Only the bracket that lost it: its neighbour, older and guarded, stays as it is."""
    async with arena.open(protection_action=action) as (adapter, ask):
        await arena.fill(ask, units=50_000)
        arena.quote("1.16700", "1.16710")
        await ask("order.place", ticket("a2", entry_type="market", entry_price=None, units=70_000))
        await event(arena.settings, "order_filled", count=2)
        engine = adapter.context.desk.broker._engine  # type: ignore[attr-defined]
        await adapter.context.journal.run(lambda _: _guard(engine, Protection.NONE, "paper-oanda-2"))
        await _watched(arena, "protection_lost")
        arena.quote("1.16690", "1.16700")
        ended = await _watched(arena, told)
        assert ended.payload["order_id"] == "paper-oanda-2"
        neighbour = (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]
        assert (neighbour["status"], neighbour["position_units"]) == ("OPEN", 50_000)


def _guard(engine: Any, protection: Protection, order_id: str = "paper-oanda-1") -> None:
    state = engine._state
    state.put(replace(engine.bracket(order_id), protection=protection))


async def _watched(arena: Arena, kind: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            found = [each for each in await events_of(arena.settings) if each.type == kind]
            if found:
                return found[0]
            arena.clock.advance(1)
            await asyncio.sleep(0.02)
