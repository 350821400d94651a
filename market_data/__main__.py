"""``python -m market_data``: the price feeds, their quotes on the bus, candles on disk, and HTTP for who wants to look.

It owns ``data/market_data.db`` and holds its lock: two programs quoting the same instruments would make prices jump between two markets.
"""

import asyncio
import logging
import os
import resource
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bus.heartbeat import HeartbeatTask
from bus.publisher import Publisher
from bus.store import StoreLock
from market_data.app import Parts, market_app
from market_data.backfill import Backfill, recorded_until_s
from market_data.book import QuoteBook
from market_data.candle_store import CandlesNotKept, CandleStore
from market_data.candles import CandleBuilder
from market_data.feeds.choice import candles_key, open_feeds
from market_data.metrics import MarketMetrics
from market_data.pump import Pump
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import SystemClock
from runtime.http import Listener, listening
from runtime.introspection import Introspector
from runtime.own_servers import gateway_url, own_certificate
from runtime.program import CannotStart, run
from runtime.settings import Settings
from trading.instruments import InstrumentError, Instruments

PROGRAM = "market_data"

log = logging.getLogger(PROGRAM)


async def main(
    settings: Settings,
    stop: asyncio.Event,
    *,
    environ: Mapping[str, str] = os.environ,
    listener: "asyncio.Future[Listener] | None" = None,
) -> None:
    """Run until ``stop`` is set.

    Args:
        environ: where the live feeds find their credentials and addresses.
        listener: told where the server listens; for tests on port 0.
    Raises:
        CannotStart: settings, files, the port or another process are in the way.
    """
    try:
        instruments = Instruments.from_config(settings.instruments)
    except InstrumentError as error:
        raise CannotStart(f"conf/instruments.toml: {error}") from None
    database = settings.data_dir / f"{PROGRAM}.db"
    clock = SystemClock(Path(settings.test.clock_offset_file) if settings.test.clock_offset_file else None)
    with _owned(database), Publisher(settings.bus_pub_address) as facts, Publisher(settings.bus_pub_address) as quotes:
        async with (
            CandleStore(database, candles_key(settings.market_data), free_mb_min=settings.store.free_mb_min) as store,
            Introspector(gateway_url(settings), tls=own_certificate(settings.http)) as introspector,
        ):
            book = QuoteBook(settings.paper.quote_stale_s)
            try:
                opened = await open_feeds(settings.market_data, environ, instruments, store=store, book=book, clock=clock)
            except CandlesNotKept as error:
                raise CannotStart(f"{database} cannot be written: {error}") from None
            builder = CandleBuilder()
            kept = await store.latest()
            builder.resume(kept)
            feeds = opened.feeds
            recorder = Recorder(store, builder, feeds[0].snapshot)  # a feed with something to keep stands alone
            files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            stream = QuoteStream(book, instruments, clock, files_max=files_max, authenticator=introspector)
            metrics = MarketMetrics(feeds=feeds, instruments=instruments, book=book, recorder=recorder, stream=stream, clock=clock)
            parts = Parts(instruments=instruments, feeds=feeds, book=book, recorder=recorder, stream=stream, metrics=metrics, clock=clock)

            def say() -> Mapping[str, object]:
                return {"status": metrics.status(), "metrics": metrics.flat()}

            pumps = [Pump(feed, instruments, publisher=quotes, book=book, candles=builder, clock=clock) for feed in feeds]
            fills = [
                Backfill(feed, past, recorder=recorder, builder=builder, clock=clock, recorded_until_s=recorded_until_s(kept, feed.instruments))
                for feed, past in opened.live
            ]
            beat = HeartbeatTask(PROGRAM, facts, say, clock, float(settings.bus.heartbeat_s))
            app = market_app(settings, parts, introspector)
            async with listening(app, settings.market_data.host, settings.market_data.port) as where, _running(*pumps, *fills, recorder, beat):
                if listener is not None:
                    listener.set_result(where)
                await stop.wait()


@asynccontextmanager
async def _running(*parts: Pump | Backfill | Recorder | HeartbeatTask) -> AsyncIterator[None]:
    """Run the parts while the block does; the first that fails ends the block, and the program, with its error."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part.run(), name=type(part).__name__) for part in parts]
        yield
        for task in tasks:
            task.cancel()


@contextmanager
def _owned(database: Path) -> Iterator[None]:
    lock = StoreLock(database)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


if __name__ == "__main__":
    run(PROGRAM, main)
