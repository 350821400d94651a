"""Rick at work on real sockets: follows owners over the bus, comments once per event, and goes on where he was."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from bus.consumer import follow
from bus.cursor import Cursor
from bus.doors import Doors
from bus.envelope import Event, decode_event
from bus.heartbeat import HeartbeatTask
from bus.journal import Journal
from bus.notices import Delivery, Synced
from bus.proxy import Proxy
from bus.publisher import Publisher
from bus.replay import ReplayClient, ReplayServer
from bus.tail import Page
from dashboard.narrator import service
from dashboard.narrator.__main__ import main
from dashboard.narrator.service import Narrator, publish_to
from dashboard.narrator.store import MIGRATIONS
from runtime.clock import SystemClock
from runtime.settings import BusSettings, Settings, StoreSettings
from tests.dashboard.stories import EPOCH, closed, filled, placed
from tests.dashboard.test_memory import events
from trading.errors import OutcomeUnknown, Unavailable

LIFE = [placed(), filled("entry", 1.1655, position=100), filled("take_profit", 1.17, position=0, realized_pnl=0.45), closed(0.45)]


def life(number: int) -> list[tuple[str, dict[str, object]]]:
    """One bracket from placing to the end."""
    return [(kind, {**payload, "order_id": f"paper-oanda-{number}"}) for kind, payload in LIFE]


@pytest.fixture
def settings(home: Path) -> Settings:
    (home / "data").mkdir(mode=0o700)
    return Settings(home=home, conf=home, bus=BusSettings(sub_port=0), store=StoreSettings(free_mb_min=1))


@contextlib.asynccontextmanager
async def owner(settings: Settings, source: str) -> AsyncIterator[Callable[[Sequence[tuple[str, Mapping[str, object]]]], "asyncio.Future[None]"]]:
    """A broker's journal as the bus knows it; yields how to append to it."""
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        publisher = stack.enter_context(Publisher(settings.bus_pub_address))
        journal = await stack.enter_async_context(
            await Journal.open(
                settings.data_dir / f"{source}.db", source, migrations=(), clock=clock, settings=settings.store, on_events=publish_to(publisher)
            )
        )
        await stack.enter_async_context(ReplayServer(settings.replay_address(source), journal))

        def said() -> Mapping[str, object]:
            return {"epoch": journal.epoch, "first_seq": journal.first_seq, "last_seq": journal.last_seq}

        beating = asyncio.create_task(HeartbeatTask(source, publisher, said, clock, 0.1).run())

        def append(drafts: Sequence[tuple[str, Mapping[str, object]]]) -> "asyncio.Future[None]":
            def work(txn: object) -> None:
                for kind, payload in drafts:
                    txn.append(kind, payload)  # type: ignore[attr-defined]

            return journal.submit(work)

        try:
            yield append
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating


@contextlib.asynccontextmanager
async def narrating(settings: Settings) -> AsyncIterator[ReplayClient]:
    """The program, in this process; yields a client of its replay socket."""
    stop = asyncio.Event()
    running = asyncio.create_task(main(settings, stop))
    async with ReplayClient(settings.replay_address("rick")) as client:
        try:
            yield client
        finally:
            stop.set()
            async with asyncio.timeout(30):
                await running


async def narrations(client: ReplayClient, count: int) -> list[Event]:
    """Everything Rick has said, once it is ``count`` comments."""
    async with asyncio.timeout(30):
        await client.wait_connected(30)
        while True:
            said: list[Event] = []
            page: Page | None = None
            with contextlib.suppress(Unavailable):
                while page is None or (page.events and (said[-1].seq or 0) < page.last_seq):
                    page = await client.fetch(None, (said[-1].seq or 0) if said else 0)
                    said += [decode_event(body) for body in page.events]
            comments = [event for event in said if event.type == "narration"]
            if len(comments) >= count:
                return comments
            await asyncio.sleep(0.02)


def about(event: Event) -> tuple[object, object]:
    found = event.payload["about"]
    assert isinstance(found, dict)
    return found["source"], found["seq"]


async def test_every_event_of_both_brokers_is_narrated_once_and_on_the_bus(settings: Settings) -> None:
    """What other programs hear from source rick is what his replay holds: a source_reset, then one narration an event, per source in order."""
    heard: list[Event] = []

    async def listen(ready: asyncio.Event) -> None:
        async with contextlib.aclosing(follow(settings, sources=("rick",))) as batches:  # type: ignore[type-var]
            async for batch in batches:
                heard.extend(item for item in batch if isinstance(item, Event))
                if any(isinstance(item, Synced) for item in batch):
                    ready.set()

    async with Proxy(settings.run_dir, Doors()), owner(settings, "oanda") as oanda, owner(settings, "coinbase") as coinbase:
        ready = asyncio.Event()
        listening = asyncio.create_task(listen(ready))
        async with narrating(settings) as client:
            await asyncio.wait_for(ready.wait(), 30)
            for number in range(10):
                await asyncio.gather(oanda(life(number)), coinbase(life(number)[:2]))
            said = await narrations(client, 62)
            async with asyncio.timeout(30):
                while len(heard) < 63:
                    await asyncio.sleep(0.02)
        listening.cancel()
    assert [about(event) for event in said if about(event)[0] == "oanda"] == [("oanda", seq) for seq in range(1, 42)]
    assert [about(event) for event in said if about(event)[0] == "coinbase"] == [("coinbase", seq) for seq in range(1, 22)]
    assert [event.body for event in heard if event.type == "narration"] == [event.body for event in said]
    assert [event.seq for event in heard] == list(range(1, 64))


