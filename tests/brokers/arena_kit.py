"""One adapter of paper with limits of its own, its market and the gateway's heartbeats: what the tests of its watches are written with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from brokers.host import Adapter
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from bus.envelope import encode_event
from bus.topics import heartbeat_topic
from runtime.clock import ManualClock
from runtime.settings import Settings
from tests.brokers.conftest import running
from tests.brokers.desk_kit import MARKET_NS, Bus, Caller, event, ticket
from trading.instruments import Instruments


class Arena:
    """An adapter with limits of one's own, restarted at will on the same store."""

    def __init__(self, settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus) -> None:
        self.settings, self.instruments, self.clock, self.bus = settings, instruments, clock, bus
        self.n = 0

    @asynccontextmanager
    async def open(self, **risk: object) -> AsyncIterator[tuple[Adapter, Caller]]:
        settings = replace(self.settings, risk=risk)
        broker = PaperBroker(venue="oanda", instruments=self.instruments, account=PaperAccountConfig.for_venue("oanda", settings.paper))
        async with running(settings, broker, self.instruments, self.clock) as opened:
            await self.bus.subscribed()
            yield opened
        await self.bus.unsubscribed()

    def quote(self, bid: str, ask: str) -> None:
        self.n += 1
        self.bus.quote(bid, ask, sent_boot_ns=self.clock.boot_ns(), n=self.n)

    def beat(self, program: str, **payload: object) -> None:
        self.bus.quotes.send_multipart([heartbeat_topic(program), encode_event(program, "heartbeat", payload, MARKET_NS)])

    async def fill(self, ask: Caller, client_order_id: str = "a1", **changes: object) -> None:
        """A long of 100,000 EUR at 1.1655."""
        self.quote("1.16700", "1.16710")
        await ask("order.place", ticket(client_order_id, **{"units": 100_000, **changes}))
        self.quote("1.16540", "1.16550")
        await event(self.settings, "order_filled")
