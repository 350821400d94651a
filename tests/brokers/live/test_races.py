"""What comes too early, too late, twice, or while something else is on its way; in virtual time, over the exchange in memory."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

import pytest

from brokers.live.venue import Fact, NotSent, Target
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, order, virtually
from trading.errors import OrderDenied, StateConflict
from trading.orders import CloseReason, Leg, OrderStatus


@virtually
async def test_facts_that_come_before_the_answer_leave_nothing_in_doubt() -> None:
    """The stream tells of the fill while the create still hangs: its time-out afterwards is no news."""
    desk = Desk()
    async with desk.life() as _:
        desk.venue.next("create", Script.SILENCE)
        desk.place()
        await desk.until(lambda: bool(desk.exchange.held))
        desk.exchange.fill(desk.exchange.only.client_id)
        await desk.becomes(OrderStatus.OPEN, protection="venue")
        await asyncio.sleep(desk.policy.call_s_max + 1)
        assert desk.bracket().status is OrderStatus.OPEN
        assert not desk.told("order_unknown")
        desk.agrees()


@virtually
async def test_facts_that_come_three_times_count_once() -> None:
    desk = Desk()
    async with desk.life(lambda desk: setattr(desk.venue, "tells", 3)):
        await desk.opened()
        desk.exchange.hit(desk.held().client_id, Leg.TAKE_PROFIT)
        closed = await desk.becomes(OrderStatus.CLOSED)
        assert (str(closed.filled_units), str(closed.closed_units), closed.fill_count) == ("100", "100", 2)
        assert len(desk.told("order_filled")) == 2
        assert len(desk.told("bracket_closed")) == 1


@virtually
async def test_an_order_past_its_deadline_is_not_sent() -> None:
    desk = Desk()
    async with desk.life() as service:
        service.ask(lambda broker, now_ns: broker.place(order(), placed_by="ann", now_ns=now_ns, deadline_ns=now_ns))
        void = await desk.becomes(OrderStatus.VOID)
        assert void.cancel_reason == "EXPIRED"
        assert not desk.exchange.held
        assert desk.told("order_rejected")[0]["code"] == "EXPIRED"


@pytest.mark.parametrize("filled", [False, True])
@virtually
async def test_an_order_that_turns_up_after_it_was_given_up_is_taken_up_rung_for_and_ended(filled: bool) -> None:
    desk = Desk()
    async with desk.life():
        desk.venue.late_s = 20.0
        desk.venue.next("create", Script.LATE)
        order_id = desk.place()
        rejected = await desk.becomes(OrderStatus.REJECTED)
        assert rejected.cancel_reason == "NEVER_REACHED_VENUE"
        if filled:
            desk.exchange.on_create = lambda: setattr(desk, "filled", desk.exchange.fill(desk.exchange.only.client_id))
        await desk.until(lambda: bool(desk.exchange.held))
        if filled:
            assert (await desk.becomes(OrderStatus.OPEN, protection="venue")).position_units == 100
        else:
            await desk.becomes(OrderStatus.CANCELLED)
            assert not desk.exchange.only.remaining
        assert any(payload["details"].get("turned_up") == [order_id] for payload in desk.told("reconciled"))
        desk.agrees()


@virtually
async def test_a_cancel_that_a_fill_overtakes_is_refused_as_too_late() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.venue.is_mute = True
        desk.exchange.fill(desk.held().client_id)
        progress = desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        (verdict,) = progress.verdicts
        await desk.until(lambda: verdict.settled)
        assert isinstance(verdict.refusal, StateConflict)
        assert verdict.refusal.code == "ORDER_OPEN"
        desk.venue.is_mute = False
        await desk.becomes(OrderStatus.OPEN, protection="venue")
        desk.agrees()


@virtually
async def test_a_partial_fill_and_a_cancel_leave_a_guarded_part() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "40")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED)
        progress = desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        await desk.until(lambda: progress.verdicts[0].settled)
        assert progress.verdicts[0].refusal is None
        part = await desk.becomes(OrderStatus.OPEN, protection="venue")
        assert (str(part.position_units), str(part.remaining_units)) == ("40", "0")
        desk.agrees()
        desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
        assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.STOP_LOSS


@virtually
async def test_the_first_exit_ends_what_is_left_of_the_entry() -> None:
    """A target that fills while half of the entry still rests: the rest is cancelled at the venue, and only then is the bracket closed."""
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "50")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED, protection="venue")
        desk.exchange.hit(desk.held().client_id, Leg.TAKE_PROFIT)
        closed = await desk.becomes(OrderStatus.CLOSED)
        assert closed.cancel_reason == "oco_sibling"
        assert not desk.held().remaining
        desk.agrees()


@virtually
async def test_a_close_that_the_stop_overtakes_ends_as_stopped() -> None:
    desk = Desk()
    async with desk.life():
        await desk.opened()
        desk.venue.is_mute = True
        desk.exchange.hit(desk.held().client_id, Leg.STOP_LOSS)
        progress = desk.ask(lambda broker, now_ns: broker.close_bracket("live-oanda-1", reason="MANUAL", now_ns=now_ns))
        closed = await desk.becomes(OrderStatus.CLOSED)
        assert closed.close_reason is CloseReason.STOP_LOSS
        await desk.until(lambda: progress.verdicts[0].settled)
        desk.agrees()


@virtually
async def test_a_cancel_of_an_order_that_is_on_its_way_ends_it_as_soon_as_the_venue_has_it() -> None:
    desk = Desk()
    async with desk.life():
        desk.venue.next("create", Script.HANG)
        desk.place()
        desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="kill_switch", now_ns=now_ns))
        await asyncio.sleep(0.5)
        desk.venue.release.set()
        cancelled = await desk.becomes(OrderStatus.CANCELLED)
        assert cancelled.cancel_reason == "kill_switch"
        assert not desk.exchange.only.remaining


@virtually
async def test_a_cancel_that_is_only_taken_is_asked_about_until_it_is_confirmed() -> None:
    desk = Desk()
    desk.exchange.confirms_cancels = False
    async with desk.life():
        await desk.resting()
        desk.venue.is_mute = True
        progress = desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
        assert progress.brackets[0].status is OrderStatus.CANCEL_PENDING
        await desk.becomes(OrderStatus.CANCELLED)
        assert desk.venue.calls.count("cancel") == 1


@virtually
async def test_a_change_while_another_is_out_is_refused_and_nothing_is_sent() -> None:
    desk = Desk()
    async with desk.life() as service:
        await desk.resting()
        desk.venue.next("amend", Script.HANG)
        desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
        await asyncio.sleep(0.1)
        with pytest.raises(StateConflict) as refusal:
            service.broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1610")}, now_ns=service.now_ns())
        assert refusal.value.code == "ORDER_BUSY"
        assert desk.bracket().order.stop_loss_price == Decimal("1.16"), "the book says what is in force, not what is asked for"
        desk.venue.release.set()
        await desk.until(lambda: desk.bracket().order.stop_loss_price == Decimal("1.1605"))


@virtually
async def test_a_refused_change_is_told_and_nothing_has_changed() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.venue.next("amend", Script.REFUSE)
        progress = desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
        await desk.until(lambda: progress.verdicts[0].settled)
        assert isinstance(progress.verdicts[0].refusal, OrderDenied)
        assert desk.bracket().stop_price == Decimal("1.16")
        assert not desk.told("order_modified")


@virtually
async def test_commands_whose_transaction_was_taken_back_are_asked_of_the_venue_once() -> None:
    desk = Desk()
    async with desk.life() as service:
        service.ask_twice(lambda broker, now_ns: broker.place(order(), placed_by="ann", now_ns=now_ns))
        await desk.becomes(OrderStatus.PENDING)
        service.ask_twice(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
        await desk.until(lambda: desk.bracket().stop_price == Decimal("1.1605"))
        desk.exchange.fill(desk.held().client_id)
        await desk.becomes(OrderStatus.OPEN, protection="venue")
        service.ask_twice(lambda broker, now_ns: broker.close_bracket("live-oanda-1", reason="MANUAL", now_ns=now_ns))
        await desk.becomes(OrderStatus.CLOSED)
        assert [desk.venue.calls.count(call) for call in ("create", "amend", "close")] == [1, 1, 1]
        assert not desk.told("order_unknown")


@virtually
async def test_a_store_that_is_read_anew_while_a_call_is_out_leaves_nothing_in_doubt() -> None:
    desk = Desk()
    async with desk.life() as service:
        desk.venue.next("create", Script.HANG)
        desk.place()
        await asyncio.sleep(0.1)
        service.broker.restore(desk.store.snapshot(), service.now_ns())
        service.broker.drain()
        assert service.broker.open_brackets()[0].status is OrderStatus.SUBMITTING
        desk.venue.release.set()
        await desk.becomes(OrderStatus.PENDING)
        assert not desk.told("order_unknown")


@pytest.mark.parametrize("answer", [Script.NOT_SENT, Script.REFUSE])
@virtually
async def test_a_cancel_that_somebody_asked_for_before_does_not_make_the_kill_switch_forget_the_entry(answer: Script) -> None:
    """The venue did not take the first: who had asked for it was told, and with it went what the kill switch had asked for meanwhile."""
    desk = Desk()
    async with desk.life():
        order_id = await desk.resting()
        desk.venue.next("cancel", answer)
        for reason in ("user", "kill_switch"):
            desk.ask(lambda broker, now_ns, reason=reason: broker.cancel(order_id, reason=reason, now_ns=now_ns))
        await desk.becomes(OrderStatus.CANCELLED, order_id)
        assert desk.bracket(order_id).cancel_reason == "kill_switch"


@virtually
async def test_a_cancel_that_is_given_up_leaves_no_entry_working_whose_exit_has_filled_meanwhile() -> None:
    """The first exit ends the entry too; it was being ended already, by somebody whose cancel did not get through."""
    desk = Desk()
    async with desk.life():
        order_id = await desk.resting()
        desk.exchange.fill(desk.held(order_id).client_id, Decimal(40))
        await desk.until(lambda: desk.bracket(order_id).position_units == 40)
        real = desk.venue.cancel

        async def overtaken(target: Target) -> Sequence[Fact]:
            desk.venue.cancel = real  # type: ignore[method-assign]  # the next one gets through
            desk.exchange.hit(desk.held(order_id).client_id, Leg.STOP_LOSS)
            await desk.until(lambda: not desk.bracket(order_id).position_units)
            raise NotSent

        desk.venue.cancel = overtaken  # type: ignore[method-assign]  # slower than the venue's news
        desk.ask(lambda broker, now_ns: broker.cancel(order_id, reason="user", now_ns=now_ns))
        await desk.becomes(OrderStatus.CLOSED, order_id)
        assert not desk.exchange.only.remaining
