"""What every Broker must do, as tests: ``BrokerContract`` for all of them, ``LiveContract`` for those with a venue.

A venue plugs in with one class: a ``World`` (or ``LiveWorld``) that opens its adapter, moves its market and makes calls go wrong. Then::

    class TestOandaKeepsTheContract(LiveContract):
        @pytest.fixture
        def world(self, ...) -> LiveWorld: ...

Everything is asked through the adapter's own sockets and read from its own journal, so what passes is what a gateway would see. Waits are for
something to come true, at most ``WAIT_S``.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from runtime.settings import Settings
from tests.brokers.desk_kit import ADMIN, GRANTED, Caller, events_of
from trading.errors import ArenaError, InvalidRequest, NotFound, OrderDenied, OutcomeUnknown, StateConflict, Unavailable

WAIT_S = 30.0

Quoted = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A buy in an instrument of the venue and the quotes (bid, ask) that do something to it.

    ``resting``: nothing happens; ``filling``: a limit entry fills and its exits stand; ``stopping``: the stop is reached; ``taking``: the target.
    ``other_entry`` is another price at which it rests at ``resting`` and fills at ``filling``.
    """

    instrument: str
    units: str
    half: str
    entry: str
    other_entry: str
    stop: str
    target: str
    resting: Quoted
    filling: Quoted
    stopping: Quoted
    taking: Quoted


FOREX = Scene(
    instrument="EUR_USD",
    units="100",
    half="50",
    entry="1.1655",
    other_entry="1.1653",
    stop="1.16",
    target="1.17",
    resting=("1.16600", "1.16610"),
    filling=("1.16500", "1.16510"),
    stopping=("1.15990", "1.16000"),
    taking=("1.17010", "1.17020"),
)
CRYPTO = Scene(
    instrument="BTC-USD",
    units="0.01",
    half="0.005",
    entry="60000",
    other_entry="59950",
    stop="58000",
    target="65000",
    resting=("60500.00", "60500.10"),
    filling=("59900.00", "59900.10"),
    stopping=("57990.00", "57990.10"),
    taking=("65010.00", "65010.10"),
)


class Trouble(StrEnum):
    """What becomes of the next call of a kind (``create``, ``cancel``, ``amend``, ``close``, ``protect``)."""

    REFUSE = "refuse"  # the venue says no
    LOSE = "lose"  # it never arrives, and no answer comes
    SWALLOW = "swallow"  # it is done, and the answer is lost
    SILENCE = "silence"  # it is done, and no answer comes before the time-out


class World(ABC):
    """A Broker's adapter and the market it trades in."""

    source: str
    mode: str
    scene: Scene
    settings: Settings

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[Caller]:
        """The adapter, reconciled and with quotes at ``scene.resting`` when it opens for the first time; again on the same store every other time."""

    @abstractmethod
    async def market(self, quote: Quoted) -> None:
        """The market quotes this from now on."""


class LiveWorld(World):
    """One whose venue can be seen from the other side."""

    mode = "live"

    @abstractmethod
    def trouble(self, call: str, *what: Trouble) -> None:
        """What becomes of the next calls of this kind."""

    @abstractmethod
    def creates(self) -> Mapping[str, int]:
        """How many orders of ours the venue has ever made, by the client id they carry."""

    @abstractmethod
    async def by_hand(self) -> None:
        """Somebody places the scene's limit order, with its exits, at the venue itself."""

    @abstractmethod
    async def close_by_hand(self) -> None:
        """Somebody closes everything at the venue itself."""

    @abstractmethod
    def refuse_stops(self, *, refuse: bool) -> None:
        """Whether the venue refuses stops from now on: those of a fill and those asked for."""

    @abstractmethod
    def go_away(self, *, away: bool) -> None:
        """The venue cannot be reached, or can again."""


class _Asking:
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


class BrokerContract(_Asking):
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
            await self._adds_up(world, ask, order_id)
            (trade,) = (await ask("trade.list", {}, GRANTED))["trades"]
            assert trade["realized_pnl"] < 0
            assert trade["r_multiple"] < 0

    async def test_the_target_closes_at_a_gain_and_everything_adds_up(self, world: World) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
            await world.market(world.scene.taking)
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "TAKE_PROFIT"
            await self._adds_up(world, ask, order_id)
            (trade,) = (await ask("trade.list", {}, GRANTED))["trades"]
            assert trade["realized_pnl"] > 0

    async def _adds_up(self, world: World, ask: Caller, order_id: str) -> None:
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
            await self._adds_up(world, ask, order_id)

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
            await self._adds_up(world, ask, order_id)

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
            await self._adds_up(world, ask, order_id)

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
            await self._adds_up(world, ask, order_id)

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
            await self._adds_up(world, ask, order_id)

    async def test_a_position_closed_by_hand_while_we_were_away_is_closed_here(self, world: LiveWorld) -> None:
        async with world.opened() as ask:
            order_id = await self.filled(world, ask)
        await world.close_by_hand()
        async with world.opened() as ask:
            order = await self.becomes(ask, order_id, status="CLOSED")
            assert order["close_reason"] == "EXTERNAL"
            await self._adds_up(world, ask, order_id)

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
