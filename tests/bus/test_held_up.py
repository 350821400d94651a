"""A disk that does not answer while the loop waits for it (bus/turns.py): the writer thread, which waits too, says so."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from bus.turns import Turns
from bus.txn import Txn
from tests.bus.journals import open_journal, place, stored_orders


def test_a_program_that_waits_for_its_disk_is_told_of_by_the_thread(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("bus.turns.QUICK_COMMITS_MIN", 1)
    monkeypatch.setattr("bus.turns.HUNG_S", 0.001)
    monkeypatch.setattr("bus.turns.TELL_S", 0.001)
    turns = Turns(lambda: None)
    turns.note_commit(0.0)
    ended = threading.Event()

    def turn_of_thread() -> None:
        with turns.of_thread():
            ended.set()

    said = threading.Event()

    class Listen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    logging.getLogger("bus.turns").addHandler(listener := Listen())
    try:
        with turns.of_loop() as is_ours:
            assert is_ours
            thread = threading.Thread(target=turn_of_thread)
            thread.start()
            assert said.wait(30)
            assert not ended.is_set()
        assert ended.wait(30)
        thread.join(30)
    finally:
        logging.getLogger("bus.turns").removeHandler(listener)
    assert "the disk does not answer" in caplog.text


async def test_while_the_disk_holds_the_loop_up_the_thread_says_so_and_then_no_more(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop can say nothing: it waits in the sync."""
    monkeypatch.setattr("bus.turns.QUICK_S_MAX", 60.0)
    monkeypatch.setattr("bus.turns.QUICK_COMMITS_MIN", 1)
    monkeypatch.setattr("bus.turns.TELL_S", 0.01)
    monkeypatch.setattr("bus.writer.IDLE_S", 0.01)
    told: list[int] = []
    twice, loops = threading.Event(), threading.get_ident()

    def tell() -> None:
        told.append(threading.get_ident())
        if len(told) == 2:
            twice.set()
        raise RuntimeError("nobody hears it")  # which must not end the journal

    def hang(txn: Txn) -> int:
        # On the thread it is that one's turn; the next one may be the loop's.
        return int(threading.get_ident() == loops and twice.wait(30))

    async with await open_journal(run_dir, on_held_up=tell) as journal:
        await journal.run(place("first"))
        async with asyncio.timeout(60):
            while await journal.submit_each([hang], short=True) == [0]:
                assert not told
        assert len(set(told)) == 1
        assert told[0] != loops
        monkeypatch.setattr("bus.turns.TELL_S", 30.0)
        so_far = len(told)
        await journal.run(place("after"))  # on the thread, which has its turn again
        assert len(told) <= so_far + 1
        assert await stored_orders(journal) == {"first", "after"}
