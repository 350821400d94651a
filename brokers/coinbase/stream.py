"""The account's news: the user channel of the websocket, checked and watched, with REST for everything it does not say.

The channel tells the state of orders, cumulatively; executions are asked for by REST whenever one has filled more. So the order of work is:
subscribe, read by REST what was executed since the cursor and what works, then follow. A hole in the numbers, silence, an error or a close ends the
connection; the next one is opened at once, begins with the same reading, and asks the core to compare: nothing is lost at a seam, and what is told
twice does no harm.

Executions are also asked for every second without a word from the channel, whether or not it is there: neither one that has gone deaf while its
heartbeats go on, nor one that cannot be had, must leave a position without its stop. A channel that stays away ends the stream, and the core looks
round: the key may be gone.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NoReturn

from brokers.coinbase.context import Context
from brokers.coinbase.messages import Numbers, StreamBroken, StreamDenied, read
from brokers.coinbase.telling import Telling
from brokers.live.venue import Batch, Fact, NotSent, Unplaced
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt, Outbound, OutboundError, WebSocket

# Heartbeats come every second. The venue's own limit for a quiet channel is a minute.
SILENCE_S_MAX = 3.0
# A subscription is acknowledged within a moment, or something is wrong with it.
SUBSCRIBED_S_MAX = 10.0
# The pauses before a connection is opened again, less up to half of each by chance; the venue allows eight a second.
LINE_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
# Without a connection for so long the stream ends.
LINE_S_MAX = 15.0
# How often executions are asked for without a word from the channel, and how soon again when there was no answer.
POLL_S = 1.0
POLL_AGAIN_S = 0.3
# What has happened and cannot be read for so long ends the stream: then the core looks at everything.
UNTOLD_S_MAX = 15.0
# What is to be told waits at most this long for something to wake it.
TURN_S_MAX = 0.5
# The core hears of us at least this often while the venue is heard of; it takes three times as long for a dead stream.
LIFE_S = 4.0

# How far back the executions before a cursor are read again: the venue's clock was measured anew, and executions are listed late.
SEAM_NS = 180 * NS_PER_S
# Of those, how far back they come before what is only read again.
FRESH_NS = 5 * NS_PER_S
# The same while the stream runs.
POLL_BACK_NS = 30 * NS_PER_S

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Line:
    """The connection of the moment. Times are the venue's for ``up_ns`` (0: it is down), CLOCK_BOOTTIME's for the others."""

    down_since_ns: int
    heard_ns: int
    up_ns: int = 0
    facts: list[Fact] = field(default_factory=list)


class Stream:
    """Each call of ``batches`` is one stream, over as many connections as it takes.

    Args:
        way_out: the websocket's address.
        is_strict: whether a hole in the numbers ends the connection.
    """

    def __init__(self, context: Context, way_out: Outbound, *, is_strict: bool = True) -> None:
        self._context = context
        self._client = context.client
        self._clock = context.clock
        self._time = context.looking.time
        self._way_out = way_out
        self._is_strict = is_strict
        self._jitter = random.Random()

    async def batches(self, cursor: str) -> AsyncIterator[Batch]:
        """What happened since ``cursor``, then what happens. Always ends in an exception.

        Raises:
            StreamBroken, StreamEnded, NotSent, InDoubt.
        """
        wake, poll_now = asyncio.Event(), asyncio.Event()
        now_ns = self._clock.boot_ns()
        line = _Line(down_since_ns=now_ns, heard_ns=now_ns)
        since_ns = min(int(cursor), self._time.now_ns()) if cursor else self._time.now_ns()
        telling = Telling(self._context, since_ns - FRESH_NS)
        floor_ns = telling.polled_ns = since_ns - SEAM_NS if cursor else since_ns
        tasks = [
            asyncio.create_task(self._keep_line(line, telling, wake, poll_now, was_before=bool(cursor))),
            asyncio.create_task(self._poll(line, telling, wake, poll_now, floor_ns)),
        ]
        for task in tasks:
            task.add_done_callback(lambda _: wake.set())
        told_ns, was_live = 0, False
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TURN_S_MAX):
                        await wake.wait()
                wake.clear()
                for task in tasks:
                    if task.done():
                        task.result()  # they end in nothing but an exception
                if self._context.must_reopen:
                    raise StreamBroken("the venue takes other exits than it had promised: what can be done there is asked anew")
                telling.begin(wake.set)
                facts, line.facts = [*line.facts, *telling.told()], []
                while self._context.aside:
                    facts.append(self._context.aside.popleft())
                now_ns = self._clock.boot_ns()
                if telling.oldest_ns is not None and self._time.now_ns() - telling.oldest_ns >= UNTOLD_S_MAX * NS_PER_S:
                    raise StreamBroken("the venue tells that something has happened, and not what")
                is_live = bool(line.up_ns) and (was_live or (telling.polled_ns >= line.up_ns and telling.is_done))
                is_alive = now_ns - line.heard_ns < LIFE_S * NS_PER_S and now_ns - told_ns >= LIFE_S * NS_PER_S
                if facts or is_alive or is_live != was_live:
                    told_ns, was_live = now_ns, is_live
                    since_ns = max(since_ns, telling.told_until_ns)
                    yield Batch(facts=facts, cursor=str(since_ns), is_live=is_live)
        finally:
            telling.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_line(self, line: _Line, telling: Telling, wake: asyncio.Event, poll_now: asyncio.Event, *, was_before: bool) -> NoReturn:
        """Have a connection and take what it says, and another one when it breaks. Ends in an exception.

        Args:
            was_before: something was heard before this, so that the core has to compare.
        """
        tries = 0
        while True:
            try:
                async with self._way_out.websocket() as socket:
                    numbers = Numbers(is_strict=self._is_strict)
                    await self._subscribe(socket, numbers, telling)
                    up_ns = self._time.now_ns()
                    async with asyncio.TaskGroup() as both:
                        both.create_task(self._hear(socket, numbers, line, telling, wake))
                        standing = await self._standing(telling)  # on a line of its own: what was told meanwhile would be there again
                        line.facts += standing
                        if was_before:
                            line.facts.append(Unplaced(text="the stream was opened again: what ended meanwhile without a trade is seen by comparing"))
                        line.up_ns, was_before, tries = up_ns, True, 0
                        poll_now.set()
                        wake.set()
            except* StreamDenied as denied:
                raise _first(denied) from None
            except* (StreamBroken, OutboundError, NotSent) as troubles:
                trouble = _first(troubles)
                now_ns = self._clock.boot_ns()
                if line.up_ns:
                    line.up_ns, line.down_since_ns = 0, now_ns
                elif now_ns - line.down_since_ns >= LINE_S_MAX * NS_PER_S:
                    raise trouble from None
                _log.info("the venue's websocket is opened again", extra={"reason": f"{type(trouble).__name__}: {trouble}"})
                wake.set()
            await asyncio.sleep(LINE_PAUSES_S[min(tries, len(LINE_PAUSES_S) - 1)] * self._jitter.uniform(0.5, 1.0))
            tries += 1

    async def _standing(self, telling: Telling) -> list[Fact]:
        """What works now, asked for until it is answered: the connection stays up meanwhile."""
        while True:
            began_ns = self._clock.boot_ns()
            with contextlib.suppress(InDoubt, NotSent):  # until the connection breaks, which ends this with it
                return await telling.standing(await self._client.working(), began_ns)
            await asyncio.sleep(POLL_AGAIN_S)

    async def _hear(self, socket: WebSocket, numbers: Numbers, line: _Line, telling: Telling, wake: asyncio.Event) -> NoReturn:
        """Take what the channel says. Ends in an exception."""
        while True:
            telling.due_news(read(await socket.receive(SILENCE_S_MAX), numbers).orders)
            line.heard_ns = self._clock.boot_ns()
            wake.set()

    async def _poll(self, line: _Line, telling: Telling, wake: asyncio.Event, poll_now: asyncio.Event, floor_ns: int) -> NoReturn:
        """Ask for executions without a word from the channel, again and again; none from before ``floor_ns``."""
        while True:
            poll_now.clear()
            read_ns, pause_s = self._time.now_ns(), POLL_AGAIN_S
            with contextlib.suppress(InDoubt, NotSent):  # the next try is soon; what lacks all the while ends the stream
                since_ns = max(floor_ns, min(telling.polled_ns, read_ns - POLL_BACK_NS))
                fills = await self._context.guard.traded_since(since_ns)
                line.facts += telling.due_fills(fills)  # no await on this line: it would add to the list of before it, which has been told since
                telling.polled_ns, line.heard_ns, pause_s = read_ns, self._clock.boot_ns(), POLL_S
                wake.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await poll_now.wait()

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


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """The first exception of a group, however deep it lies."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, Exception)
    return found
