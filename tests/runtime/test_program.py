"""runtime/program.py: how a program starts, says why it cannot, and ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.program import CannotStart, prepare_home
from runtime.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def child(code: str, home: Path, **environ: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ARENA_HOME": str(home), "PYTHONPATH": str(ROOT), **environ}
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


WAITS = """
from runtime.program import run
async def main(settings, stop):
    print("ready", flush=True)
    await stop.wait()
run("test", main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    process = child(WAITS, tmp_path / "v")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_what_stands_in_the_way_is_one_sentence_and_a_life_of_a_second_and_a_half(tmp_path: Path) -> None:
    """supervisord's delay grows without a cap for programs that exit faster."""
    code = """
from runtime.program import run, CannotStart
async def main(settings, stop):
    raise CannotStart("port 8787 is taken")
run("test", main)
"""
    began = time.monotonic()
    _, said = (process := child(code, tmp_path / "v")).communicate(timeout=30)
    assert process.returncode == 3
    assert time.monotonic() - began >= 1.5
    assert b"port 8787 is taken" in said
    assert b"Traceback" not in said


def test_a_bug_ends_it_with_a_traceback(tmp_path: Path) -> None:
    _, said = (
        process := child("from runtime.program import run\nasync def main(settings, stop):\n    1/0\nrun('test', main)", tmp_path / "v")
    ).communicate(timeout=30)
    assert process.returncode == 1
    assert b"ZeroDivisionError" in said


def test_an_exit_code_from_inside_a_task_group_is_kept(tmp_path: Path) -> None:
    """A store that failed ends its program with 70, also from a task."""
    code = """
import asyncio
from runtime.program import run
async def fail():
    await asyncio.sleep(0)
    raise SystemExit(70)
async def main(settings, stop):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fail())
run("test", main)
"""
    process = child(code, tmp_path / "v")
    process.communicate(timeout=30)
    assert process.returncode == 70


def test_it_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    """PDEATHSIG: no orphan that a second supervisord would double."""
    parent_code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}], env={{**os.environ, "SUPERVISOR_ENABLED": "1"}}, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = child(parent_code, tmp_path / "v")
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text() and time.monotonic() < deadline:
        os.sched_yield()
    assert not Path(f"/proc/{pid}/stat").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_the_directories_are_for_their_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "v", conf=tmp_path)
    prepare_home(settings)
    assert {path.stat().st_mode & 0o777 for path in (settings.run_dir, settings.data_dir, settings.keys_dir)} == {0o700}


@pytest.mark.parametrize("name", ["run", "data", "keys"])
def test_an_open_directory_is_refused_with_the_command_that_mends_it(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path / "v", conf=tmp_path)
    prepare_home(settings)
    (settings.home / name).chmod(0o755)
    with pytest.raises(CannotStart, match=f"chmod 700 .*{name}"):
        prepare_home(settings)
