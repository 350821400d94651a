"""A stop is reached while its market is halted: the venue closes the trade when that opens. Until then it is held, guarded, told of, left alone."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.standing import NOTE
from brokers.live.venue import Amendment, ExitFilled, VenueRefused
from brokers.oanda.objects import CLOSES_LATER
from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, events_of
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import Known, Listener, Pair, bracket, pair, quote
from tests.brokers.oanda.test_adapter import held, until
from tests.brokers.oanda.test_hands import differences
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda import views
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue
from trading.errors import OutcomeUnknown, StateConflict
from trading.orders import Leg
from trading.venue_refs import StandingLeg


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


def closes(sim: SimulatedVenue) -> int:
    """How often the adapter has asked for a trade to be closed."""
    return sum(count for route, count in sim.hits.counts.items() if route.endswith("/close"))


async def delayed(at: Pair) -> Known:
    """A bracket whose stop at 1.09 was reached while nothing traded, and whose book knows that."""
    known = await at.place(bracket())
    (number,) = at.sim.account.open
    stop = StandingLeg(ref=str(at.sim.account.open[number].exits["STOP_LOSS"]), units=Decimal(1000), price=Decimal("1.09"))
    known.refs = known.refs.with_stops({str(number): stop})
    at.strike(kind=Kind.MARKET_HALTED, times=None)
    at.quote("1.08500", "1.08510")
    assert at.sim.account.open[number].state == "CLOSE_WHEN_TRADEABLE"
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    known.refs = replace(known.refs, memo={NOTE: standing.note})
    return known


async def test_it_is_held_and_its_stop_stands_until_the_market_opens(at: Pair) -> None:
    async with Listener(at.venue) as heard:
        known = await delayed(at)
        for sighting in (await at.venue.look_up(known.target()), (await at.venue.snapshot([known.target()])).sightings[known.refs.client_id]):
            assert sighting.standing is not None
            assert sighting.standing.position_units == 1000
            assert sighting.standing.stop == known.refs.stop
            assert sighting.standing.note == CLOSES_LATER
        at.quote("1.09500", "1.09510")
        assert not heard.of(ExitFilled)
        at.sim.faults.clear()
        await heard.until(lambda: heard.of(ExitFilled))
        (out,) = heard.of(ExitFilled)
        assert (out.leg, out.price, out.units) == (Leg.STOP_LOSS, Decimal("1.095"), Decimal(1000))


async def test_an_account_that_lists_it_no_more_does_not_pass_for_one_without_it(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the account's open trades hold it is not known: asked for by its number, it says how it stands."""
    known, whole = await delayed(at), views.whole_account
    monkeypatch.setattr(views, "whole_account", lambda account: {**whole(account), "trades": []})
    standing = (await at.venue.snapshot([known.target()])).sightings[known.refs.client_id].standing
    assert standing is not None
    assert (standing.position_units, standing.stop, standing.note) == (Decimal(1000), known.refs.stop, CLOSES_LATER)


async def test_its_stop_stands_for_a_book_that_had_lost_sight_of_it(at: Pair) -> None:
    known = await delayed(at)
    known.refs = known.refs.with_stops({})
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    assert standing.stop == StandingLeg(ref="", units=Decimal(1000), price=Decimal("1.09"))


async def test_nothing_more_is_asked_of_it(at: Pair) -> None:
    known = await delayed(at)
    before = at.sim.hits.orders()
    with pytest.raises(VenueRefused, match="CLOSE_WHEN_TRADEABLE"):
        await at.venue.close(known.target(), Decimal(1000))
    with pytest.raises(VenueRefused, match="CLOSE_WHEN_TRADEABLE"):
        await at.venue.amend(known.target(), Amendment(stop_loss_price=Decimal("1.08")))
    await at.venue.protect(known.target())
    assert at.sim.hits.orders() == before


async def test_it_is_told_in_words_once_and_shown_as_guarded_and_closed_once(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    async with live() as (_, ask):
        order_id = await held(ask, sim)
        sim.faults.add(Fault(kind=Kind.MARKET_HALTED, times=None))
        quote(sim, "1.15900", "1.15910")
        (told,) = await differences(settings, "halted")
        assert told == f"{order_id}: {CLOSES_LATER}"
        with suppress(OutcomeUnknown):
            closed = await ask("position.close", {"instrument": "EUR_USD"}, GRANTED)
            assert [result.get("code") for result in closed["results"]] == ["CLOSE_WHEN_TRADEABLE"]
    async with live() as (_, ask):  # a restart neither forgets it nor tells it again
        order = await until(ask, order_id, lambda found: found["status"] == "OPEN")
        assert (order["protection"], order["position_units"]) == ("venue", 100)
        sim.faults.clear()
        order = await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert (order["close_reason"], order["average_exit_price"]) == ("STOP_LOSS", 1.159)
        assert len(await differences(settings, "halted")) == 1
        assert not [each for each in await events_of(settings, "oanda") if each.type == "protection_lost"]
        assert not closes(sim)


async def test_a_kill_switch_lets_the_venue_close_it(live: Live, sim: SimulatedVenue, settings: Settings) -> None:
    """The close that nobody may forget is tried until the position is gone: by looking, not by a second order beside the venue's own."""
    async with live() as (_, ask):
        order_id = await held(ask, sim)
        sim.faults.add(Fault(kind=Kind.MARKET_HALTED, times=None))
        quote(sim, "1.15900", "1.15910")
        await differences(settings, "halted")
        with suppress(OutcomeUnknown, StateConflict):
            await ask("trading_state.set", {"state": "HALTED", "reason": "test", "flatten": True}, GRANTED)
        sim.faults.clear()
        await until(ask, order_id, lambda found: found["status"] == "CLOSED")
        assert sim.account.open == {}
        assert not closes(sim)
