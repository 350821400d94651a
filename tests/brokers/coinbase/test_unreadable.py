"""An order that nobody can read: somebody else's hides nothing, one of ours leaves its bracket in doubt, and nothing else."""

import asyncio
from typing import Any

import pytest

from brokers.coinbase.answers import Malformed
from brokers.coinbase.unreadable import FOREIGN_NS, UnreadableThings
from brokers.live.venue import EntryFilled, Unplaced
from runtime.outbound import InDoubt
from runtime.settings import Settings
from tests.brokers.coinbase.conftest import Live
from tests.brokers.coinbase.kit import WAIT_S, Ear, Pair, bracket, limit
from tests.brokers.desk_kit import GRANTED, events_of
from tests.venues.coinbase import order_views
from tests.venues.coinbase.account import Account
from tests.venues.coinbase.exchange import read_request
from tests.venues.coinbase.orders import Fill, Order
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from trading.errors import Unavailable

HAND = {"product_id": "BTC-USD", "side": "BUY", "order_configuration": {"market_market_ioc": {"base_size": "0.0001"}}}
WAITS = {
    "instrument": "BTC-USD",
    "side": "BUY",
    "units": 0.01,
    "entry_type": "limit",
    "entry_price": 60000,
    "stop_loss_price": 58000,
    "take_profit_price": 65000,
    "client_order_id": "dark",
}
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


def _things(now_ns: list[int], *, are_executions: bool = False) -> UnreadableThings:
    return UnreadableThings(lambda: now_ns[0], are_executions=are_executions)


def test_what_cannot_even_be_named_and_too_many_at_a_time_make_the_whole_answer_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.unreadable.KEPT_MAX", 20)
    orders, trouble = _things([0]), Malformed("status is missing")
    with pytest.raises(Malformed):
        orders.note({"order_id": 7}, trouble)
    for number in range(20):
        orders.note({"order_id": f"o{number}"}, trouble)
    orders.note({"order_id": "o1"}, trouble)
    with pytest.raises(Malformed):
        orders.note({"order_id": "one more"}, trouble)


def test_somebody_elses_is_forgotten_when_it_has_not_been_seen_for_long_and_one_of_ours_never() -> None:
    now_ns = [0]
    orders, trouble = _things(now_ns), Malformed("status is missing")
    for name in ("gone", "seen again", "ours"):
        orders.note({"order_id": name}, trouble)
    now_ns[0] = FOREIGN_NS
    orders.note({"order_id": "seen again"}, trouble)
    now_ns[0] += 1
    orders.forget_foreign([one for one in orders if one.order_id != "ours"])
    assert [one.order_id for one in orders] == ["seen again", "ours"]


