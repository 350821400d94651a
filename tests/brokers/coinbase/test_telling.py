"""What is due to be read, and how long it may wait."""

import asyncio
from types import SimpleNamespace

from brokers.coinbase.answers import VenueOrder
from brokers.coinbase.rest import Missing
from brokers.coinbase.telling import AT_ONCE, Telling
from brokers.coinbase.unreadable import UnreadableThings
from brokers.live.venue import Fact
from runtime.clock import NS_PER_S
from tests.brokers.coinbase.kit import WAIT_S


def _none() -> UnreadableThings:
    return UnreadableThings(lambda: 0, are_executions=False)


async def test_a_long_queue_is_no_venue_that_does_not_tell() -> None:
    """After a break three minutes of executions are read again, so many orders at a time: the last of them wait, and nobody has asked in vain."""
    now_ns, gate = [0], asyncio.Event()

    async def order(order_id: str) -> VenueOrder:
        await gate.wait()
        raise Missing(f"no {order_id}")

    client, guard = SimpleNamespace(unreadable=_none(), unreadable_fills=_none()), SimpleNamespace(order=order)
    telling = Telling(SimpleNamespace(client=client, guard=guard, looking=SimpleNamespace(time=SimpleNamespace(now_ns=lambda: now_ns[0]))))
    telling.due_fills(SimpleNamespace(entry_id=f"fill-{n}", order_id=f"order-{n}") for n in range(2 * AT_ONCE))
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
