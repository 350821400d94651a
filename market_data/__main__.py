"""``python -m market_data``: the price feed, its quotes on the bus, candles on disk, and HTTP for who wants to look.

It owns ``data/market_data.db`` and holds its lock: two feeds quoting the same instruments would make prices jump between two markets.
"""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from bus.heartbeat import HeartbeatTask
from bus.publisher import Publisher
from bus.store import StoreLock
from market_data.app import Parts, market_app
from market_data.book import QuoteBook
from market_data.candle_store import CandlesNotKept, CandleStore
from market_data.candles import CandleBuilder
from market_data.feeds.choice import open_feed, refuse_live_feed
from market_data.metrics import MarketMetrics
from market_data.pump import Pump
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import SystemClock
from runtime.http import Listener, listening
from runtime.introspection import Introspector
from runtime.program import CannotStart, run
from runtime.settings import Settings
from trading.instruments import InstrumentError, Instruments

PROGRAM = "market_data"

log = logging.getLogger(PROGRAM)


async def main(settings: Settings, stop: asyncio.Event, *, listener: "asyncio.Future[Listener] | None" = None) -> None:
    """Run until ``stop`` is set.

    Args:
        listener: told where the server listens; for tests on port 0.
    Raises:
        CannotStart: settings, files, the port or another process are in the way.
    """
    refuse_live_feed(settings.market_data)
    try:
        instruments = Instruments.from_config(settings.instruments)
    except InstrumentError as error:
        raise CannotStart(f"conf/instruments.toml: {error}") from None
    database = settings.data_dir / f"{PROGRAM}.db"
    clock = SystemClock(Path(settings.test.clock_offset_file) if settings.test.clock_offset_file else None)
    with _owned(database), Publisher(settings.bus_pub_address) as facts, Publisher(settings.bus_pub_address) as quotes:
        async with (
            CandleStore(database, settings.market_data.feed, free_mb_min=settings.store.free_mb_min) as store,
            Introspector(_gateway_url(settings)) as introspector,
        ):
            try:
                feed = await open_feed(settings.market_data, instruments, store, clock)
            except CandlesNotKept as error:
                raise CannotStart(f"{database} cannot be written: {error}") from None
            builder = CandleBuilder()
            builder.resume(await store.latest())
            book = QuoteBook(settings.paper.quote_stale_s)
            recorder = Recorder(store, builder, feed)
            files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            stream = QuoteStream(book, instruments, clock, files_max=files_max, authenticator=introspector)
            metrics = MarketMetrics(feed=feed, book=book, recorder=recorder, stream=stream, clock=clock)
            parts = Parts(instruments=instruments, feed=feed, book=book, recorder=recorder, stream=stream, metrics=metrics, clock=clock)

            def say() -> Mapping[str, object]:
                return {"status": metrics.status(), "metrics": metrics.flat()}

            pump = Pump(feed, instruments, publisher=quotes, book=book, candles=builder, clock=clock)
            beat = HeartbeatTask(PROGRAM, facts, say, clock, float(settings.bus.heartbeat_s))
            app = market_app(settings, parts, introspector)
            async with listening(app, settings.market_data.host, settings.market_data.port) as where, _running(pump, recorder, beat):
                if listener is not None:
                    listener.set_result(where)
                await stop.wait()


@asynccontextmanager
async def _running(*parts: Pump | Recorder | HeartbeatTask) -> AsyncIterator[None]:
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


def _gateway_url(settings: Settings) -> str:
    return f"{'https' if settings.http.tls_cert_file else 'http'}://{settings.gateway.host}:{settings.gateway.port}"


if __name__ == "__main__":
    run(PROGRAM, main)
