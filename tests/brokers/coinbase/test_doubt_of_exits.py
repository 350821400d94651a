"""Exits and closes whose answers are lost: each stands once, sells once, and what turns up later is counted before anything else is sent."""

from decimal import Decimal

import pytest

from brokers.coinbase.ids import Part, part_id
from brokers.live.venue import Amendment
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt
from tests.brokers.coinbase.kit import Pair, bracket, limit, pair
from tests.brokers.coinbase.test_doubt import CREATE, DOUBTS, NO
from tests.venues.coinbase.exchange import read_request
from trading.venue_refs import Doubt

D = Decimal
EXIT_FAULTS = [name for name in DOUBTS if name != "slow"]


@pytest.mark.parametrize("doubt", EXIT_FAULTS)
async def test_an_exit_whose_answer_is_lost_is_asked_for_again_and_stands_once(doubt: str) -> None:
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        made.strike(**DOUBTS[doubt], **CREATE)
        known.take(await made.venue.protect(known.target()))
        assert known.stop is not None
        assert len(made.orders(side="SELL")) == 1


@pytest.mark.parametrize("doubt", EXIT_FAULTS)
async def test_a_close_whose_answer_is_lost_sells_once(doubt: str) -> None:
    async with pair(balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        made.strike(**DOUBTS[doubt], **CREATE)
        known.take(await made.venue.close(known.target(), known.position))
        assert known.position == 0
        assert sum(D(one["size"]) for one in made.sim.state()["fills"] if one["side"] == "SELL") == D("0.01")


async def test_a_close_that_stays_in_doubt_is_doubt_and_goes_on_under_its_own_name() -> None:
    """Five answers lost: it may have sold. The next call looks first, and finds what the names say."""
    async with pair(balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        made.strike("drop_after", **CREATE, times=5)
        with pytest.raises(Exception) as raised:
            await made.venue.close(known.target(), known.position)
        assert not isinstance(raised.value, NO)
        known.take(await made.venue.close(known.target(), known.position))
        assert known.position == 0
        assert sum(D(one["size"]) for one in made.sim.state()["fills"] if one["side"] == "SELL") == D("0.01")
        assert [one["client_order_id"] for one in made.orders(side="SELL") if "market_market_ioc" in one["order_configuration"]] == [
            part_id(known.intent.client_id, Part.CLOSE, 1)
        ]


async def test_exits_that_were_released_for_nothing_come_out_as_doubt_and_never_as_a_refusal(at: Pair) -> None:
    known = await at.place(bracket())
    at.strike("leg_refused", times=2, reason="COMMANDER_REJECTED_NEW_ORDER")
    with pytest.raises(Exception, match="would not have them again") as raised:
        await at.venue.amend(known.target(), Amendment(stop_loss_price=D(59000)))
    assert not isinstance(raised.value, NO)
    assert at.venue._context.aside, "that the stop covers nothing is told at once"
    known.take(await at.venue.protect(known.target()))
    assert at.naked == 0


async def test_an_exit_that_is_not_off_yet_gets_none_beside_it(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.placing.LOOK_PAUSES_S", (0.0, 0.01))
    at.options(cancel_delay_s=30.0)
    known = await at.place(bracket())
    with pytest.raises(Exception, match="has not done so yet") as raised:
        await at.venue.amend(known.target(), Amendment(stop_loss_price=D(59000)))
    assert not isinstance(raised.value, NO)
    assert len(at.orders(side="SELL")) == 1


async def test_a_change_of_an_entry_in_doubt_is_found_by_its_name(at: Pair) -> None:
    known = await at.place(limit("59000"))
    at.strike("drop_after", **CREATE, times=5)
    with pytest.raises(Exception, match="no answer"):
        await at.venue.amend(known.target(), Amendment(entry_price=D(59100)))
    known.doubting(Doubt.AMEND)
    standing = await at.look(known)
    assert (standing.remaining_units, standing.entry_price) == (D("0.01"), 59100)
    assert known.end is None
    assert len(at.orders(side="BUY", working=True)) == 1


async def test_while_an_entry_is_being_changed_a_look_does_not_say_that_it_ended(at: Pair) -> None:
    known = await at.place(limit("59000"))
    at.venue._context.replace([known.refs.order_refs[-1]])
    at.sim.exchange.cancel(known.refs.order_refs[-1])
    snapshot = await at.venue.snapshot([known.target()])
    assert not [fact for fact in snapshot.sightings[known.intent.client_id].facts if type(fact).__name__ == "EntryEnded"]


@pytest.mark.parametrize("sold", ["0.004", "0.01"])
async def test_a_close_that_turns_up_filled_is_counted_before_anything_else_is_sold(sold: str) -> None:
    """After a restore, say: the book has not heard of it, it is long over, and its name is answered with it."""
    async with pair(attached_supported=False, balances={"BTC": "1"}) as made:
        known = await made.place(bracket())
        known.take(await made.venue.protect(known.target()))
        name = part_id(known.intent.client_id, Part.CLOSE, 2)
        before = {"client_order_id": name, "product_id": "BTC-USD", "side": "SELL", "order_configuration": {"market_market_ioc": {"base_size": sold}}}
        made.sim.exchange.create(read_request(before, with_client_id=True))
        made.sim.account.orders[made.orders(side="SELL")[-1]["order_id"]].created_ns -= 3600 * NS_PER_S
        with pytest.raises(InDoubt, match="turned up"):
            await made.venue.close(known.target(), D("0.005"))
        known.take(await made.venue.close(known.target(), D("0.005")))
        assert sum(D(one["size"]) for one in made.sim.state()["fills"] if one["side"] == "SELL") == min(D(sold) + D("0.005"), D("0.01"))
        assert known.position == max(D("0.005") - D(sold), D(0))
        assert [one.remaining for one in made.sim.account.live.values() if one.side == "SELL"] == ([known.position] if known.position else [])
