"""What comes too early, too late, twice, or while something else is on its way; in virtual time, over the exchange in memory."""

import asyncio
from decimal import Decimal

import pytest

from brokers.live.venue import Exits, VenueMismatch
from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import Desk, order
from tests.brokers.live.virtual import run_virtually
from trading.brackets import EXTERNAL, Protection
from trading.errors import OrderDenied, StateConflict
from trading.events import CancelReason
from trading.orders import CloseReason, EntryType, Leg, OrderStatus

R10_TIMES = 1000


def test_facts_that_come_before_the_answer_leave_nothing_in_doubt() -> None:
    """The stream tells of the fill while the create still hangs: its time-out afterwards is no news."""

    async def story() -> None:
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

    run_virtually(story)


def test_facts_that_come_three_times_count_once() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life(lambda desk: setattr(desk.venue, "tells", 3)):
            await desk.opened()
            desk.exchange.hit(desk.held().client_id, Leg.TAKE_PROFIT)
            closed = await desk.becomes(OrderStatus.CLOSED)
            assert (str(closed.filled_units), str(closed.closed_units), closed.fill_count) == ("100", "100", 2)
            assert len(desk.told("order_filled")) == 2
            assert len(desk.told("bracket_closed")) == 1

    run_virtually(story)


def test_an_order_past_its_deadline_is_not_sent() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life() as service:
            service.ask(lambda broker, now_ns: broker.place(order(), placed_by="ann", now_ns=now_ns, deadline_ns=now_ns))
            void = await desk.becomes(OrderStatus.VOID)
            assert void.cancel_reason == "EXPIRED"
            assert not desk.exchange.held
            assert desk.told("order_rejected")[0]["code"] == "EXPIRED"

    run_virtually(story)


@pytest.mark.parametrize("filled", [False, True])
def test_an_order_that_turns_up_after_it_was_given_up_is_taken_up_rung_for_and_ended(filled: bool) -> None:
    async def story() -> None:
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

    run_virtually(story)


def test_a_cancel_that_a_fill_overtakes_is_refused_as_too_late() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
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

    run_virtually(story)


def test_a_partial_fill_and_a_cancel_leave_a_guarded_part() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
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

    run_virtually(story)


def test_the_first_exit_ends_what_is_left_of_the_entry() -> None:
    """A target that fills while half of the entry still rests: the rest is cancelled at the venue, and only then is the bracket closed."""

    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.exchange.fill(desk.held().client_id, "50")
            await desk.becomes(OrderStatus.PARTIALLY_FILLED, protection="venue")
            desk.exchange.hit(desk.held().client_id, Leg.TAKE_PROFIT)
            closed = await desk.becomes(OrderStatus.CLOSED)
            assert closed.cancel_reason == "oco_sibling"
            assert not desk.held().remaining
            desk.agrees()

    run_virtually(story)


def test_a_close_that_the_stop_overtakes_ends_as_stopped() -> None:
    async def story() -> None:
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

    run_virtually(story)


def test_a_cancel_of_an_order_that_is_on_its_way_ends_it_as_soon_as_the_venue_has_it() -> None:
    async def story() -> None:
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

    run_virtually(story)


def test_a_cancel_that_is_only_taken_is_asked_about_until_it_is_confirmed() -> None:
    async def story() -> None:
        desk = Desk()
        desk.exchange.confirms_cancels = False
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.venue.is_mute = True
            progress = desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="user", now_ns=now_ns))
            assert progress.brackets[0].status is OrderStatus.CANCEL_PENDING
            await desk.becomes(OrderStatus.CANCELLED)
            assert desk.venue.calls.count("cancel") == 1

    run_virtually(story)


@pytest.mark.parametrize("exits", [Exits.ATTACHED, Exits.AFTER_FILL])
def test_a_thousand_refused_stops_leave_nothing_naked_after_five_seconds(exits: Exits) -> None:
    async def story() -> None:
        desk = Desk(exits=exits)
        desk.exchange.refuses_stops = True
        async with desk.life():
            for n in range(R10_TIMES):
                desk.place(f"a{n}", kind=EntryType.MARKET, units=Decimal(1))
            await desk.until(lambda: len(desk.exchange.held) == R10_TIMES)
            for held in list(desk.exchange.held.values()):
                desk.exchange.fill(held.client_id)
            await asyncio.sleep(5)
            assert not [held for held in desk.exchange.held.values() if held.open_units]
            await desk.until(lambda: all(bracket.status is OrderStatus.CLOSED for bracket in desk.store.all()))
            assert len(desk.told("protection_lost")) == R10_TIMES

    run_virtually(story)


