"""supervisord wakes when a program ends: no second goes by before the next is stopped, or the same one started again."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.system
PROGRAMS = 12
WAIT_S = 30


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[Process]:
    """supervisord with programs p00 to p11 in this order, each a group of its own; all of them run."""
    programs = (
        f"[program:p{n:02}]\ncommand=sleep 600\npriority={n}\nstartsecs=0\nautorestart=true\nstdout_logfile={home}/{n}\nredirect_stderr=true\n"
        for n in range(PROGRAMS)
    )
    (home / "conf").write_text("\n".join([f"[supervisord]\nnodaemon=true\nsilent=true\nlogfile={home}/log\npidfile={home}/pid\n", *programs]))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cli.supervisord", "-c", f"{home}/conf")
    try:
        await said(home, "entered RUNNING state", PROGRAMS)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def said(home: Path, words: str, times: int) -> list[str]:
    """The lines of its log that match ``words``, once there are as many."""
    async with asyncio.timeout(WAIT_S):
        while len(lines := re.findall(f".*{words}.*", (home / "log").read_text() if (home / "log").exists() else "")) < times:
            await asyncio.sleep(0.01)
    return lines


async def test_a_stop_in_order_takes_no_second_for_each(tmp_path: Path) -> None:
    async with running(tmp_path) as process:
        started = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
        took_s = asyncio.get_running_loop().time() - started
        stopped = [line.rpartition("stopped: ")[2][:3] for line in await said(tmp_path, "stopped: ", PROGRAMS)]
    assert stopped == [f"p{n:02}" for n in reversed(range(PROGRAMS))]
    assert took_s < PROGRAMS / 2


async def test_a_reload_which_closes_every_file_changes_none_of_it(tmp_path: Path) -> None:
    """`supervisorctl reload` is this signal. Nor does a later signal write into what has its descriptor's number by now."""
    async with running(tmp_path) as process:
        process.send_signal(signal.SIGHUP)
        await said(tmp_path, "entered RUNNING state", 2 * PROGRAMS)
        started = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            assert await process.wait() == 0
        assert asyncio.get_running_loop().time() - started < PROGRAMS / 2
        assert len(await said(tmp_path, "stopped: ", 2 * PROGRAMS)) == 2 * PROGRAMS
    assert (tmp_path / "log").read_text().isascii()
    assert signal.SIGTERM not in (tmp_path / "log").read_bytes()


async def test_a_killed_program_is_started_again_without_a_seconds_pause(tmp_path: Path) -> None:
    async with running(tmp_path):
        started = asyncio.get_running_loop().time()
        for n in range(PROGRAMS):
            (line,) = await said(tmp_path, f"spawned: 'p{n:02}' with pid", 1)
            os.kill(int(line.rpartition(" ")[2]), signal.SIGKILL)
            await said(tmp_path, f"spawned: 'p{n:02}' with pid", 2)
        assert asyncio.get_running_loop().time() - started < PROGRAMS / 2
