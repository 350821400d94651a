"""What an adapter holds by itself: the day's loss, the gateway's heartbeat; and no way round a limit."""

import asyncio
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from brokers.beat_intake import Silence, read_day
from brokers.host import Adapter
from bus.codec import MalformedMessage
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.arena_kit import Arena
from tests.brokers.desk_kit import ADMIN, OTHER, TRADER, Bus, Caller, event, events_of, ticket, until
from trading.errors import ArenaError, OrderDenied, Unavailable
from trading.instruments import Instruments
from trading.pace import DayResult

S = 1_000_000_000


@pytest.fixture
def arena(settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus) -> Arena:
    return Arena(settings, instruments, clock, bus)


async def state_of(ask: Caller) -> dict[str, Any]:
    return await ask("trading_state.get")


async def braked(arena: Arena, ask: Caller, count: int = 1, *, step_s: float = 0.02) -> Any:
    """The event that set the brake; time goes on until it is there."""
    async with asyncio.timeout(30):
        while True:
            found = [each for each in await events_of(arena.settings) if each.type == "trading_state_changed"]
            if len(found) >= count:
                return found[count - 1]
            arena.clock.advance(1)
            await asyncio.sleep(step_s)  # of the machine's time, in which the adapter looks


@pytest.mark.parametrize(("action", "state"), [("reduce", "REDUCING"), ("halt", "HALTED")])
async def test_a_days_loss_realised_or_not_sets_the_brake_by_itself(arena: Arena, action: str, state: str) -> None:
    """Long 100,000 at 1.1655 and a bid of 1.1630: 250 lost and not a cent of it realised."""
    async with arena.open(daily_loss_max=250, daily_loss_action=action) as (adapter, ask):
        await arena.fill(ask)
        await until(lambda: adapter.context.desk.limits.day_result is not None)
        arena.quote("1.16300", "1.16310")
        changed = await braked(arena, ask)
        assert (changed.payload["new"], changed.payload["changed_by"]) == (state, "risk")
        assert changed.payload["details"] == {"setting": "risk.daily_loss_max", "limit": 250, "value": 250}
        with pytest.raises(OrderDenied) as denial:
            await ask("order.place", ticket("a2"))
        assert denial.value.code == f"TRADING_{state}"


async def test_a_loss_one_short_of_the_limit_sets_nothing(arena: Arena) -> None:
    async with arena.open(daily_loss_max="250.01") as (adapter, ask):
        await arena.fill(ask)
        arena.quote("1.16300", "1.16310")
        await until(
            lambda: _advance(arena) and adapter.context.desk.limits.day_result is not None and adapter.context.desk.limits.day_result.pnl == -250
        )
        assert (await state_of(ask))["state"] == "ACTIVE"
        await ask("order.place", ticket("a2"))


def _advance(arena: Arena) -> bool:
    arena.clock.advance(1)
    return True


async def test_who_resumes_is_not_overruled_but_the_limit_still_refuses(arena: Arena) -> None:
    """The brake is set once a day; new orders stay refused by the limit itself, over a restart too."""
    limits: dict[str, object] = {"daily_loss_max": 250}
    async with arena.open(**limits) as (adapter, ask):
        await arena.fill(ask)
        arena.quote("1.16300", "1.16310")
        await braked(arena, ask)
        await ask("trading_state.set", {"state": "ACTIVE", "reason": "seen"}, ADMIN)
        arena.quote("1.16290", "1.16300")
        await until(lambda: _advance(arena) and (adapter.context.desk.limits.day_result or DayResult(day=0, pnl=Decimal(0), mode="")).pnl == -260)
        assert (await state_of(ask))["state"] == "ACTIVE"
        with pytest.raises(OrderDenied) as denial:
            await ask("order.place", ticket("a2"))
        assert denial.value.code == "DAILY_LOSS_MAX"
        assert denial.value.details == {"limit": 250, "value": 260, "setting": "risk.daily_loss_max"}
    async with arena.open(**limits) as (_, ask):
        arena.quote("1.16290", "1.16300")
        await event(arena.settings, "reconciled", count=1)
        with pytest.raises(OrderDenied) as denial:
            await ask("order.place", ticket("a3"))
        assert denial.value.code == "DAILY_LOSS_MAX"


