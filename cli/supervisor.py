"""supervisord as the commands see it: which programs run, and what one said last."""

import http.client
import json
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path

from runtime.settings import Settings

_ANSWER_S_MAX = 2.0
# Enough for the last lines of a program that cannot start, traceback included.
_TAIL_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised program: its name in supervisord.conf, its state there, its process id (0 when none) and its uptime in seconds."""

    name: str
    state: str
    pid: int
    uptime_s: int


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_ANSWER_S_MAX)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_S_MAX)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:  # noqa: ARG002 - the socket's path is the address
        return _UnixConnection(self._path)


def ask_supervisor(settings: Settings) -> list[Program]:
    """The programs as supervisord sees them; empty when it does not answer."""
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(settings.run_dir / "supervisor.sock"))
    try:
        rows = proxy.supervisor.getAllProcessInfo()
    except (OSError, http.client.HTTPException, xmlrpc.client.Error):
        return []
    if not isinstance(rows, list):
        return []
    return [
        Program(str(row["name"]), str(row["statename"]), int(row["pid"]), int(row["now"]) - int(row["start"]) if row["pid"] else 0)
        for row in rows
        if isinstance(row, dict)
    ]


def log_size(settings: Settings, program: str) -> int:
    """Bytes of the program's log now: what comes after is of this run."""
    try:
        return (settings.log_dir / f"{program}.log").stat().st_size
    except OSError:
        return 0


def last_reason(settings: Settings, program: str, since: int) -> str | None:
    """Why ``program`` could not start, from its own log after byte ``since``; None when it did not say."""
    try:
        with (settings.log_dir / f"{program}.log").open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - _TAIL_BYTES, min(since, size)))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("message") == "cannot start":
            return str(record.get("reason"))
    return None
