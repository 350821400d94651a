"""Quotes while the disk hangs: the newest of each instrument is kept, and none decides after a newer one has."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from brokers.desk import Desk
from brokers.feed_watch import FeedWatch
from brokers.quote_desk import WAITING_MAX, QuoteDesk
from brokers.quote_intake import Received
from brokers.steady_clock import SteadyClock
from bus.journal import Journal
from bus.txn import Txn
from runtime.clock import NS_PER_S, ManualClock
from trading.quotes import Quote


class Jam:
    """A journal that takes works and does them one by one when told to; and the desk that they reach."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[Txn], Any], asyncio.Future[Any]]] = []
        self.decided: list[Quote] = []
        broker = SimpleNamespace(wants=lambda _: True, mark=list, on_quote=lambda quote, **_: self.decided.append(quote))
        self.desk = cast("Desk", SimpleNamespace(instruments={"EUR_USD": None, "GBP_USD": None}, broker=broker, record=lambda _: None))

    def submit(self, work: Callable[[Txn], Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((work, future))
        return future

    async def do(self, count: int) -> None:
        for _ in range(count):
            work, future = self.waiting.pop(0)
            work(cast("Txn", None))
            future.set_result(None)
            await asyncio.sleep(0)


async def test_a_quote_that_had_to_wait_never_decides_after_a_newer_one() -> None:
    clock, jam = ManualClock(), Jam()
    quotes = QuoteDesk(cast("Journal", jam), jam.desk, FeedWatch(10 * NS_PER_S), SteadyClock(clock), blind=(), blind_since_ns=0)
    first = Quote(instrument="EUR_USD", bid=Decimal("1.1"), ask=Decimal("1.2"), time_ns=0, synthetic=True, feed="simulated")
    for n in range(WAITING_MAX):
        quotes.take(Received(quote=replace(first, instrument="GBP_USD", time_ns=n), sent_boot_ns=clock.boot_ns()))
    quotes.take(Received(quote=replace(first, time_ns=1), sent_boot_ns=clock.boot_ns()))
    await jam.do(1)
    quotes.take(Received(quote=replace(first, time_ns=2), sent_boot_ns=clock.boot_ns()))
    while jam.waiting:
        await jam.do(1)
    assert [quote.time_ns for quote in jam.decided if quote.instrument == "EUR_USD"] == [2]
