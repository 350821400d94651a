"""bus.Subscriber against real journals, real sockets and a real proxy."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest
import zmq

from bus import Subscriber
from bus.cursor import Cursor, MalformedCursor
from bus.envelope import Event, encode_event
from bus.proxy import Proxy
from bus.topics import event_topic, quote_topic
from tests.bus.live import LiveOwner

pytestmark = pytest.mark.usefixtures("proxy")


def sub(run_dir: Path, **options: object) -> Subscriber:
    return Subscriber(f"ipc://{run_dir}/bus-sub.sock", home=run_dir.parent, **({"sources": {"oanda"}} | options))  # type: ignore[arg-type]


async def take(events: AsyncGenerator[Event, None], count: int) -> list[Event]:
    taken = []
    async with asyncio.timeout(30):
        while len(taken) < count:
            taken.append(await anext(events))
    return taken


async def following(events: AsyncGenerator[Event, None], subscriber: Subscriber, owner: LiveOwner) -> "asyncio.Task[Event]":
    """The task of the next event, once the subscriber has found its place at ``owner``."""
    waiting = asyncio.ensure_future(anext(events))
    async with asyncio.timeout(30):
        while owner.source not in subscriber.cursor:
            await asyncio.sleep(0.005)
    return waiting


async def test_it_follows_what_happens_from_now_on(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(5)
        subscriber = sub(run_dir)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            await owner.append(3)
            first = await waiting
            rest = await take(events, 2)
            assert [first, *rest] == owner.events[-3:]


async def test_what_was_lost_on_the_bus_is_healed_from_the_owner(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            owner.is_mute = True
            await owner.append(700)
            owner.is_mute = False
            await owner.append(1)
            taken = [await waiting, *await take(events, 700)]
            assert taken == owner.events[-701:]


async def test_a_lost_last_event_is_healed_by_the_heartbeat_alone(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            owner.is_mute = True
            await owner.append(1)
            async with asyncio.timeout(30):
                assert await waiting == owner.events[-1]


async def test_a_restart_of_the_proxy_loses_nothing(run_dir: Path, proxy: Proxy) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            await proxy.__aexit__(None, None, None)
            await owner.append(10)
            await proxy.__aenter__()
            await owner.append(10)
            assert [await waiting, *await take(events, 19)] == owner.events[-20:]


async def test_all_journalled_sources_are_followed_when_none_is_named(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as oanda, LiveOwner("coinbase", run_dir) as coinbase, LiveOwner("rick", run_dir) as rick:
        subscriber = sub(run_dir, sources=None)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = asyncio.ensure_future(anext(events))
            async with asyncio.timeout(30):
                while len(subscriber.cursor) < 3:
                    await asyncio.sleep(0.005)
            for owner in (oanda, coinbase, rick):
                await owner.append(2)
            taken = [await waiting, *await take(events, 5)]
            for owner in (oanda, coinbase, rick):
                assert [event for event in taken if event.source == owner.source] == owner.events[-2:]


async def test_types_filter_what_is_handed_out_and_the_cursor_moves_past_the_rest(run_dir: Path, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir, types={"order_filled"}, cursor_file=tmp_path / "cursor")
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            await owner.append(3, "oco_placed")
            await owner.append(1, "order_filled")
            await owner.append(3, "order_cancelled")
            assert await waiting == owner.events[-4]
            another = asyncio.ensure_future(anext(events))
            async with asyncio.timeout(30):
                while subscriber.cursor["oanda"].seq < owner.last_seq:
                    await asyncio.sleep(0.005)
            another.cancel()
            await asyncio.gather(another, return_exceptions=True)
        assert Cursor.parse((tmp_path / "cursor").read_text().strip())["oanda"].seq == owner.last_seq


async def test_a_cursor_file_continues_behind_what_was_finished(run_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir, cursor_file=file)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            await owner.append(5)
            await waiting
            taken = await take(events, 2)  # three were handed out; the loop is left with the third in hand
        await owner.append(5)
        async with aclosing(sub(run_dir, cursor_file=file).__aiter__()) as events:
            again = await take(events, 8)
        assert again[0] == taken[-1]
        assert again == owner.events[-8:]


async def test_a_tool_that_was_stopped_before_its_first_event_misses_none_of_what_came_meanwhile(run_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(3)
        subscriber = sub(run_dir, cursor_file=file)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await owner.append(2)
        async with aclosing(sub(run_dir, cursor_file=file).__aiter__()) as events:
            assert await take(events, 2) == owner.events[-2:]


async def test_the_cursor_file_is_there_before_the_first_event_is_handed_out(run_dir: Path, tmp_path: Path) -> None:
    """A tool that is killed with its first event in hand must get that one again, not begin with what happens next."""
    file = tmp_path / "cursor"
    async with LiveOwner("oanda", run_dir) as owner, aclosing(sub(run_dir, cursor_file=file).__aiter__()) as events:
        waiting = asyncio.ensure_future(anext(events))
        while not waiting.done():
            await owner.append(1)
        assert Cursor.parse(file.read_text().strip())["oanda"].seq == (waiting.result().seq or 0) - 1


async def test_the_cursor_holds_the_event_in_hand(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(4)
        subscriber = sub(run_dir, cursor=f"oanda@{owner.epoch}:0")
        async with aclosing(subscriber.__aiter__()) as events:
            for event in await take(events, 1):
                assert subscriber.cursor["oanda"] == (event.epoch, event.seq)
        async with aclosing(sub(run_dir, cursor=subscriber.cursor).__aiter__()) as events:
            assert await take(events, 1) == [owner.events[1]]


async def test_a_source_missing_from_the_cursor_begins_at_its_oldest_event(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(2)
        async with aclosing(sub(run_dir, cursor="").__aiter__()) as events:
            assert await take(events, len(owner.events)) == owner.events


async def test_a_cursor_of_another_epoch_is_told_as_a_reset_whatever_the_filter(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(1)
        async with aclosing(sub(run_dir, cursor=f"oanda@{'e' * 16}:9", types={"order_filled"}).__aiter__()) as events:
            reset, first = await take(events, 2)
        assert (reset.source, reset.type) == ("oanda", "reset")
        assert reset.payload == {"old": f"{'e' * 16}:9", "new": f"{owner.epoch}:0", "reason": "epoch"}
        assert first.type == "order_filled"


def test_a_file_that_holds_no_cursor_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "cursor"
    file.write_text("rm -rf")
    with pytest.raises(MalformedCursor, match="holds no cursor"):
        Subscriber(cursor_file=file)
    assert file.read_text() == "rm -rf"


@pytest.mark.parametrize("options", [{"sources": "oanda"}, {"sources": {"Oanda"}}, {"types": {"order filled"}}, {"cursor": "oanda:7"}])
def test_what_names_nothing_is_refused_at_once(options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Subscriber(**options)  # type: ignore[arg-type]


async def test_quotes_come_when_they_are_named(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        body = encode_event("oanda", "quote", {"instrument": "EUR_USD", "bid": 1.1, "ask": 1.2}, 1_760_637_327_021_043_000)
        async with aclosing(sub(run_dir, types={"quote"}).__aiter__()) as events:
            waiting = asyncio.ensure_future(anext(events))
            async with asyncio.timeout(30):
                while not waiting.done():
                    owner.publisher.publish(quote_topic("oanda", "EUR_USD"), body)
                    await asyncio.sleep(0.01)
            assert waiting.result().payload["instrument"] == "EUR_USD"


async def test_heartbeats_come_when_they_are_named(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir), aclosing(sub(run_dir, types={"heartbeat"}).__aiter__()) as events:
        (beat,) = await take(events, 1)
        assert (beat.source, beat.type, beat.payload["status"]) == ("oanda", "heartbeat", "ok")


async def test_garbage_on_the_bus_is_dropped_and_counted_and_the_events_go_on(run_dir: Path) -> None:
    """One frame, three frames, no msgpack, a foreign source on our topic: none of it ends the loop, and no real event is lost."""
    async with LiveOwner("oanda", run_dir) as owner:
        subscriber = sub(run_dir)
        async with aclosing(subscriber.__aiter__()) as events:
            waiting = await following(events, subscriber, owner)
            topic = event_topic("oanda", "order_filled")
            foreign = encode_event("coinbase", "order_filled", {}, 0, epoch="0" * 16, seq=1, prev="0" * 32)
            with zmq.Context.instance().socket(zmq.PUB) as stranger:
                stranger.setsockopt(zmq.LINGER, 1000)
                stranger.connect(f"ipc://{run_dir}/bus-pub.sock")
                assert subscriber._consumer is not None
                async with asyncio.timeout(30):
                    while subscriber._consumer.malformed < 100:
                        for frames in (
                            [topic],
                            [topic, b"\xc1", topic],
                            [b"oanda."],
                            [b"oanda.x"],
                            [topic, b"\xc1"],
                            [topic, foreign],
                            [topic, b"", b""],
                        ):
                            stranger.send_multipart(frames)
                        await asyncio.sleep(0.005)
            await owner.append(200)
            assert [await waiting, *await take(events, 199)] == owner.events[-200:]


async def test_the_sync_loop_refuses_where_an_event_loop_runs(run_dir: Path) -> None:
    with pytest.raises(RuntimeError, match="async for"):
        next(iter(sub(run_dir)))


async def test_the_sync_loop_follows_in_a_thread_of_its_own(run_dir: Path, tmp_path: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(3)
        subscriber = sub(run_dir, cursor="", cursor_file=tmp_path / "cursor")

        def loop() -> list[Event]:
            taken = []
            for event in subscriber:
                taken.append(event)
                if len(taken) == 10:
                    break
            return taken

        running = asyncio.create_task(asyncio.to_thread(loop))
        async with asyncio.timeout(30):
            while not subscriber.cursor or subscriber.cursor["oanda"].seq < 3:
                await asyncio.sleep(0.005)
        await owner.append(10)
        taken = await asyncio.wait_for(running, 30)
        assert taken == owner.events[:10]
        assert Cursor.parse((tmp_path / "cursor").read_text().strip())["oanda"].seq == 9


async def test_the_sync_loop_heals_what_was_lost_on_the_bus_while_more_comes(run_dir: Path) -> None:
    """It takes batches without a turn of its event loop, but not while an owner is being asked."""
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(3)
        subscriber = sub(run_dir, cursor="")
        taken: list[Event] = []

        def loop() -> None:
            for event in subscriber:
                taken.append(event)
                if len(taken) == 1503:
                    break

        running = asyncio.create_task(asyncio.to_thread(loop))
        for muted in (True, False, True, False):
            async with asyncio.timeout(30):
                while len(taken) < 3:
                    await asyncio.sleep(0.005)
            owner.is_mute = muted
            await owner.append(375)
        await asyncio.wait_for(running, 30)
        assert taken == owner.events[:1503]


def test_importing_the_package_costs_no_sockets_and_no_http() -> None:
    code = "import sys, bus, bus.cursor; assert not {'zmq', 'aiohttp', 'msgpack'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_subscriber_costs_no_http() -> None:
    subprocess.run([sys.executable, "-c", "import sys; from bus import Subscriber; assert 'aiohttp' not in sys.modules"], check=True)
