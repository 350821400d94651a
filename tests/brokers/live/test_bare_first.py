"""What is held without its stop waits for nothing else that is to be done about its bracket; in virtual time."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.venue import Batch, ExitFilled, Exits
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, virtually
from trading.orders import Leg, OrderStatus

# An entry that does not end, tried for as long.
TRIES = 50
# A look that is nearly due may be out already, and is waited for.
SOON_S = 2.0
RELEASING = replace(POLICY, releases=True, resends=True)


async def _is_guarded_within(desk: Desk, seconds: float) -> None:
    await desk.until(lambda: (stop := desk.held().stop) is not None and stop.units >= desk.held().open_units, seconds)


@pytest.mark.parametrize("script", [Script.NOT_SENT, Script.REFUSE, Script.LOSE])
@virtually
async def test_a_part_that_fills_is_guarded_while_the_rest_cannot_be_cancelled(script: Script) -> None:
    """Each further try was made before the stop was asked for, and after a pause that had grown: there was never a stop."""
    desk = Desk(exits=Exits.AFTER_FILL)
    async with desk.life():
        await desk.resting()
        desk.venue.next("cancel", *[script] * TRIES)
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="ttl_expired", now_ns=now_ns))
        await asyncio.sleep(10)
        desk.exchange.fill(desk.held().client_id, "40")
        await _is_guarded_within(desk, SOON_S)
        desk.exchange.fill(desk.held().client_id, "20")
        await _is_guarded_within(desk, SOON_S)


@virtually
async def test_a_part_that_fills_is_guarded_while_a_cancel_is_not_confirmed() -> None:
    desk = Desk(exits=Exits.AFTER_FILL)
    desk.exchange.cancel = lambda client_id: []  # type: ignore[method-assign]  # it takes the request, and takes its time
    async with desk.life():
        await desk.resting()
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        await asyncio.sleep(2)
        desk.exchange.fill(desk.held().client_id, "40")
        await _is_guarded_within(desk, SOON_S)


@virtually
async def test_an_exit_for_too_much_that_cannot_be_mended_is_not_asked_for_as_fast_as_the_venue_fails() -> None:
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life() as service:
        order_id = await desk.opened()
        held, tries = desk.held(), desk.venue.calls.count("protect")
        held.open_units -= Decimal(40)  # the exchange's exits stay as they are
        desk.venue.next("protect", *[Script.LOSE] * 1000)
        late = ExitFilled(client_id=held.client_id, leg=Leg.CLOSE, fill_id="late", units=Decimal(40), price=Decimal("1.165"))
        await service.submit(lambda now_ns: service.broker.told(Batch(facts=[late]), now_ns))
        await asyncio.sleep(3)
        assert 3 <= desk.venue.calls.count("protect") - tries <= 12
        assert desk.bracket(order_id).status is OrderStatus.OPEN


@virtually
async def test_exits_that_a_close_of_ours_took_off_are_placed_again_however_late_that_is_told() -> None:
    """A change that was answered with nothing came between; then it looked as if a hand had taken the stop off, which is left to people."""
    desk = Desk(exits=Exits.AFTER_FILL, policy=RELEASING)
    async with desk.life():
        order_id = await desk.opened()
        desk.venue.is_mute = desk.venue.answers_are_empty = True
        desk.venue.next("close", Script.NOT_SENT)
        desk.venue.next("snapshot", *[Script.LOSE] * 3)
        progress = desk.ask(lambda broker, now_ns: broker.close_bracket(order_id, reason="MANUAL", now_ns=now_ns))
        await desk.until(lambda: progress.verdicts[0].settled)
        change = desk.ask(lambda broker, now_ns: broker.modify(order_id, {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
        await desk.until(lambda: change.verdicts[0].settled)
        assert desk.held().stop is None
        desk.venue.is_mute = False
        await _is_guarded_within(desk, SOON_S)
