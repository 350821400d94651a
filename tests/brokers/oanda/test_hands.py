"""What a hand at OANDA changes, and what OANDA no longer shows: the books follow what is proven there and ask a person for the rest."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, Caller, event, events_of
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import WAIT_S, quote
from tests.venues.oanda import closing, exits, placing
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue
from trading.errors import OutcomeUnknown

pytestmark = pytest.mark.usefixtures("soon")

TICKET: dict[str, object] = {
    "instrument": "EUR_USD",
    "side": "BUY",
    "units": 100,
    "entry_price": 1.1655,
    "stop_loss_price": 1.16,
    "take_profit_price": 1.17,
    "client_order_id": "a1",
}


async def place(ask: Caller) -> str:
    return str((await ask("order.place", TICKET, GRANTED))["order_id"])


async def until(ask: Caller, order_id: str, **wanted: object) -> dict[str, Any]:
    """The order once its fields are these."""
    async with asyncio.timeout(WAIT_S):
        while True:
            order: dict[str, Any] = (await ask("order.get", {"order_id": order_id}, GRANTED))["order"]
            if {name: order[name] for name in wanted} == wanted:
                return order
            await asyncio.sleep(0.01)


async def differences(settings: Settings, containing: str) -> list[str]:
    """What was told with ``containing`` in it, once there is something."""
    async with asyncio.timeout(WAIT_S):
        while True:
            told = [each.payload["details"] for each in await events_of(settings, "oanda") if each.type == "reconciled"]
            texts = [str(text) for details in told if isinstance(details, dict) for text in details.get("differences", ())]
            if found := [text for text in texts if containing in text]:
                return found
            await asyncio.sleep(0.01)


async def test_units_of_a_waiting_entry_changed_at_the_venue_are_shown(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        (pending,) = sim.account.pending.values()
        placing.replace(sim.account, str(pending.id), {"order": {"type": "LIMIT", "instrument": "EUR_USD", "units": "60", "price": "1.1655"}})
        order = await until(ask, order_id, units=60)
        assert order["status"] == "PENDING"
        assert any(each["type"] == "order_modified" and each["payload"]["changes"]["units"]["to"] == 60 for each in order["events"])
        assert "units 60, not 100" in (await differences(settings, "its entry rests"))[0]
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="OPEN", position_units=60)


def replace_entry(sim: SimulatedVenue, **exits: object) -> None:
    """A hand at the venue replaces the entry that waits by one with these exits and no others."""
    (pending,) = sim.account.pending.values()
    body = {"type": "LIMIT", "instrument": "EUR_USD", "units": "100", "price": "1.1655", **exits}
    placing.replace(sim.account, str(pending.id), {"order": body})


def exits_at(sim: SimulatedVenue) -> dict[str, Decimal | None]:
    return {order.type: order.request.price or order.request.distance for order in sim.account.pending.values()}


async def test_a_stop_taken_off_a_waiting_entry_is_told_then_and_rung_for_and_restored_when_it_fills(
    live: Live, sim: SimulatedVenue, settings: Settings
) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        replace_entry(sim, takeProfitOnFill={"price": "1.17"})
        (told,) = await differences(settings, "its entry rests")
        assert told == f"{order_id}: its entry rests at the venue without its stop loss, so what fills of it has none"
        off = [each for each in await events_of(settings, "oanda") if each.type == "order_cancelled"]
        assert [(each.payload["leg"], each.payload["reason"], each.payload["status"]) for each in off] == [("stop_loss", "venue", "PENDING")]
        quote(sim, "1.16500", "1.16510")
        assert (await event(settings, "protection_lost")).payload["order_id"] == order_id
        await until(ask, order_id, status="OPEN", protection="venue")
        await event(settings, "protection_restored")
        assert exits_at(sim) == {"STOP_LOSS": Decimal("1.16"), "TAKE_PROFIT": Decimal("1.17")}


async def test_a_stop_put_back_on_a_waiting_entry_is_no_alarm(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        replace_entry(sim, takeProfitOnFill={"price": "1.17"})
        await differences(settings, "without its stop loss")
        replace_entry(sim, takeProfitOnFill={"price": "1.17"}, stopLossOnFill={"price": "1.159"})
        await until(ask, order_id, stop_loss_price=1.159)
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="OPEN", protection="venue")
        assert not [each for each in await events_of(settings, "oanda") if each.type == "protection_lost"]


async def test_an_entry_that_fills_before_its_missing_stop_was_noticed_is_rung_for_and_guarded_all_the_same(
    live: Live, sim: SimulatedVenue, settings: Settings
) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        replace_entry(sim)
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="OPEN", protection="venue")
        assert (await event(settings, "protection_lost")).payload["order_id"] == order_id
        assert exits_at(sim) == {"STOP_LOSS": Decimal("1.16"), "TAKE_PROFIT": Decimal("1.17")}


async def test_a_target_and_a_trailing_stop_taken_off_a_waiting_entry_are_gone_here_too(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", {**TICKET, "trailing_stop_distance": 0.004}, GRANTED)
        replace_entry(sim, stopLossOnFill={"price": "1.16"})
        order = await until(ask, placed["order_id"], take_profit_price=None, trailing_stop_distance=None)
        changes = [each["payload"]["changes"] for each in order["events"] if each["type"] == "order_modified"]
        assert changes == [{"take_profit_price": {"from": 1.17, "to": None}, "trailing_stop_distance": {"from": 0.004, "to": None}}]
        assert await differences(settings, "without its take profit and its trailing stop")
        quote(sim, "1.16500", "1.16510")
        await until(ask, placed["order_id"], status="OPEN", protection="venue")
        assert exits_at(sim) == {"STOP_LOSS": Decimal("1.16")}


async def test_a_trailing_stop_that_a_hand_changes_or_takes_off_a_position_is_what_is_shown(
    live: Live, sim: SimulatedVenue, settings: Settings
) -> None:
    """The fixed stop beside it guards all the while, so nothing rings; and nothing is put back unasked."""
    async with live() as (_, ask):
        placed = await ask("order.place", {**TICKET, "trailing_stop_distance": 0.004}, GRANTED)
        order_id = str(placed["order_id"])
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="OPEN", protection="venue")
        (trade,) = sim.account.open
        exits.set_exits(sim.account, str(trade), {"trailingStopLoss": {"distance": "0.00300"}})
        await until(ask, order_id, trailing_stop_distance=0.003)
        exits.set_exits(sim.account, str(trade), {"trailingStopLoss": None})
        order = await until(ask, order_id, trailing_stop_distance=None)
        assert [each["payload"]["changes"]["trailing_stop_distance"] for each in order["events"] if each["type"] == "order_modified"] == [
            {"from": 0.004, "to": 0.003},
            {"from": 0.003, "to": None},
        ]
        assert await differences(settings, f"{order_id}: its trailing stop is off at the venue")
        assert exits_at(sim) == {"STOP_LOSS": Decimal("1.16"), "TAKE_PROFIT": Decimal("1.17")}


async def test_an_exit_of_a_kind_that_nobody_knows_is_told_and_stops_nothing(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    """On somebody's trade: without units or an instrument of its own, it is no entry that could be taken up."""
    placing.place(sim.account, {"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "5", "stopLossOnFill": {"price": "1.1"}}})
    (stop,) = sim.account.pending.values()
    stop.request = replace(stop.request, type="BREAK_EVEN_STOP")
    async with live() as (_, ask):
        assert await differences(settings, f"order {stop.id} is a BREAK_EVEN_STOP, which cannot be read: it is none of ours; look at it there")
        await until(ask, await place(ask), status="PENDING")


async def away(live: Live) -> str:
    """The id of an order that was placed before the adapter went away, and rests."""
    async with live() as (_, ask):
        return await place(ask)


async def test_an_order_that_the_venue_no_longer_shows_ends_as_its_log_says(live: Live, sim: SimulatedVenue) -> None:
    order_id = await away(live)
    (pending,) = sim.account.pending.values()
    placing.cancel(sim.account, str(pending.id))
    del sim.account.orders[pending.id]
    async with live() as (_, ask):
        await until(ask, order_id, status="CANCELLED", filled_units=0)


async def test_a_trade_that_came_and_went_and_is_no_longer_shown_is_booked_from_the_log(live: Live, sim: SimulatedVenue) -> None:
    order_id = await away(live)
    quote(sim, "1.16500", "1.16510")
    (trade,) = sim.account.open.values()
    closing.close_trade(sim.account, str(trade.id), {})
    sim.account.orders.clear()
    sim.account.trades.clear()
    async with live() as (_, ask):
        order = await until(ask, order_id, status="CLOSED", close_reason="EXTERNAL")
        assert (order["filled_units"], order["position_units"]) == (100, 0)
        assert Decimal(str(order["realized_pnl"])) == trade.realized


@pytest.mark.parametrize("was_filled", [False, True])
async def test_what_neither_orders_nor_log_can_say_is_asked_of_a_person_and_settled_by_them(
    live: Live, sim: SimulatedVenue, settings: Settings, was_filled: bool
) -> None:
    """The account is reconciled all the same; the order is UNKNOWN, and says what to do."""
    async with live() as (_, ask):
        order_id = await place(ask)
        if was_filled:
            quote(sim, "1.16500", "1.16510")
            await until(ask, order_id, status="OPEN", protection="venue")
    for trade in list(sim.account.open.values()):
        closing.close_trade(sim.account, str(trade.id), {})
    for order in list(sim.account.pending.values()):
        placing.cancel(sim.account, str(order.id))
    sim.account.orders.clear()
    sim.account.trades.clear()
    sim.account.log.transactions.clear()
    async with live() as (_, ask):
        await until(ask, order_id, status="UNKNOWN")
        (told,) = await differences(settings, "no longer shows")
        assert f"then {'close' if was_filled else 'cancel'} it here to settle it" in told
        op, args = ("position.close", {"instrument": "EUR_USD"}) if was_filled else ("order.cancel", {"order_id": order_id})
        with suppress(OutcomeUnknown):  # the next look settles it, and may be a moment away
            await ask(op, args, GRANTED)
        await until(ask, order_id, status="CLOSED" if was_filled else "CANCELLED")
