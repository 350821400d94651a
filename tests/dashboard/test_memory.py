"""What survives a crash: each event has exactly one comment, and the story goes on as if nothing had happened."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.cursor import Position
from bus.envelope import GENESIS, Event, chain_hash, decode_event, make_event
from bus.journal import Journal
from bus.notices import Alarm, Delivery, Fresh, Gap, Reset, Stale, Synced
from dashboard.narrator import store
from dashboard.narrator.memory import Memory, hear
from dashboard.narrator.store import MIGRATIONS, REREAD_EVENTS, commit, load, to_keep
from runtime.clock import ManualClock
from runtime.settings import StoreSettings
from tests.dashboard.stories import EPOCH, ORDER, closed, filled, placed, sensible_events

TS_NS = 1_760_637_327_021_050_000
OTHER_EPOCH = "0123456789abcdef"


def events(drafts: Sequence[tuple[str, Mapping[str, object]]], *, source: str = "oanda", epoch: str = EPOCH, first: int = 1) -> list[Event]:
    """The drafts as an owner's journal holds them."""
    made, prev = [], GENESIS
    for seq, (kind, payload) in enumerate(drafts, first):
        event = make_event(source, kind, payload, TS_NS + seq * 1_000_000, epoch=epoch, seq=seq, prev=prev)
        prev = chain_hash(event.body)
        made.append(event)
    return made


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    yield path
    shutil.rmtree(path)


async def open_journal(directory: Path, *, on_failure: Callable[[Exception], None] | None = None) -> Journal:
    return await Journal.open(
        directory / "rick.db",
        "rick",
        migrations=MIGRATIONS,
        clock=ManualClock(),
        settings=StoreSettings(free_mb_min=1),
        on_failure=on_failure or _unexpected,
    )


def _unexpected(error: Exception) -> None:
    raise error


async def narrations(journal: Journal) -> list[Event]:
    """Everything Rick has said, read page by page."""
    said, after = [], 0
    while page := await journal.events_since(None, after):
        if not page.events:
            return said
        said += [decode_event(body) for body in page.events]
        after = said[-1].seq or 0
    return said


def abouts(said: Sequence[Event]) -> list[tuple[object, object, object]]:
    found = [event.payload["about"] for event in said if event.type == "narration"]
    return [(about["source"], about["epoch"], about["seq"]) for about in found if isinstance(about, dict)]


_drafts = st.lists(sensible_events, min_size=1, max_size=15)
# Each run: how many events at a time, and at which commit it ends.
_runs = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3)), max_size=3)


class Crash(Exception):
    """The process ends here."""


async def narrate(directory: Path, journals: Sequence[Event], *, batch: int, crash_at: int | None) -> None:
    """One run of the narrator over what it has not heard: ``batch`` events at a time, ending like a crash before or after the commit."""
    async with await open_journal(directory) as journal:
        memory: Memory = await journal.read(load)
        kept = memory
        heard = [event for event in journals if (event.seq or 0) > (memory[event.source].seq if event.source in memory else 0)]
        for number, start in enumerate(range(0, len(heard), batch)):
            plan = hear(memory, heard[start : start + batch])
            if number == crash_at:
                return  # before the commit
            await journal.run(commit(kept, plan))
            if crash_at is not None and number == crash_at - 1:
                return  # right after it
            memory, kept = plan.memory, to_keep(kept, plan)


