"""An id that cannot be served is said to be so, `reset` or `gap`, and the stream goes on."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bus.cursor import Position
from bus.fetch import Fetch
from bus.replay import ReplayServer
from bus.tail import Page
from tests.bus.live import LiveOwner
from tests.bus.owner import FakeOwner
from tests.bus.served import arena, serving
from tests.bus.sse_reader import open_reader, places

pytestmark = pytest.mark.usefixtures("proxy")


@pytest.mark.parametrize("garbage", ["57", "oanda:57", "x" * 3000, "oanda@zz:1", "%00", "' OR 1=1", "oanda@" + "0" * 16 + ":-5"])
async def test_a_cursor_that_cannot_be_read_is_reset_and_the_stream_goes_on_as_if_none_had_come(run_dir: Path, garbage: str) -> None:
    async with arena(run_dir, "oanda") as ((owner,), (server,)):
        await owner.append(5)
        await server.has(owner)
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
        await server.has(owner)
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
        await server.has(oanda, coinbase)
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
        await server.has(owner)
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
