"""The whole adapter (sockets, store, core) against a simulated OANDA: what a person asks for, what they are told, and what the venue then has."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from runtime.settings import Settings
from tests.brokers.desk_kit import ADMIN, GRANTED, Caller, event, events_of, ticket
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import WAIT_S, quote
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda import closing, placing
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue
from trading.errors import OrderDenied, OutcomeUnknown, StateConflict


async def until(ask: Caller, order_id: str, done: Callable[[Any], bool]) -> Any:
    """The order, once ``done`` says so of it."""
    async with asyncio.timeout(WAIT_S):
        while not done(order := (await ask("order.get", {"order_id": order_id}))["order"]):
            await asyncio.sleep(0.01)
    return order


async def held(ask: Caller, sim: SimulatedVenue, client_order_id: str = "a1") -> str:
    """The id of an open and guarded position, whose placement was answered long ago."""
    placed = await ask("order.place", ticket(client_order_id), GRANTED)
    quote(sim, "1.16540", "1.16550")
    await until(ask, placed["order_id"], is_guarded)
    return str(placed["order_id"])


def is_guarded(order: Any) -> bool:
    return bool(order["status"] == "OPEN" and order["protection"] == "venue")


async def test_a_bracket_from_its_entry_to_its_target(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        assert (placed["order_id"], placed["status"], placed["mode"]) == ("live-oanda-1", "PENDING", "live")
        quote(sim, "1.16540", "1.16550")
        order = await until(ask, placed["order_id"], is_guarded)
        assert {leg["leg"]: leg["price"] for leg in order["legs"]} == {"entry": 1.1655, "stop_loss": 1.16, "take_profit": 1.17}
        quote(sim, "1.17000", "1.17010")
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "CLOSED")
        assert order["close_reason"] == "TAKE_PROFIT"
        closed = await event(settings, "bracket_closed")
        assert closed.payload["realized_pnl"] == 0.45
        told = [(each.type, each.payload.get("leg")) for each in await events_of(settings) if each.payload.get("order_id") == placed["order_id"]]
        assert told == [
            ("oco_placed", None),
            ("order_filled", "entry"),
            ("order_filled", "take_profit"),
            ("order_cancelled", "stop_loss"),
            ("bracket_closed", None),
        ]
        assert sim.hits.orders() == 1


async def test_a_stop_that_is_hit_by_a_gap_costs_what_it_costs(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1", entry_type="market", entry_price=None), GRANTED)
        await until(ask, placed["order_id"], is_guarded)
        quote(sim, "1.15000", "1.15010")
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "CLOSED")
        assert (order["close_reason"], order["average_exit_price"]) == ("STOP_LOSS", 1.15)


async def test_modify_and_cancel_are_the_venues_before_they_are_answered(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        changed = await ask("order.modify", {"order_id": placed["order_id"], "entry_price": 1.164, "stop_loss_price": 1.159}, GRANTED)
        assert changed["order"]["entry_price"] == 1.164
        (pending,) = sim.account.pending.values()
        assert pending.request.price == Decimal("1.164")
        with pytest.raises(OrderDenied):
            await ask("order.modify", {"order_id": placed["order_id"], "take_profit_price": 1.1601}, GRANTED)
        cancelled = await ask("order.cancel", {"order_id": placed["order_id"]}, GRANTED)
        assert cancelled["order"]["status"] == "CANCELLED"
        assert sim.account.pending == {}


async def test_exits_of_an_open_position_are_moved_at_the_venue(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, sim)
        await ask("order.modify", {"order_id": order_id, "stop_loss_price": 1.163, "take_profit_price": 1.18}, GRANTED)
        assert {order.type: order.request.price for order in sim.account.pending.values()} == {
            "STOP_LOSS": Decimal("1.163"),
            "TAKE_PROFIT": Decimal("1.18"),
        }


async def test_a_position_is_closed_in_parts_and_stays_guarded_between(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, sim)
        await ask("position.close", {"instrument": "EUR_USD", "percent": 40}, GRANTED)
        order = await until(ask, order_id, lambda found: found["position_units"] == 60)
        assert is_guarded(order)
        await ask("position.close", {"instrument": "EUR_USD"}, GRANTED)
        order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert order["close_reason"] == "MANUAL"
        assert sim.account.open == sim.account.pending == {}


async def test_the_venues_refusals_reach_whoever_asked(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        with pytest.raises(OrderDenied) as refusal:
            await ask("order.place", ticket("a1", trailing_stop_distance=0.0001), GRANTED)
        assert refusal.value.code == "TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MINIMUM_NOT_MET"
        sim.faults.add(Fault(kind=Kind.WEEKEND, times=None))
        placed = await ask("order.place", ticket("a2", entry_type="market", entry_price=None), GRANTED)
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "CANCELLED")
        assert order["cancel_reason"] == "market_halted"
        resting = await ask("order.place", ticket("a3"), GRANTED)
        assert resting["status"] == "PENDING"


async def test_a_close_while_the_market_is_halted_is_refused_and_the_position_stays_guarded(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, sim)
        sim.faults.add(Fault(kind=Kind.MARKET_HALTED, times=None))
        closed = await ask("position.close", {"instrument": "EUR_USD"}, GRANTED)
        assert [result.get("code") for result in closed["results"]] == ["MARKET_HALTED"]
        assert is_guarded((await ask("order.get", {"order_id": order_id}))["order"])


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": Kind.DROP_AFTER},
        {"kind": Kind.ERROR_AFTER, "status": 502},
        {"kind": Kind.BROKEN_JSON},
        {"kind": Kind.MISSING_FIELDS, "fields": ("orderCreateTransaction",)},
        {"kind": Kind.SLOW_AFTER, "seconds": 4.0},
    ],
)
@pytest.mark.parametrize("is_mute", [False, True])
async def test_what_the_venue_has_is_found_whatever_became_of_the_answer(
    live: Live, sim: SimulatedVenue, settings: Settings, fault: dict[str, Any], is_mute: bool
) -> None:
    async with live() as (_, ask):
        if is_mute:
            sim.faults.add(Fault(kind=Kind.STREAM_MUTE, times=None))
        sim.faults.add(Fault(method="POST", **fault))
        order = ticket("a1", entry_type="market", entry_price=None)
        with suppress(OutcomeUnknown):  # unless the stream was quicker than the doubt
            assert (await ask("order.place", order, GRANTED))["status"] in {"PENDING", "OPEN"}
        found = await until(ask, "live-oanda-1", is_guarded)
        assert found["position_units"] == 100
        assert (await ask("order.place", order, GRANTED))["replayed"] is True
        assert len(sim.account.open) == 1
        assert sim.hits.counts["POST /v3/accounts/{account}/orders"] == 1


@pytest.mark.parametrize("fault", [{"kind": Kind.DROP_BEFORE}, {"kind": Kind.ERROR_BEFORE}, {"kind": Kind.RATE_LIMIT}])
async def test_what_never_arrived_is_told_so_after_two_looks(live: Live, sim: SimulatedVenue, settings: Settings, fault: dict[str, Any]) -> None:
    async with live() as (_, ask):
        sim.faults.add(Fault(method="POST", **fault))
        with pytest.raises(OutcomeUnknown):
            await ask("order.place", ticket("a1"), GRANTED)
        assert (await event(settings, "order_rejected")).payload["code"] == "NEVER_REACHED_VENUE"
        assert sim.account.orders == {}
        assert sim.hits.counts["POST /v3/accounts/{account}/orders"] == 1


@pytest.mark.parametrize("fault", [{"kind": Kind.DROP_AFTER}, {"kind": Kind.ERROR_AFTER}, {"kind": Kind.BROKEN_JSON}, {"kind": Kind.ERROR_BEFORE}])
async def test_a_cancel_and_a_close_end_well_although_their_answer_is_lost(live: Live, sim: SimulatedVenue, fault: dict[str, Any]) -> None:
    async with live() as (_, ask):
        position = await held(ask, sim)
        waiting = await ask("order.place", ticket("a2", entry_price=1.161), GRANTED)
        sim.faults.add(Fault(method="PUT", path="/cancel$", **fault), Fault(method="PUT", path="/close$", **fault))
        for op, args in (("order.cancel", {"order_id": waiting["order_id"]}), ("position.close", {"instrument": "EUR_USD"})):
            with suppress(OutcomeUnknown, StateConflict):
                await ask(op, args, GRANTED)
        order = await until(ask, waiting["order_id"], lambda found: found["status"] in {"CANCELLED", "PENDING"})
        if order["status"] == "PENDING":  # it never arrived, and whoever asked was told so
            await ask("order.cancel", {"order_id": waiting["order_id"]}, GRANTED)
        await until(ask, waiting["order_id"], lambda found: found["status"] == "CANCELLED")
        was_closed = fault["kind"] is not Kind.ERROR_BEFORE
        await until(ask, position, lambda found: found["status"] == ("CLOSED" if was_closed else "OPEN"))
        assert bool(sim.account.open) is not was_closed


async def test_a_changed_stop_of_a_waiting_entry_is_known_although_the_answer_was_lost(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        sim.faults.add(Fault(kind=Kind.DROP_AFTER, method="PUT"))
        with suppress(OutcomeUnknown):
            await ask("order.modify", {"order_id": placed["order_id"], "stop_loss_price": 1.159, "take_profit_price": 1.18}, GRANTED)
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "PENDING")
        assert (order["stop_loss_price"], order["take_profit_price"]) == (1.159, 1.18)


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_changed_trailing_stop_is_known_although_the_answer_was_lost(
    live: Live, sim: SimulatedVenue, settings: Settings, is_open: bool
) -> None:
    """Told once, as the change that was asked for, and not as somebody else's."""
    async with live() as (_, ask):
        order_id = await held(ask, sim) if is_open else (await ask("order.place", ticket("a1"), GRANTED))["order_id"]
        sim.faults.add(Fault(kind=Kind.DROP_AFTER, method="PUT"))
        with suppress(OutcomeUnknown):
            await ask("order.modify", {"order_id": order_id, "trailing_stop_distance": 0.004}, GRANTED)
        order = await until(ask, order_id, lambda found: found["trailing_stop_distance"] == 0.004 and found["status"] in {"OPEN", "PENDING"})
        assert len([each for each in order["events"] if each["type"] == "order_modified"]) == 1
        told = [each.payload["details"] for each in await events_of(settings) if each.type == "reconciled"]
        assert not [details for details in told if details.get("differences")]


