"""A live feed: one venue's quotes for as long as the program runs, over as many connections as it takes.

A connection that ends, or that ``StreamState`` complains of, is opened again after a wait that grows (``Backoff``) and is forgotten only once a
connection has held for ``STEADY_S``: a venue that accepts and cuts is not knocked at in a loop. One that refuses us as we are (a bad token) is asked
again in minutes, with a sentence that says what to set. Nothing else ever stands in for the venue: while it is away there are no quotes, the book is
told at once that the last ones are good for looking at only, and ``status`` says why.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from random import Random

from market_data.feeds.backoff import Backoff
from market_data.feeds.base import FeedState, FeedStatus, Sleep
from market_data.feeds.stream_state import FAULTS, StreamState
from market_data.feeds.venue_stream import Garbage, SequenceGap, VenueRefuses, VenueStream
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import OutboundError, StreamEnded
from trading.instruments import Instrument
from trading.quotes import Quote

# OANDA allows two new connections a second and Coinbase eight; these stay far below, and a minute is soon enough for a venue that is down.
RECONNECT_S_FIRST, RECONNECT_S_MAX = 1.0, 60.0
REFUSED_S_FIRST, REFUSED_S_MAX = 60.0, 600.0
STEADY_S = 30.0

log = logging.getLogger("market_data")


class LiveFeed:
    """The quotes of ``stream``'s venue.

    Args:
        instruments: the venue's own, by name.
        sleep: a test's own.
    """

    def __init__(
        self,
        stream: VenueStream,
        instruments: Mapping[str, Instrument],
        clock: Clock,
        *,
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self.name = stream.venue
        self.status = FeedStatus(state=FeedState.STARTING, detail="connecting")
        self.connected = asyncio.Event()  # from the first thing the venue says on a connection until its end
        self.faults: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
        self.connections = 0
        self._stream = stream
        self.instruments = instruments
        self._clock = clock
        self._when_lost: list[Callable[[], None]] = []
        self._sleep = sleep
        dice = random or Random()
        self._after_loss = Backoff(RECONNECT_S_FIRST, RECONNECT_S_MAX, dice)
        self._after_refusal = Backoff(REFUSED_S_FIRST, REFUSED_S_MAX, dice)

    def on_lost(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever the connection is gone or could not be had, before the wait for the next."""
        self._when_lost.append(tell)

    async def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        while True:
            opened_ns = self._clock.boot_ns()
            state = FeedState.RECONNECTING
            try:
                async with self._stream.connect() as messages:
                    self.connections += 1
                    known = StreamState(
                        self.name,
                        self.instruments,
                        standing_prices=self._stream.standing_prices,
                        boot_ns=self._clock.boot_ns(),
                        faults=self.faults,
                    )
                    async for group in messages:
                        boot_ns = self._clock.boot_ns()
                        quotes = [quote for message in group for quote in known.take(message, boot_ns)]
                        if not all(isinstance(message, Garbage) for message in group):
                            self._tell(known)
                        if quotes:
                            yield quotes
                        if complaint := known.complaint(self._clock.wall_ns(), self._clock.boot_ns()):
                            raise StreamEnded(complaint)
                raise StreamEnded("the venue ended the stream")
            except VenueRefuses as refusal:
                state, reason, wait_s = FeedState.REFUSED, str(refusal), self._after_refusal.next_s()
            except OutboundError as error:
                self.faults["gap"] += isinstance(error, SequenceGap)
                if self.connected.is_set() and self._clock.boot_ns() - opened_ns >= STEADY_S * NS_PER_S:
                    self._after_loss.reset()
                    self._after_refusal.reset()
                reason, wait_s = str(error), self._after_loss.next_s()
            self._lost(state, reason, wait_s)
            await self._sleep(wait_s)

    def snapshot(self) -> None:
        """Nothing: the venue goes on without us."""

    def counts(self) -> Mapping[str, int]:
        """Totals since the start, for metrics."""
        return {"connections": self.connections, **self.faults}

    def _tell(self, known: StreamState) -> None:
        detail = f"halted by the venue: {', '.join(sorted(known.halted))}" if known.halted else ""
        status = FeedStatus(state=FeedState.RUNNING, detail=detail, halted=known.halted)
        if status != self.status:
            if self.status.state is not FeedState.RUNNING:
                log.info("live prices come", extra={"feed": self.name})
            self.status = status
        self.connected.set()

    def _lost(self, state: FeedState, reason: str, wait_s: float) -> None:
        self.connected.clear()
        self.status = FeedStatus(state=state, detail=f"{reason}; trying again in {max(1, round(wait_s))} s")
        for tell in self._when_lost:
            tell()
        log.warning("no live prices", extra={"feed": self.name, "reason": reason, "again_in_s": round(wait_s, 1)})
