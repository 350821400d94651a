"""The account's news: the user channel of the websocket, checked and watched, with REST for everything it does not say.

The channel tells the state of orders, cumulatively; executions are asked for by REST whenever one has filled more. So the order of work is:
subscribe, read by REST what was executed since the cursor and what works, then follow. A hole in the numbers, silence, an error or a close ends the
stream, and the core opens the next one, which begins with the same reading: nothing is lost at a seam, and what is told twice does no harm.

Executions are also asked for every few seconds without a word from the channel: one that has gone deaf while its heartbeats go on must not leave a
position without its stop.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from brokers.coinbase.context import Context
from brokers.coinbase.messages import Message, Numbers, StreamBroken, read
from brokers.coinbase.telling import Telling
from brokers.live.venue import Batch, Unplaced
from runtime.clock import NS_PER_S
from runtime.outbound import Outbound, WebSocket

# Heartbeats come every second. The venue's own limit for a quiet channel is a minute.
SILENCE_S_MAX = 5.0
# A subscription is acknowledged within a moment, or something is wrong with it.
SUBSCRIBED_S_MAX = 10.0
# How often executions are asked for without a word from the channel.
POLL_S = 3.0
# The core hears of us at least this often; it takes three times as long for a dead stream.
LIFE_S = 4.0

# How far back the executions before a cursor are read again: our clock, the venue's, and executions that are listed late.
SEAM_NS = 180 * NS_PER_S
# The same while the stream runs.
POLL_BACK_NS = 30 * NS_PER_S


class Stream:
    """Opens one connection after another; each call of ``batches`` is one of them.

    Args:
        way_out: the websocket's address.
        is_strict: whether a hole in the numbers ends the connection.
    """

    def __init__(self, context: Context, way_out: Outbound, *, is_strict: bool = True) -> None:
        self._context = context
        self._client = context.client
        self._clock = context.clock
        self._way_out = way_out
        self._is_strict = is_strict

    async def batches(self, cursor: str) -> AsyncIterator[Batch]:
        """What happened since ``cursor``, then what happens. Always ends in an exception.

        Raises:
            StreamBroken, StreamEnded, NotSent, InDoubt.
        """
        telling = Telling(self._context)
        since_ns = int(cursor) if cursor else self._clock.wall_ns()
        async with self._way_out.websocket() as socket:
            numbers = Numbers(is_strict=self._is_strict)
            await self._subscribe(socket, numbers, telling)
            read_ns = self._clock.wall_ns()
            telling.due_fills(await self._client.fills(since_ns=since_ns - SEAM_NS if cursor else since_ns))
            facts = [*await telling.standing(await self._client.working()), *await telling.tell()]
            if cursor:
                facts.append(Unplaced(text="the stream was opened again: what ended meanwhile without a trade is seen by comparing"))
            if telling.is_done:
                since_ns = read_ns
            yield Batch(facts=facts, cursor=str(since_ns), is_live=True)
            told_ns = polled_ns = self._clock.boot_ns()
            while True:
                if self._context.must_reopen:
                    raise StreamBroken("the venue takes other exits than it had promised: what can be done there is asked anew")
                self._note(read(await socket.receive(SILENCE_S_MAX), numbers), telling)
                now_ns = self._clock.boot_ns()
                has_polled = now_ns - polled_ns >= POLL_S * NS_PER_S
                if has_polled:
                    read_ns, polled_ns = self._clock.wall_ns(), now_ns
                    telling.due_fills(await self._client.fills(since_ns=min(since_ns, read_ns - POLL_BACK_NS)))
                facts = await telling.tell()
                while self._context.aside:
                    facts.append(self._context.aside.popleft())
                if has_polled and telling.is_done:
                    since_ns = read_ns
                if facts or now_ns - told_ns >= LIFE_S * NS_PER_S:
                    told_ns = now_ns
                    yield Batch(facts=facts, cursor=str(since_ns), is_live=True)

    async def _subscribe(self, socket: WebSocket, numbers: Numbers, telling: Telling) -> None:
        """Return once the venue says that both channels are subscribed to."""
        for channel in ("heartbeats", "user"):
            await socket.send(json.dumps({"type": "subscribe", "channel": channel, "jwt": self._client.stream_token()}))
        wanted = {"heartbeats", "user"}
        try:
            async with asyncio.timeout(SUBSCRIBED_S_MAX):
                while wanted:
                    message = read(await socket.receive(SILENCE_S_MAX), numbers)
                    self._note(message, telling)
                    wanted -= {message.channel, *message.subscribed}
        except TimeoutError:
            raise StreamBroken("the subscription was not acknowledged") from None

    @staticmethod
    def _note(message: Message, telling: Telling) -> None:
        telling.due_news(message.orders)
