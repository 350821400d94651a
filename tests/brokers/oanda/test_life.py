"""The life of a bracket at a simulated OANDA, call by call: what each request does there and what its answer tells."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokers.live.venue import Amendment, EntryAccepted, EntryEnded, EntryFilled, ExitFilled, LegStands, VenueRefused
from brokers.oanda.rest import Unclear
from tests.brokers.oanda.kit import Listener, Pair, bracket, limit, pair, stop
from tests.venues.common.faults import Kind
from trading.brackets import Protection
from trading.events import CancelReason
from trading.instruments import Side
from trading.orders import Leg


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


def standing_at(at: Pair) -> dict[str, Decimal | None]:
    """The exits that stand at the venue, by type: where, or how far away."""
    return {order.type: order.request.price or order.request.distance for order in at.sim.account.pending.values()}


async def test_opening_finds_the_account_and_the_venues_own_grid() -> None:
    async with pair(opened=False, hedging=True) as at:
        info = await at.venue.open()
        assert info.account.currency == "USD"
        assert info.account.balance == Decimal(100_000)
        assert {instrument.name for instrument in info.instruments} == {"EUR_USD", "GBP_USD", "USD_JPY"}
        assert {instrument.name: instrument.tick for instrument in info.instruments}["USD_JPY"] == Decimal("0.001")
        assert info.warnings == []
        assert at.venue.protection is Protection.VENUE


async def test_an_account_that_nets_is_warned_of(at: Pair) -> None:
    assert "nets" in (await at.venue.open()).warnings[0]


async def test_a_market_entry_fills_in_one_request_and_its_exits_stand(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket())
        assert at.types(3) == ["MARKET_ORDER", "ORDER_FILL MARKET_ORDER", "TAKE_PROFIT_ORDER", "STOP_LOSS_ORDER"]
        assert known.filled == 1000
        await heard.until(lambda: len(heard.legs()) == 2)
        assert {(leg.leg, leg.price, leg.units, leg.trade_ref) for leg in heard.legs()} == {
            (Leg.TAKE_PROFIT, Decimal("1.11"), Decimal(1000), "5"),
            (Leg.STOP_LOSS, Decimal("1.09"), Decimal(1000), "5"),
        }
        fill = heard.of(EntryFilled)[0]
        assert (fill.client_id, fill.order_ref, fill.trade_ref, fill.fill_id, fill.price) == (known.refs.client_id, "4", "5", "5", Decimal("1.1001"))


async def test_an_exit_that_the_venue_cancels_at_once_leaves_the_old_ones_standing(at: Pair) -> None:
    """A target on the losing side is made and cancelled in one answer, and what it replaced is gone: no is said when all stands as before."""
    known = await at.place(bracket())
    with pytest.raises(VenueRefused) as refusal:
        await at.venue.amend(known.target(), Amendment(stop_loss_price=Decimal("1.08"), take_profit_price=Decimal("1.095")))
    assert refusal.value.code == "LOSING_TAKE_PROFIT"
    assert standing_at(at) == {"STOP_LOSS": Decimal("1.09"), "TAKE_PROFIT": Decimal("1.11")}


async def test_an_exit_that_cannot_be_put_back_is_a_doubt_and_no_refusal(at: Pair) -> None:
    known = await at.place(bracket())
    at.sim.account.log.listen(lambda told: at.strike(kind=Kind.ERROR_BEFORE, method="PUT") if told.get("reason") == "LOSING_TAKE_PROFIT" else None)
    with pytest.raises(Unclear):
        await at.venue.amend(known.target(), Amendment(take_profit_price=Decimal("1.095")))


async def test_a_trailing_stop_that_was_replaced_with_an_exit_that_the_venue_cancels_at_once_is_put_back(at: Pair) -> None:
    """At its old distance; as it begins anew from the market, the fixed stop stands where it had come to: a stop never loosens."""
    known = await at.place(bracket(trailing_stop_distance="0.008"))
    at.quote("1.10500", "1.10510")
    at.quote("1.09950", "1.09960")
    change = Amendment(trailing_stop_distance=Decimal("0.006"), take_profit_price=Decimal("1.095"))
    with pytest.raises(VenueRefused, match="LOSING_TAKE_PROFIT"):
        await at.venue.amend(known.target(stop_price=Decimal("1.097")), change)
    assert standing_at(at) == {"STOP_LOSS": Decimal("1.097"), "TRAILING_STOP_LOSS": Decimal("0.008"), "TAKE_PROFIT": Decimal("1.11")}


async def test_only_what_a_refused_change_has_touched_is_put_back(at: Pair) -> None:
    """A trailing stop that was left alone keeps the way it has come."""
    known = await at.place(bracket(trailing_stop_distance="0.008"))
    at.quote("1.10500", "1.10510")
    at.quote("1.09950", "1.09960")
    before = dict(at.sim.account.trades[5].exits)
    with pytest.raises(VenueRefused, match="LOSING_TAKE_PROFIT"):
        await at.venue.amend(known.target(stop_price=Decimal("1.097")), Amendment(take_profit_price=Decimal("1.095")))
    after = at.sim.account.trades[5].exits
    assert {kind for kind in after if after[kind] != before[kind]} == {"TAKE_PROFIT"}
    assert standing_at(at) == {"STOP_LOSS": Decimal("1.09"), "TRAILING_STOP_LOSS": Decimal("0.008"), "TAKE_PROFIT": Decimal("1.11")}


async def test_a_trailing_stop_that_was_new_with_an_exit_that_the_venue_cancels_at_once_is_taken_off_again(at: Pair) -> None:
    """No means that all stands as before: what was not there is not there."""
    known = await at.place(bracket())
    change = Amendment(trailing_stop_distance=Decimal("0.008"), take_profit_price=Decimal("1.095"))
    with pytest.raises(VenueRefused, match="LOSING_TAKE_PROFIT"):
        await at.venue.amend(known.target(), change)
    assert standing_at(at) == {"STOP_LOSS": Decimal("1.09"), "TAKE_PROFIT": Decimal("1.11")}


@pytest.mark.parametrize(("make", "kind"), [(limit, "LIMIT_ORDER"), (stop, "STOP_ORDER")])
async def test_a_waiting_entry_rests_until_its_date_with_its_exits_in_it(at: Pair, make: object, kind: str) -> None:
    known = await at.place(make(trailing_stop_distance="0.005"))  # type: ignore[operator]
    created = at.sim.account.log.transactions[-1]
    assert created["type"] == kind
    assert created["clientExtensions"]["id"] == known.refs.client_id
    assert created["tradeClientExtensions"]["id"] == f"{known.refs.client_id}-t"
    assert created["timeInForce"] == "GTD"
    assert created["gtdTime"].ns == known.intent.expires_ns // 1000 * 1000
    assert created["takeProfitOnFill"]["price"] == "1.11000"
    assert created["stopLossOnFill"]["price"] == "1.09000"
    assert created["trailingStopLossOnFill"]["distance"] == "0.00500"
    assert created["positionFill"] == "OPEN_ONLY"


async def test_a_sell_has_negative_units(at: Pair) -> None:
    known = await at.place(bracket(side=Side.SELL, stop_loss_price="1.11", take_profit_price="1.09"))
    assert at.sim.account.log.transactions[3]["units"] == "-1000"
    assert known.filled == 1000


async def test_a_date_that_passes_ends_the_entry(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(limit(), ttl_s=60)
        await at.clock.advance(61)
        await heard.until(lambda: heard.of(EntryEnded))
        ended = heard.of(EntryEnded)[0]
        assert (ended.client_id, ended.order_ref, ended.reason) == (known.refs.client_id, known.refs.order_refs[-1], CancelReason.TTL_EXPIRED)


async def test_cancel_ends_the_entry_and_a_second_cancel_is_refused(at: Pair) -> None:
    known = await at.place(limit())
    facts = await at.venue.cancel(known.target())
    assert [(type(fact), fact.reason) for fact in facts if isinstance(fact, EntryEnded)] == [(EntryEnded, CancelReason.USER)]
    with pytest.raises(VenueRefused) as refusal:
        await at.venue.cancel(known.target())
    assert refusal.value.code == "ORDER_DOESNT_EXIST"


async def test_an_entry_whose_answer_was_lost_is_cancelled_by_its_own_name(at: Pair) -> None:
    known = at.known(at.intent(limit()))
    await at.venue.create(known.intent)
    assert known.refs.order_refs == ()
    assert any(isinstance(fact, EntryEnded) for fact in await at.venue.cancel(known.target()))


async def test_a_waiting_entry_is_amended_in_all_its_parts_at_once(at: Pair) -> None:
    known = await at.place(limit())
    old = known.refs.order_refs[-1]
    change = Amendment(entry_price=Decimal("1.096"), stop_loss_price=Decimal("1.08"), take_profit_price=Decimal("1.12"))
    facts = await at.venue.amend(known.target(), change)
    accepted = next(fact for fact in facts if isinstance(fact, EntryAccepted))
    assert (accepted.replaces, accepted.price) == (old, Decimal("1.096"))
    assert accepted.client_id == known.refs.client_id
    assert not [fact for fact in facts if isinstance(fact, EntryEnded)]
    known.take(facts)
    created = at.sim.account.log.transactions[-1]
    assert (created["stopLossOnFill"]["price"], created["takeProfitOnFill"]["price"]) == ("1.08000", "1.12000")
    assert created["tradeClientExtensions"]["id"] == f"{known.refs.client_id}-t"
    at.quote("1.09580", "1.09590")
    assert "ORDER_FILL LIMIT_ORDER" in at.types(4)


async def test_an_amended_date_is_the_venues(at: Pair) -> None:
    known = await at.place(limit(), ttl_s=60)
    expires_ns = at.clock.now_ns() + 600_000_000_000
    facts = await at.venue.amend(known.target(), Amendment(expires_ns=expires_ns))
    assert [fact.expires_ns for fact in facts if isinstance(fact, EntryAccepted)] == [expires_ns]
    await at.clock.advance(61)
    assert at.types(5)[-1] == "LIMIT_ORDER"


async def test_the_exits_of_an_open_trade_are_amended_together(at: Pair) -> None:
    known = await at.place(bracket())
    facts = await at.venue.amend(known.target(), Amendment(stop_loss_price=Decimal("1.095"), take_profit_price=Decimal("1.12")))
    assert {(fact.leg, fact.price, fact.units) for fact in facts if isinstance(fact, LegStands)} == {
        (Leg.STOP_LOSS, Decimal("1.095"), Decimal(1000)),
        (Leg.TAKE_PROFIT, Decimal("1.12"), Decimal(1000)),
    }
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    assert standing.stop is not None
    assert standing.stop.price == Decimal("1.095")


async def test_an_entry_that_has_filled_cannot_get_another_price(at: Pair) -> None:
    known = await at.place(bracket())
    with pytest.raises(VenueRefused, match="ORDER_FILLED"):
        await at.venue.amend(known.target(), Amendment(entry_price=Decimal("1.09")))


async def test_amending_an_entry_that_filled_meanwhile_is_refused_and_ends_nothing(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(limit())
        at.quote("1.09480", "1.09490")
        with pytest.raises(VenueRefused):
            await at.venue.amend(known.target(), Amendment(entry_price=Decimal("1.096")))
        await heard.until(lambda: heard.of(EntryFilled) and len(heard.legs()) == 2)
        assert heard.of(EntryEnded) == []


@pytest.mark.parametrize(("bid", "ask", "leg"), [("1.11000", "1.11010", Leg.TAKE_PROFIT), ("1.08900", "1.08910", Leg.STOP_LOSS)])
async def test_an_exit_that_trades_closes_the_bracket_and_its_sibling_goes_untold(at: Pair, bid: str, ask: str, leg: Leg) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket())
        at.quote(bid, ask)
        await heard.until(lambda: heard.of(ExitFilled))
        out = heard.of(ExitFilled)[0]
        assert (out.leg, out.units, out.price, out.trade_ref) == (leg, Decimal(1000), Decimal(bid), "5")
        assert out.realized_pnl == (Decimal(bid) - Decimal("1.1001")) * 1000
        assert not [fact for fact in heard.facts if type(fact).__name__ == "LegGone"]
        known.take(heard.facts)
        assert known.closed == 1000


async def test_a_trailing_stop_stands_beside_the_fixed_one_and_follows(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket(trailing_stop_distance="0.004"))
        await heard.until(lambda: len(heard.legs()) == 2)
        at.quote("1.10500", "1.10510")
        sighting = await at.venue.look_up(known.target())
        assert sighting.standing is not None
        assert sighting.standing.stop is not None
        assert sighting.standing.stop.price == Decimal("1.101")
        at.quote("1.10090", "1.10100")
        await heard.until(lambda: heard.of(ExitFilled))
        assert heard.of(ExitFilled)[0].leg is Leg.STOP_LOSS


async def test_closing_in_parts_and_then_all_of_it(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await at.place(bracket())
        facts = await at.venue.close(known.target(), Decimal(400))
        known.take(facts)
        assert [(fact.leg, fact.units) for fact in facts if isinstance(fact, ExitFilled)] == [(Leg.CLOSE, Decimal(400))]
        assert {(fact.leg, fact.units) for fact in facts if isinstance(fact, LegStands)} == {
            (Leg.STOP_LOSS, Decimal(600)),
            (Leg.TAKE_PROFIT, Decimal(600)),
        }
        known.take(await at.venue.close(known.target(), Decimal(600)))
        assert (known.filled, known.closed) == (1000, 1000)
        await heard.until(lambda: len(heard.of(ExitFilled)) == 2)
        assert at.sim.account.open == {}
        assert at.sim.account.pending == {}


async def test_closing_what_is_closed_is_refused(at: Pair) -> None:
    known = await at.place(bracket())
    await at.venue.close(known.target(), Decimal(1000))
    with pytest.raises(VenueRefused, match="TRADE_DOESNT_EXIST"):
        await at.venue.close(known.target(), Decimal(1000))


async def test_a_margin_close_out_says_so(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        await at.place(bracket(units="2500000", stop_loss_price="0.9", take_profit_price="1.3"))
        at.quote("1.07000", "1.07010")
        await heard.until(lambda: heard.of(ExitFilled))
        assert str(heard.of(ExitFilled)[0].reason) == "MARGIN_CLOSEOUT"


async def test_an_entry_that_fills_in_parts_keeps_each_part_protected(at: Pair) -> None:
    """The remainder rests under a new number; the venue lets no second open trade have the bracket's name, so the first part is the position."""
    async with Listener(at.venue) as heard:
        known = await at.place(limit())
        at.quote("1.09490", "1.09500", size="300")
        await heard.until(lambda: len(heard.legs()) == 2 and len(heard.of(EntryAccepted)) == 2)
        known.take(heard.facts)
        assert known.filled == 300
        assert {leg.units for leg in heard.legs()} == {Decimal(300)}
        rest = heard.of(EntryAccepted)[1]
        assert (rest.replaces, rest.client_id) == ("4", known.refs.client_id)
        at.quote("1.09490", "1.09500")
        await heard.until(lambda: heard.of(EntryEnded))
        assert heard.of(EntryEnded)[0].order_ref == rest.order_ref
        known.take(heard.facts)
        sighting = await at.venue.look_up(known.target())
        assert sighting.standing is not None
        assert (sighting.standing.position_units, sighting.standing.remaining_units) == (Decimal(300), Decimal(0))