def test_a_stop_that_somebody_takes_off_is_not_put_back_before_it_was_asked_for() -> None:
    """The protection watch rings and asks; the broker itself does not overrule a hand at the venue."""

    async def story() -> None:
        desk = Desk()
        async with desk.life() as service:
            order_id = await desk.opened()
            desk.exchange.remove_stop(desk.held().client_id)
            await desk.becomes(OrderStatus.OPEN, protection="none")
            await asyncio.sleep(60)
            assert "protect" not in desk.venue.calls
            service.ask(lambda broker, now_ns: broker.protect(order_id, now_ns=now_ns))
            await desk.becomes(OrderStatus.OPEN, protection="venue")
            desk.agrees()

    run_virtually(story)


def test_what_somebody_else_holds_without_a_stop_is_shown_and_not_touched() -> None:
    async def story() -> None:
        desk = Desk(exits=Exits.AFTER_FILL)
        async with desk.life() as service:
            desk.exchange.place_by_hand(order("hand"), filled=True)
            await desk.until(lambda: bool(desk.store.all()))
            (bracket,) = desk.store.all()
            assert (bracket.origin, bracket.status, bracket.protection) == (EXTERNAL, OrderStatus.OPEN, Protection.NONE)
            await asyncio.sleep(120)
            assert not {"protect", "close", "cancel", "amend"} & set(desk.venue.calls)
            assert service.broker.positions()[0].units == 100
            desk.ask(lambda broker, now_ns: broker.close_bracket(bracket.order_id, reason="MANUAL", now_ns=now_ns))
            assert (await desk.becomes(OrderStatus.CLOSED)).close_reason is CloseReason.MANUAL

    run_virtually(story)


def test_another_order_under_our_id_rings_and_stays_unknown() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():

            async def mismatch(_: object) -> None:
                raise VenueMismatch("it sells, and we bought")

            desk.venue.create = mismatch  # type: ignore[assignment, method-assign]  # the one answer the exchange never gives
            desk.venue.look_up = mismatch  # type: ignore[assignment, method-assign]  # and again when it is looked up
            desk.place()
            await desk.becomes(OrderStatus.UNKNOWN)
            await asyncio.sleep(5)
            assert desk.bracket().status is OrderStatus.UNKNOWN
            assert any("it sells" in text for payload in desk.told("reconciled") for text in payload["details"].get("differences", ()))

    run_virtually(story)


def test_an_order_in_doubt_counts_as_open_risk() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life() as service:
            desk.venue.next("create", Script.LOSE)
            desk.place()
            await desk.becomes(OrderStatus.UNKNOWN)
            assert service.broker.exposure("EUR_USD").instrument_units == 100
            await desk.becomes(OrderStatus.REJECTED)
            assert service.broker.exposure("EUR_USD").instrument_units == 0

    run_virtually(story)


def test_what_is_asked_while_the_venue_is_away_is_done_when_it_is_back() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
        async with desk.life(lambda desk: setattr(desk.venue, "is_down", True), reconciled=False) as service:
            assert not service.broker.is_reconciled
            desk.ask(lambda broker, now_ns: broker.cancel("live-oanda-1", reason="kill_switch", now_ns=now_ns))
            await asyncio.sleep(10)
            assert desk.bracket().status is OrderStatus.CANCEL_PENDING
            desk.venue.is_down = False
            await desk.becomes(OrderStatus.CANCELLED)
            assert not desk.exchange.only.remaining

    run_virtually(story)


def test_everything_unknown_is_definite_within_half_a_minute_of_the_venue_answering_again() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.venue.is_mute = True
            for n in range(20):
                desk.venue.next("create", Script.SWALLOW if n % 2 else Script.LOSE)
                desk.place(f"a{n}")
            await asyncio.sleep(0.5)
            desk.venue.is_down = True
            desk.exchange.wake()
            await asyncio.sleep(300)
            assert {bracket.status for bracket in desk.store.all()} == {OrderStatus.UNKNOWN}
            desk.venue.is_down = False
            await asyncio.sleep(30)
            statuses = [bracket.status for bracket in desk.store.all()]
            assert statuses.count(OrderStatus.PENDING) == statuses.count(OrderStatus.REJECTED) == 10

    run_virtually(story)