async def test_a_restart_goes_on_and_one_from_nothing_tells_the_same(settings: Settings) -> None:
    """What happened while he was away is narrated too; with his database lost, the same words come again, in a new epoch."""
    async with Proxy(settings.run_dir, Doors()), owner(settings, "oanda") as oanda, owner(settings, "coinbase"):
        await oanda(life(1))
        async with narrating(settings) as client:
            await narrations(client, 6)
        await oanda(life(2))
        async with narrating(settings) as client:
            await oanda(life(3))
            said = await narrations(client, 14)
        for path in settings.data_dir.glob("rick.*"):
            path.unlink()
        async with narrating(settings) as client:
            again = await narrations(client, 14)
    assert [event.payload for event in again if about(event)[0] == "oanda"] == [event.payload for event in said if about(event)[0] == "oanda"]
    assert sorted(map(str, map(about, said))) == sorted(map(str, map(about, again)))
    assert said[0].epoch != again[0].epoch
    assert "third win in a row" in str(said[-1].payload["text"])


@pytest.mark.system
async def test_killed_again_and_again_he_narrates_each_event_once(settings: Settings) -> None:
    """kill -9 at any moment while events flow: after the last start there is exactly one comment for each."""
    environ = {**os.environ, "ARENA_HOME": str(settings.home), "ARENA_STORE__FREE_MB_MIN": "1", "ARENA_BUS__SUB_PORT": "0"}
    environ.pop("SUPERVISOR_ENABLED", None)
    async with Proxy(settings.run_dir, Doors()), owner(settings, "oanda") as oanda, owner(settings, "coinbase") as coinbase:
        number = 0
        for _ in range(4):
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "dashboard.narrator", env=environ, stderr=asyncio.subprocess.DEVNULL)
            async with ReplayClient(settings.replay_address("rick")) as client:
                before = 0
                with contextlib.suppress(sqlite3.Error):
                    before = _count(settings.data_dir / "rick.db")
                while process.returncode is None:
                    await asyncio.gather(oanda(life(number)), coinbase(life(number)))
                    number += 1
                    with contextlib.suppress(Unavailable):
                        if (await client.fetch(None, -1, 1)).last_seq > before + 20:
                            process.send_signal(signal.SIGKILL)
                            await process.wait()
            assert process.returncode == -signal.SIGKILL
        async with narrating(settings) as client:
            said = await narrations(client, 2 * (1 + 4 * number))
    for source in ("oanda", "coinbase"):
        assert [seq for name, seq in map(about, said) if name == source] == list(range(1, 2 + 4 * number))


def _count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


class StubbornJournal:
    """Refuses the first works with ``errors``, then keeps what it is given."""

    epoch, first_seq, last_seq, degraded = "e" * 16, 1, 0, None

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.works = 0

    def metrics(self) -> dict[str, int]:
        return {}

    async def run(self, work: object) -> int:
        if self.errors:
            raise self.errors.pop(0)
        self.works += 1
        return 1


async def test_a_disk_that_cannot_write_holds_him_up_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full, busy, or of unknown outcome: degraded, tried again until it is written, and only then the next batch."""
    monkeypatch.setattr(service, "RETRY_S", 0)
    journal = StubbornJournal(Unavailable("full", code="STORE_LOW"), OutcomeUnknown("hangs", code="STORE_STALLED"))
    narrator = Narrator(journal, {})  # type: ignore[arg-type]
    states: list[object] = []
    original = asyncio.sleep

    async def sleep(seconds: float) -> None:
        states.append(narrator.heartbeat()["status"])
        await original(seconds)

    monkeypatch.setattr(service.asyncio, "sleep", sleep)
    await narrator.hear(list(events(LIFE)))
    assert states == ["degraded", "degraded"]
    assert journal.works == 1
    assert narrator.heartbeat()["status"] == "ok"
    assert narrator.cursor == Cursor.parse(f"oanda@{EPOCH}:4")


async def test_a_journal_that_is_closing_ends_him(monkeypatch: pytest.MonkeyPatch) -> None:
    """No retry against a store that will not come back."""
    narrator = Narrator(StubbornJournal(Unavailable("closed", code="STOPPING")), {})  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await narrator.hear([])


async def test_he_does_not_pause_while_more_waits_than_a_batch_holds(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAUSE_S", 3600.0)
    monkeypatch.setattr(service, "BUSY_PAUSE_S", 3600.0)
    monkeypatch.setattr(service, "BATCH_EVENTS", 100)
    told = events([draft for number in range(90) for draft in life(number)])
    taken = []

    async def flood() -> AsyncIterator[list[Delivery]]:
        for start in range(0, len(told), 120):
            taken.append(start)
            yield [*told[start : start + 120]]

    journal = await Journal.open(settings.data_dir / "rick.db", "rick", migrations=MIGRATIONS, clock=SystemClock(), settings=settings.store)
    async with journal, asyncio.timeout(30):
        narrator = await Narrator.open(journal)
        await narrator.run(flood())
    assert (taken, narrator.narrated) == ([0, 120, 240], 360)
