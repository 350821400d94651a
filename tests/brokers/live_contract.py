"""``LiveContract``: what every Broker with a venue must do besides: lost answers, restarts, hands at the venue. See ``tests.brokers.contract``."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.brokers.asking import WAIT_S
from tests.brokers.desk_kit import ADMIN, GRANTED, Caller
from tests.brokers.every_contract import BrokerContract
from tests.brokers.worlds import LiveWorld, Trouble
from trading.errors import ArenaError, OrderDenied, OutcomeUnknown, StateConflict, Unavailable


class LiveContract(BrokerContract):
    """For those with a venue: doubt, its end, and what happens at the venue itself."""

    async def test_what_the_venue_refuses_is_refused_the_same_way_to_every_repeat(self, world: LiveWorld) -> None:
        world.trouble("create", Trouble.REFUSE)
        async with world.opened() as ask:
            codes = []
            for _attempt in range(2):
                with pytest.raises(OrderDenied) as refusal:
                    await self.place(world, ask)
                codes.append(refusal.value.code)
            assert codes[0] == codes[1]
            assert await self.told(world, "order_rejected")

    @pytest.mark.parametrize("trouble", [Trouble.SWALLOW, Trouble.SILENCE])
    async def test_an_order_whose_answer_is_lost_is_found_and_is_there_once(self, world: LiveWorld, trouble: Trouble) -> None:
        world.trouble("create", trouble)
        async with world.opened() as ask:
            order_id = await self._placed_in_doubt(world, ask)
            await self.becomes(ask, order_id, status="PENDING")
            assert list(world.creates().values()) == [1]
            again = await ask("order.place", self.ticket(world, "a1"), GRANTED, ttl_ms=30_000)
            assert (again["order_id"], again["replayed"]) == (order_id, True)

    async def test_a_market_order_whose_answer_is_lost_is_open_once_and_guarded(self, world: LiveWorld) -> None:
        world.trouble("create", Trouble.SWALLOW)
        async with world.opened() as ask:
            order_id = await self._placed_in_doubt(world, ask, entry_type="market", entry_price=None)
            order = await self.becomes(ask, order_id, status="OPEN", guarded=True)
            assert Decimal(str(order["filled_units"])) == Decimal(world.scene.units)
            assert list(world.creates().values()) == [1]

    async def test_an_order_that_never_arrived_gets_a_definite_end(self, world: LiveWorld) -> None:
        """Rejected where a second send could make two; there once where the venue knows the id."""
        world.trouble("create", Trouble.LOSE)
        async with world.opened() as ask:
            order_id = await self._placed_in_doubt(world, ask)
            async with asyncio.timeout(WAIT_S):
                while (order := await self.order(ask, order_id))["status"] in {"SUBMITTING", "UNKNOWN"}:
                    await asyncio.sleep(0.01)
            if order["status"] == "REJECTED":
                assert order["cancel_reason"] == "NEVER_REACHED_VENUE"
                assert not world.creates()
            else:
                assert (order["status"], list(world.creates().values())) == ("PENDING", [1])

    async def _placed_in_doubt(self, world: LiveWorld, ask: Caller, **changes: Any) -> str:
        """The id of an order whose placement may have been told to be unknown."""
        try:
            return await self.place(world, ask, **changes)
        except (OutcomeUnknown, OrderDenied):
            found = (await ask("order.list", {"client_order_id": "a1"}, GRANTED))["orders"]
            return str(found[0]["order_id"])

    async def test_a_process_that_ends_between_intent_and_answer_finds_out_at_its_next_start(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            world.trouble("create", Trouble.SILENCE)
            waiting = asyncio.create_task(self.place(world, ask))
            async with asyncio.timeout(WAIT_S):
                while not world.creates():
                    await asyncio.sleep(0.005)
            waiting.cancel()
        async with world.opened() as ask:
            (order,) = (await ask("order.list", {"client_order_id": "a1"}, GRANTED))["orders"]
            await self.becomes(ask, order["order_id"], status="PENDING")
            assert list(world.creates().values()) == [1]

    async def test_a_position_whose_stop_is_refused_is_closed_and_rung_for(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            world.refuse_stops(refuse=True)
            await world.market(world.scene.filling)
            await self._is_not_naked(world, ask, order_id)

    async def _is_not_naked(self, world: LiveWorld, ask: Caller, order_id: str) -> None:
        """Either the venue refused the fill with its stop, or the position was closed and the alarm rang."""
        async with asyncio.timeout(WAIT_S):
            while (order := await self.order(ask, order_id))["status"] not in {"CLOSED", "CANCELLED"}:
                await asyncio.sleep(0.01)
        assert await self.positions(ask) == []
        if order["status"] == "CLOSED":
            assert await self.told(world, "protection_lost", order_id)

    async def test_a_cancel_whose_answer_is_lost_becomes_definite(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            world.trouble("cancel", Trouble.SWALLOW)
            await self._perhaps_unknown(ask, "order.cancel", {"order_id": order_id})
            await self.becomes(ask, order_id, status="CANCELLED")

    async def test_a_cancel_that_never_arrives_is_made_again(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            world.trouble("cancel", Trouble.LOSE)
            await self._perhaps_unknown(ask, "order.cancel", {"order_id": order_id})
            await self.becomes(ask, order_id, status="CANCELLED")

    @pytest.mark.parametrize("trouble", [Trouble.SWALLOW, Trouble.LOSE])
    async def test_a_change_whose_answer_is_lost_ends_with_what_the_venue_has(self, world: LiveWorld, trouble: Trouble) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            world.trouble("amend", trouble)
            await self._perhaps_unknown(ask, "order.modify", {"order_id": order_id, "entry_price": float(world.scene.other_entry)})
            order = await self.becomes(ask, order_id, status="PENDING")
            wanted = world.scene.other_entry if trouble is Trouble.SWALLOW else world.scene.entry
            assert Decimal(str(order["entry_price"])) == Decimal(wanted)

    async def test_a_close_whose_answer_is_lost_closes_once(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            world.trouble("close", Trouble.SWALLOW)
            await self._perhaps_unknown(ask, "position.close", {"instrument": world.scene.instrument})
            await self.becomes(ask, order_id, status="CLOSED")
            await self.adds_up(world, ask, order_id)

    async def test_a_close_that_never_arrives_leaves_the_position_guarded(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            world.trouble("close", Trouble.LOSE)
            await self._perhaps_unknown(ask, "position.close", {"instrument": world.scene.instrument})
            order = await self.becomes(ask, order_id, status="OPEN", guarded=True)
            assert Decimal(str(order["position_units"])) == Decimal(world.scene.units)

    @staticmethod
    async def _perhaps_unknown(ask: Caller, op: str, args: Mapping[str, object]) -> None:
        """Ask for something whose answer may be that nobody knows yet, or that it was not done; not that it failed when it may have happened."""
        try:
            await ask(op, args, GRANTED, ttl_ms=30_000)
        except (OutcomeUnknown, StateConflict):
            return

    async def test_what_is_placed_by_hand_is_taken_up_and_left_alone(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            await world.by_hand()
            payload = await self.told(world, "oco_placed")
            assert payload["placed_by"] == "external"
            order = await self.becomes(ask, str(payload["order_id"]), status="PENDING")
            assert order["origin"] == "external"
            with pytest.raises(ArenaError) as refusal:
                await ask("order.cancel", {"order_id": order["order_id"]}, GRANTED, ttl_ms=30_000)
            assert refusal.value.code == "NOT_YOUR_ORDER"
            await ask("order.cancel", {"order_id": order["order_id"]}, ADMIN, ttl_ms=30_000)
            await self.becomes(ask, order["order_id"], status="CANCELLED")

    async def test_what_was_placed_by_hand_while_we_were_away_is_taken_up_once(self, world: LiveWorld) -> None:
        async with world.opened():
            pass
        await world.by_hand()
        for _start in range(2):
            async with world.opened() as ask:
                await self.told(world, "oco_placed")
                assert len((await ask("order.list", {}, GRANTED))["orders"]) == 1

    async def test_a_position_closed_by_hand_is_closed_here(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await world.close_by_hand()
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "EXTERNAL"
            await self.adds_up(world, ask, order_id)

    async def test_a_position_closed_by_hand_while_we_were_away_is_closed_here(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
        await world.close_by_hand()
        async with world.opened() as ask:
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "EXTERNAL"
            await self.adds_up(world, ask, order_id)

    async def test_a_fill_while_we_were_away_is_found_at_the_start(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
        await world.market(world.scene.filling)
        async with world.opened() as ask:
            await self.becomes(ask, order_id, status="OPEN", guarded=True)
            fills = (await ask("fill.list", {"order_id": order_id}, GRANTED))["fills"]
            assert sum(Decimal(str(fill["units"])) for fill in fills) == Decimal(world.scene.units)

    async def test_a_venue_that_goes_away_and_comes_back_leaves_nothing_unknown(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.place(world, ask)
            world.go_away(away=True)
            with pytest.raises((OutcomeUnknown, Unavailable)):
                await self.place(world, ask, "a2")
            world.go_away(away=False)
            async with asyncio.timeout(WAIT_S):
                while any(each["status"] in {"UNKNOWN", "SUBMITTING"} for each in (await ask("order.list", {}, GRANTED))["orders"]):
                    await asyncio.sleep(0.01)
            await world.market(world.scene.filling)
            await self.becomes(ask, order_id, status="OPEN", guarded=True)
