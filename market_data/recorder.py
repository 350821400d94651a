"""Candles on their way to disk, and candles for who asks: what is stored, with what is not yet stored laid over it.

Once a second what has changed is written, together with the feed's snapshot. When the disk refuses, candles wait in memory, at most
``WAITING_MAX`` of them; then the oldest are dropped and counted. Asking never waits for a write that fails.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from market_data.candle_store import CandlesNotKept, CandleStore
from market_data.candles import Candle, CandleBuilder, Granularity
from market_data.feeds.base import Sleep

# A minute of the fastest replay, or three hours of five live instruments: some 50 MB.
WAITING_MAX = 100_000
INTERVAL_S = 1.0

log = logging.getLogger("market_data")

_Key = tuple[str, Granularity, int]


class Recorder:
    """Writes ``builder``'s candles to ``store`` and answers from both.

    Args:
        snapshot: what the feed wants kept with the candles.
        sleep: a test's own.
    """

    def __init__(self, store: CandleStore, builder: CandleBuilder, snapshot: Callable[[], str | None], *, sleep: Sleep = asyncio.sleep) -> None:
        self._store = store
        self._builder = builder
        self._snapshot = snapshot
        self._sleep = sleep
        self._waiting: dict[_Key, Candle] = {}
        self.written = 0
        self.dropped = 0
        self.trouble = ""

    async def run(self) -> None:
        """Write every second until cancelled; what is left is written before returning."""
        try:
            while True:
                await self._sleep(INTERVAL_S)
                await self.flush()
        finally:
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write what has changed since the last time; on trouble keep it for the next."""
        self._collect(self._builder.drain())
        batch = list(self._waiting.items())
        if not batch:
            return
        try:
            await self._store.write([candle for _, candle in batch], self._snapshot())
        except CandlesNotKept as error:
            if not self.trouble:
                log.warning("candles cannot be written: they wait in memory", extra={"reason": str(error)})
            self.trouble = str(error)
            return
        if self.trouble:
            log.info("candles are written again")
        self.trouble = ""
        self.written += len(batch)
        for key, candle in batch:
            if self._waiting.get(key) is candle:
                del self._waiting[key]

    async def candles(
        self, instrument: str, granularity: Granularity, *, count: int, from_s: int | None = None, to_s: int | None = None
    ) -> list[Candle]:
        """At most ``count`` candles that start in [``from_s``, ``to_s``), oldest first: the first ones with ``from_s``, else the last ones.

        The last may be unfinished: it is the stretch of the latest quote.
        """
        found = {candle.start_s: candle for candle in await self._store.candles(instrument, granularity, count=count, from_s=from_s, to_s=to_s)}
        self._collect(self._builder.drain())
        for (name, length, start_s), candle in self._waiting.items():
            if name == instrument and length is granularity and (from_s is None or start_s >= from_s) and (to_s is None or start_s < to_s):
                found[start_s] = candle
        ordered = [found[start_s] for start_s in sorted(found)]
        return ordered[:count] if from_s is not None else ordered[-count:]

    def _collect(self, candles: Iterable[Candle]) -> None:
        for candle in candles:
            self._waiting[candle.instrument, candle.granularity, candle.start_s] = candle
        while len(self._waiting) > WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