async def test_hundreds_of_somebody_elses_in_one_life_stop_no_comparison(at: Pair, garble: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the same owner that trades in an order of the future, day after day."""
    monkeypatch.setattr("brokers.coinbase.unreadable.FOREIGN_NS", 0)
    monkeypatch.setattr("brokers.coinbase.unreadable.KEPT_MAX", 10)
    mine = await at.place(bracket())
    for _ in range(4):
        hands = [await at.place(limit("58500", units="0.0001")) for _ in range(8)]
        garble |= {hand.refs.order_refs[0] for hand in hands}
        assert mine.intent.client_id in (await at.venue.snapshot([mine.target()])).sightings
        for hand in hands:
            at.sim.exchange.cancel(hand.refs.order_refs[0])
        await at.venue.snapshot([mine.target()])


async def test_who_asks_for_one_that_cannot_be_read_hears_that_and_not_that_the_venue_is_away(
    live: Live, sim: SimulatedVenue, garble: set[str]
) -> None:
    async with live() as (_, ask):
        placed = await ask("order.place", WAITS, GRANTED, ttl_ms=10_000)
        (there,) = (order for order in sim.account.live.values() if order.side == "BUY")
        garble.add(there.order_id)
        with pytest.raises(Unavailable, match=r"nothing was sent: .* cannot be read") as refusal:
            await ask("order.cancel", {"order_id": placed["order_id"]}, GRANTED, ttl_ms=10_000)
        assert refusal.value.code == "VENUE_UNREACHABLE"


# ── executions ──


@pytest.fixture
def blot(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """What executions of these orders say otherwise, by order id."""
    blots: dict[str, dict[str, Any]] = {}
    real = order_views.rest_fill

    def shown(fill: Fill, account: Account) -> dict[str, Any]:
        return {**real(fill, account), **blots.get(fill.order_id, {})}

    monkeypatch.setattr("tests.venues.coinbase.rest_orders.rest_fill", shown)
    return blots


FEE_OF_THE_FUTURE = {"commission": {"maker": "1"}}


@pytest.mark.parametrize("garbled", [FEE_OF_THE_FUTURE, {"entry_id": None}, {"entry_id": 7, "order_id": 8}], ids=["a field", "no number", "no name"])
async def test_an_execution_of_somebody_elses_hides_no_other(at: Pair, blot: dict[str, dict[str, Any]], garbled: dict[str, Any]) -> None:
    waits = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        hand = read_request({**HAND, "client_order_id": "by hand"}, with_client_id=True)
        blot[at.sim.exchange.create(hand).order_id] = garbled
        at.strike("stream_mute", path="user")
        at.quote("58990", "59000")
        await ear.until(lambda: [fact for fact in ear.of(EntryFilled) if fact.client_id == waits.intent.client_id])
        assert ear.trouble is None
    waits.take(ear.facts)
    snapshot = await at.venue.snapshot([waits.target()])
    assert waits.intent.client_id in snapshot.sightings
    assert not snapshot.unclear
    (said,) = snapshot.unreadable
    assert "execution" in said


def _polls(at: Pair) -> int:
    return sum(times for asked, times in at.sim.hits.counts.items() if asked.endswith("/historical/fills"))


async def test_an_execution_of_ours_that_cannot_be_read_leaves_its_bracket_in_doubt_and_the_stream_goes_on(
    at: Pair, blot: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brokers.coinbase.stream.UNTOLD_S_MAX", 0.2)
    monkeypatch.setattr("brokers.coinbase.stream.POLL_S", 0.1)
    clear, dark = await at.place(limit("59000")), await at.place(limit("59000"))
    blot[dark.refs.order_refs[0]] = FEE_OF_THE_FUTURE
    async with Ear(at.venue) as ear:
        at.quote("58990", "59000")
        await ear.until(lambda: [fact for fact in ear.of(EntryFilled) if fact.client_id == clear.intent.client_id])
        await ear.until(lambda: [fact for fact in ear.of(Unplaced) if "cannot be read" in fact.text and fact.client_id == dark.intent.client_id])
        told, polled = len(ear.of(Unplaced)), _polls(at)
        async with asyncio.timeout(WAIT_S):
            while _polls(at) < polled + 5:  # longer than what cannot be read may keep a stream
                await asyncio.sleep(0.01)
        assert ear.trouble is None
        assert len(ear.of(Unplaced)) == told
    snapshot = await at.venue.snapshot([clear.target(), dark.target()])
    assert set(snapshot.sightings) == {clear.intent.client_id}
    assert "cannot be read" in snapshot.unclear[dark.intent.client_id]
    assert not snapshot.unreadable
    with pytest.raises(InDoubt, match="cannot be read"):
        await at.venue.look_up(dark.target())
    blot.clear()
    assert set((await at.venue.snapshot([clear.target(), dark.target()])).sightings) == {clear.intent.client_id, dark.intent.client_id}


async def test_people_are_told_once_which_order_is_not_compared(
    live: Live, sim: SimulatedVenue, settings: Settings, blot: dict[str, dict[str, Any]]
) -> None:
    async with live() as (_, ask):
        await ask("order.place", WAITS, GRANTED, ttl_ms=10_000)
        (there,) = (order for order in sim.account.live.values() if order.side == "BUY")
        blot[there.order_id] = FEE_OF_THE_FUTURE
        sim.quote("BTC-USD", "59990", "60000")

        async def told() -> list[str]:
            found = [event.payload for event in await events_of(settings, "coinbase") if event.type == "reconciled"]
            return [text for each in found for text in each["details"].get("differences", ()) if "cannot be read" in text]

        async with asyncio.timeout(WAIT_S):
            while not await told():
                await asyncio.sleep(0.05)
            compared = sim.hits.counts["GET /api/v3/brokerage/accounts"]
            while sim.hits.counts["GET /api/v3/brokerage/accounts"] < compared + 3:
                await asyncio.sleep(0.05)
        (said,) = await told()
        (order,) = (await ask("order.list", {}, GRANTED))["orders"]
        assert said.startswith(f"{order['order_id']}: execution ")
