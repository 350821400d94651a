"""What a hand at the venue does to the account is seen, told in words, and left as it is."""

from dataclasses import replace
from decimal import Decimal

from tests.brokers.live.scripted_venue import Script
from tests.brokers.live.stories import POLICY, Desk, order, virtually
from trading.orders import OrderStatus


def differences(desk: Desk) -> list[str]:
    return [text for payload in desk.told("reconciled") for text in payload["details"].get("differences", ())]


@virtually
async def test_units_of_a_resting_entry_that_were_changed_there_are_the_units_here() -> None:
    desk = Desk()
    async with desk.life():
        order_id = await desk.resting()
        desk.held().order = replace(desk.held().order, units=Decimal(60))
        await desk.until(lambda: desk.bracket().order.units == 60)
        assert desk.told("order_modified")[-1]["changes"] == {"units": {"from": Decimal(100), "to": Decimal(60)}}
        assert differences(desk) == [f"{order_id}: its entry rests at the venue with units 60, not 100"]
        desk.exchange.fill(desk.held().client_id)
        assert (await desk.becomes(OrderStatus.OPEN, protection="venue")).position_units == 60
        desk.agrees()


@virtually
async def test_units_of_a_partly_filled_entry_that_were_changed_there_count_what_has_filled() -> None:
    desk = Desk()
    async with desk.life():
        await desk.resting()
        desk.exchange.fill(desk.held().client_id, "40")
        await desk.becomes(OrderStatus.PARTIALLY_FILLED)
        desk.held().order = replace(desk.held().order, units=Decimal(150))
        await desk.until(lambda: desk.bracket().remaining_units == 110)
        assert desk.bracket().order.units == 150
        desk.agrees()


@virtually
async def test_prices_of_a_waiting_entry_that_were_changed_there_are_the_prices_here() -> None:
    """Its exits too, before they stand: what a person reads as their stop is what the venue will place."""
    desk = Desk()
    async with desk.life():
        await desk.resting()
        held = desk.held()
        held.order, held.stop_price = replace(held.order, entry_price=Decimal("1.1650")), Decimal("1.1590")
        await desk.until(lambda: desk.bracket().stop_price == Decimal("1.159"))
        assert desk.bracket().order.stop_loss_price == Decimal("1.159")
        assert desk.bracket().order.entry_price == Decimal("1.165")
        assert set(desk.told("order_modified")[-1]["changes"]) == {"entry_price", "stop_loss_price"}
        assert differences(desk) == [
            "live-oanda-1: its entry rests at the venue with entry_price 1.1650, not 1.1655; stop_loss_price 1.1590, not 1.16"
        ]


@virtually
async def test_what_stands_in_an_instrument_that_is_not_configured_is_told_once_for_each_change_and_not_touched() -> None:
    desk = Desk()
    async with desk.life():
        client_id = desk.exchange.place_by_hand(order("hand", instrument="XAU_USD"))
        await desk.until(lambda: len(differences(desk)) == 1)
        assert "XAU_USD is not configured here: BUY, 0 held, 100 resting" in differences(desk)[0]
        desk.exchange.fill(client_id)
        await desk.until(lambda: len(differences(desk)) == 2)
        assert "BUY, 100 held, 0 resting" in differences(desk)[1]
        desk.exchange.forget(client_id)
        await desk.until(lambda: len(differences(desk)) == 3)
        assert "nothing of it stands any more" in differences(desk)[2]
        assert not desk.store.all()
        assert not {"protect", "close", "cancel", "amend"} & set(desk.venue.calls)


@virtually
async def test_a_change_of_ours_that_is_in_doubt_is_nobody_elses() -> None:
    """It was made and its answer was lost: told once, as the change that was asked for, and as no difference."""
    desk = Desk(policy=replace(POLICY, reconcile_s=1.0, call_s_max=6.0))
    async with desk.life():
        order_id = await desk.resting()
        desk.venue.is_mute = True
        desk.venue.next("amend", Script.SWALLOW)
        desk.ask(lambda broker, now_ns: broker.modify(order_id, {"entry_price": Decimal("1.1650")}, now_ns=now_ns))
        await desk.becomes(OrderStatus.UNKNOWN)
        await desk.becomes(OrderStatus.PENDING)
        assert desk.bracket().order.entry_price == Decimal("1.165")
        assert len(desk.told("order_modified")) == 1
        assert not differences(desk)
