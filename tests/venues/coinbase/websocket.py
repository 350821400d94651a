"""The websocket: one connection, its subscriptions, and one sequence over all its channels.

Each connection has its own queue and its own task that empties it; what is told to it is numbered when it is written, so that a fault that swaps or
doubles a message leaves the numbers whole, and one that loses a message takes its number along.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence

from aiohttp import WSCloseCode, WSMsgType, web

from runtime.clock import NS_PER_S
from tests.venues.coinbase.auth import Gatekeeper, Unauthorized
from tests.venues.coinbase.channels import BATCH_S, CHANNELS, PRIVATE, Channels
from tests.venues.coinbase.orders import Order
from tests.venues.coinbase.wire import rfc3339_nano
from tests.venues.common.clock import VenueClock
from tests.venues.common.faults import STREAM_KINDS, FaultScript, Kind
from trading.quotes import Quote

# A client that has not subscribed by then is sent away, as is one to whom nothing was said for so long.
SUBSCRIBE_S_MAX = 5
QUIET_S_MAX = 75
# A reader this far behind is cut off.
QUEUE_MAX = 20_000

Events = Sequence[Mapping[str, object]]


class Connection:
    """One client.

    Args:
        cut: ends the connection without a word.
    """

    def __init__(
        self,
        ws: web.WebSocketResponse,
        cut: Callable[[], None],
        channels: Channels,
        gatekeeper: Gatekeeper,
        clock: VenueClock,
        faults: FaultScript,
    ) -> None:
        self._ws = ws
        self._cut = cut
        self._channels = channels
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._faults = faults
        self._queue: asyncio.Queue[str | WSCloseCode] = asyncio.Queue()
        self._sequence = 0
        self._said_ns = clock.now_ns()
        self._beats = 0
        self._muted: set[str] = set()
        self._held: dict[str, Events] = {}
        self.subscriptions: dict[str, set[str]] = {}

    async def run(self) -> None:
        """Serve until either side ends it."""
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._keep_time())]
        try:
            async for message in self._ws:
                if message.type is WSMsgType.TEXT:
                    self._hear(message.data)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def on_order(self, order: Order) -> None:
        wanted = self.subscriptions.get("user")
        if wanted is not None and (not wanted or order.product.product_id in wanted):
            self._tell("user", self._channels.user_update(order))

    def on_quote(self, quote: Quote) -> None:
        for channel in ("ticker", "level2", "market_trades"):
            if quote.instrument in self.subscriptions.get(channel, ()):
                self._tell(CHANNELS[channel], self._channels.market_update(channel, quote))

    def on_status(self) -> None:
        """A product's state has changed."""
        if "status" in self.subscriptions:
            self._tell("status", self._channels.status_update(self.subscriptions["status"]))

    def close(self, code: WSCloseCode = WSCloseCode.GOING_AWAY) -> None:
        """End the connection after what is queued; 1001 is what the venue says when it goes down for maintenance."""
        self._queue.put_nowait(code)

    def _hear(self, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            return self._complain("failure to subscribe")
        kind, channel = (message.get("type"), message.get("channel")) if isinstance(message, dict) else (None, None)
        if kind not in {"subscribe", "unsubscribe"} or channel not in CHANNELS:
            return self._complain("failure to subscribe")
        token = message.get("jwt")
        if token or channel in PRIVATE:
            try:
                self._gatekeeper.check(str(token or ""), now_ns=self._clock.now_ns(), uri=None)
            except Unauthorized:
                return self._complain("authentication failure")
        products = self._channels.books(channel, message.get("product_ids", []))
        if products is None:
            return self._complain("failure to subscribe")
        if kind == "subscribe":
            self._subscribe(channel, products)
        else:
            self._unsubscribe(channel, products)
        return None

    def _subscribe(self, channel: str, products: set[str]) -> None:
        self.subscriptions.setdefault(channel, set()).update(products)
        # Recorded: the snapshot comes first, and only then the acknowledgement.
        ack_first = self._channels.options.ack_first
        if ack_first:
            self._acknowledge()
        for events in self._channels.snapshots(channel, products):
            self._tell(CHANNELS[channel], events)
        if not ack_first:
            self._acknowledge()

    def _unsubscribe(self, channel: str, products: set[str]) -> None:
        left = self.subscriptions.get(channel, set()) - products
        if left and products:
            self.subscriptions[channel] = left
        else:
            self.subscriptions.pop(channel, None)
        self._acknowledge()

    def _acknowledge(self) -> None:
        self._tell("subscriptions", [{"subscriptions": self._channels.acknowledged(self.subscriptions)}])

    def _complain(self, message: str) -> None:
        """An error: no data, so without a number."""
        self._queue.put_nowait(json.dumps({"type": "error", "message": message}))

    def _tell(self, channel: str, events: Events) -> None:
        """Say something, unless the fault script has it otherwise."""
        if channel in self._muted or "" in self._muted:
            return
        fault = self._faults.take(STREAM_KINDS, method="GET", path=channel)
        match None if fault is None else fault.kind:
            case Kind.STREAM_MUTE:
                assert fault is not None
                self._muted.add(channel if fault.path else "")
            case Kind.STREAM_CUT:
                self.close()
            case Kind.STREAM_CUT_MID_LINE:
                self._queue.put_nowait(WSCloseCode.ABNORMAL_CLOSURE)
            case Kind.STREAM_GAP:
                self._sequence += 1
            case Kind.STREAM_SWAP if channel not in self._held:
                self._held[channel] = events
            case kind:
                self._number(channel, events)
                if kind is Kind.STREAM_TWICE:
                    self._number(channel, events)
                held = self._held.pop(channel, None)
                if held is not None:
                    self._number(channel, held)

    def _number(self, channel: str, events: Events) -> None:
        now_ns = self._clock.now_ns()
        message = {"channel": channel, "client_id": "", "timestamp": rfc3339_nano(now_ns), "sequence_num": self._sequence, "events": events}
        self._sequence += 1
        self._said_ns = now_ns
        self._queue.put_nowait(json.dumps(message))

    async def _write(self) -> None:
        while True:
            item = await self._queue.get()
            if self._queue.qsize() > QUEUE_MAX:
                item = WSCloseCode.POLICY_VIOLATION
            if isinstance(item, str):
                with contextlib.suppress(ConnectionError):  # the client went; the reading side ends this
                    await self._ws.send_str(item)
            elif item is WSCloseCode.ABNORMAL_CLOSURE:
                self._cut()
                return
            else:
                await self._ws.close(code=item)
                return

    async def _keep_time(self) -> None:
        """Once a second: the heartbeat, every fifth second the batch, and the door for who says or hears nothing."""
        seconds = 0
        while True:
            await self._clock.sleep(1)
            seconds += 1
            if "heartbeats" in self.subscriptions:
                self._beats += 1
                self._tell("heartbeats", self._channels.heartbeat(self._beats))
            if seconds % BATCH_S == 0 and "ticker_batch" in self.subscriptions:
                self._tell("ticker_batch", self._channels.batch(self.subscriptions["ticker_batch"]))
            if seconds == SUBSCRIBE_S_MAX and not self.subscriptions:
                self.close(WSCloseCode.POLICY_VIOLATION)
            if self._clock.now_ns() - self._said_ns > QUIET_S_MAX * NS_PER_S and not self._muted:
                self.close(WSCloseCode.OK)


class Hub:
    """All connections, and what is told to each of them."""

    def __init__(self, channels: Channels, gatekeeper: Gatekeeper, clock: VenueClock, faults: FaultScript) -> None:
        self._channels = channels
        self._gatekeeper = gatekeeper
        self._clock = clock
        self._faults = faults
        self.connections: set[Connection] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The handler of the websocket's address."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)

        def cut() -> None:
            if request.transport is not None:
                request.transport.abort()

        connection = Connection(ws, cut, self._channels, self._gatekeeper, self._clock, self._faults)
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
        return ws

    def on_order(self, order: Order) -> None:
        for connection in self.connections:
            connection.on_order(order)

    def on_quote(self, quote: Quote) -> None:
        self._channels.note(quote)
        for connection in self.connections:
            connection.on_quote(quote)

    def on_status(self) -> None:
        for connection in self.connections:
            connection.on_status()

    def close_all(self) -> None:
        """Send every client away with 1001."""
        for connection in self.connections:
            connection.close()
