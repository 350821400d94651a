"""An order that nobody can read: somebody else's hides nothing, one of ours leaves its bracket in doubt, and nothing else."""

from typing import Any

import pytest

from brokers.coinbase.answers import Malformed
from brokers.coinbase.unreadable import KEPT_MAX, UnreadableOrders
from brokers.live.venue import EntryFilled, Unplaced
from runtime.outbound import InDoubt
from tests.brokers.coinbase.kit import Ear, Pair, bracket, limit
from tests.venues.coinbase import order_views
from tests.venues.coinbase.account import Account
from tests.venues.coinbase.orders import Order

FUTURE: dict[str, Any] = {}  # a configuration without a kind that we know of


@pytest.fixture
def garble(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ids of orders that the venue shows in a form of the future."""
    garbled: set[str] = set()
    real = order_views.rest_order

    def shown(order: Order, account: Account) -> dict[str, Any]:
        return {**real(order, account), "order_configuration": FUTURE} if order.order_id in garbled else real(order, account)

    monkeypatch.setattr("tests.venues.coinbase.rest_orders.rest_order", shown)
    return garbled


async def test_one_of_somebody_elses_is_told_of_and_the_account_is_compared(at: Pair, garble: set[str]) -> None:
    mine, hand = await at.place(bracket()), await at.place(limit("58500"))  # the second is nobody's that is asked about
    garble.add(hand.refs.order_refs[0])
    snapshot = await at.venue.snapshot([mine.target()])
    assert mine.intent.client_id in snapshot.sightings
    (said,) = snapshot.unreadable
    assert hand.refs.order_refs[0] in said
    assert not [one for one in snapshot.strangers if hand.refs.order_refs[0] in one.refs.order_refs]
    garble.clear()
    assert not (await at.venue.snapshot([mine.target()])).unreadable


async def test_one_of_ours_leaves_its_bracket_in_doubt_and_no_other(at: Pair, garble: set[str]) -> None:
    clear, dark = await at.place(bracket()), await at.place(bracket())
    assert dark.stop is not None
    garble.add(dark.stop.ref)
    snapshot = await at.venue.snapshot([clear.target(), dark.target()])
    assert set(snapshot.sightings) == {clear.intent.client_id}
    assert not snapshot.unreadable
    with pytest.raises(InDoubt, match="cannot be read"):
        await at.venue.look_up(dark.target())
    with pytest.raises(InDoubt, match="cannot be read"):
        await at.venue.protect(dark.target())
    assert len([one for one in at.orders(side="SELL", working=True) if one["order_id"] == dark.stop.ref]) == 1, "no second exit was placed beside it"


async def test_the_stream_goes_on_beside_it(at: Pair, garble: set[str]) -> None:
    waits, dark = await at.place(limit("59000")), await at.place(limit("58500"))
    garble.add(dark.refs.order_refs[0])
    async with Ear(at.venue) as ear:
        at.sim.exchange.cancel(dark.refs.order_refs[0])
        await ear.until(lambda: [fact for fact in ear.of(Unplaced) if "cannot be read" in fact.text])
        at.quote("58990", "59000")
        await ear.until(lambda: [fact for fact in ear.of(EntryFilled) if fact.client_id == waits.intent.client_id])
        assert ear.trouble is None


def test_what_cannot_even_be_named_and_too_many_make_the_whole_answer_unreadable() -> None:
    orders, trouble = UnreadableOrders(), Malformed("status is missing")
    with pytest.raises(Malformed):
        orders.note({"order_id": 7}, trouble)
    for number in range(KEPT_MAX):
        orders.note({"order_id": f"o{number}"}, trouble)
    orders.note({"order_id": "o1"}, trouble)
    with pytest.raises(Malformed):
        orders.note({"order_id": "one more"}, trouble)
