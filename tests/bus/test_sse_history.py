"""The events of before, page by page, forwards and backwards."""

from pathlib import Path

import pytest

from bus.cursor import Cursor
from tests.bus.served import arena
from tests.bus.sse_reader import open_reader
from trading.errors import InvalidRequest

pytestmark = pytest.mark.usefixtures("proxy")


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
