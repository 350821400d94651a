"""The event stream as browsers and curl see it, against real journals, a real proxy and real HTTP."""

import asyncio
import json
import random
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

import bus.sse
import bus.stream_client
from bus.cursor import Cursor, Position
from bus.envelope import encode_event
from bus.follower import Fetch
from bus.replay import ReplayServer
from bus.tail import Page
from bus.topics import quote_topic
from runtime.http import ApiError
from runtime.routes import Principal
from tests.bus.live import LiveOwner
from tests.bus.owner import FakeOwner
from tests.bus.served import arena, serving
from tests.bus.sse_reader import SseFrame, open_reader
from trading.errors import InvalidRequest

pytestmark = pytest.mark.usefixtures("proxy")


def places(frames: list[SseFrame]) -> list[tuple[str, int]]:
    return [frame.event for frame in frames if frame.name is None and "seq" in frame.data]


# -- what a new reader gets ------------------------------------------------------------------------------------------------------------------


async def test_the_last_fifty_events_come_first_then_ready_then_what_happens(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(70)
        last = owner.last_seq
        async with asyncio.timeout(10):
            while server.stream.cursor().get("oanda", Position("", 0)).seq < last:
                await asyncio.sleep(0.005)
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


# -- resuming --------------------------------------------------------------------------------------------------------------------------------


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


# -- cursors that mean nothing ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", ["57", "oanda:57", "x" * 3000, "oanda@zz:1", "%00", "' OR 1=1", "oanda@" + "0" * 16 + ":-5"])
async def test_a_cursor_that_cannot_be_read_is_reset_and_the_stream_goes_on_as_if_none_had_come(run_dir: Path, garbage: str) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(5)
        async with open_reader(server.url, last_event_id=garbage) as reader:
            assert reader.response.status == 200
            before, ready = await reader.until_ready()
            assert before[0].name == "reset"
            assert before[0].retry == "2000"
            assert before[0].data["source"] == "*"
            assert before[0].data["reason"] == "malformed"
            assert places(before[1:]) == [("oanda", seq) for seq in range(1, owner.last_seq + 1)]
            assert ready.data["resumed"] is False


async def test_a_forged_future_cursor_resets_that_reader_and_nobody_else(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(5)
        async with open_reader(server.url, replay=0) as other:
            await other.until_ready()
            async with open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:999999") as reader:
                before, ready = await reader.until_ready()
                assert before[0].name == "reset"
                assert before[0].data == {"source": "oanda", "old": f"{owner.epoch}:999999", "new": f"{owner.epoch}:0", "reason": "ahead"}
                assert before[0].id == f"oanda@{owner.epoch}:0"
                assert places(before[1:]) == [("oanda", seq) for seq in range(1, owner.last_seq + 1)]
                assert ready.data["cursor"] == f"oanda@{owner.epoch}:{owner.last_seq}"
                await owner.append(1)
                assert places(await reader.events(1)) == [("oanda", owner.last_seq)]
            assert places([await other.next()]) == [("oanda", owner.last_seq)]


async def test_an_old_epoch_is_reset_and_the_other_sources_resume(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)):
        await oanda.append(60)
        await coinbase.append(5)
        cursor = f"coinbase@{coinbase.epoch}:{coinbase.last_seq - 1},oanda@{'e' * 16}:4"
        async with open_reader(server.url, last_event_id=cursor) as reader:
            before, ready = await reader.until_ready()
            resets = [frame for frame in before if frame.name == "reset"]
            assert [(frame.data["source"], frame.data["reason"], frame.data["old"]) for frame in resets] == [("oanda", "epoch", "e" * 16 + ":4")]
            came = places(before)
            assert [place for place in came if place[0] == "coinbase"] == [("coinbase", coinbase.last_seq)]
            assert [seq for source, seq in came if source == "oanda"] == list(range(oanda.last_seq - 49, oanda.last_seq + 1))
            assert ready.data["resumed"] is True


async def test_a_source_we_do_not_know_is_reset_and_dropped(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(2)
        async with open_reader(server.url, last_event_id=f"kraken@{'a' * 16}:4,oanda@{owner.epoch}:{owner.last_seq}") as reader:
            before, ready = await reader.until_ready()
            assert [(frame.name, frame.data["source"], frame.data["reason"]) for frame in before] == [("reset", "kraken", "unknown")]
            assert ready.id == f"oanda@{owner.epoch}:{owner.last_seq}"


async def test_below_the_floor_a_gap_says_what_is_missing(run_dir: Path) -> None:
    class Trimmed:
        """A journal whose oldest events retention has taken."""

        def __init__(self, owner: FakeOwner) -> None:
            self.owner = owner

        async def events_since(self, epoch: str | None, after: int, limit: int) -> Page:
            return self.owner.answer(Fetch(source="oanda", epoch=epoch, after=after, limit=limit))  # type: ignore[return-value]

    owner = FakeOwner()
    for _ in range(20):
        owner.append()
    owner.trim(12)
    async with (
        ReplayServer(f"ipc://{run_dir}/oanda-replay.sock", Trimmed(owner)),
        serving(run_dir) as server,
        open_reader(server.url, last_event_id=f"oanda@{owner.epoch}:4") as reader,
    ):
        before, ready = await reader.until_ready()
        assert before[0].name == "gap"
        assert before[0].data == {"source": "oanda", "epoch": owner.epoch, "from": 5, "to": 11}
        assert before[0].id == f"oanda@{owner.epoch}:11"
        assert places(before[1:]) == [("oanda", seq) for seq in range(12, 21)]
        assert ready.data["resumed"] is True


async def test_a_journal_that_begins_anew_resets_connected_readers_and_goes_on(run_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(run_dir))
        reader = await stack.enter_async_context(open_reader(server.url, replay=0))
        await reader.until_ready()
        async with LiveOwner("oanda", run_dir) as owner:
            await owner.append(3)
            await reader.events(owner.last_seq)
            old = Position(owner.epoch, owner.last_seq)
        for file in run_dir.glob("oanda.db*"):
            file.unlink()
        async with LiveOwner("oanda", run_dir) as owner:
            await owner.append(2)
            while (frame := await reader.next()).name != "reset":
                assert frame.id is None
            assert frame.data == {"source": "oanda", "old": str(old), "new": f"{owner.epoch}:0", "reason": "epoch"}
            assert frame.id == f"oanda@{owner.epoch}:0"
            assert places(await reader.events(3)) == [("oanda", 1), ("oanda", 2), ("oanda", 3)]


# -- filters ---------------------------------------------------------------------------------------------------------------------------------


async def test_filters_let_through_what_they_name(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)):
        await oanda.append(2, "oco_placed", instrument="EUR_USD")
        await oanda.append(2, "order_filled", instrument="EUR_USD")
        await oanda.append(2, "order_filled", instrument="USD_JPY")
        await coinbase.append(2, "order_filled", instrument="BTC-USD")
        for query, expected in {
            "types=order_filled": 6,
            "types=order_filled,oco_placed": 8,
            "sources=coinbase&types=order_filled": 2,
            "instruments=EUR_USD": 4,
            "instruments=EUR_USD,BTC-USD&types=order_filled": 4,
            "types=nothing_like_it": 0,
        }.items():
            async with open_reader(f"{server.url}?{query}") as reader:
                before, _ = await reader.until_ready()
                assert len(places(before)) == expected, query


async def test_a_filtered_reader_gets_live_what_it_asked_for_and_ids_that_name_every_source(run_dir: Path) -> None:
    async with (
        arena(run_dir, "oanda", "coinbase") as ((oanda, coinbase), (server,)),
        open_reader(server.url, sources="coinbase", replay=0) as reader,
    ):
        await reader.until_ready()
        await oanda.append(3)
        await coinbase.append(1)
        (frame,) = await reader.events(1)
        assert frame.data["source"] == "coinbase"
        assert set(Cursor.parse(frame.id or "")) == {"oanda", "coinbase"}


async def test_a_filter_that_matches_nothing_still_moves_the_cursor(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir, "oanda") as ((owner,), (server,)), open_reader(server.url, types="nothing", replay=0) as reader:
        await reader.until_ready()
        await owner.append(3)
        while (frame := await reader.next()).id != f"oanda@{owner.epoch}:{owner.last_seq}":
            assert frame.data is None
        assert frame.raw == [f"id: oanda@{owner.epoch}:{owner.last_seq}"]


@pytest.mark.parametrize(
    "query", ["types=a%20b", "sources=OANDA", "instruments=A%0d%0aB", "replay=-1", "replay=1e9", "replay=x", "type=order_filled"]
)
async def test_a_parameter_that_is_none_is_refused(run_dir: Path, query: str) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(f"{server.url}?{query}") as reader:
        assert reader.response.status == 400
        assert (await reader.response.json())["code"] in {"INVALID_PARAMETER", "UNKNOWN_PARAMETER"}


# -- what has a rhythm -----------------------------------------------------------------------------------------------------------------------


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


# -- limits and ends -------------------------------------------------------------------------------------------------------------------------


async def test_a_page_of_another_site_is_refused_before_it_takes_a_slot(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)), open_reader(server.url, headers={"Sec-Fetch-Site": "cross-site"}) as reader:
        assert reader.response.status == 403
        assert server.stream.metrics()["arena_sse_clients"] == 0


