"""POST /api/narration: pages of Rick's comments, and what is said when he does not answer."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.journal import Journal
from dashboard.narration import NOTHING_YET, Page
from dashboard.narrator.memory import hear
from dashboard.narrator.store import MIGRATIONS, commit
from runtime.clock import SystemClock
from runtime.settings import StoreSettings
from tests.dashboard.conftest import Desk, running_desk, said
from tests.dashboard.stories import ORDER, placed
from tests.dashboard.test_memory import events
from trading.errors import Unavailable

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\u202e"


class JournalReplay:
    """Rick's journal without the socket between; pages end early when ``page_max`` says so, as they do at 1 MiB."""

    def __init__(self, journal: Journal, page_max: int = 500) -> None:
        self._journal = journal
        self.page_max = page_max
        self.is_down = False

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        if self.is_down:
            raise Unavailable("down")
        if after < 0:
            after = max(0, self._journal.last_seq + after)
        return await self._journal.events_since(epoch, after, min(limit, self.page_max))


@pytest.fixture
async def replay() -> AsyncIterator[JournalReplay]:
    directory = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    async with await Journal.open(
        directory / "rick.db", "rick", migrations=MIGRATIONS, clock=SystemClock(), settings=StoreSettings(free_mb_min=1)
    ) as journal:
        yield JournalReplay(journal)
    shutil.rmtree(directory)


async def narrate(replay: JournalReplay, count: int) -> None:
    drafts = [placed(order_id=f"paper-oanda-{n}") for n in range(count)]
    await replay._journal.run(commit({}, hear({}, events(drafts))))


async def ask(desk: Desk, body: object = None) -> dict[str, object]:
    status, answer = await desk.ask("POST", "/api/narration", json=body)
    assert status == 200, answer
    return answer


async def test_the_newest_comments_come_in_order_with_the_newest_text_on_top(home: Path, replay: JournalReplay) -> None:
    await narrate(replay, 60)
    async with running_desk(home, replay=replay) as desk:
        answer = await ask(desk, {})
    comments = answer["narration"]
    assert isinstance(comments, list)
    assert [comment["about"]["order_id"] for comment in comments] == [f"paper-oanda-{n}" for n in range(10, 60)]
    assert answer["text"] == comments[-1]["text"]
    assert comments[0]["about"]["source"] == "oanda"
    assert set(comments[0]) == {"id", "ts", "text", "tone", "about"}
    assert answer["stale"] is False
    assert answer["next"] == comments[0]["id"]


_TEXT, _JSON = {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}


@pytest.mark.parametrize(("data", "headers"), [(b"", {}), (b"{}", {}), (b"{}", _TEXT), (b"{}", _JSON)])
async def test_it_takes_no_body_and_any_content_type(home: Path, replay: JournalReplay, data: bytes, headers: dict[str, str]) -> None:
    """The first version's call was a bare POST."""
    await narrate(replay, 3)
    async with running_desk(home, replay=replay) as desk:
        status, answer = await desk.ask("POST", "/api/narration", data=data, headers=headers)
    assert (status, answer["ok"], len(answer["narration"])) == (200, True, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("page_max", [500, 7, 3])
async def test_paging_back_gives_every_comment_once(home: Path, replay: JournalReplay, page_max: int) -> None:
    """Also where the narrator's pages end early."""
    await narrate(replay, 23)
    replay.page_max = page_max
    seen: list[str] = []
    async with running_desk(home, replay=replay) as desk:
        answer = await ask(desk, {"limit": 10})
        while True:
            page = answer["narration"]
            assert isinstance(page, list)
            seen = [comment["about"]["order_id"] for comment in page] + seen
            if answer["next"] is None:
                break
            answer = await ask(desk, {"limit": 10, "before": answer["next"]})
    assert seen == [f"paper-oanda-{n}" for n in range(23)]


async def test_before_anything_happened_there_is_a_sentence_and_an_empty_list(home: Path, replay: JournalReplay) -> None:
    async with running_desk(home, replay=replay) as desk:
        answer = await ask(desk)
    assert answer == {"ok": True, "text": NOTHING_YET, "narration": [], "next": None, "stale": False}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"limit":0}', "INVALID_FIELD"),
        (b'{"limit":501}', "INVALID_FIELD"),
        (b'{"limit":"5"}', "INVALID_FIELD"),
        (b'{"limit":true}', "INVALID_FIELD"),
        (b'{"limit":1e999}', "NUMBER_OUT_OF_RANGE"),
        (b'{"limit":NaN}', "NUMBER_NOT_FINITE"),
        (b'{"before":"rick@x:1"}', "INVALID_FIELD"),
        (b'{"before":"oanda@0123456789abcdef:1"}', "INVALID_FIELD"),
        (b'{"before":5}', "INVALID_FIELD"),
        (b'{"after":"x"}', "UNKNOWN_FIELD"),
        (b"[]", "JSON_NOT_AN_OBJECT"),
        (b"{", "JSON_MALFORMED"),
        (b"\xff", "JSON_MALFORMED"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(desk: Desk, data: bytes, code: str) -> None:
    status, body = await desk.ask("POST", "/api/narration", data=data)
    assert (status, said(body)) == (400, code)


async def test_a_foreign_page_does_not_get_it(desk: Desk) -> None:
    status, body = await desk.ask("POST", "/api/narration", headers={"Origin": "http://evil.example"})
    assert (status, said(body)) == (403, "ORIGIN_NOT_ALLOWED")


async def test_a_narrator_that_is_down_is_503_before_and_stale_after_something_was_read(home: Path, replay: JournalReplay) -> None:
    """What was read last is shown as what it is; an older page is not made up."""
    await narrate(replay, 4)
    async with running_desk(home, replay=replay) as desk:
        replay.is_down = True
        status, body = await desk.ask("POST", "/api/narration")
        assert (status, said(body)) == (503, "NARRATOR_DOWN")
        replay.is_down = False
        fresh = await ask(desk)
        replay.is_down = True
        assert await ask(desk) == {**fresh, "stale": True}
        assert (await desk.ask("POST", "/api/narration", json={"before": "rick@0123456789abcdef:9"}))[0] == 503


async def test_a_page_of_another_epoch_is_empty(home: Path, replay: JournalReplay) -> None:
    await narrate(replay, 4)
    async with running_desk(home, replay=replay) as desk:
        assert (await ask(desk, {"before": "rick@0123456789abcdef:9"}))["narration"] == []


async def test_hostile_text_stays_text_in_json(home: Path, replay: JournalReplay) -> None:
    """It comes out as the characters it went in as, in an answer that no browser takes for a page."""
    draft = ("order_rejected", {**ORDER, "code": "X", "message": HOSTILE, "order_id": HOSTILE})
    await replay._journal.run(commit({}, hear({}, events([draft]))))
    async with running_desk(home, replay=replay) as desk, desk.browser.post(f"{desk.url}/api/narration") as answer:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        text = (await answer.json())["text"]
    assert "<img src=x onerror=alert(1)>" in text
    assert "\u202e" not in text
    assert "\u2028" not in text