async def test_flatten_closes_everything_and_is_taken_up_again_after_a_death(arena: Arena) -> None:
    async with arena.open(daily_loss_max=250, daily_loss_action="flatten") as (_, ask):
        await arena.fill(ask)
        await ask("order.place", ticket("rests", entry_price=1.162))
        arena.quote("1.16300", "1.16310")
        await braked(arena, ask)
        closed = await event(arena.settings, "bracket_closed")
        assert closed.payload["close_reason"] == "KILL_SWITCH"
        cancelled = await event(arena.settings, "order_cancelled")
        assert cancelled.payload["reason"] == "kill_switch"
    async with arena.open(daily_loss_max=250, daily_loss_action="flatten") as (_, ask):
        assert (await state_of(ask))["state"] == "HALTED"
        assert (await ask("position.list"))["positions"] == []


async def test_a_loss_over_both_brokers_counts_what_the_other_said(arena: Arena) -> None:
    """A hundred lost here and four hundred there is five hundred."""
    async with arena.open(daily_loss_total_max=500) as (adapter, ask):
        with pytest.raises(Unavailable) as unknown:
            await ask("order.place", ticket("a0"))
        assert (unknown.value.code, unknown.value.details) == ("DAY_RESULT_UNKNOWN", {"unknown": ["coinbase"]})
        today = await _today(arena, adapter)
        _tell(arena, today, -400)
        await until(lambda: adapter.context.desk.limits.knows_total)
        await arena.fill(ask)
        arena.quote("1.16450", "1.16460")
        changed = await braked(arena, ask)
        assert changed.payload["details"] == {"setting": "risk.daily_loss_total_max", "limit": 500, "value": 500}


async def test_paper_money_and_real_money_are_not_added_up(arena: Arena) -> None:
    async with arena.open(daily_loss_total_max=500) as (adapter, ask):
        _tell(arena, await _today(arena, adapter), -9999, mode="live")
        await until(lambda: adapter.context.desk.limits.knows_total)
        await ask("order.place", ticket("a1"))


async def test_what_the_other_broker_said_is_known_after_a_restart(arena: Arena) -> None:
    async with arena.open(daily_loss_total_max=500) as (adapter, ask):
        _tell(arena, await _today(arena, adapter), -500)
        await braked(arena, ask)
        await until(lambda: _advance(arena) and not adapter.context.desk.limits.must_keep_heard)
        await ask("trading_state.set", {"state": "ACTIVE"}, ADMIN)
    async with arena.open(daily_loss_total_max=500) as (_, ask):
        with pytest.raises(OrderDenied) as denial:
            await ask("order.place", ticket("a1"))
        assert denial.value.code == "DAILY_LOSS_TOTAL_MAX"


async def _today(arena: Arena, adapter: Adapter) -> int:
    await until(lambda: _advance(arena) and adapter.context.desk.limits.day_result is not None)
    result = adapter.context.desk.limits.day_result
    assert result is not None
    return result.day


def _tell(arena: Arena, day: int, pnl: int, mode: str = "paper") -> None:
    arena.beat("coinbase", mode=mode, metrics={"arena_trading_day": day, "arena_day_pnl": pnl})


async def test_a_gateway_that_fell_silent_makes_it_reduce(arena: Arena) -> None:
    async with arena.open(heartbeat_lost_s=3, heartbeat_watch="always") as (adapter, ask):
        arena.beat("gateway", mode="paper")
        changed = await braked(arena, ask, step_s=0.3)
        assert (changed.payload["new"], changed.payload["changed_by"]) == ("REDUCING", "watchdog")
        assert adapter.context.desk.brake.reason == "no heartbeat of the gateway for 3 s"


async def test_in_paper_nobody_is_watched_unless_it_is_asked_for(arena: Arena) -> None:
    async with arena.open(heartbeat_lost_s=1) as (adapter, ask):
        arena.beat("gateway", mode="paper")
        for _ in range(5):
            arena.clock.advance(1)
            await adapter.context.journal.read(lambda _: None)
        assert (await state_of(ask))["state"] == "ACTIVE"


