"""What has a rhythm in the event stream: heartbeats, comments, quotes."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import bus.sse
import bus.stream_client
from bus.envelope import encode_event
from bus.topics import quote_topic
from tests.bus.live import LiveOwner
from tests.bus.served import arena, serving
from tests.bus.sse_reader import open_reader

pytestmark = pytest.mark.usefixtures("proxy")


async def test_heartbeats_of_the_arena_say_how_each_program_is_without_an_id(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.02)
    async with arena(run_dir, "oanda") as ((owner,), (server,)), open_reader(server.url, replay=0) as reader:
        await reader.until_ready()
        frame = await reader.next()
        while frame.data is None or frame.data["payload"]["programs"]["oanda"]["status"] != "ok":
            frame = await reader.next()
        assert (frame.name, frame.id) == (None, None)
        assert (frame.data["source"], frame.data["type"]) == ("arena", "heartbeat")
        beat = frame.data["payload"]["programs"]["oanda"]
        assert (beat["mode"], beat["trading_state"], beat["last_seq"], beat["stale"]) == ("paper", "ACTIVE", owner.last_seq, False)
        assert 0 <= beat["age_ms"] < 3000
        assert frame.data["payload"]["programs"]["gateway"] == {
            "status": "silent",
            "mode": None,
            "trading_state": None,
            "last_seq": None,
            "age_ms": None,
            "stale": True,
        }


async def test_comments_keep_proxies_from_closing_a_quiet_stream(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir) as (_, (server,)), open_reader(server.url) as reader:
        await reader.until_ready()
        while reader.comments == 0:
            await reader.next()


async def test_quotes_come_named_without_id_and_only_those_asked_for(run_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(LiveOwner("oanda", run_dir))
        server = await stack.enter_async_context(serving(run_dir, quotes=True))
        plain = await stack.enter_async_context(serving(run_dir))

        async def flood() -> None:
            number = 0
            while True:
                number += 1
                for instrument in ("EUR_USD", "USD_JPY", "GBP_USD"):
                    body = encode_event("oanda", "quote", {"instrument": instrument, "bid": number, "ask": number + 1}, 1_760_637_327_000_000_000)
                    owner.publisher.publish(quote_topic("oanda", instrument), body)
                await asyncio.sleep(0.002)

        flooding = asyncio.create_task(flood())
        try:
            async with (
                open_reader(server.url, quotes="EUR_USD,USD_JPY", replay=0) as reader,
                open_reader(plain.url, quotes="EUR_USD", replay=0) as other,
            ):
                await reader.until_ready()
                await other.until_ready()
                loop = asyncio.get_running_loop()
                await reader.next()
                begun, frames = loop.time(), [await reader.next() for _ in range(9)]
                assert loop.time() - begun > 0.7, "at most four a second of each"
                assert {frame.name for frame in frames} == {"quote"}
                assert {frame.id for frame in frames} == {None}
                assert {frame.data["payload"]["instrument"] for frame in frames} == {"EUR_USD", "USD_JPY"}
                assert frames[0].data["type"] == "quote"
                with pytest.raises(TimeoutError):
                    await other.next(timeout_s=0.2)
        finally:
            flooding.cancel()
            await asyncio.gather(flooding, return_exceptions=True)


async def test_heartbeats_are_there_for_health_and_metrics(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as (_, (server,)):
        async with asyncio.timeout(30):
            while "oanda" not in server.stream.heartbeats():
                await asyncio.sleep(0.005)
        assert server.stream.heartbeats()["oanda"].payload["status"] == "ok"


async def test_the_first_reader_does_not_wait_for_the_rest_of_a_stream_that_nobody_read(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unwatched, a stream gathers; whoever comes ends that, gets what came meanwhile and then what happens, at once."""
    monkeypatch.setattr("bus.stream_feed.UNWATCHED_S", 3600.0)
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        for _ in range(3):
            await owner.append()
            async with open_reader(server.url) as reader:
                while (await reader.next()).id != f"oanda@{owner.epoch}:{owner.last_seq}":
                    pass
                await owner.append()
                while (await reader.next()).id != f"oanda@{owner.epoch}:{owner.last_seq}":
                    pass


async def test_a_flood_that_nobody_reads_is_taken_as_fast_as_it_comes(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rest after every batch would let heartbeats wait behind the flood, and whoever goes by them would take their senders for silent."""
    monkeypatch.setattr("bus.stream_feed.UNWATCHED_S", 0.2)
    monkeypatch.setattr("bus.consumer.BATCH_MESSAGES_MAX", 1)
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await server.has(owner)
        await owner.append(400)
        await server.has(owner)
        assert server.stream.metrics()["arena_gaps_healed_total"] == 0, "all of it came over the bus, before its owner was asked"
