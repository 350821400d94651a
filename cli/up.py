"""``arena up``: the parent of supervisord, and so of everything.

It refuses early and in one sentence what would fail late and in many (a taken port, a second start in the same place, root with real money), starts
supervisord in a session of its own so that Ctrl-C reaches only us, tells when every program is ready and where to look, and passes a stop on.
Supervisord is told to end with us, and the programs end with supervisord (PDEATHSIG): whatever is killed, nothing is left behind.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import FrameType

from cli import exit_codes
from cli.greeting import greeting
from cli.output import fail
from cli.supervisor import ask_supervisor, last_reason, log_size, venue_refusal
from runtime.own_servers import dashboard_url, gateway_url
from runtime.program import CannotStart, prepare_home
from runtime.settings import Settings

PROGRAMS = ("bus", "oanda", "coinbase", "narrator", "market_data", "gateway", "dashboard")
READY_S_MAX = 60
STOP_S_MAX = 45  # supervisord gives each group 30 s before it kills

_PR_SET_PDEATHSIG = 1


def run_up(settings: Settings, supervisord_conf: Path) -> int:
    """Run the arena until SIGINT, SIGTERM or SIGHUP; returns the exit code."""
    os.umask(0o077)  # supervisord's own files and the programs' logs too
    _refuse_or_warn_root(settings)
    try:
        prepare_home(settings)
    except CannotStart as error:
        fail(str(error))
    with _only_one_here(settings), _stop_signals() as stopping:
        for name, host, port, variable in _ports(settings):
            _refuse_taken_port(name, host, port, variable)
        log_starts = {name: log_size(settings, name) for name in PROGRAMS}
        supervisord = _start(settings, supervisord_conf)
        try:
            if _wait_until_ready(settings, supervisord, log_starts, stopping):
                print(greeting(settings), flush=True)
            return _watch(supervisord, stopping)
        finally:
            _stop(supervisord)


def _refuse_or_warn_root(settings: Settings) -> None:
    if os.geteuid() != 0:
        return
    if settings.execution_enabled:
        fail("refusing to trade real money as root: run the arena as an ordinary user (see docs/operations.md)")
    sys.stderr.write("warning: running as root; an ordinary user is safer, and live trading requires one\n")


@contextmanager
def _only_one_here(settings: Settings) -> Iterator[None]:
    path = settings.run_dir / "arena.lock"
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "?"
            fail(f"an arena already runs in {settings.home} (process {owner}): stop it there with Ctrl-C, or set another ARENA_HOME")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        os.set_inheritable(lock.fileno(), False)
        yield


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """The list fills with the signals that ask us to stop."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal module hands both
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ports(settings: Settings) -> list[tuple[str, str, int, str]]:
    return [
        ("gateway", settings.gateway.host, settings.gateway.port, "ARENA_GATEWAY__PORT"),
        ("dashboard", settings.dashboard.host, settings.dashboard.port, "ARENA_DASHBOARD__PORT"),
        ("market data", settings.market_data.host, settings.market_data.port, "ARENA_MARKET_DATA__PORT"),
        ("bus", settings.bus.sub_host, settings.bus.sub_port, "ARENA_BUS__SUB_PORT"),
    ]


def _refuse_taken_port(name: str, host: str, port: int, variable: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the servers do: a port in TIME_WAIT from the last run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fail(f"port {port} for the {name} is not to be had ({error.strerror}): stop what uses it, or set {variable} to a free one")


def _start(settings: Settings, supervisord_conf: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "ARENA_HOME": str(settings.home),
        "ARENA_CONF": str(settings.conf),
        "ARENA_PYTHON": sys.executable,
        "PYTHONUNBUFFERED": "1",
    }
    parent = os.getpid()
    libc = ctypes.CDLL(None)

    def end_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    # A socket left by a killed supervisord is not in the way; what answers on it would be the lock's owner.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own file
        [sys.executable, "-m", "cli.supervisord", "-c", str(supervisord_conf)],
        env=environment,
        cwd=supervisord_conf.parent,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - no thread runs in this process
    )


def _wait_until_ready(settings: Settings, supervisord: "subprocess.Popen[bytes]", log_starts: dict[str, int], stopping: list[int]) -> bool:
    """Wait until every program runs and answers; say on the way why one does not. False when stopped, ended or out of time."""
    said: set[str] = set()
    deadline = time.monotonic() + READY_S_MAX
    running: set[str] = set()
    while not stopping and supervisord.poll() is None and time.monotonic() < deadline:
        programs = ask_supervisor(settings)
        for name in programs:
            reason = last_reason(settings, name, log_starts.get(name, 0))
            if reason and name not in said:
                said.add(name)
                sys.stderr.write(f"{name} cannot start: {reason}\n")
            refusal = venue_refusal(settings, name, log_starts.get(name, 0))
            if refusal and f"{name} {refusal}" not in said:
                said.add(f"{name} {refusal}")
                sys.stderr.write(f"{name} runs and takes no orders, as its venue refuses the account: {refusal}\n")
        running = {name for name, program in programs.items() if program.state == "RUNNING"}
        if running.issuperset(PROGRAMS) and _answers(settings):
            return True
        time.sleep(0.1)
    if not stopping and supervisord.poll() is None:
        late = sorted(set(PROGRAMS) - running) or ["the adapters, until their accounts are known"]
        sys.stderr.write(f"not ready after {READY_S_MAX} s: {', '.join(late)}; what they say is in {settings.log_dir}. Still trying.\n")
    return False


def _answers(settings: Settings) -> bool:
    from cli.api import Api, NoAnswer

    try:
        ready = Api.of_server(settings, gateway_url(settings)).call("GET", "/health/ready", anonymous=True)
        page = Api.of_server(settings, dashboard_url(settings)).call("GET", "/", anonymous=True)
    except NoAnswer:
        return False
    # Off loopback readiness takes a token, which we have not got: that it asks for one is as much as we learn.
    return (ready.ok or ready.status == HTTPStatus.UNAUTHORIZED) and page.status == HTTPStatus.OK


def _watch(supervisord: "subprocess.Popen[bytes]", stopping: list[int]) -> int:
    while not stopping:
        code = supervisord.poll()
        if code is not None:
            sys.stderr.write(f"supervisord ended (exit {code}); its programs end with it. Start again with: make up\n")
            return exit_codes.FAILED
        time.sleep(0.2)
    print("stopping …", flush=True)
    return exit_codes.OK


def _stop(supervisord: "subprocess.Popen[bytes]") -> None:
    if supervisord.poll() is not None:
        return
    supervisord.terminate()
    try:
        supervisord.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        sys.stderr.write("supervisord does not stop; killing it\n")
        supervisord.kill()
        supervisord.wait()
