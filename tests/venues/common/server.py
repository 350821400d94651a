"""A venue's servers on loopback, in a test's own loop or as a program."""

import argparse
import asyncio
import contextlib
import json
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from tests.venues.common.clock import RealClock, VenueClock
from tests.venues.common.faults import FaultScript
from tests.venues.common.http_faults import LATE
from tests.venues.common.quotes import QuoteBoard, play, walk

LOOPBACK = "127.0.0.1"


class Venue(Protocol):
    """What a program is made of."""

    quotes: QuoteBoard
    clock: VenueClock
    faults: FaultScript

    def addresses(self) -> dict[str, str]:
        """What to point a client at, by name."""


@asynccontextmanager
async def serve(app: web.Application, *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Listen on loopback until the end of the block; gives the port, a free one for 0. Streams still open are cut at the end."""
    late = app[LATE] = set()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


@asynccontextmanager
async def tasks(*wanted: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run coroutines beside the block; one that fails fails the block."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each) for each in wanted]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def parser(venue: str, port: int) -> argparse.ArgumentParser:
    """The options that every simulator has."""
    options = argparse.ArgumentParser(prog=f"python -m tests.venues.{venue}", description=f"A simulated {venue}, on loopback only.")
    options.add_argument("--port", type=int, default=port)
    options.add_argument("--seed", type=int, help="prices walk, from this seed; without it they stand where POST /_sim/quote puts them")
    options.add_argument("--quotes", type=Path, action="append", default=[], help="a recording to play, named after its instrument; may be repeated")
    options.add_argument("--faults", type=Path, help="a fault script, JSON; see tests/venues/common/faults.py")
    return options


def script_of(options: argparse.Namespace) -> FaultScript:
    """The script of ``--faults``; an empty one without."""
    script = FaultScript()
    if options.faults is not None:
        script.load(json.loads(options.faults.read_text()))
    return script


def run(options: argparse.Namespace, open_venue: Callable[[FaultScript, VenueClock], AbstractAsyncContextManager[Venue]]) -> None:
    """Run one venue until SIGINT or SIGTERM; prints its addresses as one line of JSON when it listens."""

    async def main() -> None:
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        clock = RealClock()
        async with open_venue(script_of(options), clock) as venue, tasks(*_prices(options, venue)):
            print(json.dumps(venue.addresses()), flush=True)
            await stop.wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())


def _prices(options: argparse.Namespace, venue: Venue) -> Iterable[Coroutine[Any, Any, None]]:
    if options.seed is not None:
        yield walk(venue.quotes, venue.clock, seed=options.seed)
    for path in options.quotes:
        yield play(venue.quotes, venue.clock, path)
