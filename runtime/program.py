"""How every program of the arena starts and stops.

``run("gateway", main)`` reads the settings, makes the private directories, hooks SIGINT and SIGTERM to one event, dies with its parent (PDEATHSIG:
a killed supervisord leaves no orphan that a second one would double), raises the soft file limit, and runs ``main`` until it returns. A program
that cannot start says why in one sentence and lives to 1.5 s first: supervisord's delay grows without a cap for programs that exit faster.
"""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from runtime.logs import configure_logs
from runtime.settings import Settings, SettingsError, load_settings

LIFE_S_MIN = 1.5
EXIT_CANNOT_START = 3
EXIT_STORE_FAILED = 70

_PR_SET_PDEATHSIG = 1

Main = Callable[[Settings, asyncio.Event], Awaitable[None]]


class CannotStart(Exception):
    """Something outside the program is in the way (a port taken, a lock held); the message says what to do about it."""


def run(program: str, main: Main) -> None:
    """Run ``main(settings, stop)`` and exit: 0 after a clean stop, 3 when it cannot start, 1 on a bug (with a traceback in the log)."""
    started = time.monotonic()
    os.umask(0o077)
    listener = configure_logs(program)
    log = logging.getLogger(program)
    code = 0
    try:
        die_with_parent()
        settings = load_settings(os.environ)
        prepare_home(settings)
        raise_file_limit()
        collect_rarely()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_run_until_signalled(main, settings))
    except (CannotStart, SettingsError) as error:
        log.error("cannot start", extra={"reason": str(error)})
        code = EXIT_CANNOT_START
    except BaseExceptionGroup as group:
        code = _code_of(group)
        log.critical("stopped by an error", exc_info=group)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
        log.critical("stopped", extra={"exit_code": code})
    except Exception as error:  # the last door: whatever ends a program is said in its log
        code = 1
        log.critical("stopped by an error", exc_info=error)
    if code:
        time.sleep(max(0.0, LIFE_S_MIN - (time.monotonic() - started)))
    listener.stop()
    sys.exit(code)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed (the extra ``fast``): the same behaviour, between nothing and a quarter faster. None is asyncio's own."""
    try:
        import uvloop  # noqa: PLC0415 - an optional package
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _run_until_signalled(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await main(settings, stop)


def _code_of(group: BaseExceptionGroup[BaseException]) -> int:
    exits, _ = group.split(SystemExit)
    while exits is not None:
        first = exits.exceptions[0]
        if isinstance(first, SystemExit):
            return first.code if isinstance(first.code, int) else 1
        exits = first if isinstance(first, BaseExceptionGroup) else None
    return 1


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the parent ends; exit at once if it has ended already.

    Only under supervisord, which sets ``SUPERVISOR_ENABLED``: a program started by hand may outlive its shell.
    """
    if "SUPERVISOR_ENABLED" not in os.environ:
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise CannotStart(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() == 1:
        raise CannotStart("supervisord ended before this program was up")


def prepare_home(settings: Settings) -> None:
    """Make ``run/``, ``data/``, ``keys/`` and ``log/`` below ARENA_HOME, for their owner alone.

    Raises:
        CannotStart: one of them is open to other users, or cannot be made.
    """
    for directory in (settings.home, settings.run_dir, settings.data_dir, settings.keys_dir, settings.log_dir):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(f"cannot make {directory}: {error.strerror}") from error
        refuse_open_directory(directory)


def refuse_open_directory(directory: Path) -> None:
    status = directory.stat()
    if status.st_mode & 0o077 and directory.name in {"run", "data", "keys"}:
        raise CannotStart(f"{directory} can be read by other users: chmod 700 {directory}")
    if status.st_uid != os.geteuid():
        raise CannotStart(f"{directory} belongs to another user: start the arena as its owner, or choose another ARENA_HOME")


def step_back(by: int) -> None:
    """Lower this program's priority for the processor by ``by`` steps of ``nice``: when there is too much to do, orders come before what is told of
    them. On an idle machine it changes nothing."""
    os.nice(by)


def collect_rarely() -> None:
    """Look for cycles of dead objects among every 2,000 new ones, among those that were left of 400,000, and never again among what the imports made.

    Hardly anything here is in a cycle, and looking took a tenth of an order's time by Python's own thresholds (700, 10, 10), most of it among what
    was left. More than 2,000 at once cost nobody less, and everybody waits meanwhile: 20,000 are 3 to 5 ms.
    """
    gc.freeze()
    gc.set_threshold(2_000, 200, 20)


def raise_file_limit() -> int:
    """Raise the soft limit on open files to the hard one and return it: each browser tab and each connection costs a descriptor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
