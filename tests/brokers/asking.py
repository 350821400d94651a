"""What the contract suites say often: place, wait for something to come true (at most ``WAIT_S``), and see that everything adds up."""

import asyncio
from decimal import Decimal
from typing import Any

from tests.brokers.desk_kit import GRANTED, Caller, events_of
from tests.brokers.worlds import World

WAIT_S = 30.0


class Asking:
    """What the tests of both suites say often."""

    @staticmethod
    def ticket(world: World, client_order_id: str | None = None, **changes: object) -> dict[str, object]:
        scene = world.scene
        fields: dict[str, object] = {
            "instrument": scene.instrument,
            "side": "BUY",
            "units": float(scene.units),
            "entry_price": float(scene.entry),
            "stop_loss_price": float(scene.stop),
            "take_profit_price": float(scene.target),
        }
        if client_order_id is not None:
            fields["client_order_id"] = client_order_id
        return {name: value for name, value in {**fields, **changes}.items() if value is not None}

    async def place(self, world: World, ask: Caller, client_order_id: str = "a1", **changes: object) -> str:
        placed = await ask("order.place", self.ticket(world, client_order_id, **changes), GRANTED, ttl_ms=30_000)
        return str(placed["order_id"])

    async def filled(self, world: World, ask: Caller, client_order_id: str = "a1") -> str:
        """The id of an order that has filled whole and is guarded."""
        order_id = await self.place(world, ask, client_order_id)
        await world.market(world.scene.filling)
        await self.becomes(ask, order_id, status="OPEN", guarded=True)
        return order_id

    @staticmethod
    async def order(ask: Caller, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await ask("order.get", {"order_id": order_id}, GRANTED))["order"]
        return found

    async def becomes(self, ask: Caller, order_id: str, *, status: str, guarded: bool | None = None) -> dict[str, Any]:
        """The order once it stands so."""
        order: dict[str, Any] = {}
        try:
            async with asyncio.timeout(WAIT_S):
                while True:
                    order = await self.order(ask, order_id)
                    if order["status"] == status and guarded in {None, order["protection"] != "none"}:
                        return order
                    await asyncio.sleep(0.01)
        except TimeoutError:
            events = [(each["type"], each["payload"].get("code") or each["payload"].get("reason")) for each in order["events"]]
            raise AssertionError(f"{order_id} is {order['status']}, {order['protection']}, not {status}; {events}") from None

    @staticmethod
    async def told(world: World, kind: str, order_id: str | None = None, count: int = 1) -> dict[str, Any]:
        """The payload of the ``count``-th event of a kind, once it is there."""
        async with asyncio.timeout(WAIT_S):
            while True:
                found = [each for each in await events_of(world.settings, world.source) if each.type == kind]
                found = [each for each in found if order_id is None or each.payload.get("order_id") == order_id]
                if len(found) >= count:
                    payload: dict[str, Any] = dict(found[count - 1].payload)
                    return payload
                await asyncio.sleep(0.01)

    @staticmethod
    async def positions(ask: Caller) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await ask("position.list", {}, GRANTED))["positions"]
        return found

    async def adds_up(self, world: World, ask: Caller, order_id: str) -> None:
        """Entries equal exits, the fills' money is the order's, and each fill was told of once."""
        order = await self.order(ask, order_id)
        fills = (await ask("fill.list", {"order_id": order_id}, GRANTED))["fills"]
        units = {"entry": Decimal(0), "exit": Decimal(0)}
        for fill in fills:
            units["entry" if fill["leg"] == "entry" else "exit"] += Decimal(str(fill["units"]))
        assert units == {"entry": Decimal(world.scene.units), "exit": Decimal(world.scene.units)}
        assert sum(Decimal(str(fill["realized_pnl"])) for fill in fills) == Decimal(str(order["realized_pnl"]))
        assert sum(Decimal(str(fill["fee"])) for fill in fills) == Decimal(str(order["fees"]))
        told = [each["payload"]["fill_id"] for each in order["events"] if each["type"] in {"order_filled", "order_partially_filled"}]
        assert sorted(told) == sorted(fill["fill_id"] for fill in fills)
        assert order["events"][-1]["type"] == "bracket_closed"
        assert await self.positions(ask) == []
