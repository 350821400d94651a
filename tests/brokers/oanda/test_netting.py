"""What others trade on an account that nets reduces our oldest trades. And what a fill can meet: its date, too little margin, half a counterpart."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, event, events_of, ticket
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import quote
from tests.brokers.oanda.test_adapter import held, until
from tests.venues.oanda import placing
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue

pytestmark = pytest.mark.usefixtures("soon")


@pytest.fixture
def nets(sim: SimulatedVenue) -> SimulatedVenue:
    sim.account.config = replace(sim.account.config, hedging=False)
    return sim


def by_hand(sim: SimulatedVenue, **order: Any) -> None:
    placing.place(sim.account, {"order": {"instrument": "EUR_USD", **order}})


async def test_an_opposite_order_of_others_that_reduces_ours_leaves_it_guarded_for_what_is_left(live: Live, nets: SimulatedVenue) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, nets)
        by_hand(nets, type="MARKET", units="-40")
        order = await until(ask, order_id, lambda found: found["position_units"] == 60)
        assert (order["status"], order["protection"]) == ("OPEN", "venue")
        quote(nets, "1.15900", "1.15910")
        order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert order["close_reason"] == "STOP_LOSS"


async def test_an_opposite_order_of_others_that_reverses_ours_closes_it_with_its_exits_and_is_adopted(
    live: Live, nets: SimulatedVenue, settings: Settings
) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, nets)
        by_hand(nets, type="MARKET", units="-130")
        order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert order["close_reason"] == "EXTERNAL"
        adopted = (await event(settings, "oco_placed", count=2)).payload["order_id"]
        other = await until(ask, adopted, lambda found: found["status"] == "OPEN")
        assert (other["origin"], other["side"], other["position_units"]) == ("external", "SELL", 30)
        assert nets.account.pending == {}


async def test_an_order_of_others_that_waited_and_then_closed_ours_is_over_too(live: Live, nets: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, nets)
        by_hand(nets, type="LIMIT", units="-100", price="1.16800")
        adopted = (await event(settings, "oco_placed", count=2)).payload["order_id"]
        quote(nets, "1.16800", "1.16810")
        assert (await until(ask, order_id, lambda found: found["status"] == "CLOSED"))["close_reason"] == "EXTERNAL"
        other = await until(ask, adopted, lambda found: found["status"] not in {"PENDING", "UNKNOWN"})
        assert (other["status"], other["filled_units"]) == ("CANCELLED", 0)
        assert not nets.account.open


async def test_two_brackets_closed_by_one_fill_are_both_closed_once(live: Live, nets: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        first = await held(ask, nets, "a1")
        second = await held(ask, nets, "a2")
        by_hand(nets, type="MARKET", units="-200")
        for order_id in (first, second):
            order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
            assert (order["filled_units"], order["position_units"]) == (100, 0)
        assert len([each for each in await events_of(settings) if each.type == "bracket_closed"]) == 2


async def test_a_date_that_comes_after_half_a_fill_ends_the_rest_alone(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        quote(sim, "1.16540", "1.16550", size="30")
        await until(ask, placed["order_id"], lambda found: found["position_units"] == 30)
        (rest,) = [order for order in sim.account.pending.values() if not order.request.is_exit]
        sim.account.cancel_order(sim.account.log.batch(), rest, "TIME_IN_FORCE_EXPIRED")
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "OPEN")
        assert (order["position_units"], order["protection"]) == (30, "venue")


async def test_a_date_and_a_fill_in_the_same_moment_are_what_the_log_says_first(live: Live, sim: SimulatedVenue) -> None:
    """The fill came first, so it is a position; a cancel that the venue refuses meanwhile changes nothing about it."""
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        (entry,) = sim.account.pending.values()
        entry.request = replace(entry.request, gtd_ns=sim.clock.now_ns() + 200_000_000)
        quote(sim, "1.16540", "1.16550")
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "OPEN" and found["protection"] == "venue")
        assert order["position_units"] == 100
        assert len(sim.account.open) == 1


async def test_a_waiting_entry_that_the_account_cannot_carry_when_it_fills_ends_and_says_why(live: Live, sim: SimulatedVenue) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", ticket("a1"), GRANTED)
        sim.account.balance = Decimal(1)
        quote(sim, "1.16540", "1.16550")
        order = await until(ask, placed["order_id"], lambda found: found["status"] == "CANCELLED")
        assert (order["cancel_reason"], order["filled_units"]) == ("insufficient_margin", 0)
        assert not sim.account.open
