"""``arena up``: one clear sentence for what stands in the way, and nothing left behind however it ends."""

import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.system.stack import ROOT, Stack


def up_now(environ: dict[str, str], **more: str) -> tuple[int, str]:
    """``arena up`` that is expected to refuse: exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.app", "up"], cwd=ROOT, env={**environ, **more}, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def test_control_c_ends_everything() -> None:
    """SIGINT to the foreground process: exit 0, no process, no socket that answers; and a second start in the same place is up again."""
    async with Stack() as stack:
        assert len(stack.processes()) >= 8
        assert await stack.stop(signal.SIGINT) == 0
        assert stack.processes() == []
        await stack.start()
        assert await stack.stop(signal.SIGTERM) == 0
        assert stack.processes() == []


async def test_a_killed_supervisord_takes_its_programs_with_it_and_up_says_so() -> None:
    async with Stack() as stack:
        os.kill(int((stack.home / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
        await stack.until(lambda: stack.up is not None and stack.up.returncode is not None, "arena up to end")
        assert stack.up is not None
        assert stack.up.returncode == 1
        stack.up = None
        await stack.until(lambda: stack.processes() == [], "every program to end")
        await stack.start()


async def test_a_killed_arena_up_takes_everything_with_it() -> None:
    async with Stack() as stack:
        assert stack.up is not None
        stack.up.kill()
        await stack.up.wait()
        stack.up = None
        await stack.until(lambda: stack.processes() == [], "every program to end", seconds=60)


async def test_a_second_up_in_the_same_place_is_refused_in_one_sentence(stack: Stack) -> None:
    code, said = up_now(stack.environ)
    assert code == 1
    assert f"an arena already runs in {stack.home}" in said
    assert "Traceback" not in said
    await stack.ready()


@pytest.mark.parametrize("variable", ["ARENA_GATEWAY__PORT", "ARENA_DASHBOARD__PORT", "ARENA_MARKET_DATA__PORT", "ARENA_BUS__SUB_PORT"])
def test_a_taken_port_names_the_setting(tmp_path: Path, variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = Stack(home=tmp_path / "a")
        code, said = up_now(stack.environ, **{variable: str(port)})
    assert code == 1
    assert f"port {port}" in said
    assert variable in said
    assert "Traceback" not in said


def test_a_too_long_socket_path_is_one_sentence(tmp_path: Path) -> None:
    stack = Stack(home=tmp_path / ("x" * 100))
    code, said = up_now(stack.environ)
    assert code == 2
    assert "107" in said
    assert "ARENA_HOME" in said
    assert "Traceback" not in said


def test_a_word_other_than_true_or_false_never_trades(tmp_path: Path) -> None:
    stack = Stack(home=tmp_path / "a")
    code, said = up_now(stack.environ, EXECUTION_ENABLED="yes")
    assert code == 2
    assert "EXECUTION_ENABLED" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start as root")
def test_root_is_refused_with_real_money(tmp_path: Path) -> None:
    stack = Stack(home=tmp_path / "a")
    code, said = up_now(stack.environ, EXECUTION_ENABLED="true")
    assert code == 1
    assert "root" in said


async def test_a_database_of_a_newer_version_is_said_in_one_sentence_and_the_others_run() -> None:
    """The adapter concerned does not start and does not touch it; ``arena up`` shows why."""
    home = Path(tempfile.mkdtemp(prefix="arena-", dir="/tmp"))
    stack = Stack(home=home)
    try:
        async with stack:
            await stack.stop()
            database = sqlite3.connect(home / "data" / "oanda.db")
            database.execute("PRAGMA user_version = 999")
            database.close()
            await stack.launch()
            await stack.until(lambda: b"oanda cannot start" in stack.said and b"newer" in stack.said, "the reason on the terminal")
            await stack.until(lambda: stack.pid("gateway") and stack.pid("coinbase"), "the others to run")
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def test_two_arenas_run_side_by_side(stack: Stack) -> None:
    async with Stack() as other:
        _, here = await stack.place()
        _, there = await other.place()
        assert there["order_id"] == "paper-oanda-1"
        assert here["ok"] is True
        _, answer, _ = await other.call("GET", f"{other.gateway}/brokers/oanda/orders", token=await other.token())
        assert len(answer["orders"]) == 1


async def test_a_low_open_file_limit_just_works() -> None:
    """256 descriptors are little, but enough for a desk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        async with Stack() as stack:
            status, _ = await stack.place()
            assert status == 201
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
