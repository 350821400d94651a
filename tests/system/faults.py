"""What a run is put through: each fault hits the arena once and returns when it is over. Names are what a failed run prints."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable

from tests.system.stack import PROGRAMS, ROOT, Stack

Fault = Callable[[Stack, random.Random], Awaitable[str]]

# supervisord stops restarting nothing: but a program killed faster than it starts is only a crash loop, not a new fault.
RESTART_S_MAX = 30


async def kill_one(stack: Stack, rng: random.Random) -> str:
    """kill -9 of one program."""
    program = rng.choice(PROGRAMS)
    pid = stack.kill(program)
    await stack.restarted(program, pid)
    return f"killed {program}"


async def kill_two(stack: Stack, rng: random.Random) -> str:
    """kill -9 of two programs at once."""
    chosen = rng.sample(PROGRAMS, 2)
    pids = [stack.kill(program) for program in chosen]
    for program, pid in zip(chosen, pids, strict=True):
        await stack.restarted(program, pid)
    return f"killed {' and '.join(chosen)}"


async def freeze_one(stack: Stack, rng: random.Random) -> str:
    """SIGSTOP of one program for half a second to six seconds, then SIGCONT."""
    program, seconds = rng.choice(PROGRAMS), rng.choice([0.5, 2.0, 6.0])
    pid = stack.kill(program, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return f"froze {program} for {seconds} s"


async def freeze_supervisord(stack: Stack, rng: random.Random) -> str:
    """SIGSTOP of supervisord: its programs go on, whatever they print."""
    seconds = rng.choice([1.0, 4.0])
    pid = int((stack.home / "run" / "supervisord.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return f"froze supervisord for {seconds} s"


async def second_adapter(stack: Stack, rng: random.Random) -> str:
    """A second adapter started by hand for a source that has an owner: it refuses within three seconds, and the owner goes on."""
    source = rng.choice(["oanda", "coinbase"])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "brokers", source, cwd=ROOT, env=stack.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(10):
        _, said = await process.communicate()
    assert process.returncode == 3, said.decode()
    return f"a second {source} was refused"


EVERY_FAULT: tuple[Fault, ...] = (kill_one, kill_two, freeze_one, freeze_supervisord, second_adapter)
