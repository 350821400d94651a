"""The consumer's edge: what programs of the arena get from ``follow``, and what ends or does not end it."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

import pytest

import bus.consumer
from bus.consumer import Consumer, follow
from bus.cursor import Cursor
from bus.envelope import Event
from bus.fetch import FLOOR, NOW, Fetch, FetchedPage
from bus.fetchers import OwnerFetcher
from bus.heartbeat import HeartbeatTask
from bus.notices import Delivery, Fresh, Stale, Synced
from bus.publisher import Publisher
from bus.topics import heartbeat_topic
from runtime.clock import ManualClock, SystemClock
from runtime.settings import Settings
from tests.bus.live import LiveOwner

pytestmark = pytest.mark.usefixtures("proxy")


def settings(run_dir: Path) -> Settings:
    return Settings(home=run_dir.parent, conf=run_dir / "arena.toml")


async def test_follow_gives_batches_from_the_floor_and_goes_on_live(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(700)
        got: list[Delivery] = []
        async with aclosing(follow(settings(run_dir), sources=("oanda",))) as batches, asyncio.timeout(30):
            async for batch in batches:
                assert batch
                got += batch
                if len(got) == 702:
                    await owner.append(2)
                if len(got) == 704:
                    break
        assert isinstance(got[0], Synced)
        assert got[1:] == owner.events


async def test_follow_goes_on_behind_a_cursor_and_begins_elsewhere_at_the_floor(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as oanda, LiveOwner("coinbase", run_dir) as coinbase:
        await oanda.append(5)
        await coinbase.append(5)
        got: list[Event] = []
        cursor = Cursor.parse(f"oanda@{oanda.epoch}:4")
        async with aclosing(follow(settings(run_dir), cursor, sources=("oanda", "coinbase"))) as batches, asyncio.timeout(30):
            async for batch in batches:
                got += [item for item in batch if isinstance(item, Event)]
                if len(got) == 2 + 6:
                    break
        assert [event for event in got if event.source == "oanda"] == oanda.events[4:]
        assert [event for event in got if event.source == "coinbase"] == coinbase.events


async def test_follow_gathers_what_is_there_already_up_to_what_was_asked_for(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at the socket takes eight messages here; a batch is several looks, as long as there is more, and ends a look after the twentieth."""
    monkeypatch.setattr(bus.consumer, "BATCH_MESSAGES_MAX", 8)
    async with LiveOwner("oanda", run_dir) as owner:
        got: list[Delivery] = []
        sizes: list[int] = []
        async with aclosing(follow(settings(run_dir), sources=("oanda",), at_least=20)) as batches, asyncio.timeout(30):
            async for batch in batches:
                got += batch
                sizes.append(len(batch))
                if len(got) == 1 + len(owner.events):
                    if any(20 <= size < 20 + 8 for size in sizes):
                        break
                    await owner.append(50)
        assert got[1:] == owner.events


async def test_silence_is_said_and_its_end_too(run_dir: Path) -> None:
    clock = ManualClock()
    consumer = Consumer(f"ipc://{run_dir}/bus-sub.sock", {"oanda": NOW}, OwnerFetcher(run_dir), clock=clock)
    async with LiveOwner("oanda", run_dir, beats=False) as owner, consumer, asyncio.timeout(30):
        assert isinstance((await consumer.batch())[0], Synced)
        clock.advance(3)
        consumer.wake()
        assert Stale(source="oanda") in await consumer.batch()
        await owner.append(1)  # the bus still works, so it comes; only heartbeats are missing
        assert await consumer.batch() == owner.events[-1:]
        HeartbeatTask("oanda", owner.publisher, owner._snapshot, SystemClock()).beat()
        assert await consumer.batch() == [Fresh(source="oanda")]
        assert consumer.heartbeats["oanda"].received_ns == clock.boot_ns()


async def test_a_bug_in_a_fetcher_comes_out_of_the_batch(run_dir: Path) -> None:
    class Broken:
        async def fetch(self, fetch: Fetch) -> FetchedPage:
            raise ZeroDivisionError

        async def close(self) -> None: ...

    async with Consumer(f"ipc://{run_dir}/bus-sub.sock", {"oanda": FLOOR}, Broken()) as consumer:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(consumer.batch(), 30)


async def test_heartbeats_of_programs_without_a_journal_are_kept_when_subscribed(run_dir: Path) -> None:

    consumer = Consumer(f"ipc://{run_dir}/bus-sub.sock", {}, OwnerFetcher(run_dir), also=[heartbeat_topic("gateway")])
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:
        task = HeartbeatTask("gateway", publisher, lambda: {"status": "ok"}, SystemClock())
        async with consumer, asyncio.timeout(30):
            while not consumer.heartbeats:
                task.beat()
                consumer.poll()
                await asyncio.sleep(0.005)
        assert consumer.heartbeats["gateway"].payload["instance"] == task.instance


async def test_a_flood_of_rubbish_is_one_line_of_log_a_second(run_dir: Path, caplog: pytest.LogCaptureFixture) -> None:

    consumer = Consumer(f"ipc://{run_dir}/bus-sub.sock", {"oanda": NOW}, OwnerFetcher(run_dir), clock=ManualClock())
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher, caplog.at_level(logging.WARNING, "bus.consumer"):
        async with consumer, asyncio.timeout(30):
            while consumer.malformed < 200:
                publisher.publish(b"oanda.order_filled.", b"rubbish")
                consumer.poll()
                await asyncio.sleep(0)
    assert len([record for record in caplog.records if "no message of the bus" in record.message]) == 1


async def test_topics_of_strangers_cannot_grow_without_end(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr(bus.consumer, "TOPICS_KNOWN_MAX", 10)
    consumer = Consumer(f"ipc://{run_dir}/bus-sub.sock", {"oanda": NOW}, OwnerFetcher(run_dir))
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:
        async with consumer, asyncio.timeout(30):
            number = 0
            while consumer.malformed < 300:
                number += 1
                publisher.publish(b"oanda.x%d." % number, b"rubbish")
                consumer.poll()
                await asyncio.sleep(0)
        assert len(consumer._routes) == 10
