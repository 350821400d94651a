"""A close that the venue keeps refusing is asked for ever more seldom, told once, and never forgotten; in virtual time."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.venue import Exits
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.orders import CloseReason, OrderStatus

MANY = 100_000
RELEASING = replace(POLICY, releases=True, resends=True)


def _close(desk: Desk, order_id: str, reason: CloseReason = CloseReason.KILL_SWITCH) -> None:
    desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason=reason, now_ns=now_ns))


def _asked(desk: Desk) -> int:
    return desk.venue.calls.count("close")


def _told(desk: Desk) -> list[str]:
    return [text for payload in desk.told("reconciled") for text in payload["details"].get("differences", []) if "close" in text]


@pytest.mark.parametrize("is_bare", [False, True])
@virtually
async def test_it_is_asked_for_ever_more_seldom_told_once_and_done_when_the_venue_will(is_bare: bool) -> None:
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING) if is_bare else Desk()
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", *[Script.REFUSE] * MANY)
        _close(desk, order_id)
        await asyncio.sleep(3600)
        assert _asked(desk) <= (1300 if is_bare else 150), "it was asked for ten thousand times an hour"
        assert len(_told(desk)) == 1
        assert "MARKET_HALTED" in _told(desk)[0]
        desk.venue.script["close"].clear()
        await desk.until(lambda: desk.bracket(order_id).status is OrderStatus.CLOSED, seconds=3.5 if is_bare else 31)
        assert desk.bracket(order_id).close_reason is CloseReason.KILL_SWITCH


@virtually
async def test_what_is_bare_is_tried_again_quickly_at_first() -> None:
    """A halt of a second or two costs no more than itself."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", *[Script.REFUSE] * 8)
        _close(desk, order_id)
        await desk.until(lambda: desk.bracket(order_id).status is OrderStatus.CLOSED, seconds=3)


@pytest.mark.parametrize("reason", [CloseReason.MANUAL, CloseReason.KILL_SWITCH])
@virtually
async def test_who_asks_anew_is_not_kept_waiting(reason: CloseReason) -> None:
    desk = Desk()
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", *[Script.REFUSE] * MANY)
        _close(desk, order_id)
        await asyncio.sleep(600)
        desk.venue.script["close"].clear()
        _close(desk, order_id, reason)
        await desk.until(lambda: desk.bracket(order_id).status is OrderStatus.CLOSED, seconds=0.5)
        assert desk.bracket(order_id).close_reason is CloseReason.KILL_SWITCH


@virtually
async def test_what_somebody_closes_besides_makes_the_kill_switch_forget_nothing() -> None:
    desk = Desk()
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", *[Script.REFUSE] * MANY)
        part = {"side": None, "units": Decimal(40), "percent": None, "placed_by": None, "reason": CloseReason.KILL_SWITCH}
        desk.ask(lambda broker, now_ns: broker.close("EUR_USD", now_ns=now_ns, **part))
        await asyncio.sleep(10)
        _close(desk, order_id, CloseReason.MANUAL)
        await asyncio.sleep(60)
        desk.venue.script["close"].clear()
        await desk.until(lambda: not desk.held(order_id).open_units, seconds=40)


@virtually
async def test_a_stop_that_the_halted_market_refuses_is_asked_for_ever_more_seldom() -> None:
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.resting()
        desk.venue.next("protect", *[Script.REFUSE] * MANY)
        desk.exchange.fill(desk.held(order_id).client_id)
        await asyncio.sleep(3600)
        assert desk.venue.calls.count("protect") <= 1300
        desk.venue.script["protect"].clear()
        await desk.until(lambda: desk.held(order_id).stop is not None, seconds=3.5)


@virtually
async def test_a_close_that_waits_goes_at_once_when_its_stop_is_taken_off() -> None:
    desk = Desk()
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", *[Script.REFUSE] * MANY)
        _close(desk, order_id)
        await asyncio.sleep(600)
        desk.venue.script["close"].clear()
        asked = _asked(desk)
        desk.exchange.remove_stop(desk.held(order_id).client_id)
        await desk.until(lambda: _asked(desk) > asked, seconds=0.5)


@pytest.mark.parametrize("answer", [Script.NOT_SENT, Script.REFUSE])
@virtually
async def test_a_close_that_somebody_asked_for_before_does_not_make_the_kill_switch_forget_the_position(answer: Script) -> None:
    """The venue did not take the first: who had asked for it was told, and with it went what the kill switch had asked for meanwhile."""
    desk = Desk()
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.next("close", answer)
        for reason in (CloseReason.MANUAL, CloseReason.KILL_SWITCH):
            _close(desk, order_id, reason)
        await desk.until(lambda: desk.bracket(order_id).status is OrderStatus.CLOSED)
        assert desk.bracket(order_id).close_reason is CloseReason.KILL_SWITCH
