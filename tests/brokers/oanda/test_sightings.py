"""How a bracket stands, from what the venue shows: recognised by its names and numbers, and what is nobody's is a stranger's."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from brokers.live.venue import EntryAccepted, LegStands, VenueRefused
from brokers.oanda.objects import read_order, read_state, read_trade
from brokers.oanda.wire import Malformed
from tests.brokers.oanda.kit import Pair, bracket, limit, pair
from tests.venues.common.faults import Kind
from tests.venues.oanda import closing, exits, placing
from trading.instruments import Side
from trading.orders import EntryType, Leg
from trading.venue_refs import StandingLeg

TRADE = {"id": "31", "instrument": "EUR_USD", "price": "1.1", "initialUnits": "5", "currentUnits": "5", "state": "OPEN"}
ORDER = {"id": "30", "type": "LIMIT", "instrument": "EUR_USD", "units": "5", "price": "1.1", "state": "PENDING"}


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair(hedging=True) as made:
        yield made


async def test_a_snapshot_shows_everything_at_once_and_asks_no_more_than_it_must(at: Pair) -> None:
    waiting, held = await at.place(limit()), await at.place(bracket())
    at.sim.hits.counts.clear()
    snapshot = await at.venue.snapshot([waiting.target(), held.target()])
    assert sum(at.sim.hits.counts.values()) == 1
    rests = snapshot.sightings[waiting.refs.client_id].standing
    assert rests is not None
    assert (rests.remaining_units, rests.position_units, rests.entry_price) == (1000, 0, Decimal("1.095"))
    assert (rests.stop, rests.target) == (StandingLeg(ref="", price=Decimal("1.09")), StandingLeg(ref="", price=Decimal("1.11")))
    stands = snapshot.sightings[held.refs.client_id].standing
    assert stands is not None
    assert (stands.remaining_units, stands.position_units, stands.average_price) == (0, 1000, Decimal("1.1001"))
    assert stands.stop == StandingLeg(ref="8", units=Decimal(1000), price=Decimal("1.09"))
    assert stands.target == StandingLeg(ref="7", units=Decimal(1000), price=Decimal("1.11"))
    assert [type(fact) for fact in snapshot.sightings[held.refs.client_id].facts] == [LegStands, LegStands]
    assert snapshot.strangers == []
    assert snapshot.account.currency == "USD"
    assert snapshot.cursor == str(at.sim.account.log.last_id)


async def test_what_the_book_does_not_have_yet_is_looked_up_in_the_same_breath(at: Pair) -> None:
    known = at.known(at.intent(bracket()))
    await at.venue.create(known.intent)
    sighting = (await at.venue.snapshot([known.target()])).sightings[known.refs.client_id]
    known.take(sighting.facts)
    assert known.filled == 1000
    assert known.refs.trade_refs == ("5",)


async def test_a_bracket_whose_position_is_known_costs_one_look(at: Pair) -> None:
    known = await at.place(bracket())
    refs = known.refs.__class__(client_id=known.refs.client_id, order_refs=("4",), trade_refs=("5",), fill_ids=("5",))
    at.sim.hits.counts.clear()
    await at.venue.look_up(known.target(refs=refs))
    assert list(at.sim.hits.counts) == ["GET /v3/accounts/{account}/trades/{spec}"]


async def test_what_others_placed_is_a_stranger_with_the_same_name_at_every_look(at: Pair) -> None:
    account = at.sim.account
    on_fill: dict[str, Any] = {"takeProfitOnFill": {"price": "1.20000"}}
    placing.place(account, {"order": {"type": "STOP", "instrument": "EUR_USD", "units": "-7", "price": "1.05000", **on_fill}})
    placing.place(account, {"order": {"type": "MARKET", "instrument": "EUR_USD", "units": "9", "clientExtensions": {"id": "mine"}}})
    first, again = (await at.venue.snapshot([])).strangers, (await at.venue.snapshot([])).strangers
    assert [each.refs.client_id for each in first] == [each.refs.client_id for each in again]
    waiting, held = first
    assert (waiting.side, waiting.units, waiting.entry_type, waiting.entry_price) == (Side.SELL, 7, EntryType.STOP, Decimal("1.05"))
    assert waiting.standing.target == StandingLeg(ref="", price=Decimal("1.2"))
    assert (held.side, held.units, held.standing.stop, held.refs.trade_refs) == (Side.BUY, 9, None, ("6",))


async def test_a_stranger_may_have_any_name(at: Pair) -> None:
    name = "a/../b?c=%20#d"
    order = {"type": "LIMIT", "instrument": "EUR_USD", "units": "9", "price": "1.09000", "clientExtensions": {"id": name}}
    placing.place(at.sim.account, {"order": order})
    known = at.known(at.intent(limit(units="9")))
    facts = await at.venue.cancel(known.target(refs=known.refs.__class__(client_id=name)))
    assert [type(fact).__name__ for fact in facts] == ["EntryEnded"]


async def test_a_bracket_that_is_not_in_the_book_is_a_stranger_under_its_own_name(at: Pair) -> None:
    known = await at.place(bracket())
    (stranger,) = (await at.venue.snapshot([])).strangers
    assert stranger.refs.client_id == known.refs.client_id


# ── protecting ──


async def test_protecting_what_is_guarded_sends_nothing_and_tells_what_stands(at: Pair) -> None:
    known = await at.place(bracket(trailing_stop_distance="0.005"))
    at.sim.hits.counts.clear()
    facts = await at.venue.protect(known.target())
    assert {fact.leg for fact in facts if isinstance(fact, LegStands)} == {Leg.STOP_LOSS, Leg.TAKE_PROFIT}
    assert at.sim.hits.orders() == 0


@pytest.mark.parametrize("taken_off", [{"stopLoss": None}, {"takeProfit": None}, {"stopLoss": None, "takeProfit": None}])
async def test_protecting_puts_back_what_is_missing_the_stop_first(at: Pair, taken_off: dict[str, None]) -> None:
    known = await at.place(bracket())
    exits.set_exits(at.sim.account, "5", taken_off)
    at.sim.hits.counts.clear()
    facts = await at.venue.protect(known.target())
    assert {(fact.leg, fact.price, fact.units) for fact in facts if isinstance(fact, LegStands)} == {
        (Leg.STOP_LOSS, Decimal("1.09"), Decimal(1000)),
        (Leg.TAKE_PROFIT, Decimal("1.11"), Decimal(1000)),
    }
    assert at.sim.hits.orders() == len(taken_off)
    assert {order.type for order in at.sim.account.pending.values()} == {"STOP_LOSS", "TAKE_PROFIT"}


async def test_protecting_without_numbers_finds_the_trade_by_its_name(at: Pair) -> None:
    known = at.known(at.intent(bracket()))
    await at.venue.create(known.intent)
    facts = await at.venue.protect(known.target(position_units=Decimal(1000), remaining_units=Decimal(0)))
    assert len([fact for fact in facts if isinstance(fact, LegStands)]) == 2


async def test_a_trailing_stop_that_is_gone_comes_back_beside_the_fixed_one(at: Pair) -> None:
    known = await at.place(bracket(trailing_stop_distance="0.005"))
    exits.set_exits(at.sim.account, "5", {"trailingStopLoss": None})
    await at.venue.protect(known.target())
    assert {order.type for order in at.sim.account.pending.values()} == {"STOP_LOSS", "TAKE_PROFIT", "TRAILING_STOP_LOSS"}


async def test_protecting_what_is_closed_tells_how_it_ended(at: Pair) -> None:
    known = await at.place(bracket())
    closing.close_trade(at.sim.account, "5", {})
    known.take(await at.venue.protect(known.target()))
    assert known.closed == 1000
    assert at.sim.hits.orders() == 1


async def test_a_stop_that_the_venue_will_not_have_is_refused(at: Pair) -> None:
    known = await at.place(bracket(trailing_stop_distance="0.005"))
    exits.set_exits(at.sim.account, "5", {"stopLoss": None})
    at.sim.set_state({"stops_exclude_each_other": True})
    with pytest.raises(VenueRefused, match="MUTUALLY_EXCLUSIVE"):
        await at.venue.protect(known.target())


async def test_a_target_that_the_venue_will_not_have_keeps_no_stop_from_standing(at: Pair) -> None:
    known = await at.place(bracket())
    at.quote("1.09500", "1.09510")
    exits.set_exits(at.sim.account, "5", {"stopLoss": None, "takeProfit": None})
    losing = bracket(stop_loss_price="1.09", take_profit_price="1.0945")
    await at.venue.protect(known.target(order=losing))
    assert {order.type for order in at.sim.account.pending.values()} == {"STOP_LOSS"}


async def test_a_trailing_stop_that_the_venue_will_not_have_keeps_no_fixed_one_from_standing(at: Pair) -> None:
    known = await at.place(bracket(trailing_stop_distance="0.01"))
    exits.set_exits(at.sim.account, "5", {"stopLoss": None, "trailingStopLoss": None})
    at.sim.set_state({"stops_exclude_each_other": True})
    facts = await at.venue.protect(known.target())
    assert [fact.price for fact in facts if isinstance(fact, LegStands) and fact.leg is Leg.STOP_LOSS] == [Decimal("1.09")]
    assert set(at.sim.account.trades[5].exits) == {"STOP_LOSS", "TAKE_PROFIT"}


async def test_a_stop_behind_the_market_closes_at_once_and_says_so(at: Pair) -> None:
    known = await at.place(bracket())
    known.take(await at.venue.protect(known.target(stop_price=Decimal("1.105"))))
    assert known.closed == 1000


async def test_a_protection_in_doubt_is_no_refusal(at: Pair) -> None:
    known = await at.place(bracket())
    exits.set_exits(at.sim.account, "5", {"stopLoss": None})
    at.strike(kind=Kind.DROP_AFTER, method="PUT")
    with pytest.raises(Exception) as raised:
        await at.venue.protect(known.target())
    assert not isinstance(raised.value, VenueRefused)
    facts = await at.venue.protect(known.target())
    assert len([order for order in at.sim.account.pending.values() if order.type == "STOP_LOSS"]) == 1
    assert any(isinstance(fact, LegStands) and fact.leg is Leg.STOP_LOSS for fact in facts)


# ── objects that are broken or new ──


def test_a_state_of_tomorrow_still_works() -> None:
    assert read_order({**ORDER, "state": "SLEEPING"}).is_working
    assert read_trade({**TRADE, "state": "CLOSE_WHEN_TRADEABLE"}).is_open
    assert not read_trade({**TRADE, "state": "CLOSED"}).is_open


def test_exits_that_do_not_work_any_more_are_none() -> None:
    stop = {"id": "33", "type": "STOP_LOSS", "tradeID": "31", "price": "1.0", "state": "CANCELLED"}
    assert read_trade({**TRADE, "stopLossOrder": stop}).stop is None
    assert read_trade({**TRADE, "stopLossOrder": {**stop, "state": "PENDING"}}).stop is not None


@pytest.mark.parametrize("key", list(ORDER))
def test_an_order_without_a_field_it_must_have_is_malformed_or_has_no_price(key: str) -> None:
    broken = {name: value for name, value in ORDER.items() if name != key}
    if key == "price":
        assert read_order(broken).price == 0
    else:
        with pytest.raises(Malformed):
            read_order(broken)


@pytest.mark.parametrize("key", list(TRADE))
def test_a_trade_without_a_field_it_must_have_is_malformed(key: str) -> None:
    with pytest.raises(Malformed):
        read_trade({name: value for name, value in TRADE.items() if name != key})


@pytest.mark.parametrize("missing", ["orders", "trades", "lastTransactionID", "balance"])
def test_an_account_that_lacks_a_list_does_not_pass_for_an_empty_one(missing: str) -> None:
    money = dict.fromkeys(("balance", "NAV", "unrealizedPL", "marginUsed", "marginAvailable"), "1")
    account: dict[str, Any] = {"currency": "USD", "orders": [], "trades": [], **money}
    answer = {"account": {key: value for key, value in account.items() if key != missing}, "lastTransactionID": "9"}
    if missing == "lastTransactionID":
        del answer["lastTransactionID"]
    with pytest.raises(Malformed):
        read_state(answer)


async def test_an_accepted_entry_is_told_again_by_every_look(at: Pair) -> None:
    known = await at.place(limit())
    facts = (await at.venue.look_up(known.target())).facts
    assert [fact.order_ref for fact in facts if isinstance(fact, EntryAccepted)] == ["4"]
