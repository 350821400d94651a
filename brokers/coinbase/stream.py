"""The account's news: the user channel of the websocket, checked and watched, with REST for everything it does not say.

The channel tells the state of orders, cumulatively; executions are asked for by REST whenever one has filled more. So the order of work is:
subscribe, read by REST what was executed since the cursor and what works, then follow. A hole in the numbers, silence, an error or a close ends the
stream, and the core opens the next one, which begins with the same reading: nothing is lost at a seam, and what is told twice does no harm.

Executions are also asked for every few seconds without a word from the channel: one that has gone deaf while its heartbeats go on must not leave a
position without its stop.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import NoReturn

from brokers.coinbase.context import Context
from brokers.coinbase.messages import Numbers, StreamBroken, read
from brokers.coinbase.telling import Telling
from brokers.live.venue import Batch, NotSent, Unplaced
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt, Outbound, WebSocket

# Heartbeats come every second. The venue's own limit for a quiet channel is a minute.
SILENCE_S_MAX = 3.0
# A subscription is acknowledged within a moment, or something is wrong with it.
SUBSCRIBED_S_MAX = 10.0
# How often executions are asked for without a word from the channel.
POLL_S = 1.5
# What has happened and cannot be read for so long ends the stream: then the core looks at everything.
UNTOLD_S_MAX = 15.0
# What is to be told waits at most this long for something to wake it.
TURN_S_MAX = 0.5
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
            fills, working = await asyncio.gather(
                self._client.fills(since_ns=self._there(since_ns - SEAM_NS if cursor else since_ns)), self._client.working()
            )
            telling.due_fills(fills)
            telling.polled_ns = read_ns
            told = await telling.standing(working)
            if cursor:
                told.append(Unplaced(text="the stream was opened again: what ended meanwhile without a trade is seen by comparing"))
            is_live = telling.is_done
            yield Batch(facts=told, cursor=str(since_ns), is_live=is_live)
            wake = asyncio.Event()
            wake.set()
            hearing = asyncio.create_task(self._hear(socket, numbers, telling, wake))
            polling = asyncio.create_task(self._poll(telling, wake))
            try:
                told_ns = self._clock.boot_ns()
                while True:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(TURN_S_MAX):
                            await wake.wait()
                    wake.clear()
                    for task in (hearing, polling):
                        if task.done():
                            task.result()  # they end in nothing but an exception
                    telling.begin(wake.set)
                    facts = telling.told()
                    while self._context.aside:
                        facts.append(self._context.aside.popleft())
                    now_ns = self._clock.boot_ns()
                    since_ns = max(since_ns, telling.told_until_ns)
                    if telling.oldest_ns is not None and self._clock.wall_ns() - telling.oldest_ns >= UNTOLD_S_MAX * NS_PER_S:
                        raise StreamBroken("the venue tells that something has happened, and not what")
                    if facts or now_ns - told_ns >= LIFE_S * NS_PER_S or is_live != (is_live or telling.is_done):
                        told_ns, is_live = now_ns, is_live or telling.is_done
                        yield Batch(facts=facts, cursor=str(since_ns), is_live=is_live)
            finally:
                telling.cancel()
                hearing.cancel()
                polling.cancel()
                await asyncio.gather(hearing, polling, return_exceptions=True)

    async def _hear(self, socket: WebSocket, numbers: Numbers, telling: Telling, wake: asyncio.Event) -> NoReturn:
        """Take what the channel says. Ends in an exception."""
        try:
            while True:
                if self._context.must_reopen:
                    raise StreamBroken("the venue takes other exits than it had promised: what can be done there is asked anew")
                telling.due_news(read(await socket.receive(SILENCE_S_MAX), numbers).orders)
                wake.set()
        finally:
            wake.set()

    async def _poll(self, telling: Telling, wake: asyncio.Event) -> NoReturn:
        """Ask for executions without a word from the channel, again and again."""
        while True:
            await asyncio.sleep(POLL_S)
            read_ns = self._clock.wall_ns()
            with contextlib.suppress(InDoubt, NotSent):  # the next try is soon; what lacks all the while ends the stream
                telling.due_fills(await self._client.fills(since_ns=self._there(min(telling.polled_ns, read_ns - POLL_BACK_NS))))
                telling.polled_ns = read_ns
                wake.set()

    def _there(self, our_ns: int) -> int:
        """A moment of ours on the venue's clock, at the latest: what was executed after it must not lie before it there."""
        return our_ns + min(self._context.looking.skew_ns, 0)

    async def _subscribe(self, socket: WebSocket, numbers: Numbers, telling: Telling) -> None:
        """Return once the venue says that both channels are subscribed to."""
        for channel in ("heartbeats", "user"):
            await socket.send(json.dumps({"type": "subscribe", "channel": channel, "jwt": self._client.stream_token()}))
        wanted = {"heartbeats", "user"}
        try:
            async with asyncio.timeout(SUBSCRIBED_S_MAX):
                while wanted:
                    message = read(await socket.receive(SILENCE_S_MAX), numbers)
                    telling.due_news(message.orders)
                    wanted -= {message.channel, *message.subscribed}
        except TimeoutError:
            raise StreamBroken("the subscription was not acknowledged") from None