async def test_what_was_placed_by_hand_is_adopted_and_followed_to_its_end(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        by_hand: dict[str, Any] = {"type": "LIMIT", "instrument": "EUR_USD", "units": "-5", "price": "1.18000"}
        placing.place(sim.account, {"order": by_hand})
        adopted = await event(settings, "oco_placed")
        order_id = adopted.payload["order_id"]
        order = (await ask("order.get", {"order_id": order_id}))["order"]
        assert (order["origin"], order["status"], order["side"], order["units"]) == ("external", "PENDING", "SELL", 5)
        quote(sim, "1.18000", "1.18010")
        await until(ask, order_id, lambda found: found["status"] == "OPEN")
        closing.close_trade(sim.account, str(next(iter(sim.account.open))), {})
        order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert order["close_reason"] == "EXTERNAL"
        assert sim.hits.orders() == 0


async def _pending(ask: Caller, sim: SimulatedVenue) -> str:
    return str((await ask("order.place", ticket("a1"), GRANTED))["order_id"])


async def _open(ask: Caller, sim: SimulatedVenue) -> str:
    placed = await ask("order.place", ticket("a1", entry_type="market", entry_price=None), GRANTED)
    await until(ask, placed["order_id"], is_guarded)
    return str(placed["order_id"])


async def _partly_closed(ask: Caller, sim: SimulatedVenue) -> str:
    order_id = await _open(ask, sim)
    await ask("position.close", {"instrument": "EUR_USD", "units": 30}, GRANTED)
    await until(ask, order_id, lambda found: found["position_units"] == 70)
    return order_id


async def _partly_filled(ask: Caller, sim: SimulatedVenue) -> str:
    order_id = await _pending(ask, sim)
    sim.quotes.set("EUR_USD", bid=Decimal("1.16540"), ask=Decimal("1.16550"), bid_size=Decimal(30), ask_size=Decimal(30))
    await until(ask, order_id, lambda found: found["position_units"] == 30)
    return order_id


async def _unknown(ask: Caller, sim: SimulatedVenue) -> str:
    sim.faults.add(
        Fault(kind=Kind.STREAM_MUTE, times=None), Fault(kind=Kind.DROP_AFTER, method="POST"), Fault(kind=Kind.ERROR_BEFORE, method="GET", times=None)
    )
    with pytest.raises(OutcomeUnknown):
        await ask("order.place", ticket("a1", entry_type="market", entry_price=None), GRANTED)
    return "live-oanda-1"


def _nothing(sim: SimulatedVenue) -> None:
    quote(sim, "1.16600", "1.16610")


def _fills_and_ends(sim: SimulatedVenue) -> None:
    quote(sim, "1.16500", "1.16510")
    quote(sim, "1.15900", "1.15910")


@pytest.mark.parametrize("state", [_pending, _open, _partly_closed, _partly_filled, _unknown])
@pytest.mark.parametrize("meanwhile", [_nothing, _fills_and_ends])
async def test_a_restart_in_any_state_goes_on_from_what_the_venue_says(
    live: Live, sim: SimulatedVenue, state: Callable[[Caller, SimulatedVenue], Awaitable[str]], meanwhile: Callable[[SimulatedVenue], None]
) -> None:
    async with live() as (_, ask):
        order_id = await state(ask, sim)
    sim.faults.clear()
    meanwhile(sim)
    async with live() as (_, ask):
        order = await until(ask, order_id, lambda found: found["status"] in {"PENDING", "OPEN", "PARTIALLY_FILLED", "CLOSED"})
        order = await until(ask, order_id, lambda found: not found["position_units"] or found["protection"] == "venue")
        if meanwhile is _fills_and_ends:
            order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
            assert order["close_reason"] == "STOP_LOSS"
        held = sum(abs(trade.units) for trade in sim.account.open.values())
        assert order["position_units"] == held
        assert sim.hits.counts["POST /v3/accounts/{account}/orders"] == 1


async def test_an_admin_may_touch_what_was_placed_by_hand(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        placing.place(sim.account, {"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "5"}})
        order_id = (await event(settings, "oco_placed")).payload["order_id"]
        await ask("position.close", {"instrument": "EUR_USD"}, ADMIN)
        await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert sim.account.open == {}


async def test_an_admin_may_change_what_waits_without_a_date_or_exits(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        placing.place(sim.account, {"order": {"type": "LIMIT", "instrument": "EUR_USD", "units": "5", "price": "1.16000"}})
        order_id = (await event(settings, "oco_placed")).payload["order_id"]
        await ask("order.modify", {"order_id": order_id, "entry_price": 1.161, "stop_loss_price": 1.15, "take_profit_price": 1.18}, ADMIN)
        (pending,) = sim.account.pending.values()
        assert (pending.request.price, pending.request.time_in_force) == (Decimal("1.161"), "GTC")
        assert {details.price for details in pending.request.exits} == {Decimal("1.15"), Decimal("1.18")}
