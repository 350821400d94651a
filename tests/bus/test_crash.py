"""A journal's process is killed, and its disk lies: what was told "ok" is there afterwards, and the numbers go on without a hole."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bus.epoch import read_high_water
from runtime.program import EXIT_STORE_FAILED
from tests.bus.journals import all_events, check_chain, open_journal, stored_orders

ROOT = Path(__file__).parents[2]


def start(directory: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bus.writing_child", str(directory), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def acknowledged(lines: list[str]) -> set[str]:
    return {line.split()[1] for line in lines if line.startswith("ok ")}


async def check_journal(directory: Path, told_ok: set[str]) -> int:
    """Everything that was told "ok" is there, each order with its event, and the chain holds. How many orders there are."""
    async with await open_journal(directory) as journal:
        stored = await stored_orders(journal)
        events = await all_events(journal)
        check_chain(events)
        assert told_ok <= stored
        told = [event.payload["order_id"] for event in events[1:]]
        assert (len(told), set(told)) == (len(stored), stored)
        return len(stored)


ENDLESS = "1000000000"
# By the writer thread, and by the loop's.
BY = pytest.mark.parametrize("by", [[ENDLESS], [ENDLESS, "short"]], ids=["thread", "loop"])


@BY
async def test_a_process_killed_again_and_again_loses_nothing_it_acknowledged(run_dir: Path, by: list[str]) -> None:
    told_ok: set[str] = set()
    epochs = set()
    for round_number in range(4):
        with start(run_dir, *by) as child:
            assert child.stdout is not None
            epochs.add(child.stdout.readline().split()[1])
            lines = [child.stdout.readline() for _ in range(100 + 37 * round_number)]
            child.send_signal(signal.SIGKILL)
            lines += [line for line in child.stdout if line.endswith("\n")]
        told_ok |= acknowledged(lines)
    assert len(told_ok) >= 400
    await check_journal(run_dir, told_ok)
    assert len(epochs) == 1  # a crash is no reason for readers to start anew
    mark = read_high_water(run_dir / "oanda.db")
    assert mark is not None
    assert mark.last_seq >= len(told_ok) + 1


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The preloaded library that counts and breaks syncs."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to build the library that breaks syncs")
    library = tmp_path_factory.mktemp("shim") / "sync_fault.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("sync_fault.c"), "-ldl"], check=True, timeout=60)
    return library


async def test_no_order_is_acknowledged_without_a_sync(run_dir: Path, shim: Path) -> None:
    """Eight callers share a group at most, so there is at least one sync for every eight orders."""
    count_file = run_dir / "syncs"
    with start(run_dir, "400", LD_PRELOAD=str(shim), SYNC_COUNT_FILE=str(count_file)) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert len(acknowledged(out.splitlines())) == 400
    assert len(count_file.read_bytes()) >= 400 / 8


async def test_no_order_that_the_loop_ran_is_acknowledged_without_a_sync(run_dir: Path, shim: Path) -> None:
    """Two callers share a group at most, and nearly all groups are the loop's."""
    count_file = run_dir / "syncs"
    with start(run_dir, "200", "short", LD_PRELOAD=str(shim), SYNC_COUNT_FILE=str(count_file)) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert len(acknowledged(out.splitlines())) == 200
    assert int(out.split()[-1]) >= 50
    assert len(count_file.read_bytes()) >= 200 / 2


@BY
@pytest.mark.parametrize("at", [12, 20, 45])
async def test_a_sync_that_fails_ends_the_process_and_nothing_is_believed(run_dir: Path, shim: Path, at: int, by: list[str]) -> None:
    """EIO: nobody is told "ok" after it, the exit code says so, and the next start recovers from the log."""
    with start(run_dir, *by, LD_PRELOAD=str(shim), SYNC_FAULT="eio", SYNC_FAULT_AT=str(at)) as child:
        out, err = child.communicate(timeout=60)
    assert child.returncode == EXIT_STORE_FAILED, err
    told_ok = acknowledged(out.splitlines())
    assert "the journal has stopped" in err
    await check_journal(run_dir, told_ok)


@BY
@pytest.mark.parametrize("at", [6, 7, 8, 33])
async def test_a_process_killed_inside_a_sync_loses_nothing_it_acknowledged(run_dir: Path, shim: Path, at: int, by: list[str]) -> None:
    with start(run_dir, *by, LD_PRELOAD=str(shim), SYNC_FAULT="kill", SYNC_FAULT_AT=str(at)) as child:
        out, _ = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    await check_journal(run_dir, acknowledged(out.splitlines()))
