"""What a new reader of the event stream gets: the last events, `ready`, then what happens. Real journals, a real proxy and real HTTP."""

import json
from pathlib import Path

import pytest

from bus.cursor import Cursor
from tests.bus.live import LiveOwner
from tests.bus.served import arena, serving
from tests.bus.sse_reader import open_reader, places

pytestmark = pytest.mark.usefixtures("proxy")


async def test_the_last_fifty_events_come_first_then_ready_then_what_happens(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        async with open_reader(server.url, replay=0) as witness:  # what one reader has, the ring has
            await witness.until_ready()
            await owner.append(70)
            await witness.events(70)
        last = owner.last_seq
        async with open_reader(server.url) as reader:
            before, ready = await reader.until_ready()
            assert places(before) == [("oanda", seq) for seq in range(last - 49, last + 1)]
            assert ready.data["replayed"] == 50
            assert ready.data["resumed"] is False
            assert ready.data["build"] == "build-1"
            assert ready.id == ready.data["cursor"] == f"oanda@{owner.epoch}:{last}"
            assert ready.data["sources"]["oanda"] == {"epoch": owner.epoch, "first_seq": 1, "last_seq": last, "state": "ok"}
            await owner.append(2)
            assert places(await reader.events(2)) == [("oanda", last + 1), ("oanda", last + 2)]


async def test_the_head_is_that_of_an_event_stream_that_no_proxy_holds_back(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(server.url) as reader:
        head = reader.response.headers
        assert reader.response.status == 200
        assert head["Content-Type"] == "text/event-stream"
        assert head["X-Accel-Buffering"] == "no"
        assert head["Cache-Control"] == "no-store"


async def test_an_event_has_an_id_and_one_line_of_data_and_no_name(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(1, note="two\nlines \u2028 \u2029 \x00 ü </script>", price=1.1655)
        await server.has(owner)
        async with open_reader(server.url) as reader:
            before, _ = await reader.until_ready()
            event = owner.events[-1]
            frame = before[-1]
            assert frame.raw[-2:] == [f"id: oanda@{owner.epoch}:{owner.last_seq}", frame.raw[-1]]
            text = frame.raw[-1].removeprefix("data: ")
            assert text.isascii()
            assert json.loads(text) == {
                "source": "oanda",
                "type": "order_filled",
                "payload": event.payload,
                "ts": event.ts,
                "epoch": owner.epoch,
                "seq": owner.last_seq,
            }
            assert list(json.loads(text)) == ["source", "type", "payload", "ts", "epoch", "seq"]


async def test_retry_is_in_the_first_frame_and_in_no_other(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(3)
        await server.has(owner)
        async with open_reader(server.url) as reader:
            before, ready = await reader.until_ready()
            assert [frame.retry for frame in (*before, ready)] == ["2000"] + [None] * len(before)
        async with open_reader(server.url, replay=0) as reader:
            before, ready = await reader.until_ready()
            assert before == []
            assert ready.retry == "2000"


@pytest.mark.parametrize(("replay", "expected"), [("0", 0), ("7", 7), ("500", 500), ("9999", 500)])
async def test_replay_says_how_many_come_first_up_to_500(run_dir: Path, replay: str, expected: int) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(600)
        await server.has(owner)
        async with open_reader(server.url, replay=replay) as reader:
            before, ready = await reader.until_ready()
            assert len(places(before)) == ready.data["replayed"] == expected


async def test_the_last_events_of_all_sources_are_mixed_by_their_time(run_dir: Path) -> None:
    """A server that starts later than the owners must not show the last fifty of one source alone."""
    async with LiveOwner("oanda", run_dir) as oanda, LiveOwner("rick", run_dir) as rick:
        for _ in range(30):
            await oanda.append(1)
            await rick.append(2, "narration")
        async with serving(run_dir) as server, open_reader(server.url) as reader:
            before, _ = await reader.until_ready()
            assert len(before) == 50
            stamps = [frame.data["ts"] for frame in before]
            assert stamps == sorted(stamps)
            assert {frame.data["source"] for frame in before} == {"oanda", "rick"}


async def test_every_id_names_every_source_and_its_own_number(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase", "rick") as (owners, (server,)):
        for owner in owners:
            await owner.append(5)
        await server.has(*owners)
        async with open_reader(server.url) as reader:
            before, _ = await reader.until_ready()
            for owner in owners:
                await owner.append(2)
            for frame in [*before, *await reader.events(6)]:
                if frame.data["seq"] == 1 and frame is before[0]:
                    continue
                cursor = Cursor.parse(frame.id or "")
                assert cursor[frame.data["source"]] == (frame.data["epoch"], frame.data["seq"])
                assert set(cursor) == {"oanda", "coinbase", "rick"}
                assert str(cursor) == frame.id


async def test_without_any_owner_the_stream_opens_and_is_ready(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(server.url) as reader:
        before, ready = await reader.until_ready()
        assert before == []
        assert ready.data["cursor"] == ""
        assert {where["state"] for where in ready.data["sources"].values()} == {"unknown"}
        assert ready.id is None


async def test_an_owner_that_comes_later_is_heard(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(server.url) as reader:
        await reader.until_ready()
        async with LiveOwner("oanda", run_dir) as owner:
            await owner.append(3)
            assert places(await reader.events(owner.last_seq)) == [("oanda", seq) for seq in range(1, owner.last_seq + 1)]
