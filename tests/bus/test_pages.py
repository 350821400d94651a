"""bus/tail.py and Journal.events_since: a page is the same from memory and from the disk, and says where the source stands."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Event, decode_event
from bus.journal import Journal
from bus.tail import PAGE_BYTES_MAX, Page, Tail, page_of, start_of_page
from bus.txn import Txn
from tests.bus.journals import open_journal, place
from tests.bus.owner import FakeOwner


def seqs(page: Page) -> list[int | None]:
    return [decode_event(body).seq for body in page.events]


async def fill(journal: Journal, count: int) -> None:
    """Events 2 to ``count``."""

    def work(txn: Txn) -> None:
        for number in range(2, count + 1):
            txn.append("order_filled", {"n": number})

    await journal.run(work)


@pytest.fixture(params=[100_000, 7], ids=["memory", "disk"])
def tail_events_max(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [
        (0, 500, range(1, 501)),
        (0, 3, range(1, 4)),
        (598, 500, range(599, 601)),
        (600, 500, range(0)),
        (601, 500, range(0)),
        (10**15, 500, range(0)),
        (-1, 500, range(600, 601)),
        (-5, 500, range(596, 601)),
        (-5, 2, range(596, 598)),
        (-600, 500, range(1, 501)),
        (-(10**15), 500, range(1, 501)),
        (100, 10_000, range(101, 601)),
        (100, 0, range(101, 102)),
    ],
)
async def test_a_page_holds_what_follows(run_dir: Path, tail_events_max: int, after: int, limit: int, expected: Sequence[int]) -> None:
    async with await open_journal(run_dir, tail_events_max=tail_events_max) as journal:
        await fill(journal, 600)
        for epoch in (None, journal.epoch):
            page = await journal.events_since(epoch, after, limit)
            assert seqs(page) == list(expected)
            assert (page.epoch, page.first_seq, page.last_seq) == (journal.epoch, 1, 600)


async def test_another_epoch_gets_no_events_and_is_told_the_current_one(run_dir: Path) -> None:
    async with await open_journal(run_dir) as journal:
        page = await journal.events_since("f" * 16, 0)
        assert (page.epoch, page.events, page.last_seq) == (journal.epoch, [], 1)


async def test_a_page_ends_at_a_megabyte(run_dir: Path, tail_events_max: int) -> None:
    def work(txn: Txn) -> None:
        for _ in range(60):
            txn.append("order_filled", {str(n): "x" * 8000 for n in range(7)})

    async with await open_journal(run_dir, tail_events_max=tail_events_max) as journal:
        await journal.run(work)
        page = await journal.events_since(None, 1)
        assert 10 < len(page.events) < 60
        assert sum(map(len, page.events)) <= PAGE_BYTES_MAX
        assert seqs(page) == list(range(2, 2 + len(page.events)))


async def test_what_was_stored_before_a_restart_is_the_same_bytes_after_it(run_dir: Path, tail_events_max: int) -> None:
    async with await open_journal(run_dir) as journal:
        await fill(journal, 20)
        before = await journal.events_since(None, 0)
    async with await open_journal(run_dir, tail_events_max=tail_events_max) as journal:
        assert await journal.events_since(None, 0) == before


async def test_a_page_never_runs_ahead_of_what_was_published(run_dir: Path) -> None:
    """A reader that heals and one that listens must never see different ends of the journal."""
    ends: list[tuple[int, int]] = []
    journal: Journal

    def on_events(events: list[Event]) -> None:
        ends.append((events[-1].seq or 0, journal.last_seq))

    async with await open_journal(run_dir, on_events=on_events) as journal:
        for number in range(20):
            await journal.run(place(str(number)))
    assert len(ends) == 21
    assert all(published == known for published, known in ends)


def test_a_tail_refuses_what_does_not_follow() -> None:
    owner = FakeOwner()
    first, second, third = owner.append(), owner.append(), owner.append()
    tail = Tail([first.body], last_seq=1)
    with pytest.raises(ValueError, match="seq 3 does not follow 1"):
        tail.extend([third])
    tail.extend([second, third])
    assert (tail.first_seq, tail.last_seq) == (1, 3)


@given(st.lists(st.integers(1, 20), max_size=40), st.integers(1, 12), st.integers(0, 400), st.integers(1, 30))
def test_a_tail_answers_from_what_it_keeps_or_not_at_all(steps: list[int], size: int, after: int, limit: int) -> None:
    owner, tail = FakeOwner(), Tail([], last_seq=0, events_max=size)
    for step in steps:
        tail.extend([owner.append() for _ in range(step)])
    assert tail.last_seq == owner.last_seq
    assert min(size, owner.last_seq) <= tail.last_seq - tail.first_seq + 1 <= 2 * size + 20
    page = tail.after(after, limit)
    if after + 1 < tail.first_seq:
        assert page is None
    else:
        assert page == [owner.bodies[seq] for seq in range(after + 1, owner.last_seq + 1)][:limit]


def test_a_page_of_one_body_too_large_is_that_body() -> None:
    huge = [b"x" * (PAGE_BYTES_MAX + 1)] * 2
    assert page_of(huge) == huge[:1]


def test_a_reader_below_the_floor_begins_at_the_floor() -> None:
    bounds = {"current": "a" * 16, "first_seq": 10, "last_seq": 20}
    assert start_of_page(None, 0, **bounds) == 9  # type: ignore[arg-type]
    assert start_of_page("a" * 16, 8, **bounds) == 9  # type: ignore[arg-type]
    assert start_of_page("a" * 16, 9, **bounds) == 9  # type: ignore[arg-type]
    assert start_of_page(None, -500, **bounds) == 9  # type: ignore[arg-type]