async def test_over_the_limit_a_reader_is_told_busy_with_200_and_the_slot_is_free_again_after_a_leave(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.sse, "STREAMS_MAX", 1)
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir) as (_, (server,)):
        async with open_reader(server.url) as first:
            await first.until_ready()
            async with open_reader(server.url) as second:
                assert second.response.status == 200
                frame = await second.next()
                assert (frame.name, frame.retry) == ("busy", "30000")
                with pytest.raises(EOFError):
                    await second.next()
        async with asyncio.timeout(10):
            while server.stream.metrics()["arena_sse_clients"]:
                await asyncio.sleep(0.005)
        async with open_reader(server.url) as third:
            await third.until_ready()


async def test_one_user_has_twenty_streams(run_dir: Path) -> None:
    async def who(request: web.Request) -> Principal | None:
        return Principal(user=request.headers["X-User"], role="viewer")

    async with serving(run_dir, authorize=who) as server, AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(open_reader(server.url, headers={"X-User": "ann"})) for _ in range(21)]
        first = [await reader.next() for reader in readers]
        assert [frame.name for frame in first] == ["ready"] * 20 + ["busy"]
        other = await stack.enter_async_context(open_reader(server.url, headers={"X-User": "bob"}))
        assert (await other.next()).name == "ready"


