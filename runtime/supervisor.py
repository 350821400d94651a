"""What supervisord says about the programs, read over its unix socket. We look; all that is ever done this way is to end a
program, which supervisord starts anew.

supervisord speaks XML-RPC over HTTP. Its socket lies in the private run directory, so whoever can open it is the arena's owner. Calls block, so they
run on a thread, and each has a time: a stopped supervisord must not hold up whoever asks.

Source: supervisord.org/api.html (getAllProcessInfo, tailProcessStdoutLog, system.multicall).
"""

import http.client
import logging
import socket
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

CALL_S_MAX = 2.0
LOG_LINES = 10
LOG_BYTES = 8 * 1024
LINE_CHARS_MAX = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessInfo:
    """One supervised process. ``state`` is supervisord's word (RUNNING, BACKOFF, FATAL, …); ``uptime_s`` None while it does not run."""

    name: str
    state: str
    description: str
    pid: int | None
    uptime_s: int | None
    exit_status: int | None
    log: tuple[str, ...]


class SupervisorUnreachable(Exception):
    """The socket is there and nobody sensible answers on it."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=CALL_S_MAX)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CALL_S_MAX)
        self.sock.connect(self._path)


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:  # noqa: ARG002 (xmlrpc's signature; there is one socket)
        """One connection for all calls, where xmlrpc looks for it when it closes."""
        connection = self._connection[1]
        if connection is None:
            connection = _UnixConnection(self._path)
            self._connection = ("supervisor", connection)
        return connection


def read_processes(path: Path) -> dict[str, ProcessInfo] | None:
    """The supervised processes by name, with their last log lines; None where there is no supervisord (no socket). Blocks up to some seconds.

    Raises:
        SupervisorUnreachable: there is a socket and no answer.
    """
    if not path.is_socket():
        return None
    try:
        with xmlrpc.client.ServerProxy("http://supervisor", transport=_UnixTransport(str(path)), allow_none=True) as server:
            listed = server.supervisor.getAllProcessInfo()
            processes = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
            names = [str(item.get("name")) for item in processes]
            tails = _tails(server, names)
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
        raise SupervisorUnreachable(str(error)) from error
    return {name: _process(name, item, tail) for name, item, tail in zip(names, processes, tails, strict=True)}


def end_process(path: Path, name: str) -> bool:
    """Ask supervisord to end ``name``, which it then starts anew; False where there is no supervisord, or the program does not run."""
    if not path.is_socket():
        return False
    try:
        with xmlrpc.client.ServerProxy("http://supervisor", transport=_UnixTransport(str(path)), allow_none=True) as server:
            return bool(server.supervisor.signalProcess(name, "TERM"))
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError):
        return False


def _tails(server: xmlrpc.client.ServerProxy, names: Sequence[str]) -> Sequence[object]:
    """Each program's tail as supervisord answers it, in one call; None for all where a log holds bytes that no XML can carry.

    supervisord does not wrap the results of a multicall in one-element lists as others do (read in its code).
    """
    calls = [{"methodName": "supervisor.tailProcessStdoutLog", "params": [name, 0, LOG_BYTES]} for name in names]
    nothing = [None] * len(names)
    try:
        tails = server.system.multicall(calls)
    except ExpatError:
        return nothing
    return tails if isinstance(tails, list) and len(tails) == len(names) else nothing


def _process(name: str, item: Mapping[str, object], tail: object) -> ProcessInfo:
    state, pid = str(item.get("statename")), _whole(item.get("pid"))
    running = state == "RUNNING"
    return ProcessInfo(
        name=name,
        state=state,
        description=str(item.get("spawnerr") or ("" if running else item.get("description") or "")),
        pid=pid or None,
        uptime_s=max(0, _whole(item.get("now")) - _whole(item.get("start"))) if running else None,
        exit_status=_whole(item.get("exitstatus")) if _whole(item.get("stop")) else None,
        log=_lines(tail),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _lines(tail: object) -> tuple[str, ...]:
    """The last lines of ``[text, offset, overflow]``; a fault (a program without a log yet) is a map and has none.

    The first line of a cut log is left out: it may be half a line.
    """
    if not isinstance(tail, (list, tuple)) or not tail or not isinstance(tail[0], str):
        return ()
    lines = tail[0].splitlines()
    if len(tail[0]) >= LOG_BYTES:
        lines = lines[1:]
    return tuple(line[:LINE_CHARS_MAX] for line in lines[-LOG_LINES:])
