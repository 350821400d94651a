"""bus/retention.py: only what is both beyond the newest million and older than thirty days goes, from the floor, in small steps."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from bus.envelope import Event, decode_event
from bus.epoch import SCHEMA, JournalState, load_state, request_new_epoch
from bus.jobs import Outcome
from bus.retention import ROWS_A_STEP, Retention
from bus.store import migrate, open_connection
from bus.txn import Group
from runtime.clock import ManualClock
from runtime.settings import StoreSettings
from tests.bus.journals import open_journal

DAY_S = 86_400
SETTINGS = StoreSettings(events_max=100, events_days_min=30)


class Store:
    def __init__(self, directory: Path, clock: ManualClock) -> None:
        self.path = directory / "oanda.db"
        self.clock = clock
        self.connection = open_connection(self.path)
        migrate(self.connection, self.path, SCHEMA, [])
        self.state = self.load()

    def load(self) -> JournalState:
        return load_state(self.connection, self.path, "oanda", self.clock)

    def append(self, count: int) -> None:
        group = Group(self.connection, self.state, self.clock)
        group.begin()
        for _ in range(count):
            group.append("order_filled", {})
        group.commit()

    def prune(self, settings: StoreSettings = SETTINGS) -> int:
        """Run all steps; how many there were."""
        retention = Retention(self.connection, self.state, settings, self.clock)
        steps = 0
        while retention.step():
            steps += 1
        return steps

    def kept(self) -> list[tuple[int, int, int]]:
        return self.connection.execute("SELECT epoch_n, min(seq), max(seq) FROM events GROUP BY epoch_n ORDER BY epoch_n").fetchall()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(run_dir: Path, clock: ManualClock) -> Iterator[Store]:
    opened = Store(run_dir, clock)
    with closing(opened.connection):
        yield opened


def test_young_events_are_kept_however_many_there_are(store: Store, clock: ManualClock) -> None:
    store.append(300)
    clock.advance(29 * DAY_S)
    assert store.prune() == 0
    assert store.kept() == [(1, 1, 301)]


def test_the_newest_are_kept_however_old_they_are(store: Store, clock: ManualClock) -> None:
    store.append(99)
    clock.advance(400 * DAY_S)
    assert store.prune() == 0
    assert store.kept() == [(1, 1, 100)]


def test_what_is_too_old_and_too_many_goes_from_the_floor(store: Store, clock: ManualClock) -> None:
    store.append(149)
    clock.advance(31 * DAY_S)
    store.append(10)
    assert store.prune() == 1
    assert store.kept() == [(1, 61, 160)]
    assert store.state.first_seq == 61
    assert store.load().first_seq == 61


def test_a_step_back_of_the_clock_prunes_nothing_young(store: Store, clock: ManualClock) -> None:
    """Times need not rise with seq: pruning stops at the first young event, whatever is behind it."""
    store.append(99)
    clock.advance(40 * DAY_S)
    store.append(1)
    clock.step_wall(-40 * DAY_S)
    store.append(100)
    clock.step_wall(40 * DAY_S)
    store.prune()
    assert store.kept() == [(1, 101, 201)]


def test_pruning_goes_in_small_steps(store: Store, clock: ManualClock) -> None:
    store.append(2 * ROWS_A_STEP + 250)
    clock.advance(31 * DAY_S)
    assert store.prune() == 3
    assert store.kept() == [(1, 2 * ROWS_A_STEP + 152, 2 * ROWS_A_STEP + 251)]


def test_the_newest_event_of_all_is_never_pruned(store: Store, clock: ManualClock) -> None:
    store.append(20)
    clock.advance(31 * DAY_S)
    store.prune(StoreSettings(events_max=0, events_days_min=0))
    assert store.kept() == [(1, 21, 21)]
    assert store.load().last_seq == 21


def test_events_of_older_epochs_go_first(store: Store, clock: ManualClock) -> None:
    store.append(80)
    request_new_epoch(store.path)
    store.state = store.load()
    store.append(49)
    clock.advance(31 * DAY_S)
    store.prune()
    assert store.kept() == [(1, 32, 81), (2, 1, 50)]
    store.append(70)
    store.prune()
    assert store.kept() == [(2, 21, 120)]


async def test_a_journal_prunes_by_itself_and_says_its_new_floor(run_dir: Path) -> None:
    clock = ManualClock()
    settings = StoreSettings(events_max=5, events_days_min=1, free_mb_min=1)
    async with await open_journal(run_dir, clock=clock, settings=settings) as journal:
        await journal.run(lambda txn: [txn.append("order_filled", {}) for _ in range(20)])
        clock.advance(2 * DAY_S)
        async with asyncio.timeout(30):
            while journal.first_seq == 1:
                await journal.read(sqlite3.Connection.commit)
        assert journal.first_seq == 17
        page = await journal.events_since(None, 0)
        assert (page.first_seq, len(page.events)) == (17, 5)


async def test_a_page_that_was_read_before_a_step_begins_where_its_events_do(run_dir: Path) -> None:
    """The step's floor reaches the loop between the reading and the page: a reader that numbered the events from it would take each for another."""
    journal = await open_journal(run_dir, tail_events_max=2)
    async with journal:
        for _ in range(9):
            await journal.run(lambda txn: txn.append("order_filled", {}))
        tell = journal.on_outcomes

        def tell_before_the_step(outcomes: Sequence[Outcome], events: Sequence[Event]) -> None:
            tell(outcomes, events)
            journal.on_floor(6)

        with patch.object(journal, "on_outcomes", tell_before_the_step):
            page = await journal.events_since(None, 2)
        assert (journal.first_seq, page.first_seq) == (6, 3)
        assert [decode_event(body).seq for body in page.events] == list(range(3, page.last_seq + 1))
        page = await journal.events_since(None, 2)
        assert (page.first_seq, decode_event(page.events[0]).seq) == (6, 6)
