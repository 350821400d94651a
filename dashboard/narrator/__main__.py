"""``python -m dashboard.narrator``: Rick as a program of his own, the source ``rick``."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from bus.consumer import follow
from bus.heartbeat import HeartbeatTask
from bus.journal import Journal
from bus.publisher import Publisher
from bus.replay import ReplayServer
from dashboard.narrator.service import BATCH_EVENTS, FOLLOWED, SOURCE, Narrator, publish_to
from dashboard.narrator.store import MIGRATIONS
from runtime.clock import SystemClock
from runtime.program import run, step_back
from runtime.settings import Settings

NICE = 10  # a tenth of the processor in a flood: comments come a little later, orders do not


async def main(settings: Settings, stop: asyncio.Event) -> None:
    step_back(NICE)
    offset_file = settings.test.clock_offset_file
    clock = SystemClock(Path(offset_file) if offset_file else None)
    async with AsyncExitStack() as stack:
        publisher = stack.enter_context(Publisher(settings.bus_pub_address))
        journal = await stack.enter_async_context(
            await Journal.open(
                settings.data_dir / f"{SOURCE}.db",
                SOURCE,
                migrations=MIGRATIONS,
                clock=clock,
                settings=settings.store,
                on_events=publish_to(publisher),
            )
        )
        await stack.enter_async_context(ReplayServer(settings.replay_address(SOURCE), journal))
        narrator = await Narrator.open(journal)
        heartbeat = HeartbeatTask(SOURCE, publisher, narrator.heartbeat, clock, float(settings.bus.heartbeat_s))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(narrator.run(follow(settings, narrator.cursor, sources=FOLLOWED, clock=clock, at_least=BATCH_EVENTS))),
                tasks.create_task(heartbeat.run()),
            ]
            await stop.wait()
            for task in running:
                task.cancel()


if __name__ == "__main__":
    run("narrator", main)
