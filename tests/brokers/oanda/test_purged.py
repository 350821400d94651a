"""What is known of a bracket whose ids get a 404: what the account still lists, what a whole log proves, and otherwise that it is lost."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from brokers.live.venue import ExitFilled
from brokers.oanda.log_reader import LogReader, Page
from brokers.oanda.rest import Unclear
from tests.brokers.oanda.kit import Pair, bracket, limit, pair
from tests.venues.oanda import closing, placing
from trading.events import CancelReason

RANGES = "GET /v3/accounts/{account}/transactions/idrange"


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    async with pair(hedging=True) as made:
        yield made


async def test_an_entry_that_works_is_seen_in_the_account_though_its_id_is_not_shown(at: Pair) -> None:
    known = await at.place(limit())
    at.sim.account.orders.clear()
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    assert (standing.remaining_units, standing.position_units) == (1000, 0)


async def test_a_trade_that_was_reduced_is_followed_by_the_log_and_the_account(at: Pair) -> None:
    known = await at.place(bracket())
    (trade,) = at.sim.account.open.values()
    closing.close_trade(at.sim.account, str(trade.id), {"units": "400"})
    at.sim.account.trades.clear()
    sighting = await at.venue.look_up(known.target())
    assert sighting.standing is not None
    assert sighting.standing.position_units == 600
    assert [fact.units for fact in sighting.facts if isinstance(fact, ExitFilled)] == [400]


async def test_an_entry_that_was_replaced_and_then_cancelled_is_followed_through_its_numbers(at: Pair) -> None:
    known = await at.place(limit())
    changed = {"type": "LIMIT", "instrument": "EUR_USD", "units": "1000", "price": "1.09400"}
    placing.replace(at.sim.account, known.refs.order_refs[-1], {"order": changed})
    (pending,) = at.sim.account.pending.values()
    placing.cancel(at.sim.account, str(pending.id))
    at.sim.account.orders.clear()
    standing = (await at.venue.look_up(known.target())).standing
    assert standing is not None
    assert (standing.remaining_units, standing.ended) == (0, CancelReason.USER)


@pytest.mark.parametrize("is_whole", [True, False])
async def test_an_end_that_the_log_does_not_hold_is_lost(at: Pair, is_whole: bool) -> None:
    """With a hole where it should be, or with another transaction under its number."""
    known = await at.place(limit())
    (pending,) = at.sim.account.pending.values()
    placing.cancel(at.sim.account, str(pending.id))
    at.sim.account.orders.clear()
    last = at.sim.account.log.transactions[-1]
    if is_whole:
        at.sim.account.log.transactions[-1] = {"id": last["id"], "type": "CLIENT_CONFIGURE", "time": last["time"]}
    else:
        del at.sim.account.log.transactions[-1]
    sighting = await at.venue.look_up(known.target())
    assert sighting.standing is None
    assert f"order {known.refs.order_refs[-1]}" in sighting.lost
    assert ("holes" in sighting.lost) is not is_whole


async def test_an_old_log_is_read_once_and_moves_no_search_for_a_name(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.log_reader.PAGE", 2)
    known = await at.place(limit())
    (pending,) = at.sim.account.pending.values()
    placing.cancel(at.sim.account, str(pending.id))
    at.sim.account.orders.clear()
    for _ in range(20):
        at.sim.account.charge_financing(Decimal(-1))
    doubted = at.known(at.intent(bracket()))
    assert (await at.venue.look_up(doubted.target())).standing is None
    before = at.sim.hits.counts[RANGES]
    cut_after(monkeypatch, pages=3)
    with pytest.raises(Unclear):
        await at.venue.look_up(known.target())
    monkeypatch.undo()
    assert (await at.venue.look_up(doubted.target())).standing is None
    assert at.sim.hits.counts[RANGES] == before + 3, "the search goes on from where it was"
    monkeypatch.setattr("brokers.oanda.log_reader.PAGE", 2)
    assert (await at.venue.look_up(known.target())).standing is not None
    reads = at.sim.hits.counts[RANGES]
    assert reads - before < 3 + 11, "and so does the reading of the old log"
    assert (await at.venue.look_up(known.target())).standing is not None
    assert at.sim.hits.counts[RANGES] == reads


def cut_after(monkeypatch: pytest.MonkeyPatch, *, pages: int) -> None:
    """The log can be read for so many pages more."""
    read, left = LogReader._page, [None] * pages

    async def page(self: LogReader, first: int, last: int, **options: bool) -> Page:
        if not left:
            raise Unclear("cut off")
        left.pop()
        return await read(self, first, last, **options)

    monkeypatch.setattr(LogReader, "_page", page)