def test_an_entry_that_the_venue_forgot_ends_here_after_it_was_missed_twice() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.exchange.forget(desk.held().client_id)
            ended = await desk.becomes(OrderStatus.CANCELLED)
            assert ended.cancel_reason == CancelReason.VENUE
            assert any(payload["details"].get("differences") for payload in desk.told("reconciled"))

    run_virtually(story)


def test_a_change_while_another_is_out_is_refused_and_nothing_is_sent() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life() as service:
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.venue.next("amend", Script.HANG)
            desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
            await asyncio.sleep(0.1)
            with pytest.raises(StateConflict) as refusal:
                service.broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1610")}, now_ns=service.now_ns())
            assert refusal.value.code == "ORDER_BUSY"
            assert desk.bracket().order.stop_loss_price == Decimal("1.16"), "the book says what is in force, not what is asked for"
            desk.venue.release.set()
            await desk.until(lambda: desk.bracket().order.stop_loss_price == Decimal("1.1605"))

    run_virtually(story)


def test_a_refused_change_is_told_and_nothing_has_changed() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.venue.next("amend", Script.REFUSE)
            progress = desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
            await desk.until(lambda: progress.verdicts[0].settled)
            assert isinstance(progress.verdicts[0].refusal, OrderDenied)
            assert desk.bracket().stop_price == Decimal("1.16")
            assert not desk.told("order_modified")

    run_virtually(story)


def test_commands_whose_transaction_was_taken_back_are_asked_of_the_venue_once() -> None:
    async def story() -> None:
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

    run_virtually(story)


def test_a_store_that_is_read_anew_while_a_call_is_out_leaves_nothing_in_doubt() -> None:
    async def story() -> None:
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

    run_virtually(story)


def test_a_change_that_takes_the_stop_off_and_dies_leaves_nothing_naked_while_it_is_in_doubt() -> None:
    """Where a moved stop is a cancel and a new order: the first was done, the second is in doubt, and the position is guarded meanwhile."""

    async def story() -> None:
        desk = Desk(exits=Exits.AFTER_FILL)
        async with desk.life():
            await desk.opened()
            desk.venue.next("amend", Script.LOSE)
            desk.ask(lambda broker, now_ns: broker.modify("live-oanda-1", {"stop_loss_price": Decimal("1.1605")}, now_ns=now_ns))
            desk.exchange.release(desk.held().client_id)
            await desk.becomes(OrderStatus.UNKNOWN)
            await asyncio.sleep(1)
            assert desk.held().stop is not None
            assert desk.bracket().status is OrderStatus.UNKNOWN, "whether the change still comes is not known yet"
            known = await desk.becomes(OrderStatus.OPEN, protection="venue")
            assert known.stop_price == Decimal("1.16")
            desk.agrees()

    run_virtually(story)


def test_an_entry_that_the_venue_does_not_end_at_its_date_is_cancelled_from_here() -> None:
    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place(ttl_min=Decimal("0.5"))
            await desk.becomes(OrderStatus.PENDING)
            await desk.until(lambda: desk.bracket().status is not OrderStatus.PENDING, seconds=120)
            ended = await desk.becomes(OrderStatus.EXPIRED)
            assert ended.cancel_reason == "ttl_expired"
            assert not desk.held().remaining
            assert desk.venue.calls.count("look_up") < 5, "it was not hammered meanwhile"

    run_virtually(story)


def test_an_entry_that_ended_here_and_still_rests_there_is_ended_there() -> None:
    """A venue that loses sight of half an order for a while, and finds it again: it must not fill behind our back."""

    async def story() -> None:
        desk = Desk()
        async with desk.life():
            desk.place()
            await desk.becomes(OrderStatus.PENDING)
            desk.exchange.fill(desk.held().client_id, "40")
            await desk.becomes(OrderStatus.PARTIALLY_FILLED, protection="venue")
            held = desk.held()
            held.is_working = False
            await desk.until(lambda: not desk.bracket().remaining_units)
            held.is_working = True
            await desk.until(lambda: not held.remaining)
            await desk.until(lambda: not desk.bracket().remaining_units)
            assert (await desk.becomes(OrderStatus.OPEN, protection="venue")).position_units == 40
            assert desk.venue.calls.count("look_up") < 10
            desk.agrees()

    run_virtually(story)
