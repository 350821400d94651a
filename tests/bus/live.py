"""An owner as it runs: a real journal, its replay socket, its events and heartbeats on the bus."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.envelope import Event
from bus.heartbeat import HeartbeatTask
from bus.journal import Journal
from bus.publisher import Publisher
from bus.replay import ReplayServer
from bus.topics import event_topic
from runtime.clock import SystemClock
from runtime.settings import StoreSettings

BEAT_S = 0.05


class LiveOwner:
    """``async with LiveOwner("oanda", run_dir)``; ``append`` commits and publishes. With ``is_mute`` what is committed is not published: lost."""

    def __init__(self, source: str, run_dir: Path, *, beats: bool = True) -> None:
        self.source = source
        self.run_dir = run_dir
        self.is_mute = False
        self.events: list[Event] = []
        self._beats = beats
        self._open = AsyncExitStack()
        self._journal: Journal

    async def __aenter__(self) -> Self:
        self.publisher = self._open.enter_context(Publisher(f"ipc://{self.run_dir}/bus-pub.sock"))
        self._journal = await self._open.enter_async_context(
            await Journal.open(
                self.run_dir / f"{self.source}.db",
                self.source,
                migrations=(),
                clock=SystemClock(),
                settings=StoreSettings(),
                on_events=self._on_events,
            )
        )
        await self._open.enter_async_context(ReplayServer(f"ipc://{self.run_dir}/{self.source}-replay.sock", self._journal))
        task = HeartbeatTask(self.source, self.publisher, self._snapshot, SystemClock(), BEAT_S)
        if self._beats:
            running = asyncio.create_task(task.run())
            self._open.push_async_callback(_cancelled, running)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._open.aclose()

    async def append(self, count: int = 1, kind: str = "order_filled", **payload: object) -> None:
        """Commit ``count`` events; they are published when this returns."""
        await self._journal.run(lambda txn: [txn.append(kind, {"n": number, **payload}) for number in range(count)])

    @property
    def epoch(self) -> str:
        return self._journal.epoch

    @property
    def last_seq(self) -> int:
        return self._journal.last_seq

    def _on_events(self, events: list[Event]) -> None:
        self.events += events
        if not self.is_mute:
            for event in events:
                self.publisher.publish(event_topic(event.source, event.type), event.body)

    def _snapshot(self) -> dict[str, object]:
        journal = self._journal
        return {"epoch": journal.epoch, "first_seq": journal.first_seq, "last_seq": journal.last_seq, "mode": "paper", "trading_state": "ACTIVE"}


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
