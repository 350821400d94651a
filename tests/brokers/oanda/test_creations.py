"""Reading the log once for many orders in doubt, and never saying of a stretch that was not looked at that something is not in it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from brokers.oanda.creations import Creations, Named
from brokers.oanda.wire import Malformed
from tests.brokers.oanda.kit import Listener, Pair, bracket, limit, pair
from tests.venues.common.faults import Kind


def log(first: int, last: int, **ids: int) -> list[dict[str, Any]]:
    """Transactions ``first`` to ``last``; ``ids`` says which of them carries which client id."""
    by_number = {number: name for name, number in ids.items()}
    return [
        {"id": str(number), "type": "LIMIT_ORDER", **({"clientExtensions": {"id": by_number[number]}} if number in by_number else {})}
        for number in range(first, last + 1)
    ]


def test_a_stretch_grows_on_both_sides_and_names_what_is_in_it() -> None:
    seen = Creations()
    seen.begin(100)
    seen.learn(101, 110, log(101, 110, a=105))
    seen.learn(91, 100, log(91, 100, b=95))
    assert (seen.after, seen.until) == (90, 110)
    assert seen.of("a", 90) == [Named("105", is_refusal=False)]
    assert seen.of("b", 95) == []
    seen.learn(105, 105, log(105, 105, a=105))
    assert len(seen.of("a", 0)) == 1, "looked at twice, named once"


@pytest.mark.parametrize(("first", "last"), [(120, 130), (1, 50)])
def test_what_does_not_adjoin_begins_a_new_stretch(first: int, last: int) -> None:
    seen = Creations()
    seen.begin(100)
    seen.learn(101, 110, log(101, 110, a=105))
    seen.learn(first, last, log(first, last))
    assert (seen.after, seen.until) == (first - 1, last)
    assert seen.of("a", 0) == []


def test_a_hole_is_remembered_until_it_is_filled() -> None:
    seen = Creations()
    seen.begin(10)
    seen.learn(11, 20, [each for each in log(11, 20) if each["id"] != "15"])
    assert seen.has_hole(10)
    assert not seen.has_hole(15)
    seen.learn(15, 15, log(15, 15))
    assert not seen.has_hole(10)


def test_what_is_kept_is_bounded() -> None:
    seen = Creations(kept_max=2)
    for number, name in ((1, "a"), (2, "b"), (3, "c")):
        seen.learn(number, number, log(number, number, **{name: number}))
    assert (seen.after, seen.until) == (2, 3)
    assert seen.of("a", 0) == []


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


async def test_many_orders_that_never_arrived_cost_one_reading_of_the_log(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.log_reader.PAGE", 10)
    lost = []
    for _ in range(20):
        at.strike(kind=Kind.DROP_BEFORE, method="POST")
        known = at.known(at.intent(bracket()))
        with pytest.raises(Exception, match="no answer"):
            await at.venue.create(known.intent)
        lost.append(known.target())
    for _ in range(25):
        await at.place(limit())
    at.sim.hits.counts.clear()
    snapshot = await at.venue.snapshot(lost)
    assert {sighting.standing for sighting in snapshot.sightings.values()} == {None}
    assert len(snapshot.sightings) == 20
    assert at.sim.hits.counts["GET /v3/accounts/{account}/transactions/idrange"] == 3
    await asyncio.gather(*(at.venue.look_up(target) for target in lost))
    assert at.sim.hits.counts["GET /v3/accounts/{account}/transactions/idrange"] == 3


async def test_looks_that_come_together_read_on_together(at: Pair) -> None:
    """Each was told of a newer end of the log than the one before; whoever reads first reads for all."""
    log_of = at.venue._log
    for _ in range(30):
        await at.place(limit())
    newest = at.sim.account.log.last_id
    at.sim.hits.counts.clear()
    await asyncio.gather(*(log_of.named("nobody", 3, newest - 20 + step) for step in range(21)))
    assert at.sim.hits.counts["GET /v3/accounts/{account}/transactions/idrange"] <= 3


@pytest.mark.parametrize("listens", [False, True])
async def test_what_arrives_after_the_stretch_was_read_is_found(at: Pair, listens: bool) -> None:
    known = at.known(at.intent(bracket()))
    assert (await at.venue.look_up(known.target())).standing is None
    if listens:
        async with Listener(at.venue) as heard:
            await at.venue.create(known.intent)
            await heard.until(lambda: heard.facts)
    else:
        await at.venue.create(known.intent)
    assert (await at.venue.look_up(known.target())).standing is not None


async def test_a_stream_that_catches_up_meanwhile_makes_no_look_say_no(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream begins a stretch of its own at its cursor while the look reads another."""
    monkeypatch.setattr("brokers.oanda.log_reader.PAGE", 2)
    for _ in range(20):
        at.sim.account.charge_financing(-1 * at.sim.account.balance / 1_000_000)
    known = at.known(at.intent(bracket()))
    await at.venue.create(known.intent)
    for _ in range(20):
        at.sim.account.charge_financing(-1 * at.sim.account.balance / 1_000_000)
    async with Listener(at.venue, "1"):
        looks = await asyncio.gather(*(at.venue.look_up(known.target()) for _ in range(10)))
    assert all(look.standing is not None for look in looks)


async def test_an_account_whose_log_was_reset_is_read_anew(at: Pair) -> None:
    known = at.known(at.intent(bracket()))
    await at.venue.create(known.intent)
    await at.venue.look_up(known.target())
    async with Listener(at.venue, "999"):
        assert (await at.venue.look_up(known.target())).standing is not None


async def test_a_hole_never_says_no_and_what_is_named_is_found_beside_it(at: Pair) -> None:
    lost = at.known(at.intent(bracket()))
    known = at.known(at.intent(limit()))
    await at.venue.create(known.intent)
    at.sim.account.charge_financing(-1 * at.sim.account.balance / 1_000_000)
    del at.sim.account.log.transactions[-1]
    with pytest.raises(Malformed, match="holes"):
        await at.venue.look_up(lost.target())
    assert (await at.venue.look_up(known.target())).standing is not None