def test_fifty_streams_from_one_address_off_loopback() -> None:
    slots = bus.stream_client.Slots(100)
    for _ in range(50):
        assert slots.full(None, "192.0.2.7") is None
        slots.take(None, "192.0.2.7")
    assert slots.full(None, "192.0.2.7") is not None
    assert slots.full(None, "192.0.2.8") is None
    assert slots.full(None, None) is None
    for _ in range(50):
        slots.give_back(None, "192.0.2.7")
    assert slots.full(None, "192.0.2.7") is None
    assert slots.used == 0


async def test_a_token_that_is_no_longer_good_ends_the_stream_and_a_gateway_that_is_down_does_not(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.sse, "TURN_S", 0.002)
    verdict: list[ApiError] = []
    asked = asyncio.Event()

    async def who(_: web.Request) -> Principal | None:
        asked.set()
        if verdict:
            raise verdict[0]
        return Principal(user="ann", role="viewer")

    async with serving(run_dir, authorize=who) as server, open_reader(server.url) as reader:
        await reader.until_ready()
        verdict.append(ApiError(503, "GATEWAY_DOWN", "x"))
        for _ in range(2):
            asked.clear()
            await asyncio.wait_for(asked.wait(), 10)
        assert server.stream.metrics()["arena_sse_clients"] == 1
        verdict[0] = ApiError(401, "TOKEN_INVALID", "x")
        with pytest.raises(EOFError):
            await reader.events(1)


async def test_what_authorize_refuses_at_the_door_stays_out(run_dir: Path) -> None:
    async def nobody(_: web.Request) -> Principal | None:
        raise ApiError(401, "TOKEN_INVALID", "x")

    async with serving(run_dir, authorize=nobody) as server, open_reader(server.url) as reader:
        assert reader.response.status == 401


async def test_streams_end_at_once_when_the_server_stops(run_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(run_dir))
        readers = [await stack.enter_async_context(open_reader(server.url)) for _ in range(20)]
        for reader in readers:
            await reader.until_ready()
        begun = asyncio.get_running_loop().time()
        await server.stream.end_streams()
        for reader in readers:
            with pytest.raises(EOFError):
                await reader.next()
        assert asyncio.get_running_loop().time() - begun < 2


async def test_a_reader_that_does_not_read_is_cut_and_the_others_get_everything(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus.stream_client, "WRITE_S_MAX", 0.5)
    monkeypatch.setattr(bus.sse, "TURN_S", 0.01)
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        host, port = server.base.removeprefix("http://").split(":")
        with socket.socket() as frozen:
            frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            frozen.setblocking(False)
            await asyncio.get_running_loop().sock_connect(frozen, (host, int(port)))
            await asyncio.get_running_loop().sock_sendall(
                frozen, b"GET /events HTTP/1.1\r\nHost: %b\r\n\r\n" % server.base.removeprefix("http://").encode()
            )
            async with asyncio.timeout(10):
                while not server.stream.metrics()["arena_sse_clients"]:
                    await asyncio.sleep(0.005)
            async with open_reader(server.url, replay=0) as reader:
                await reader.until_ready()
                first = owner.last_seq + 1
                for _ in range(40):
                    await owner.append(10, note="x" * 4000)
                assert [seq for _, seq in places(await reader.events(400))] == list(range(first, first + 400))
                async with asyncio.timeout(20):
                    while server.stream.metrics()["arena_sse_clients"] > 1:
                        await asyncio.sleep(0.01)


