"""The life of a bracket at the simulated venue, with exits attached, placed after the fill, and as a stop alone."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokers.live.venue import Amendment, Exits, VenueRefused
from tests.brokers.coinbase.kit import Ear, Known, Pair, adapter, bracket, limit, pair, short, stop
from tests.venues.coinbase.exchange import Request, read_request
from trading.events import CancelReason
from trading.instruments import Side
from trading.orders import BracketOrder, EntryType, Leg

D = Decimal


@pytest.fixture
async def after() -> AsyncIterator[Pair]:
    """A venue that takes brackets and attaches none: exits are placed after the fill."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        yield made


@pytest.fixture
async def only_stops() -> AsyncIterator[Pair]:
    """A venue that takes no brackets at all."""
    async with pair(brackets_supported=False, attached_supported=False) as made:
        yield made


async def test_what_can_be_done_is_asked_and_never_assumed(at: Pair, after: Pair, only_stops: Pair) -> None:
    for made, exits in ((at, Exits.ATTACHED), (after, Exits.AFTER_FILL), (only_stops, Exits.STOP_ONLY)):
        info = await made.venue.open()
        capability = info.capabilities["BTC-USD"]
        assert capability.exits is exits
        assert not capability.trails
        assert capability.stop_may_rest


async def test_without_coins_a_bracket_is_not_proven_and_a_stop_is_promised() -> None:
    """The preview of a sell fails for want of coins: that is no yes."""
    async with pair(attached_supported=False) as made:
        assert (await made.venue.open()).capabilities["BTC-USD"].exits is Exits.STOP_ONLY


async def test_an_attached_bracket_from_entry_to_target(at: Pair) -> None:
    known = await at.place(limit("59000"))
    assert known.stop is None
    at.quote("58990", "59000")
    standing = await at.look(known)
    assert (standing.position_units, standing.remaining_units) == (D("0.01"), 0)
    assert (standing.stop.units, standing.stop.price, standing.target.price) == (D("0.01"), 58000, 65000)
    assert at.naked == 0
    at.quote("65000", "65010")
    standing = await at.look(known)
    assert standing.position_units == 0
    assert known.exits() == [(Leg.TAKE_PROFIT, D("0.01"), D(65000))]


async def test_an_attached_bracket_to_its_stop(at: Pair) -> None:
    known = await at.place(bracket())
    assert known.stop is not None
    at.quote("57990", "57995")
    await at.look(known)
    assert known.exits() == [(Leg.STOP_LOSS, D("0.01"), D(57990))]


async def test_exits_of_an_unfilled_entry_wait_and_cover_nothing(at: Pair) -> None:
    known = await at.place(limit())
    standing = await at.look(known)
    assert (standing.stop.units, standing.stop.price, standing.target.price) == (0, 58000, 65000)
    assert standing.remaining_units == D("0.01")


@pytest.mark.parametrize("order", [limit("59000"), stop("61000")], ids=["limit", "stop"])
async def test_an_entry_that_is_cancelled_is_over_and_leaves_nothing(at: Pair, order: BracketOrder) -> None:
    known = await at.place(order)
    known.take(await at.venue.cancel(known.target()))
    assert known.end is not None
    assert known.end.reason is CancelReason.USER
    assert at.orders(working=True) == []
    with pytest.raises(VenueRefused, match="NOTHING_TO_CANCEL"):
        await at.venue.cancel(known.target())


async def test_a_cancel_that_a_fill_overtakes_tells_the_fill(at: Pair) -> None:
    at.options(cancel_delay_s=0.3)
    known = await at.place(limit("59000"))
    async with Ear(at.venue) as ear:
        at.strike("slow_after", method="POST", path="batch_cancel$", seconds=0.05)
        at.quote("59995", "60005")
        cancelling = at.venue.cancel(known.target())
        at.sim._later(0.1, lambda: at.quote("58990", "59000"))
        known.take(await cancelling)
        assert known.filled == D("0.01")
        assert known.end is None
        assert known.stop is not None
        assert ear.trouble is None


async def test_an_entry_ends_at_its_time_by_itself(at: Pair) -> None:
    known = await at.place(limit(), ttl_s=0.2)
    async with Ear(at.venue) as ear:
        await ear.until(lambda: any(type(fact).__name__ == "EntryEnded" for fact in ear.facts))
        known.take(ear.facts)
    assert known.end is not None
    assert known.end.reason is CancelReason.TTL_EXPIRED


async def test_a_partial_fill_is_covered_and_followed(at: Pair) -> None:
    known = await at.place(limit("59000", units="0.03"))
    for step in ("0.01", "0.02", "0.03"):
        at.quote("58990", "59000", size="0.01")
        standing = await at.look(known)
        assert standing.position_units == D(step)
        assert standing.stop.units == D(step)
        assert at.naked == 0


