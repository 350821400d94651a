"""Sequences that cost money elsewhere: a look that was overtaken, a kill switch that a fill overtakes, a stop that a hand takes off long after."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from types import MethodType

import pytest

from brokers.live.venue import Target, VenueSnapshot
from tests.brokers.desk_kit import ADMIN, GRANTED, ticket, until
from tests.brokers.live.conftest import Live
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import Script, ScriptedVenue
from tests.brokers.live.stories import Desk, order, virtually
from trading.errors import StateConflict
from trading.orders import EntryType, Leg, OrderStatus


def _slow_snapshots(desk: Desk, seconds: float) -> None:
    """The venue's account travels for so long: what is in it is that old when it arrives."""

    async def snapshot(self: ScriptedVenue, targets: Sequence[Target]) -> VenueSnapshot:
        await asyncio.sleep(seconds)  # on the way there …
        found = await ScriptedVenue.snapshot(self, targets)
        await asyncio.sleep(seconds)  # … and back
        return found

    desk.venue.snapshot = MethodType(snapshot, desk.venue)  # type: ignore[method-assign]


def _fills_at_once(exchange: Exchange) -> None:
    """What arrives there from now on fills on arrival."""

    def fill() -> None:
        exchange.fill(exchange.only.client_id)

    exchange.on_create = fill


@virtually
async def test_an_order_placed_and_cancelled_while_the_account_was_on_its_way_stays_cancelled() -> None:
    desk = Desk()
    async with desk.life() as service:
        _slow_snapshots(desk, 1.0)
        desk.exchange.forget(desk.exchange.place_by_hand(order("other")))  # a fact without an owner asks for a comparison
        looks = desk.venue.calls.count("snapshot")
        await desk.until(lambda: service.broker.must_compare)
        await asyncio.sleep(1.2)
        await desk.resting()
        await desk.until(lambda: desk.venue.calls.count("snapshot") > looks)
        await asyncio.sleep(0.1)
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        await desk.becomes(OrderStatus.CANCELLED)
        await asyncio.sleep(90)
        assert desk.bracket().status is OrderStatus.CANCELLED
        assert not any(payload["details"].get("turned_up") for payload in desk.told("reconciled"))


@virtually
async def test_an_entry_taken_for_cancelled_that_still_rests_is_cancelled_once_more() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        held = desk.held()
        desk.exchange.forget(held.client_id)  # not in its account for a while …
        await desk.becomes(OrderStatus.CANCELLED)
        desk.exchange.held[held.client_id] = held  # … and there again
        await desk.until(lambda: not held.remaining)
        await desk.becomes(OrderStatus.CANCELLED)
        assert desk.told("reconciled")[-1]["details"]["turned_up"] == ["live-oanda-1"]


@pytest.mark.parametrize("kind", [EntryType.MARKET, EntryType.LIMIT])
@virtually
async def test_a_kill_switch_that_flattens_closes_what_fills_behind_it(kind: EntryType) -> None:
    """The entry was on its way when the desk was cleared: it is cancelled, and if that comes too late, closed."""
    desk = Desk()
    async with desk.life() as service:
        desk.venue.next("create", Script.HANG)
        desk.place(kind=kind)
        await asyncio.sleep(0.1)
        progress = desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="kill_switch", now_ns=now_ns))
        assert progress.brackets
        desk.ask(lambda broker, _: (broker.close_what_fills(), progress)[1])
        _fills_at_once(desk.exchange)
        desk.venue.release.set()
        closed = await desk.becomes(OrderStatus.CLOSED)
        assert closed.close_reason == "KILL_SWITCH"
        assert not desk.exchange.only.open_units
        assert service.broker.position_count == 0


@virtually
async def test_a_stop_taken_off_by_hand_after_a_refused_change_is_rung_for_and_not_put_back() -> None:
    desk = Desk()
    async with desk.life():
        await desk.opened()
        desk.venue.next("amend", Script.REFUSE)
        progress = desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.161")}, now_ns=now_ns))
        await desk.until(lambda: progress.verdicts[0].settled)
        assert progress.verdicts[0].refusal is not None
        await asyncio.sleep(3600)
        desk.exchange.remove_stop(desk.held().client_id)
        await desk.until(lambda: desk.bracket().venue.stop is None)
        await asyncio.sleep(60)
        assert desk.bracket().venue.stop_removed
        assert desk.bracket().protection == "none"
        assert desk.held().stop is None
        assert [payload["leg"] for payload in desk.told("order_cancelled")] == [str(Leg.STOP_LOSS)]


