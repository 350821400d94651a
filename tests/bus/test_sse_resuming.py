"""A reader of the event stream that comes back with an id, at whichever server, gets what follows it, once and in order."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import bus.sse
import bus.stream_client
from bus.cursor import Cursor
from tests.bus.live import LiveOwner
from tests.bus.served import arena, serving
from tests.bus.sse_reader import open_reader, places

pytestmark = pytest.mark.usefixtures("proxy")


async def test_after_a_cut_exactly_what_follows_the_id_comes_from_the_other_server(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase", servers=2) as ((oanda, coinbase), (one, two)):
        await oanda.append(20)
        await coinbase.append(20)
        async with open_reader(one.url) as reader:
            await reader.until_ready()
            await oanda.append(3)
            await coinbase.append(2)
            await reader.events(4)
            last_id = reader.last_id
        had = Cursor.parse(last_id)
        await oanda.append(4)
        await coinbase.append(4)
        async with open_reader(two.url, last_event_id=last_id) as reader:
            before, ready = await reader.until_ready()
            await coinbase.append(1)
            live = await reader.events(9 - len(places(before)) + 1 if len(places(before)) < 9 else 1)
            assert ready.data["resumed"] is True
            came = places(before) + places(live)
            for owner in (oanda, coinbase):
                first = had[owner.source].seq + 1
                assert [seq for source, seq in came if source == owner.source] == list(range(first, owner.last_seq + 1))


@pytest.mark.parametrize(("seed", "ring_frames"), [(1, 100_000), (2, 100_000), (3, 100_000), (4, 16), (5, 16), (6, 3), (7, 3)])
async def test_a_reader_cut_again_and_again_between_two_servers_gets_everything_once(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, seed: int, ring_frames: int
) -> None:
    """With a small ring nearly every resume needs the owners, and readers are overtaken while they catch up."""
    monkeypatch.setattr(bus.sse, "RING_FRAMES_MAX", ring_frames)
    monkeypatch.setattr(bus.sse, "WARM_EVENTS", ring_frames)
    chance = random.Random(seed)
    async with arena(run_dir, "oanda", "coinbase", "rick", servers=2) as (owners, servers):
        async with open_reader(servers[0].url, replay=0) as reader:
            _, ready = await reader.until_ready()
            last_id = ready.id or ""
        begin = Cursor.parse(last_id)
        got: list[tuple[str, int]] = []

        async def load() -> None:
            for _ in range(60):
                await chance.choice(owners).append(chance.randint(1, 5))
                await asyncio.sleep(0.002)

        running = asyncio.create_task(load())
        async with asyncio.timeout(60):
            while not running.done() or any(Cursor.parse(last_id)[owner.source].seq < owner.last_seq for owner in owners):
                async with open_reader(chance.choice(servers).url, last_event_id=last_id) as reader:
                    for _ in range(chance.randint(1, 40)):
                        try:
                            frame = await reader.next(timeout_s=0.5)
                        except TimeoutError:
                            break
                        assert frame.name in {None, "ready"}
                        if frame.name is None and "seq" in frame.data:
                            got.append(frame.event)
                    last_id = reader.last_id
        await running
        for owner in owners:
            assert [seq for source, seq in got if source == owner.source] == list(range(begin[owner.source].seq + 1, owner.last_seq + 1))


async def test_what_the_ring_no_longer_has_comes_from_the_owner(run_dir: Path) -> None:
    async with LiveOwner("oanda", run_dir) as owner:
        await owner.append(3000)
        async with serving(run_dir) as server, open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:2") as reader:
            before, ready = await reader.until_ready()
            assert places(before) == [("oanda", seq) for seq in range(3, owner.last_seq + 1)]
            assert ready.data["resumed"] is True
            assert [frame.id for frame in before] == [f"oanda@{owner.epoch}:{seq}" for seq in range(3, owner.last_seq + 1)]


async def test_a_source_missing_from_the_cursor_starts_at_its_floor(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)):
        await oanda.append(5)
        await coinbase.append(5)
        await server.has(oanda, coinbase)
        async with open_reader(server.url, last_event_id=f"oanda@{oanda.epoch}:{oanda.last_seq}") as reader:
            before, _ = await reader.until_ready()
            assert places(before) == [("coinbase", seq) for seq in range(1, coinbase.last_seq + 1)]


async def test_a_source_missing_from_the_cursor_and_not_yet_up_starts_at_its_floor_when_it_comes(run_dir: Path) -> None:
    async with LiveOwner("coinbase", run_dir) as coinbase:
        await coinbase.append(80)
    async with (
        arena(run_dir, "oanda") as ((oanda,), (server,)),
        open_reader(server.url, last_event_id=f"oanda@{oanda.epoch}:{oanda.last_seq}") as reader,
    ):
        await reader.until_ready()
        async with LiveOwner("coinbase", run_dir) as coinbase:
            assert places(await reader.events(81)) == [("coinbase", seq) for seq in range(1, coinbase.last_seq + 1)]


async def test_a_source_that_is_down_keeps_its_place_and_goes_on_there(run_dir: Path) -> None:
    async with LiveOwner("coinbase", run_dir) as coinbase:
        await coinbase.append(80)
        epoch = coinbase.epoch
    async with arena(run_dir, "oanda") as ((oanda,), (server,)):
        await oanda.append(3)
        held = f"coinbase@{epoch}:7"
        async with open_reader(server.url, last_event_id=f"{held},oanda@{oanda.epoch}:1") as reader:
            before, ready = await reader.until_ready()
            assert places(before) == [("oanda", seq) for seq in range(2, oanda.last_seq + 1)]
            assert all((frame.id or "").startswith(held + ",") for frame in (*before, ready))
            await oanda.append(1)
            assert places(await reader.events(1)) == [("oanda", oanda.last_seq)]
            async with LiveOwner("coinbase", run_dir) as coinbase:
                assert places(await reader.events(74)) == [("coinbase", seq) for seq in range(8, coinbase.last_seq + 1)]
                await oanda.append(1)
                (frame,) = await reader.events(1)
                assert frame.event == ("oanda", oanda.last_seq)
                assert frame.id == f"coinbase@{epoch}:{coinbase.last_seq},oanda@{oanda.epoch}:{oanda.last_seq}"


async def test_an_owner_that_dies_before_its_old_events_are_read_is_held_and_loses_nothing(run_dir: Path) -> None:
    """The ring has the newest of a source, the cursor is older, and the owner is gone: nothing newer may overtake what is missing."""
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(LiveOwner("oanda", run_dir))
        await owner.append(2500)
        server = await stack.enter_async_context(serving(run_dir))
        async with open_reader(server.url, replay=1) as reader:
            await reader.until_ready()
        await stack.enter_async_context(AsyncExitStack())
        await owner.__aexit__(None, None, None)
        async with open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:3") as reader:
            before, ready = await reader.until_ready()
            assert before == []
            assert ready.id == f"oanda@{owner.epoch}:3"
            async with LiveOwner("oanda", run_dir) as again:
                assert places(await reader.events(again.last_seq - 3)) == [("oanda", seq) for seq in range(4, again.last_seq + 1)]


async def test_the_header_wins_over_the_parameter_and_the_parameter_serves_where_no_header_is(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(9)
        await server.has(owner)
        async with open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:8") as reader:
            before, _ = await reader.until_ready()
            header = places(before)
        async with open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:8", replay=3) as reader:
            assert places((await reader.until_ready())[0]) == header
        async with open_reader(f"{server.url}?last_event_id=oanda@{owner.epoch}:2", last_event_id=f"oanda@{owner.epoch}:8") as reader:
            assert places((await reader.until_ready())[0]) == header
        async with open_reader(f"{server.url}?last_event_id=oanda@{owner.epoch}:2") as reader:
            assert places((await reader.until_ready())[0])[0] == ("oanda", 3)


async def test_a_cut_before_the_first_event_resumes_by_the_id_of_ready(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        async with open_reader(server.url, replay=0) as reader:
            _, ready = await reader.until_ready()
        await owner.append(3)
        async with open_reader(server.url, last_event_id=ready.id) as reader:
            before, _ = await reader.until_ready()
            more = await reader.events(3 - len(before)) if len(before) < 3 else []
            assert [seq for _, seq in places([*before, *more])] == [owner.last_seq - 2, owner.last_seq - 1, owner.last_seq]