async def test_exits_after_the_fill(after: Pair) -> None:
    known = await after.place(bracket())
    assert known.stop is None
    known.take(await after.venue.protect(known.target()))
    assert known.stop is not None
    assert (known.stop.units, known.stop.price) == (D("0.01"), 58000)
    before = after.orders()
    known.take(await after.venue.protect(known.target()))
    assert after.orders() == before, "what stands already is left"


async def test_exits_follow_each_partial_fill(after: Pair) -> None:
    known = await after.place(limit("59000", units="0.03"))
    for step in ("0.01", "0.02", "0.03"):
        after.quote("58990", "59000", size="0.01")
        await after.look(known)
        known.take(await after.venue.protect(known.target()))
        assert known.stop is not None
        assert known.stop.units == D(step)
        assert [one["order_configuration"]["trigger_bracket_gtc"]["base_size"] for one in after.orders(side="SELL", working=True)] == [step]


async def test_a_stop_alone_where_the_venue_takes_nothing_else(only_stops: Pair) -> None:
    known = await only_stops.place(bracket())
    known.take(await only_stops.venue.protect(known.target()))
    assert known.stop is not None
    assert known.refs.target is None
    working = only_stops.orders(side="SELL", working=True)
    assert [list(one["order_configuration"]) for one in working] == [["stop_limit_stop_limit_gtc"]]
    known.take(await only_stops.venue.close(known.target(), D("0.01")))
    assert known.position == 0
    assert only_stops.orders(working=True) == []


async def test_a_promise_that_the_venue_takes_back_is_told_by_a_stream_that_ends(after: Pair) -> None:
    known = await after.place(bracket())
    async with Ear(after.venue) as ear:
        after.options(brackets_supported=False)
        known.take(await after.venue.protect(known.target()))
        assert known.stop is not None
        assert "promised" in str(await ear.ended())
    assert (await after.venue.open()).capabilities["BTC-USD"].exits is Exits.STOP_ONLY


async def test_a_sale_is_bought_back(after: Pair) -> None:
    known = await after.place(short())
    known.take(await after.venue.protect(known.target()))
    assert known.stop is not None
    assert known.stop.price == 65000
    after.quote("57990", "58000")
    await after.look(known)
    assert known.exits() == [(Leg.TAKE_PROFIT, D("0.01"), D(58000))]


async def test_a_sale_of_what_is_not_there_is_refused(at: Pair) -> None:
    with pytest.raises(VenueRefused, match="INSUFFICIENT_FUNDS"):
        await at.place(short())


async def test_part_of_a_position_is_closed_and_the_rest_stays_covered(at: Pair) -> None:
    known = await at.place(bracket(units="0.03"))
    known.take(await at.venue.close(known.target(), D("0.01")))
    assert known.exits() == [(Leg.CLOSE, D("0.01"), D(60000))]
    assert known.stop is not None
    assert known.stop.units == D("0.02")
    assert at.naked == 0
    known.take(await at.venue.close(known.target(), D("0.02")))
    assert known.position == 0
    assert at.orders(working=True) == []


async def test_a_close_of_more_than_there_is_closes_what_there_is(at: Pair) -> None:
    known = await at.place(bracket())
    known.take(await at.venue.close(known.target(), D(5)))
    assert known.position == 0
    assert sum(D(one["size"]) for one in at.sim.state()["fills"] if one["side"] == "SELL") == D("0.01")


async def test_a_market_that_takes_only_part_of_a_close_leaves_the_rest_covered(at: Pair) -> None:
    known = await at.place(bracket(units="0.03"))
    at.quote("60000", "60010", size="0.01")
    known.take(await at.venue.close(known.target(), D("0.03")))
    assert known.position == D("0.02")
    assert known.stop is not None
    assert known.stop.units == D("0.02")


@pytest.mark.parametrize("side", list(Side))
async def test_a_stop_is_moved_while_the_position_is_open(after: Pair, side: Side) -> None:
    known = await after.place(bracket() if side is Side.BUY else short())
    known.take(await after.venue.protect(known.target()))
    moved = D(59000) if side is Side.BUY else D(62000)
    known.take(await after.venue.amend(known.target(), Amendment(stop_loss_price=moved)))
    assert known.stop is not None
    assert known.stop.price == moved
    assert len(after.orders(side=str(side.opposite), working=True)) == 1


async def test_a_stop_that_the_venue_would_not_have_leaves_the_old_one(at: Pair) -> None:
    known = await at.place(bracket())
    before = at.orders(working=True)
    with pytest.raises(VenueRefused):
        await at.venue.amend(known.target(), Amendment(stop_loss_price=D(61000)))
    assert at.orders(working=True) == before


