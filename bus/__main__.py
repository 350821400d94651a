"""``python -m bus``: the proxy as a program of its own, which any other program may outlive or lose without losing an event."""

import asyncio
import logging
import resource

from bus.curve import KeyRing
from bus.doors import doors
from bus.proxy import Proxy
from runtime.program import run
from runtime.settings import Settings
from runtime.short_turns import take_short_turns

# A flood (never-ending messages, a million subscriptions) ends this process, which keeps nothing, and not the machine (S-Z3). Full queues towards
# a hundred frozen subscribers at the usual 300 bytes an event stay far below it.
MEMORY_BYTES_MAX = 2 * 1024**3


async def main(settings: Settings, stop: asyncio.Event) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES_MAX if hard == resource.RLIM_INFINITY else min(hard, MEMORY_BYTES_MAX)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    log = logging.getLogger("bus")
    ring = KeyRing(settings.keys_dir)
    opened = doors(settings, ring)
    if opened.subscribers is None:
        log.warning(
            "no TCP port for subscribers: reads need a token here, and no client has a key; arena keys add NAME makes one, "
            "own tools connect to run/bus-sub.sock or read /events"
        )
    async with Proxy(settings.run_dir, opened, ring) as proxy:
        log.info("bus is up", extra={"sub_port": proxy.sub_port, "pub_port": proxy.pub_port, "curve": opened.curve})
        waits = [asyncio.create_task(stop.wait()), asyncio.create_task(proxy.wait())]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        for task in done:
            task.result()


if __name__ == "__main__":
    take_short_turns()
    run("bus", main)
