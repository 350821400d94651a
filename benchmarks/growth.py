"""A journal with a million orders and five million events: does starting, placing and remembering depend on how much has been?

    python -m benchmarks.growth [--orders 1000000] [--home DIRECTORY]

The stores are written by the adapter's own desk and writer: each order is placed and cancelled, and ``order_modified`` fills up to five events each.
Then an adapter is started on each of three, an empty one, one of a tenth of the orders and one of all: seconds until its replay socket answers,
milliseconds to place an order (one after the other, through the orders socket), and resident memory. A store that is there already (``--home``) is
used again. Needs about 4 GB and, for a million, ten minutes on two cores that do nothing else.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

from benchmarks import plots
from benchmarks.harness import RESULTS, ROOT
from brokers.actors import LOCAL
from brokers.desk import Desk
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from brokers.placing import PlaceRequest, place
from brokers.schema import MIGRATIONS
from bus.journal import Journal
from bus.replay import ReplayClient
from bus.requests import RequestClient
from bus.txn import Txn
from runtime.clock import SystemClock
from runtime.program import prepare_home
from runtime.settings import Settings, load_settings
from trading.events import CancelReason
from trading.instruments import Instruments, Side
from trading.orders import EntryType, OrderTicket
from trading.risk_limits import RiskLimits

ORDERS_A_WORK = 250
ORDERS_TO_KEEP = 1_000_000  # a smaller run is a try, and leaves results/ as it is
EVENTS_AN_ORDER = 5
PLACED = 400
STARTS = 3


async def grow(settings: Settings, orders: int) -> None:
    """Bring the store of oanda to ``orders`` orders, all of them final."""
    instruments = Instruments.from_config(settings.instruments)
    broker = PaperBroker(venue="oanda", instruments=instruments, account=PaperAccountConfig.for_venue("oanda", settings.paper))
    desk = Desk(source="oanda", broker=broker, instruments=instruments, limits=RiskLimits())
    clock = SystemClock()

    def work(txn: Txn) -> None:
        for _ in range(ORDERS_A_WORK):
            client_order_id = uuid.uuid4().hex
            ticket = OrderTicket(
                instrument="EUR_USD",
                side=Side.BUY,
                units=Decimal(100),
                entry_type=EntryType.LIMIT,
                entry_price=Decimal("1.1655"),
                stop_loss_price=Decimal("1.1600"),
                take_profit_price=Decimal("1.1700"),
                client_order_id=client_order_id,
            )
            request = PlaceRequest(
                ticket=ticket, client_order_id=client_order_id, actor=LOCAL, is_late=lambda: False, store_is_low=lambda: False, marks={}
            )
            placed = place(desk, txn, request, clock.wall_ns())
            assert placed.result is not None, placed.refusal
            order_id = str(placed.result["order_id"])
            for number in range(EVENTS_AN_ORDER - 2):
                payload = {"order_id": order_id, "client_order_id": client_order_id, "placed_by": LOCAL.user, "changes": {"ttl_min": 60 + number}}
                txn.append("order_modified", payload)
            desk.broker.cancel(order_id, reason=CancelReason.USER, now_ns=clock.wall_ns())
            desk.record(txn)

    journal = await Journal.open(
        settings.data_dir / "oanda.db", "oanda", migrations=MIGRATIONS, clock=clock, settings=settings.store, on_rollback=None, on_events=None
    )
    async with journal:
        await journal.run(lambda txn: desk.boot(txn, clock.wall_ns()))
        began, said = time.monotonic(), 0.0
        while (done := (await journal.read(lambda db: db.execute("SELECT max(n) FROM orders").fetchone()))[0] or 0) < orders:
            await journal.run(work)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"{done} orders after {said - began:.0f} s", file=sys.stderr)


@contextlib.asynccontextmanager
async def adapter(settings: Settings, starts: list[float]) -> AsyncIterator["asyncio.subprocess.Process"]:
    """An adapter on the store of ``settings``; how long it took to answer is added to ``starts``."""
    environ = {**os.environ, "ARENA_HOME": str(settings.home), "ARENA_STORE__FREE_MB_MIN": "1"}
    began = time.monotonic()
    command = [sys.executable, "-m", "brokers", "oanda"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await _answer(settings)
        starts.append(time.monotonic() - began)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def measure(stores: Sequence[Settings]) -> list[dict[str, float]]:
    """The figures of each store; starts and orders are taken in turn, so that whatever else the machine does meets all of them."""
    starts: list[list[float]] = [[] for _ in stores]
    for _ in range(STARTS - 1):
        for settings, listed in zip(stores, starts, strict=True):
            async with adapter(settings, listed):
                pass
    async with contextlib.AsyncExitStack() as opened:
        processes = [await opened.enter_async_context(adapter(settings, listed)) for settings, listed in zip(stores, starts, strict=True)]
        took = await _place(stores)
        figures = []
        for settings, process, started, each in zip(stores, processes, starts, took, strict=True):
            status = Path(f"/proc/{process.pid}/status").read_text()
            rss_kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
            figures.append(
                {
                    "events": await _answer(settings),
                    "database_mb": round((settings.data_dir / "oanda.db").stat().st_size / 1e6),
                    "start_s": round(statistics.median(started), 2),
                    "place_ms": round(1000 * statistics.median(each), 3),
                    "rss_mb": round(rss_kib / 1024),
                }
            )
        return figures


async def _answer(settings: Settings) -> int:
    async with asyncio.timeout(60), ReplayClient(settings.replay_address("oanda")) as client:
        while True:
            try:
                return (await client.fetch(None, -1, 1)).last_seq
            except Exception:  # noqa: BLE001 - not up yet, in whichever way
                await asyncio.sleep(0.01)


async def _place(stores: Sequence[Settings]) -> list[list[float]]:
    """Seconds to place an order, one in each store in turn."""
    order = {"instrument": "EUR_USD", "side": "BUY", "units": 100, "entry_price": 1.1655, "stop_loss_price": 1.16, "take_profit_price": 1.17}
    took: list[list[float]] = [[] for _ in stores]
    async with contextlib.AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(RequestClient(settings.orders_address("oanda"))) for settings in stores]
        for client in clients:
            await client.wait_connected(10)
        for _ in range(PLACED):
            for client, listed in zip(clients, took, strict=True):
                began = time.perf_counter()
                await client.call("order.place", {**order, "client_order_id": uuid.uuid4().hex}, ttl_ms=3000, timeout_s=5)
                listed.append(time.perf_counter() - began)
    return took


def settings_of(home: Path) -> Settings:
    settings = load_settings({**os.environ, "ARENA_HOME": str(home), "ARENA_STORE__FREE_MB_MIN": "1"})
    prepare_home(settings)
    return settings


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="Where the grown store is kept for another time.")
    arguments = parser.parse_args()
    sizes = (0, arguments.orders // 10, arguments.orders)
    with tempfile.TemporaryDirectory(prefix="grow", dir="/tmp") as directory:
        homes = [Path(directory) / "empty", Path(directory) / "some", arguments.home or Path(directory) / "grown"]
        stores = [settings_of(home) for home in homes]
        for store, size in zip(stores, sizes, strict=True):
            if size:
                asyncio.run(grow(store, size))
        figures = [{"orders": size, **figure} for size, figure in zip(sizes, asyncio.run(measure(stores)), strict=True)]
    ratio = round(figures[-1]["place_ms"] / figures[0]["place_ms"], 2)
    reached = figures[-1]["start_s"] < 5 and ratio <= 1.2
    result = {"check": "growth", "orders": arguments.orders, "stores": figures, "place_ratio": ratio, "pass": reached}
    if arguments.orders >= ORDERS_TO_KEEP:
        (RESULTS / "growth.json").write_text(json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **result}, indent=1) + "\n")
        plots.main()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
