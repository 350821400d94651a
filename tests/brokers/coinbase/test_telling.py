"""What is due to be read, and how long it may wait."""

import asyncio
from types import SimpleNamespace

import pytest

from brokers.coinbase.answers import VenueOrder, VenueStatus
from brokers.coinbase.context import Names
from brokers.coinbase.messages import OrderNews
from brokers.coinbase.rest import Missing
from brokers.coinbase.telling import AT_ONCE, Telling
from brokers.coinbase.unreadable import UnreadableThings
from brokers.live.venue import EntryFilled, Fact, LegStands
from runtime.clock import NS_PER_S
from tests.brokers.coinbase.kit import WAIT_S, Pair, limit
from trading.money import ZERO
from trading.orders import Leg


def _none() -> UnreadableThings:
    return UnreadableThings(lambda: 0, are_executions=False)


async def test_a_long_queue_is_no_venue_that_does_not_tell() -> None:
    """After a break three minutes of executions are read again, so many orders at a time: the last of them wait, and nobody has asked in vain."""
    now_ns, gate = [0], asyncio.Event()

    async def order(order_id: str) -> VenueOrder:
        await gate.wait()
        raise Missing(f"no {order_id}")

    client, guard = SimpleNamespace(unreadable=_none(), unreadable_fills=_none()), SimpleNamespace(order=order)
    telling = Telling(
        SimpleNamespace(
            client=client,
            guard=guard,
            clock=SimpleNamespace(boot_ns=lambda: 1),
            kept_ns={},
            names=Names(),
            looking=SimpleNamespace(time=SimpleNamespace(now_ns=lambda: now_ns[0])),
        )
    )
    telling.due_fills(SimpleNamespace(entry_id=f"fill-{n}", order_id=f"order-{n}", time_ns=0) for n in range(2 * AT_ONCE))
    now_ns[0] = 60 * NS_PER_S
    assert telling.oldest_ns is None, "nothing has been asked yet"
    woken = asyncio.Event()
    telling.begin(woken.set)
    now_ns[0] += 5 * NS_PER_S
    assert telling.oldest_ns == 60 * NS_PER_S
    gate.set()
    told: list[Fact] = []
    async with asyncio.timeout(WAIT_S):
        while len(told) < AT_ONCE:
            await woken.wait()
            woken.clear()
            told += telling.told()
    assert telling.oldest_ns is None
    telling.begin(woken.set)
    assert telling.oldest_ns == 65 * NS_PER_S
    assert telling.told_until_ns == 0, "a cursor never passes what waits"
    telling.cancel()


async def test_what_was_read_of_an_exit_before_taking_it_off_failed_is_not_told(at: Pair) -> None:
    """It would be believed to stand, after the news that it may be off."""
    known = await at.place(limit("61000"))
    context, gate, asked = at.venue._context, asyncio.Event(), asyncio.Event()
    assert known.stop is not None
    exit_ref, real = known.stop.ref, context.guard.order

    async def late(order_id: str) -> VenueOrder:
        found = await real(order_id)
        asked.set()
        await gate.wait()
        return found

    telling, woken = Telling(context), asyncio.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.guard, "order", late)
        telling.due_news([OrderNews(order_id=exit_ref, client_order_id="", status=VenueStatus.OPEN, filled_size=ZERO, is_triggered=False)])
        telling.begin(woken.set)
        async with asyncio.timeout(WAIT_S):
            await asked.wait()
            context.keep([exit_ref])
            gate.set()
            await woken.wait()
        assert telling.told() == []
    assert not telling.is_done
    woken.clear()
    telling.begin(woken.set)
    async with asyncio.timeout(WAIT_S):
        await woken.wait()
    assert [fact.units for fact in telling.told() if isinstance(fact, LegStands) and fact.leg is Leg.STOP_LOSS] == [known.position]


@pytest.mark.parametrize("since", ["heard", "taken off"])
async def test_what_stood_when_a_connection_began_is_not_told_of_an_exit_that_something_has_become_of_since(at: Pair, since: str) -> None:
    """The list waited for its turn at the venue: an exit that may be off was believed to stand, and its end, heard meanwhile, was not read."""
    known = await at.place(limit("61000"))
    context = at.venue._context
    assert known.stop is not None
    exit_ref, telling, began_ns = known.stop.ref, Telling(context), context.clock.boot_ns()
    working = [one for one in await context.client.working() if one.order_id == exit_ref]
    assert len(working) == 1
    if since == "heard":
        telling.due_news([OrderNews(order_id=exit_ref, client_order_id="", status=VenueStatus.CANCELLED, filled_size=ZERO, is_triggered=False)])
    else:
        context.keep([exit_ref])
    assert await telling.standing(working, began_ns) == []
    assert not telling.is_done, "it is read by itself"
    told = await Telling(context).standing(working, context.clock.boot_ns() + 1)
    assert [fact for fact in told if isinstance(fact, LegStands)]


async def test_what_is_only_read_again_keeps_no_news_waiting() -> None:
    """A restart or a break reads three minutes of executions again: nine hundred orders stood before those that had just filled."""
    asked: list[str] = []

    async def order(order_id: str) -> VenueOrder:
        asked.append(order_id)
        raise Missing(f"no {order_id}")

    client, guard = SimpleNamespace(unreadable=_none(), unreadable_fills=_none()), SimpleNamespace(order=order)
    clock, time = SimpleNamespace(boot_ns=lambda: 1), SimpleNamespace(now_ns=lambda: 2)
    telling = Telling(
        SimpleNamespace(client=client, guard=guard, clock=clock, kept_ns={}, names=Names(), looking=SimpleNamespace(time=time)), fresh_ns=1000
    )
    telling.due_fills(SimpleNamespace(entry_id=f"old-{n}", order_id=f"old-{n}", time_ns=999) for n in range(900))
    assert telling.is_done, "news has been told"
    woken = asyncio.Event()
    telling.begin(woken.set)
    telling.due_fills(
        [SimpleNamespace(entry_id="new", order_id="new", time_ns=1000), SimpleNamespace(entry_id="more", order_id="old-899", time_ns=1001)]
    )
    assert not telling.is_done
    telling.begin(woken.set)
    async with asyncio.timeout(WAIT_S):
        await woken.wait()
    assert {"new", "old-899"} <= set(asked[: AT_ONCE + 2])
    assert len(asked) == AT_ONCE + 2, "as many side by side of what is read again, and no more"
    telling.cancel()


async def test_that_a_known_entry_has_filled_is_told_before_its_order_is_read(at: Pair) -> None:
    """Its stop waits for nothing else; an execution of an exit says only with its order which exit that was."""
    known = await at.place(limit("59000"))
    at.quote("58990", "59000")
    fills = await at.venue._context.client.fills(since_ns=0)
    telling = Telling(at.venue._context)
    told = telling.due_fills(fills)
    assert [(fact.client_id, fact.units) for fact in told if isinstance(fact, EntryFilled)] == [(known.intent.client_id, known.order.units)]
    assert not telling.is_done, "what else its order says is read all the same"
    at.quote("57000", "57010")
    fills = [one for one in await at.venue._context.client.fills(since_ns=0) if one.order_id != fills[0].order_id]
    assert fills
    assert telling.due_fills(fills) == []
