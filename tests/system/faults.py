"""What a run is put through: each fault hits the arena once and returns when it is over. Names are what a failed run prints.

Faults that need a filesystem, a clock or a network of their own stand in tests of their own (test_chaos_disk.py, …_clock.py, …_network.py, …_bus.py).
"""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.system.stack import PROGRAMS, ROOT, Stack

Fault = Callable[[Stack, random.Random], Awaitable[str]]

# A frozen program is thawed after one of these; the longest is for the long form, where a minute is a small part of the run.
FREEZE_S = (0.5, 2.0, 6.0)
FREEZE_S_LONG = (*FREEZE_S, 20.0, 60.0)
LONG_RUN = float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) >= 300


async def kill_one(stack: Stack, rng: random.Random) -> str:
    """kill -9 of one program."""
    program, since = rng.choice(PROGRAMS), time.monotonic()
    await stack.recovered(program, stack.kill(program), since)
    return f"killed {program}"


async def kill_two(stack: Stack, rng: random.Random) -> str:
    """kill -9 of two programs at once."""
    chosen, since = rng.sample(PROGRAMS, 2), time.monotonic()
    pids = [stack.kill(program) for program in chosen]
    await asyncio.gather(*(stack.recovered(program, pid, since) for program, pid in zip(chosen, pids, strict=True)))
    return f"killed {' and '.join(chosen)}"


async def freeze_one(stack: Stack, rng: random.Random) -> str:
    """SIGSTOP of one program for half a second to six seconds (a minute in a long run), then SIGCONT."""
    program, seconds = rng.choice(PROGRAMS), rng.choice(FREEZE_S_LONG if LONG_RUN else FREEZE_S)
    pid = stack.kill(program, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return f"froze {program} for {seconds} s"


async def freeze_supervisord(stack: Stack, rng: random.Random) -> str:
    """SIGSTOP of supervisord: its programs go on, whatever they print."""
    seconds = rng.choice([1.0, 4.0])
    pid = supervisord_pid(stack)
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return f"froze supervisord for {seconds} s"


async def kill_supervisord(stack: Stack, rng: random.Random) -> str:
    """kill -9 of supervisord: every program ends with it, `arena up` says so and ends, and a new start finds everything."""
    os.kill(supervisord_pid(stack), signal.SIGKILL)
    assert stack.up is not None
    async with asyncio.timeout(30):
        code = await stack.up.wait()
        while stack.processes():
            await asyncio.sleep(0.05)
    assert code not in {0, None}, "arena up must say that supervisord was killed"
    await stack.stop()
    await stack.start()
    return "killed supervisord and started the arena again"


async def second_adapter(stack: Stack, rng: random.Random) -> str:
    """A second adapter started by hand for a source that has an owner: it refuses, and the owner goes on."""
    source = rng.choice(["oanda", "coinbase"])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "brokers", source, cwd=ROOT, env=stack.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(10):
        _, said = await process.communicate()
    assert process.returncode == 3, said.decode()
    return f"a second {source} was refused"


async def crash_loop(stack: Stack, rng: random.Random) -> str:
    """An adapter that dies as soon as it runs, again and again, and is then left alone: it comes back by itself."""
    source = rng.choice(["oanda", "coinbase"])
    ends = time.monotonic() + (60 if LONG_RUN else 5)
    times = 0
    while time.monotonic() < ends or times < 3:
        pid = stack.kill(source)
        await stack.restarted(source, pid)
        times += 1
    # Not counted among the recoveries: supervisord waits a second longer after each program that ended before its first second was over.
    await stack.recovered(source, pid, None)
    return f"{source} crashed {times} times in a row"


async def sick_sync(stack: Stack, rng: random.Random) -> str:
    """The n-th sync of an adapter's store fails with EIO, or is its last: the adapter ends, and recovers from its log."""
    source, kind, nth = rng.choice(["oanda", "coinbase"]), rng.choice(["eio", "kill"]), rng.randint(1, 20)
    order, pid, since = Path(stack.environ["SICK_DISK"]), stack.pid(source), time.monotonic()
    order.write_text(f"{source}.db {kind} {nth}")
    await stack.until(lambda: not order.exists(), f"sync {nth} of {source}.db", seconds=30)
    since = time.monotonic()
    await stack.recovered(source, pid, since)
    return f"{kind} at sync {nth} of {source}.db"


def supervisord_pid(stack: Stack) -> int:
    return int((stack.home / "run" / "supervisord.pid").read_text())


def sick_disk(directory: Path) -> dict[str, str]:
    """The variables with which an arena's disk can be made sick (``sick_disk.c``); empty without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return {}
    library = directory / "sick_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(Path(__file__).with_name("sick_disk.c")), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), "SICK_DISK": str(directory / "sick-order")}


EVERY_FAULT: tuple[Fault, ...] = (kill_one, kill_two, freeze_one, freeze_supervisord, second_adapter, kill_supervisord, crash_loop)
NEEDS_COMPILER: tuple[Fault, ...] = (sick_sync,)
