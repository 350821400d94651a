"""Who looks for orders at about the same time reads the lists together: an outage that leaves hundreds in doubt must not be their number squared."""

import asyncio
from collections import Counter

import pytest

from brokers.coinbase.client import Client
from brokers.coinbase.together import Together
from runtime.outbound import InDoubt
from tests.brokers.coinbase.kit import WAIT_S, Known, Pair, bracket, limit
from trading.venue_refs import Doubt

LIST = "/api/v3/brokerage/orders/historical/batch"


def _lists(at: Pair) -> int:
    return sum(times for asked, times in at.sim.hits.counts.items() if asked.endswith(LIST))


async def _doubtful(at: Pair, number: int) -> list[Known]:
    found = []
    for _ in range(number):
        known = await at.place(limit("59000"))
        known.doubting(Doubt.AMEND)
        found.append(known)
    return found


async def test_twenty_in_doubt_cost_a_few_lists_and_not_twenty(at: Pair) -> None:
    doubtful = await _doubtful(at, 20)
    at.sim.hits.counts.clear()
    for standing in await asyncio.gather(*(at.look(known) for known in doubtful)):
        assert standing.remaining_units
    assert 1 <= _lists(at) <= 4, Counter(at.sim.hits.counts)


async def test_what_is_held_without_a_stop_waits_a_moment_for_nobody(at: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading that hangs is waited for by those who began it."""
    bare, waits = await at.place(bracket()), await at.place(limit("59000"))
    bare.refs = type(bare.refs)(client_id=bare.refs.client_id, order_refs=bare.refs.order_refs)
    bare.doubting(Doubt.CLOSE)
    waits.doubting(Doubt.AMEND)
    real, gate, asked = Client.orders, asyncio.Event(), asyncio.Event()

    async def slow_at_first(client: Client, **wanted: object) -> object:
        if not asked.is_set():
            asked.set()
            await gate.wait()
        return await real(client, **wanted)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(Client, "orders", slow_at_first)
    patient = asyncio.create_task(at.look(waits))
    async with asyncio.timeout(WAIT_S):
        await asked.wait()
        assert (await at.look(bare)).position_units
        assert not patient.done()
        gate.set()
        await patient


class _Venue:
    """Readings that last until they are let go."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.gates: list[asyncio.Future[str]] = []
        self.came = asyncio.Event()

    async def read(self, since_ns: int) -> str:
        self.begun.append(since_ns)
        self.gates.append(asyncio.get_running_loop().create_future())
        self.came.set()
        return await self.gates[-1]

    async def until(self, number: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while len(self.begun) < number:
                self.came.clear()
                await self.came.wait()


async def test_who_comes_while_a_reading_is_out_shares_the_next_which_goes_back_as_far_as_any_wants() -> None:
    venue = _Venue()
    together = Together(venue.read, min, patience_s=WAIT_S)
    first = asyncio.create_task(together.read(50))
    await venue.until(1)
    late = [asyncio.create_task(together.read(since_ns)) for since_ns in (40, 20, 30)]
    await asyncio.sleep(0)
    assert venue.begun == [50], "what was read before they asked may be older than what they look for"
    venue.gates[0].set_result("old")
    assert await first == "old"
    await venue.until(2)
    venue.gates[1].set_result("new")
    assert await asyncio.gather(*late) == ["new"] * 3
    assert venue.begun == [50, 20]


async def test_a_reading_that_hangs_keeps_nobody() -> None:
    venue = _Venue()
    together = Together(venue.read, min, patience_s=0.01)
    first = asyncio.create_task(together.read(50))
    await venue.until(1)
    second = asyncio.create_task(together.read(40))
    await venue.until(2)
    venue.gates[1].set_result("new")
    assert await second == "new"
    venue.gates[0].set_result("old")
    assert await first == "old"


async def test_one_who_gives_up_takes_it_from_nobody_and_trouble_is_told_to_all() -> None:
    venue = _Venue()
    together = Together(venue.read, min, patience_s=WAIT_S)
    waiters = [asyncio.create_task(together.read(1)) for _ in range(3)]
    await venue.until(1)
    waiters[0].cancel()
    venue.gates[0].set_exception(InDoubt("no answer"))
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, InDoubt, InDoubt]
    assert venue.begun == [1]


async def test_those_who_gather_share_one_reading() -> None:
    """While turns are short the first one waits a moment for company, though nothing is out."""
    venue, gathered = _Venue(), asyncio.Event()

    def gather_s() -> float:
        gathered.set()
        return 0.05

    together = Together(venue.read, min, patience_s=WAIT_S, gather_s=gather_s)
    first = asyncio.create_task(together.read(50))
    async with asyncio.timeout(WAIT_S):
        await gathered.wait()
    second = asyncio.create_task(together.read(20))
    await venue.until(1)
    venue.gates[0].set_result("both")
    assert await asyncio.gather(first, second) == ["both"] * 2
    assert venue.begun == [20]
