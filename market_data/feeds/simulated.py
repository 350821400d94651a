"""The simulated feed: the synthetic market of ``simulation`` played in real time.

It is paced by the boot clock, so a stepped wall clock neither floods nor silences it; when the wall clock has been set, the market's time follows it
with every price where it was. The same after a pause longer than ``PAUSE_S_MAX`` (a suspended machine, a stalled process): nobody is shown an hour of
quotes at once. After a restart it goes on from its last prices; another seed keeps the prices too and changes only what comes next, because open
orders stand on them.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec

from market_data.feeds.base import FeedState, FeedStatus, Sleep
from market_data.feeds.simulation import Market, MarketState
from runtime.clock import NS_PER_S, Clock
from trading.quotes import Quote

NAME = "simulated"
PAUSE_S_MAX = 2.0
CLOCK_STEP_S_MIN = 2.0  # R32

log = logging.getLogger("market_data")


class _Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    state: MarketState


_VERSION = 1


class SimulatedFeed:
    """Quotes of ``market`` from now on.

    Args:
        seed: which of all possible markets this is.
        snapshot: what an earlier run kept; None, or one of another version, begins at the first prices.
        sleep: a test's own.
    """

    name = NAME

    def __init__(self, market: Market, seed: int, clock: Clock, *, snapshot: str | None = None, sleep: Sleep = asyncio.sleep) -> None:
        self._market = market
        self._clock = clock
        self._sleep = sleep
        self._anchor_wall_ns = clock.wall_ns()
        self._anchor_boot_ns = clock.boot_ns()
        self.status = FeedStatus(state=FeedState.STARTING)
        kept = None if snapshot is None else _read(snapshot)
        now_ns = self._anchor_wall_ns
        self.state = market.begin(seed, now_ns) if kept is None else market.resume(kept, seed, now_ns)

    async def batches(self) -> AsyncGenerator[Sequence[Quote], None]:
        market = self._market
        if not market.instruments:
            self.status = FeedStatus(state=FeedState.ENDED, detail="none of the configured instruments has a synthetic market")
            return
        self.status = FeedStatus(state=FeedState.RUNNING)
        while True:
            now_ns = self._now_ns()
            if now_ns - market.next_time_ns(self.state) > PAUSE_S_MAX * NS_PER_S:
                self.state = market.resume(self.state, self.state.seed, now_ns)
            batch: list[Quote] = []
            while market.next_time_ns(self.state) <= now_ns:
                self.state, quote = market.next_quote(self.state)
                batch.append(quote)
            if batch:
                yield batch
            else:
                await self._sleep((market.next_time_ns(self.state) - now_ns) / NS_PER_S)

    def snapshot(self) -> str:
        return msgspec.json.encode(_Snapshot(_VERSION, self.state)).decode()

    def counts(self) -> Mapping[str, int]:
        return {}

    def _now_ns(self) -> int:
        """The market's time: the wall clock's when it was last set, plus the time that has passed since."""
        wall_ns, boot_ns = self._clock.wall_ns(), self._clock.boot_ns()
        now_ns = self._anchor_wall_ns + boot_ns - self._anchor_boot_ns
        stepped_ns = wall_ns - now_ns
        if abs(stepped_ns) <= CLOCK_STEP_S_MIN * NS_PER_S:
            return now_ns
        log.warning("the wall clock was set: the simulated market follows it", extra={"stepped_s": round(stepped_ns / NS_PER_S, 3)})
        self._anchor_wall_ns, self._anchor_boot_ns = wall_ns, boot_ns
        self.state = self._market.resume(self.state, self.state.seed, wall_ns)
        return wall_ns


def _read(snapshot: str) -> MarketState | None:
    try:
        kept = msgspec.json.decode(snapshot, type=_Snapshot)
    except msgspec.DecodeError as error:
        log.warning("the simulated market's last state cannot be read: it begins anew", extra={"error": str(error)})
        return None
    return kept.state if kept.version == _VERSION else None
