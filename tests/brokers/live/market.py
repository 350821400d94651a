"""A market for the exchange in memory: quotes fill what they reach, and reach the adapter over the bus."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from tests.brokers.contract import Quoted, Scene
from tests.brokers.desk_kit import Bus
from tests.brokers.live.exchange import Exchange
from trading.instruments import Side
from trading.orders import BracketOrder, EntryType, Leg

# An adapter takes a quote for stale after seconds: it is shown again well before.
REPEAT_S = 0.1


class ScriptedMarket:
    """Buys only: enough for one scene."""

    def __init__(self, exchange: Exchange, bus: Bus) -> None:
        self._exchange = exchange
        self._bus = bus
        self.quote: Quoted | None = None
        self._n = 0
        exchange.on_create = self._match

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Show the standing quote again and again, and end entries at their date."""

        async def show() -> None:
            while True:
                self._publish()
                self._expire()
                await asyncio.sleep(REPEAT_S)

        task = asyncio.create_task(show())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def move(self, quote: Quoted) -> None:
        self.quote = quote
        self._match()
        self._publish()

    def place_by_hand(self, scene: Scene) -> None:
        order = BracketOrder(
            instrument=scene.instrument,
            side=Side.BUY,
            units=Decimal(scene.units),
            entry_price=Decimal(scene.entry),
            stop_loss_price=Decimal(scene.stop),
            take_profit_price=Decimal(scene.target),
        )
        self._exchange.place_by_hand(order)

    def close_all_by_hand(self) -> None:
        for held in list(self._exchange.held.values()):
            if held.open_units:
                self._exchange.close(held.client_id, held.open_units, self._bid)

    @property
    def _bid(self) -> Decimal:
        assert self.quote is not None
        return Decimal(self.quote[0])

    def _match(self) -> None:
        if self.quote is None:
            return
        bid, ask = (Decimal(price) for price in self.quote)
        self._exchange.close_price = bid
        for held in list(self._exchange.held.values()):
            if held.stop is not None and bid <= held.stop_price:
                self._exchange.hit(held.client_id, Leg.STOP_LOSS, str(bid))
            elif held.target is not None and bid >= held.target_price:
                self._exchange.hit(held.client_id, Leg.TAKE_PROFIT, str(bid))
            elif held.remaining and (held.order.entry_type is EntryType.MARKET or ask <= (held.order.entry_price or ask)):
                self._exchange.fill(held.client_id, price=str(ask))

    def _expire(self) -> None:
        for held in list(self._exchange.held.values()):
            if held.remaining and held.expires_ns and held.expires_ns <= time.time_ns():
                self._exchange.expire(held.client_id)

    def _publish(self) -> None:
        if self.quote is not None:
            self._n += 1
            bid, ask = self.quote
            self._bus.quote(bid, ask, sent_boot_ns=time.clock_gettime_ns(time.CLOCK_BOOTTIME), n=self._n, feed="oanda", synthetic=False)
