"""What an adapter does by itself: expiries by boot time, clock steps, the equity curve; and the brake."""

import asyncio
import threading

import pytest

from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import Open
from tests.brokers.desk_kit import ADMIN, OTHER, TRADER, WAIT_S_MAX, Bus, event, events_of, ticket, until
from trading.errors import InvalidRequest, OrderDenied


async def test_an_entry_ends_when_its_time_is_over_and_not_before(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await ask("order.place", ticket("a1", ttl_min=1))
        await ask("order.place", ticket("a2", ttl_min=2))
        clock.advance(60)
        ended = await event(settings, "order_cancelled")
        assert (ended.payload["order_id"], ended.payload["reason"]) == ("paper-oanda-1", "ttl_expired")
        statuses = {order["order_id"]: order["status"] for order in (await ask("order.list"))["orders"]}
        assert statuses == {"paper-oanda-1": "EXPIRED", "paper-oanda-2": "PENDING"}
        assert adapter.context.desk.broker.next_expiry_ns is not None


async def test_an_entry_whose_time_ran_out_while_the_adapter_was_down_ends_at_the_start(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1", ttl_min=1))
    clock.advance(61)
    async with paper() as (_, ask):
        await event(settings, "order_cancelled")
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "EXPIRED"


@pytest.mark.parametrize("step_s", [3600, -3600, 86_400])
async def test_a_clock_step_neither_ends_nor_prolongs_what_waits(paper: Open, clock: ManualClock, settings: Settings, step_s: int) -> None:
    async with paper() as (_, ask):
        placed = await ask("order.place", ticket("a1", ttl_min=5))
        clock.step_wall(step_s)
        assert (await event(settings, "clock_stepped")).payload["step_s"] == step_s
        order = (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]
        assert order["status"] == "PENDING"
        assert order["ttl_expires_at"] == pytest.approx(placed["ttl_expires_at"] + step_s)
        clock.advance(299)
        await ask("order.list")
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        clock.advance(1)
        assert (await event(settings, "order_cancelled")).payload["reason"] == "ttl_expired"


async def test_a_quote_that_waits_for_the_store_while_the_clock_steps_ends_nothing(paper: Open, clock: ManualClock, bus: Bus) -> None:
    """It is decided before the step is written down: by the old time, as the labels of the orders still are."""
    async with paper() as (adapter, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1", ttl_min=5))
        bus.quote("1.16700", "1.16710", sent_boot_ns=clock.boot_ns())
        await until(lambda: adapter.context.quotes.feed is not None)
        decided, held = adapter.context.quotes.decided, threading.Event()
        blocked = adapter.context.journal.submit(lambda _: held.wait(WAIT_S_MAX))
        bus.quote("1.16600", "1.17010", sent_boot_ns=clock.boot_ns(), n=1, feed="replay")
        await until(lambda: adapter.context.quotes.decided > decided)
        clock.step_wall(3600)
        await until(lambda: adapter.context.steady.expiries_held)
        held.set()
        await blocked
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"


async def test_expiries_are_held_for_a_minute_after_a_step(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (adapter, ask):
        await ask("order.place", ticket("a1", ttl_min=0.5))
        clock.step_wall(-3600)
        await event(settings, "clock_stepped")
        clock.advance(59)
        assert adapter.context.steady.expiries_held
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        clock.advance(2)
        await event(settings, "order_cancelled")


async def test_a_step_is_remembered_by_the_orders_over_a_restart(paper: Open, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1", ttl_min=5))
        clock.step_wall(86_400)
        await event(settings, "clock_stepped")
    async with paper() as (_, ask):
        clock.advance(299)
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["status"] == "PENDING"
        clock.advance(1)
        await event(settings, "order_cancelled")


async def test_every_fill_is_a_point_of_the_equity_curve_and_open_positions_one_a_minute(
    paper: Open, bus: Bus, clock: ManualClock, settings: Settings
) -> None:
    async with paper() as (adapter, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled")
        await until(lambda: not adapter.context.desk.equity_is_due)
        (point,) = (await ask("equity.list"))["equity"]
        assert (point["balance"], point["equity"], point["open_pnl"]) == (100_000, 99_999.99, -0.01)
        clock.advance(60)
        async with asyncio.timeout(WAIT_S_MAX):
            while len((await ask("equity.list"))["equity"]) < 2:
                await asyncio.sleep(0.01)


async def test_a_halt_denies_new_orders_holds_over_a_restart_and_lets_go_when_told(paper: Open, settings: Settings) -> None:
    async with paper() as (_, ask):
        await ask("order.place", ticket("a1"))
        state = await ask("trading_state.set", {"state": "HALTED", "reason": "news"})
        assert (state["state"], state["reason"], state["set_by"], state["open_orders"]) == ("HALTED", "news", "trader@test", 1)
        told = (await event(settings, "trading_state_changed")).payload
        assert (told["old"], told["new"], told["reason"], told["changed_by"]) == ("ACTIVE", "HALTED", "news", "trader@test")
        await ask("trading_state.set", {"state": "HALTED", "reason": "news"})
    async with paper() as (adapter, ask):
        assert adapter.heartbeat()["trading_state"] == "HALTED"
        assert (await ask("trading_state.get"))["state"] == "HALTED"
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a2"))
        assert refusal.value.code == "TRADING_HALTED"
        assert (await event(settings, "order_rejected")).payload["code"] == "TRADING_HALTED"
        assert (await ask("order.place", ticket("a1")))["replayed"] is True
        assert (await ask("order.cancel", {"order_id": "paper-oanda-1"}))["order"]["status"] == "CANCELLED"
        await ask("trading_state.set", {"state": "ACTIVE"})
        assert (await ask("order.place", ticket("a2")))["status"] == "PENDING"
        assert [each.type for each in await events_of(settings)].count("trading_state_changed") == 2
        with pytest.raises(InvalidRequest):
            await ask("trading_state.set", {"state": "STOPPED"})


async def test_the_kill_switch_cancels_closes_and_says_what_is_left(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"), TRADER)
        await ask("order.place", ticket("a2"), OTHER)
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled", count=2)
        await ask("order.place", ticket("a3", entry_price=1.163), OTHER)
        done = await ask("trading_state.set", {"state": "HALTED", "cancel": True, "flatten": True, "reason": "enough"}, TRADER)
        assert done["cancelled"] == [{"order_id": "paper-oanda-3", "ok": True, "status": "CANCELLED"}]
        assert done["closed"] == [{"order_id": f"paper-oanda-{n}", "ok": True, "status": "CLOSED"} for n in (1, 2)]
        assert (done["open_orders"], done["open_positions"]) == (0, 0)
        assert (await ask("order.get", {"order_id": "paper-oanda-1"}))["order"]["close_reason"] == "KILL_SWITCH"


async def test_reducing_takes_only_what_makes_the_position_smaller(paper: Open, bus: Bus, clock: ManualClock, settings: Settings) -> None:
    async with paper() as (_, ask):
        await bus.subscribed()
        await ask("order.place", ticket("a1"))
        bus.quote("1.16530", "1.16540", sent_boot_ns=clock.boot_ns())
        await event(settings, "order_filled")
        await ask("trading_state.set", {"state": "REDUCING"}, ADMIN)
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a2"))
        assert refusal.value.code == "TRADING_REDUCING"
        sell = {"side": "SELL", "entry_price": 1.168, "stop_loss_price": 1.17, "take_profit_price": 1.16}
        assert (await ask("order.place", ticket("a3", units=60, **sell)))["status"] == "PENDING"
        with pytest.raises(OrderDenied):
            await ask("order.place", ticket("a4", units=41, **sell))
        assert (await ask("order.place", ticket("a5", units=40, **sell)))["status"] == "PENDING"


async def test_a_limit_of_the_settings_is_the_last_door(paper: Open) -> None:
    async with paper() as (_, ask):
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a1", units=2_000_000, entry_price=1.17, stop_loss_price=1.15, take_profit_price=1.2))
        assert refusal.value.code == "RISK_PER_TRADE_PCT_MAX"
        assert refusal.value.details["limit"] == 20