@virtually
async def test_an_id_under_which_the_venue_has_an_order_that_the_store_forgot_is_not_sent_again() -> None:
    """An old copy of the store was restored: what was placed since stands at the venue, and its owner repeats the request."""
    desk = Desk()
    async with desk.life():
        await desk.resting()
    desk.store.brackets.clear()
    desk.store.next_n = 1001
    async with desk.life() as service:
        await desk.becomes(OrderStatus.PENDING, "live-oanda-1001")
        with pytest.raises(StateConflict, match="already"):
            service.broker.place(order(), placed_by="ann", now_ns=service.now_ns())
        await asyncio.sleep(30)
        assert list(desk.exchange.creates.values()) == [1]


@virtually
async def test_what_fills_of_an_entry_while_its_first_part_is_closed_is_closed_too() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "40")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED)
        desk.venue.next("cancel", Script.REFUSE)
        progress = desk.ask(lambda broker, now_ns: broker.close_bracket("live-oanda-1", reason="KILL_SWITCH", now_ns=now_ns))
        desk.ask(lambda broker, _: (broker.close_what_fills(), progress)[1])
        desk.exchange.fill(desk.held().client_id)
        closed = await desk.becomes(OrderStatus.CLOSED)
        assert closed.close_reason == "KILL_SWITCH"
        assert closed.closed_units == 100


async def test_an_order_on_its_way_when_the_desk_is_flattened_leaves_nothing_behind(live: Live, venue: ScriptedVenue, exchange: Exchange) -> None:
    venue.policy = replace(venue.policy, call_s_max=30.0)
    venue.next("create", Script.HANG)
    _fills_at_once(exchange)
    async with live() as (_, ask):
        placing = asyncio.create_task(ask("order.place", ticket("a1"), GRANTED, ttl_ms=30_000))
        await until(lambda: "create" in venue.calls)
        halted = await ask("trading_state.set", {"state": "HALTED", "reason": "out", "cancel": True, "flatten": True}, ADMIN)
        assert halted["complete"]
        venue.release.set()
        order_id = (await placing)["order_id"]
        async with asyncio.timeout(30):
            while (found := await ask("order.get", {"order_id": order_id}))["order"]["status"] != "CLOSED":
                await asyncio.sleep(0.01)
        assert found["order"]["close_reason"] == "KILL_SWITCH"
        assert not exchange.only.open_units


@pytest.mark.parametrize("price", ["1.16549999999999998", "1.165512345678901234567890"])
async def test_a_price_of_more_digits_than_travel_is_told_as_near_as_can_be(live: Live, exchange: Exchange, price: str) -> None:
    """An average has no end of digits; a fact that cannot be journalled would end the process, and the next one, over the same fact."""
    async with live() as (_, ask):
        order_id = (await ask("order.place", ticket("a1"), GRANTED))["order_id"]
        exchange.fill(exchange.only.client_id, price=price)
        async with asyncio.timeout(30):
            while (found := await ask("order.get", {"order_id": order_id}))["order"]["status"] != "OPEN":
                await asyncio.sleep(0.01)
        (fill,) = (await ask("fill.list"))["fills"]
        assert abs(Decimal(str(fill["price"])) - Decimal(price)) < Decimal("1e-13")
        assert found["order"]["position_units"] == 100


async def test_money_of_more_digits_than_travel_is_shown(live: Live, exchange: Exchange) -> None:
    exchange.balance = Decimal("98765.432109876543210987")
    async with live() as (_, ask):
        account = (await ask("account.get"))["account"]
        assert abs(Decimal(str(account["balance"])) - exchange.balance) < Decimal("1e-6")
        await ask("order.place", ticket("a1"), GRANTED)
