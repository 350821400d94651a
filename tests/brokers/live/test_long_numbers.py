"""Numbers of more digits than travel: what a hand at the venue made of them is told and left alone, and no event of them ends the process."""

from decimal import Decimal

import pytest

from brokers.live.account import journalled
from bus.codec import encode_payload
from tests.brokers.live.stories import Desk, order, virtually
from trading.events import EventDraft, EventType
from trading.orders import OrderStatus

LONG = Decimal("123456789.12345678")


@pytest.mark.parametrize("filled", [True, False])
@virtually
async def test_a_size_of_seventeen_digits_at_the_venue_is_told_once_and_left_alone(filled: bool) -> None:
    """The journal took no event of it: the process ended, and the next one, over the same position, while ours stood without anybody."""
    desk = Desk()
    async with desk.life():
        client_id = desk.exchange.place_by_hand(order("hand", units=LONG), filled=filled)
        await desk.until(lambda: len(desk.told("reconciled")) > 1)
        await desk.opened()
        looks = desk.venue.calls.count("snapshot")
        await desk.until(lambda: desk.venue.calls.count("snapshot") > looks + 3, 200)
        assert [bracket.status for bracket in desk.store.all()] == [OrderStatus.OPEN], "ours goes on, and the other has no figures here"
        told = [text for payload in desk.told("reconciled") for text in payload["details"].get("differences", [])]
        assert len(told) == 1
        assert str(LONG) in told[0]
        assert "more digits" in told[0]
        assert desk.exchange.held[client_id].open_units == (LONG if filled else 0)
        desk.agrees()


@virtually
async def test_an_average_of_many_digits_is_taken_up_as_near_as_travels() -> None:
    desk = Desk()
    async with desk.life():
        client_id = desk.exchange.place_by_hand(order("hand", units=Decimal(3)))
        desk.exchange.fill(client_id, "1", price="1.1655")
        desk.exchange.fill(client_id, "2", price="1.1656")
        await desk.until(lambda: bool(desk.store.all()))
        bracket = await desk.becomes(OrderStatus.OPEN)
        assert str(bracket.venue.made_up[0].price) == "1.16556666666667"


def test_whatever_a_live_account_tells_its_journal_takes() -> None:
    payload = {"units": LONG, "details": {"settled": [LONG / 7, Decimal("1.1655"), "text", None]}, "n": 3}
    draft = journalled(EventDraft(EventType.RECONCILED, payload, 0))
    encode_payload(draft.payload)
    assert draft.payload["units"] == Decimal("123456789.123457")
    plain = EventDraft(EventType.RECONCILED, {"units": Decimal(100), "details": {"found": 1}}, 0)
    assert journalled(plain) is plain
