"""``BrokerContract``: what every Broker must do, paper or live. See ``tests.brokers.contract``."""

import asyncio
from decimal import Decimal

import pytest

from tests.brokers.asking import WAIT_S, Asking
from tests.brokers.desk_kit import GRANTED
from tests.brokers.worlds import World
from trading.errors import ArenaError, InvalidRequest, NotFound, OrderDenied, StateConflict


class BrokerContract(Asking):
    """For every Broker."""

    async def test_a_limit_order_rests_and_is_told_of_once(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            order = await self.order(ask, order_id)
            assert (order["status"], order["mode"], order["filled_units"]) == ("PENDING", world.mode, 0)
            assert order_id.startswith(f"{world.mode}-{world.source}-")
            assert [each["type"] for each in order["events"]].count("oco_placed") == 1

    async def test_a_repeat_gets_the_first_answer_and_places_nothing(self, world: World) -> None:
        async with world.opened() as ask:
            first = await ask("order.place", self.ticket(world, "a1"), GRANTED, ttl_ms=30_000)
            again = await ask("order.place", self.ticket(world, "a1"), GRANTED, ttl_ms=30_000)
            assert again == {**first, "replayed": True}
            assert len((await ask("order.list", {}, GRANTED))["orders"]) == 1

    async def test_another_order_under_the_same_id_is_refused(self, world: World) -> None:
        async with world.opened() as ask:
            await self.place(world, ask)
            with pytest.raises(OrderDenied) as refusal:
                await self.place(world, ask, units=float(world.scene.half))
            assert refusal.value.code == "IDEMPOTENCY_MISMATCH"

    async def test_twins_at_the_same_time_are_one_order(self, world: World) -> None:
        async with world.opened() as ask:
            placed = await asyncio.gather(*(ask("order.place", self.ticket(world, "a1"), GRANTED, ttl_ms=30_000) for _ in range(5)))
            assert len({each["order_id"] for each in placed}) == 1

    async def test_a_fill_opens_a_guarded_position(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            order = await self.order(ask, order_id)
            assert Decimal(str(order["position_units"])) == Decimal(world.scene.units)
            (position,) = await self.positions(ask)
            assert (position["instrument"], position["side"]) == (world.scene.instrument, "BUY")
            assert position["protection"] != "none"
            assert Decimal(str(position["units"])) == Decimal(world.scene.units)

    async def test_a_market_order_fills_at_once(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask, entry_type="market", entry_price=None)
            await self.becomes(ask, order_id, status="OPEN", guarded=True)

    async def test_the_stop_closes_at_a_loss_and_everything_adds_up(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await world.market(world.scene.stopping)
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "STOP_LOSS"
            await self.adds_up(world, ask, order_id)
            (trade,) = (await ask("trade.list", {}, GRANTED))["trades"]
            assert trade["realized_pnl"] < 0
            assert trade["r_multiple"] < 0

    async def test_the_target_closes_at_a_gain_and_everything_adds_up(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await world.market(world.scene.taking)
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "TAKE_PROFIT"
            await self.adds_up(world, ask, order_id)
            (trade,) = (await ask("trade.list", {}, GRANTED))["trades"]
            assert trade["realized_pnl"] > 0

    async def test_a_cancelled_entry_never_fills(self, world: World) -> None:
        async with world.opened() as ask:
            order_id, other = await self.place(world, ask), await self.place(world, ask, "a2", entry_price=float(world.scene.other_entry))
            await ask("order.cancel", {"order_id": order_id}, GRANTED, ttl_ms=30_000)
            await self.becomes(ask, order_id, status="CANCELLED")
            await world.market(world.scene.filling)
            await self.becomes(ask, other, status="OPEN")
            assert (await self.order(ask, order_id))["filled_units"] == 0

    async def test_what_has_filled_is_closed_not_cancelled(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            with pytest.raises(StateConflict) as refusal:
                await ask("order.cancel", {"order_id": order_id}, GRANTED, ttl_ms=30_000)
            assert refusal.value.code == "ORDER_OPEN"

    async def test_a_changed_entry_is_the_one_that_fills(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            args = {"order_id": order_id, "entry_price": float(world.scene.other_entry)}
            changed = (await ask("order.modify", args, GRANTED, ttl_ms=30_000))["order"]
            assert Decimal(str(changed["entry_price"])) == Decimal(world.scene.other_entry)
            assert (await self.told(world, "order_modified", order_id))["changes"]["entry_price"]["to"] == changed["entry_price"]
            await world.market(world.scene.filling)
            order = await self.becomes(ask, order_id, status="OPEN", guarded=True)
            assert order["average_entry_price"] <= changed["entry_price"]

    async def test_a_changed_stop_guards_an_open_position(self, world: World) -> None:
        scene = world.scene
        tighter = (Decimal(scene.stop) + Decimal(scene.other_entry)) / 2
        tighter = tighter.quantize(Decimal(scene.filling[0]))
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            changed = (await ask("order.modify", {"order_id": order_id, "stop_loss_price": float(tighter)}, GRANTED, ttl_ms=30_000))["order"]
            assert Decimal(str(changed["stop_loss_price"])) == tighter
            order = await self.becomes(ask, order_id, status="OPEN", guarded=True)
            stop = next(leg for leg in order["legs"] if leg["leg"] == "stop_loss")
            assert Decimal(str(stop["price"])) == tighter

    async def test_a_change_that_makes_no_bracket_is_refused_and_changes_nothing(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            with pytest.raises((OrderDenied, InvalidRequest)):
                await ask("order.modify", {"order_id": order_id, "stop_loss_price": float(world.scene.target)}, GRANTED, ttl_ms=30_000)
            assert Decimal(str((await self.order(ask, order_id))["stop_loss_price"])) == Decimal(world.scene.stop)

    async def test_a_position_is_closed_on_request(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await ask("position.close", {"instrument": world.scene.instrument}, GRANTED, ttl_ms=30_000)
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "MANUAL"
            await self.adds_up(world, ask, order_id)

    async def test_half_a_position_is_closed_and_the_rest_stays_guarded(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await ask("position.close", {"instrument": world.scene.instrument, "percent": 50}, GRANTED, ttl_ms=30_000)
            async with asyncio.timeout(WAIT_S):
                while Decimal(str((order := await self.order(ask, order_id))["position_units"])) != Decimal(world.scene.half):
                    await asyncio.sleep(0.01)
            await self.becomes(ask, order_id, status="OPEN", guarded=True)
            assert order["close_reason"] is None
            await world.market(world.scene.stopping)
            await self.becomes(ask, order_id, status="CLOSED")
            await self.adds_up(world, ask, order_id)

    async def test_nothing_to_close_is_said(self, world: World) -> None:
        async with world.opened() as ask:
            with pytest.raises(NotFound) as refusal:
                await ask("position.close", {"instrument": world.scene.instrument}, GRANTED, ttl_ms=30_000)
            assert refusal.value.code == "NO_POSITION"

    async def test_the_kill_switch_cancels_closes_and_lets_nothing_new_in(self, world: World) -> None:
        async with world.opened() as ask:
            held = await self.filled(world, ask)
            await world.market(world.scene.resting)
            resting = await self.place(world, ask, "a2")
            state = {"state": "HALTED", "cancel": True, "flatten": True, "reason": "test"}
            await ask("trading_state.set", state, GRANTED)
            assert (await self.becomes(ask, resting, status="CANCELLED"))["cancel_reason"] == "kill_switch"
            assert (await self.becomes(ask, held, status="CLOSED"))["close_reason"] == "KILL_SWITCH"
            with pytest.raises(ArenaError) as refusal:
                await self.place(world, ask, "a3")
            assert refusal.value.code in {"TRADING_HALTED", "HALTED"}

    async def test_an_unfilled_entry_ends_with_its_time(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask, ttl_min=0.03)
            order = await self.becomes(ask, order_id, status="EXPIRED")
            assert order["cancel_reason"] == "ttl_expired"

    async def test_a_waiting_order_is_still_there_after_a_restart_and_fills_then(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
        async with world.opened() as ask:
            assert (await self.becomes(ask, order_id, status="PENDING"))["filled_units"] == 0
            await world.market(world.scene.filling)
            await self.becomes(ask, order_id, status="OPEN", guarded=True)

    async def test_an_open_position_is_still_guarded_after_a_restart(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
        async with world.opened() as ask:
            await self.becomes(ask, order_id, status="OPEN", guarded=True)
            await world.market(world.scene.stopping)
            await self.becomes(ask, order_id, status="CLOSED")
            await self.adds_up(world, ask, order_id)

    async def test_an_ended_order_stays_ended_after_a_restart(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            await ask("order.cancel", {"order_id": order_id}, GRANTED, ttl_ms=30_000)
            before = await self.becomes(ask, order_id, status="CANCELLED")
        async with world.opened() as ask:
            await world.market(world.scene.filling)
            other = await self.place(world, ask, "a2", entry_type="market", entry_price=None)
            await self.becomes(ask, other, status="OPEN")
            assert await self.order(ask, order_id) == before