async def test_a_slow_reader_catches_up_from_the_ring_and_misses_nothing(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)), open_reader(server.url, replay=0) as reader:
        await reader.until_ready()
        transport = reader.response.connection.transport  # type: ignore[union-attr]
        first = owner.last_seq + 1
        transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(100):
            await owner.append(10, note="x" * 2000)
        transport.resume_reading()  # type: ignore[union-attr]
        frames = await reader.events(1000)
        assert [seq for _, seq in places(frames)] == list(range(first, first + 1000))
        await owner.append(1)
        assert places(await reader.events(1)) == [("oanda", owner.last_seq)]


async def test_http_1_0_gets_the_stream_without_chunks(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(1)
        host, port = server.base.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /events HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert b"chunked" not in head.lower()
        assert await asyncio.wait_for(reader.readline(), 10) == b"retry: 2000\n"
        writer.close()


# -- history ---------------------------------------------------------------------------------------------------------------------------------


async def test_history_from_the_start_gives_everything_once_page_by_page(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase", "rick") as (owners, (server,)):
        for owner in owners:
            await owner.append(130)
        after, got, pages = "start", [], 0
        while True:
            page = await server.stream.history(after=after, limit=100)
            got += [(event["source"], event["seq"]) for event in page["events"]]  # type: ignore[index, attr-defined]
            assert Cursor.parse(page["events"][-1]["id"]) == Cursor.parse(str(page["next"]))  # type: ignore[index]
            after, pages = str(page["next"]), pages + 1
            if page["complete"]:
                break
        for owner in owners:
            assert [seq for source, seq in got if source == owner.source] == list(range(1, owner.last_seq + 1))
        assert pages == 4
        assert (await server.stream.history(after=after))["events"] == []


async def test_history_backwards_gives_everything_once_page_by_page(run_dir: Path) -> None:
    async with arena(run_dir, "oanda", "coinbase", "rick") as (owners, (server,)):
        for owner in owners:
            await owner.append(130)
        before, got = None, []
        while True:
            page = await server.stream.history(before=before, limit=50)
            got = [(event["source"], event["seq"]) for event in page["events"]] + got  # type: ignore[index, attr-defined]
            before = str(page["next"])
            if page["complete"]:
                break
        for owner in owners:
            assert [seq for source, seq in got if source == owner.source] == list(range(1, owner.last_seq + 1))


async def test_an_id_of_the_stream_pages_through_what_follows_it(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(9)
        async with open_reader(server.url) as reader:
            before, _ = await reader.until_ready()
        page = await server.stream.history(after=before[4].id)
        assert [event["seq"] for event in page["events"]] == [frame.data["seq"] for frame in before[5:]]  # type: ignore[attr-defined]
        assert [event["id"] for event in page["events"]] == [frame.id for frame in before[5:]]  # type: ignore[attr-defined]


async def test_history_says_what_a_cursor_does_not_mean_and_who_is_silent(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(1)
        page = await server.stream.history(after=f"oanda@{'e' * 16}:7")
        assert page["notices"] == [
            {"type": "reset", "source": "oanda", "old": "e" * 16 + ":7", "new": f"{owner.epoch}:0", "reason": "epoch"},
        ]
        assert len(page["events"]) == owner.last_seq  # type: ignore[arg-type]
        assert page["unavailable"] == ["coinbase", "rick"]
        assert page["complete"] is False


async def test_a_history_cursor_that_cannot_be_read_is_refused(run_dir: Path) -> None:
    async with arena(run_dir) as (_, (server,)):
        for bad in ({"after": "57"}, {"before": "x"}, {"after": "start", "before": "start"}):
            with pytest.raises(InvalidRequest):
                await server.stream.history(**bad)


async def test_heartbeats_are_there_for_health_and_metrics(run_dir: Path) -> None:
    async with arena(run_dir, "oanda") as (_, (server,)):
        async with asyncio.timeout(10):
            while "oanda" not in server.stream.heartbeats():
                await asyncio.sleep(0.005)
        assert server.stream.heartbeats()["oanda"].payload["status"] == "ok"
