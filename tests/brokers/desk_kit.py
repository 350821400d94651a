"""Tools of the adapter's tests: somebody who asks, two sockets in place of the proxy, and orders that pass the checks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import zmq

from bus.envelope import decode_event, encode_event
from bus.replay import ReplayClient
from bus.requests import RequestClient
from bus.topics import quote_topic
from runtime.clock import Clock
from runtime.settings import Settings

WAIT_S_MAX = 30.0
TRADER: Mapping[str, object] = {"user": "trader@test", "role": "trader", "live": False}
OTHER: Mapping[str, object] = {"user": "other@test", "role": "trader", "live": False}
ADMIN: Mapping[str, object] = {"user": "admin@test", "role": "admin", "live": True}
VIEWER: Mapping[str, object] = {"user": "viewer@test", "role": "viewer", "live": False}
GRANTED: Mapping[str, object] = {"user": "trader@test", "role": "trader", "live": True}

# 2014-05-02 12:00 UTC, a Friday on which forex trades.
MARKET_NS = 1_399_032_000_000_000_000


def ticket(client_order_id: str | None = None, **changes: object) -> dict[str, object]:
    """The seed's EUR_USD bracket."""
    fields: dict[str, object] = {
        "instrument": "EUR_USD",
        "side": "BUY",
        "units": 100,
        "entry_price": 1.1655,
        "stop_loss_price": 1.16,
        "take_profit_price": 1.17,
        "quality_score": 75,
    }
    if client_order_id is not None:
        fields["client_order_id"] = client_order_id
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


class Caller:
    """A ``RequestClient`` that knows which operations need a deadline."""

    def __init__(self, address: str, clock: Clock) -> None:
        self._client = RequestClient(address, clock=clock)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        assert await self._client.wait_connected(WAIT_S_MAX)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def __call__(
        self, op: str, args: Mapping[str, object] | None = None, actor: Mapping[str, object] | None = TRADER, ttl_ms: int | None = None
    ) -> dict[str, Any]:
        """The result of one operation; raises what the adapter refuses with."""
        commands = {"order.place", "order.modify", "order.cancel", "order.cancel_all", "position.close"}
        reply = await self._client.call(op, args or {}, actor=actor, ttl_ms=ttl_ms or (3000 if op in commands else None), timeout_s=WAIT_S_MAX)
        result: dict[str, Any] = reply.result
        return result


class Bus:
    """What an adapter sees of the bus: where it publishes and where quotes come from."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def __enter__(self) -> Self:
        self.published = self._context.socket(zmq.SUB)
        self.published.subscribe(b"")
        self.published.bind(self._settings.bus_pub_address)
        self.quotes = self._context.socket(zmq.XPUB)
        self.quotes.bind(self._settings.bus_sub_address)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._context.destroy(linger=0)

    async def heard(self) -> None:
        """Something was published and came through: nothing after it is lost for want of a connection."""
        await until(lambda: bool(self.published.poll(0)))
        self.published.recv_multipart()

    async def seqs(self, last: int) -> AsyncIterator[int]:
        """The seq of each event published so far and up to ``last``, heartbeats left out."""
        seq = 0
        while seq < last:
            async with asyncio.timeout(WAIT_S_MAX):
                await until(lambda: bool(self.published.poll(0)))
            event = decode_event(self.published.recv_multipart()[1])
            if event.seq is not None:
                seq = event.seq
                yield seq

    async def subscribed(self) -> None:
        """An adapter listens for quotes."""
        await self._asked_for(b"\x01quote.")

    async def unsubscribed(self) -> None:
        """An adapter listens no more."""
        await self._asked_for(b"\x00quote.")

    async def _asked_for(self, what: bytes) -> None:
        """Heartbeats, which an adapter listens for on a socket of its own, are passed over."""
        heard = b""
        while not heard.startswith(what):
            await until(lambda: bool(self.quotes.poll(0)))
            heard = self.quotes.recv()

    def quote(
        self, bid: str, ask: str, *, instrument: str = "EUR_USD", sent_boot_ns: int, n: int = 0, feed: str = "simulated", synthetic: bool = True
    ) -> None:
        """Send one quote, of the simulated feed where nothing else is said."""
        payload: dict[str, object] = {
            "instrument": instrument,
            "bid": Decimal(bid),
            "ask": Decimal(ask),
            "synthetic": synthetic,
            "feed": feed,
            "time_ns": MARKET_NS + n,
            "sent_boottime_ns": sent_boot_ns,
        }
        venue = "oanda" if "_" in instrument else "coinbase"
        self.quotes.send_multipart([quote_topic(venue, instrument), encode_event(venue, "quote", payload, MARKET_NS + n)])


async def until(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fails after half a minute."""
    async with asyncio.timeout(WAIT_S_MAX):
        while not condition():
            await asyncio.sleep(0.002)


async def events_of(settings: Settings, source: str = "oanda") -> list[Any]:
    """The whole journal, decoded, as its replay socket gives it."""
    async with ReplayClient(settings.replay_address(source)) as client:
        assert await client.wait_connected(WAIT_S_MAX)
        found: list[Any] = []
        while True:
            page = await client.fetch(None, len(found), 500)
            found += [decode_event(body) for body in page.events]
            if len(found) >= page.last_seq:
                return found


async def event(settings: Settings, kind: str, source: str = "oanda", *, count: int = 1) -> Any:
    """The ``count``-th journalled event of this type, once it is there."""
    async with asyncio.timeout(WAIT_S_MAX):
        while True:
            found = [event for event in await events_of(settings, source) if event.type == kind]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.01)