def test_silence_counts_only_while_we_were_listening() -> None:
    """A machine that slept, or a process that was stopped, accuses nobody; nor is anybody missed before they were heard."""
    silence = Silence()
    assert silence.look(0) == silence.look(1 * S) == 0
    silence.hear()
    assert silence.look(2 * S) == 0
    assert silence.look(3 * S) == S
    assert silence.look(3600 * S) == S
    assert silence.look(3601 * S) == 2 * S
    silence.hear()
    assert silence.look(3602 * S) == 0


@pytest.mark.parametrize("metrics", [{"arena_trading_day": "1", "arena_day_pnl": 1}, {"arena_trading_day": 1, "arena_day_pnl": "1"}])
def test_a_day_that_cannot_be_read_is_malformed(metrics: dict[str, object]) -> None:
    with pytest.raises(MalformedMessage):
        read_day({"mode": "paper", "metrics": metrics})


@pytest.mark.parametrize(
    ("risk", "orders", "code"),
    [
        ({"instrument_units_max": {"EUR_USD": 250}}, [100, 100, 100], "INSTRUMENT_UNITS_MAX"),
        ({"total_notional_max": 300}, [100, 100, 100], "TOTAL_NOTIONAL_MAX"),
        ({"open_orders_max": 2}, [1, 1, 1], "OPEN_ORDERS_MAX"),
        ({"orders_per_minute_max": 2}, [1, 2, 3], "ORDERS_PER_MINUTE_MAX"),
    ],
)
@pytest.mark.parametrize("way", ["in slices", "over restarts", "by two at once", "tried again"])
async def test_no_limit_is_passed_in_slices_by_racing_by_trying_again_or_by_a_restart(
    arena: Arena, risk: dict[str, object], orders: list[int], code: str, way: str
) -> None:
    """Whatever way three orders come, two are taken and the third is refused."""
    taken, refused = 0, []
    async with AsyncExitStack() as stack:
        adapter, ask = await stack.enter_async_context(arena.open(**risk))
        arena.quote("1.16700", "1.16710")
        await until(lambda: bool(adapter.context.quotes.marks()))
        if way == "by two at once":
            async with Caller(arena.settings.orders_address("oanda"), arena.clock) as second:
                calls = [(ask, second)[n % 2]("order.place", ticket(f"r{n}", units=units), (TRADER, OTHER)[n % 2]) for n, units in enumerate(orders)]
                answers = await asyncio.gather(*calls, return_exceptions=True)
        else:
            answers = []
            for n, units in enumerate(orders):
                if way == "over restarts":
                    await stack.aclose()
                    adapter, ask = await stack.enter_async_context(arena.open(**risk))
                    arena.quote("1.16700", "1.16710")
                    await until(lambda adapter=adapter: bool(adapter.context.quotes.marks()))  # type: ignore[misc]
                for _ in range(3 if way == "tried again" else 1):
                    answers += await asyncio.gather(ask("order.place", ticket(f"r{n}", units=units)), return_exceptions=True)
        ids = {answer["order_id"] for answer in answers if isinstance(answer, dict)}
        taken, refused = len(ids), [answer for answer in answers if isinstance(answer, ArenaError)]
        assert taken == 2
        assert {error.code for error in refused} == {code}
        assert all("limit" in error.details and "value" in error.details for error in refused)


async def test_a_change_of_prices_is_no_way_past_a_limit(arena: Arena) -> None:
    """What a new order could not risk, a moved stop can not either; making it less is always allowed."""
    async with arena.open(risk_per_trade_max=1, price_collar_pct=1) as (adapter, ask):
        arena.quote("1.16700", "1.16710")
        await until(lambda: bool(adapter.context.quotes.marks()))
        placed = await ask("order.place", ticket("a1"))
        for change, code in [
            ({"stop_loss_price": 1.15}, "RISK_PER_TRADE_MAX"),
            ({"entry_price": 1.15, "stop_loss_price": 1.149}, "PRICE_COLLAR_PCT"),
        ]:
            with pytest.raises(OrderDenied) as denial:
                await ask("order.modify", {"order_id": placed["order_id"], **change})
            assert denial.value.code == code
        changed = await ask("order.modify", {"order_id": placed["order_id"], "stop_loss_price": 1.164})
        assert changed["order"]["stop_loss_price"] == 1.164