@pytest.mark.parametrize("order", [limit("59000"), stop("61000")], ids=["limit", "stop"])
async def test_an_unfilled_entry_is_changed_by_making_it_anew(at: Pair, order: BracketOrder) -> None:
    known = await at.place(order)
    old = known.refs.order_refs
    async with Ear(at.venue) as ear:
        known.take(
            facts := await at.venue.amend(known.target(), Amendment(entry_price=D("59500") if order.entry_type is EntryType.LIMIT else D(61500)))
        )
        assert known.end is None
        assert known.refs.order_refs[-1] not in old
        assert any(getattr(fact, "replaces", "") == old[-1] for fact in facts)
        working = at.orders(side="BUY", working=True)
        assert [one["order_id"] for one in working] == [known.refs.order_refs[-1]]
        await ear.until(lambda: any(getattr(fact, "order_ref", "") == known.refs.order_refs[-1] for fact in ear.facts))
        assert not [fact for fact in ear.facts if type(fact).__name__ == "EntryEnded"], "what was replaced has not ended"


async def test_exits_that_wait_are_changed_with_their_entry(at: Pair) -> None:
    known = await at.place(limit("59000"))
    known.take(await at.venue.amend(known.target(), Amendment(stop_loss_price=D(57000))))
    at.quote("58990", "59000")
    standing = await at.look(known)
    assert standing.stop.price == 57000


async def test_exits_that_are_not_placed_yet_need_no_change(after: Pair) -> None:
    known = await after.place(limit("59000"))
    before = after.orders()
    await after.venue.amend(known.target(), Amendment(stop_loss_price=D(57000)))
    assert after.orders() == before


async def test_a_change_that_the_venue_would_not_have_leaves_the_entry(at: Pair) -> None:
    known = await at.place(limit("59000"))
    before = at.orders()
    with pytest.raises(VenueRefused):
        await at.venue.amend(known.target(), Amendment(entry_price=D("59000.001")))
    assert at.orders() == before


async def test_attached_exits_that_wait_for_the_whole_entry_are_not_waited_for() -> None:
    """A partial fill without its exits: the rest of the entry ends, and the exits open for what filled. Never two exits side by side."""
    async with pair(attached_follows="completion") as made:
        known: Known = await made.place(limit("59000", units="0.03"))
        made.quote("58990", "59000", size="0.01")
        await made.look(known)
        assert (known.filled, made.naked) == (D("0.01"), D("0.01"))
        known.take(await made.venue.protect(known.target()))
        assert known.end is not None
        assert known.end.reason is CancelReason.STOP_LOSS_ON_FILL
        assert made.naked == 0
        assert len(made.orders(side="SELL", working=True)) == 1


async def test_an_attached_exit_that_the_venue_refuses_is_placed_by_hand(at: Pair) -> None:
    at.strike("leg_refused")
    known = await at.place(bracket())
    assert known.stop is None
    assert at.naked == D("0.01")
    known.take(await at.venue.protect(known.target()))
    assert known.stop is not None
    assert at.naked == 0


async def test_an_exit_that_the_venue_will_not_have_is_said_so(at: Pair) -> None:
    at.strike("leg_refused", times=2)
    known = await at.place(bracket())
    with pytest.raises(VenueRefused, match="VENUE_REJECTED"):
        await at.venue.protect(known.target())
    known.take(await at.venue.close(known.target(), known.position))
    assert known.position == 0


async def test_what_was_placed_by_hand_is_shown_and_never_mistaken(at: Pair) -> None:
    ours = await at.place(limit())
    theirs = at.sim.exchange.create(_by_hand())
    snapshot = await at.venue.snapshot([ours.target()])
    (stranger,) = snapshot.strangers
    assert stranger.refs.order_refs == (theirs.order_id,)
    assert (stranger.side, stranger.units, stranger.entry_price) == (Side.BUY, D("0.02"), 50000)
    again = await at.venue.snapshot([ours.target()])
    assert again.strangers[0].refs.client_id == stranger.refs.client_id
    assert snapshot.account.balance == 100000
    assert snapshot.account.reserved > 0


async def test_coins_that_somebody_sells_by_hand_are_no_short_position(after: Pair) -> None:
    """Taken up as one, closing everything would buy them back."""
    after.sim.exchange.create(_by_hand(side="SELL", price="70000"))
    assert (await after.venue.snapshot([])).strangers == []


async def test_a_restart_finds_everything_again(at: Pair) -> None:
    """A fresh adapter that has never heard of the bracket: all it has is what the book kept."""
    known = await at.place(bracket(units="0.03"))
    known.take(await at.venue.close(known.target(), D("0.01")))
    fresh = adapter(at.sim)
    await fresh.open()
    try:
        snapshot = await fresh.snapshot([known.target()])
        sighting = snapshot.sightings[known.intent.client_id]
        assert sighting.standing is not None
        assert sighting.standing.position_units == D("0.02")
        assert sighting.standing.stop == known.stop
        assert snapshot.strangers == []
    finally:
        await fresh.aclose()


def _by_hand(side: str = "BUY", price: str = "50000") -> Request:
    body = {
        "client_order_id": "by-hand",
        "product_id": "BTC-USD",
        "side": side,
        "order_configuration": {"limit_limit_gtc": {"base_size": "0.02", "limit_price": price}},
    }
    return read_request(body, with_client_id=True)