@given(_drafts, st.lists(sensible_events, max_size=10), _runs, st.sampled_from([1, 3, REREAD_EVENTS]))
@settings(max_examples=12, deadline=None)
async def test_every_event_is_narrated_once_whatever_crashes_in_between(
    first: list[tuple[str, dict[str, object]]], second: list[tuple[str, dict[str, object]]], runs: list[tuple[int, int]], reread: int
) -> None:
    """Any batch sizes, any crashes before or after a commit, a story kept often or rarely: the comments of one run, each once, in order."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "REREAD_EVENTS", reread)
        await _narrated_once(first, second, runs)


async def _narrated_once(
    first: list[tuple[str, dict[str, object]]], second: list[tuple[str, dict[str, object]]], runs: list[tuple[int, int]]
) -> None:
    both = [*events(first), *events(second, source="coinbase")]
    with tempfile.TemporaryDirectory(prefix="ar", dir="/tmp") as whole, tempfile.TemporaryDirectory(prefix="ar", dir="/tmp") as pieces:
        await narrate(Path(whole), both, batch=100, crash_at=None)
        for batch, crash_at in runs:
            await narrate(Path(pieces), both, batch=batch, crash_at=crash_at)
        await narrate(Path(pieces), both, batch=2, crash_at=None)
        async with await open_journal(Path(whole)) as one, await open_journal(Path(pieces)) as other:
            said, again = await narrations(one), await narrations(other)
        for source, drafts in (("oanda", first), ("coinbase", second)):
            own = [event.payload for event in again if event.type == "narration" and event.payload["about"]["source"] == source]  # type: ignore[index]
            assert [payload["about"]["seq"] for payload in own] == list(range(1, len(drafts) + 1))  # type: ignore[index]
            assert own == [event.payload for event in said if event.type == "narration" and event.payload["about"]["source"] == source]  # type: ignore[index]


async def test_a_commit_done_twice_is_a_commit_done_once(directory: Path) -> None:
    """When nobody knows whether it happened it is simply done again."""
    journal_of_owner = events([placed(), filled("entry", 1.1655, position=100), placed(order_id="paper-oanda-2"), closed(1)])
    async with await open_journal(directory) as journal:
        plan = hear({}, journal_of_owner)
        assert await journal.run(commit({}, plan)) == 4
        assert await journal.run(commit({}, plan)) == 0
        assert await journal.read(load) == plan.memory
        assert len(abouts(await narrations(journal))) == 4


async def test_a_story_is_kept_every_thousand_events_and_its_comments_always(directory: Path) -> None:
    """A start reads again what came after the story that was kept, goes on with the same words, and says nothing twice."""
    placings = events([placed(order_id=f"paper-oanda-{number}") for number in range(REREAD_EVENTS + 12)])
    memory: Memory = {}
    kept: Memory = {}
    stands = []
    async with await open_journal(directory) as journal:
        for first, last in ((0, 1), (1, 10), (10, REREAD_EVENTS), (REREAD_EVENTS, REREAD_EVENTS + 1), (REREAD_EVENTS + 1, REREAD_EVENTS + 10)):
            plan = hear(memory, placings[first:last])
            await journal.run(commit(kept, plan))
            memory, kept = plan.memory, to_keep(kept, plan)
            stands.append((kept["oanda"].seq, (await journal.read(load))["oanda"].narrated))
    assert stands == [(1, 1), (1, 10), (1, REREAD_EVENTS), (REREAD_EVENTS + 1, REREAD_EVENTS + 1), (REREAD_EVENTS + 1, REREAD_EVENTS + 10)]
    async with await open_journal(directory) as journal:
        again = await journal.read(load)
        plan = hear(again, placings[again["oanda"].seq :])
        assert await journal.run(commit(again, plan)) == 2
        assert plan.memory == hear(memory, placings[REREAD_EVENTS + 10 :]).memory
        assert [seq for _, _, seq in abouts(await narrations(journal))] == list(range(1, REREAD_EVENTS + 13))


async def test_a_comment_has_the_time_of_its_event(directory: Path) -> None:
    """The feed shows it beside the event it is about, however late it was written."""
    (event,) = events([placed()])
    async with await open_journal(directory) as journal:
        await journal.run(commit({}, hear({}, [event])))
        assert [said.ts for said in await narrations(journal) if said.type == "narration"] == [event.ts]


async def test_what_fails_to_be_written_is_written_whole_later(directory: Path) -> None:
    """A plan that is rolled back leaves neither a comment nor a memory."""
    plan = hear({}, events([placed(), closed(1)]))
    failures: list[Exception] = []
    async with await open_journal(directory, on_failure=failures.append) as journal:

        def work(txn: object) -> None:
            commit({}, plan)(txn)  # type: ignore[arg-type]
            raise Crash

        with pytest.raises(Exception):  # noqa: B017 (what the journal makes of a bug in a work is its own affair)
            await journal.run(work)
    assert failures
    async with await open_journal(directory) as journal:
        assert await journal.read(load) == {}
        assert abouts(await narrations(journal)) == []
        assert await journal.run(commit({}, plan)) == 2


def test_a_plan_leaves_the_memory_it_was_made_from_as_it_is() -> None:
    """It may fail to be written, and is then made again."""
    before = hear({}, events([placed(), placed(order_id="paper-oanda-2")])).memory
    untouched = hear({}, events([placed(), placed(order_id="paper-oanda-2")])).memory
    after = hear(before, events([filled("entry", 1.1655, position=100), closed(1)], first=3)).memory
    assert before == untouched
    assert after != before


def test_events_that_come_again_are_not_heard_twice() -> None:
    some = events([placed(), closed(1)])
    plan = hear({}, [*some, *some])
    assert len(plan.comments) == 2
    assert hear(plan.memory, some).comments == []


def test_a_new_epoch_and_a_hole_start_the_story_afresh() -> None:
    """What cannot be read is not remembered either, so that a late beginner would tell the same."""
    opened = events([placed(), closed(0.4), placed(order_id="paper-oanda-9")])
    memory = hear({}, opened).memory
    assert memory["oanda"].story.streak == 1
    after_reset = hear(
        memory, [Reset(source="oanda", old=Position(EPOCH, 3), new=Position(OTHER_EPOCH, 0), reason="epoch"), *events([placed()], epoch=OTHER_EPOCH)]
    )
    assert after_reset.memory["oanda"].position == Position(OTHER_EPOCH, 1)
    assert after_reset.memory["oanda"].story.streak == 0
    assert len(after_reset.comments) == 1
    after_gap = hear(memory, [Gap(source="oanda", epoch=EPOCH, first=4, last=9), *events([placed(), closed(1)], first=10)])
    assert [comment.about.seq for comment, _ in after_gap.comments] == [10, 11]
    assert after_gap.memory["oanda"].story.streak == 1
    assert "1 won, 0 lost" in after_gap.comments[1][0].text


async def test_a_fork_is_read_again_and_commented_on_only_where_it_is_new(directory: Path) -> None:
    """Same epoch from its floor again: the story follows the owner, no seq has two comments."""
    memory = hear({}, events([placed(), closed(0.4)])).memory
    again = hear(
        memory, [Reset(source="oanda", old=Position(EPOCH, 2), new=Position(EPOCH, 0), reason="fork"), *events([placed(), closed(-1), closed(-1)])]
    )
    assert [comment.about.seq for comment, _ in again.comments] == [3]
    assert again.memory["oanda"].story.streak == -2
    async with await open_journal(directory) as journal:
        await journal.run(commit({}, hear({}, events([placed(), closed(0.4)]))))
        await journal.run(commit(memory, again))
        assert [seq for _, _, seq in abouts(await narrations(journal))] == [1, 2, 3]
        assert await journal.read(load) == again.memory


def test_notices_about_a_connection_change_nothing() -> None:
    memory = hear({}, events([placed()])).memory
    notices: list[Delivery] = [
        Stale(source="oanda"),
        Fresh(source="oanda"),
        Synced(source="oanda", position=Position(EPOCH, 1)),
        Alarm(source="oanda", code="two_owners", epoch=None, seq=None, text="x"),
    ]
    assert hear(memory, notices).memory == memory


def test_an_event_without_a_real_date_is_narrated_all_the_same() -> None:
    event = Event(v=1, source="oanda", type="oco_placed", payload=dict(ORDER), ts="2025-13-45T00:00:00.000000Z", epoch=EPOCH, seq=1, prev=GENESIS)
    ((_, ts_ns),) = hear({}, [event]).comments
    assert ts_ns is None


async def test_the_tables_belong_to_the_narrator_alone(directory: Path) -> None:
    """They live in the journal's own database, so that one transaction holds both."""
    async with await open_journal(directory) as journal:
        await journal.run(commit({}, hear({}, events([placed()]))))
    with sqlite3.connect(directory / "rick.db") as connection:
        assert connection.execute("SELECT source, seq FROM followed").fetchall() == [("oanda", 1)]
        assert connection.execute("SELECT count(*) FROM story_orders").fetchone() == (1,)
    connection.close()
