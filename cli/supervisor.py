"""What a program said last in its log: why it could not start, in its own words. Which programs run is asked in runtime/supervisor.py."""

import json

from runtime.settings import Settings
from runtime.supervisor import ProcessInfo, SupervisorUnreachable, read_processes

# Enough for the last lines of a program that cannot start, traceback included.
_TAIL_BYTES = 65_536


def ask_supervisor(settings: Settings) -> dict[str, ProcessInfo]:
    """The programs by name as supervisord sees them; empty when it does not answer."""
    try:
        return read_processes(settings.run_dir / "supervisor.sock") or {}
    except SupervisorUnreachable:
        return {}


def log_size(settings: Settings, program: str) -> int:
    """Bytes of the program's log now: what comes after is of this run."""
    try:
        return (settings.log_dir / f"{program}.log").stat().st_size
    except OSError:
        return 0


def last_reason(settings: Settings, program: str, since: int) -> str | None:
    """Why ``program`` could not start, from its own log after byte ``since``; None when it did not say."""
    return _last(settings, program, since, "cannot start")


def venue_refusal(settings: Settings, program: str, since: int) -> str | None:
    """Why an adapter that runs takes no orders: what its venue said last; None when it has not been refused."""
    return _last(settings, program, since, "the venue refuses this account")


def _last(settings: Settings, program: str, since: int, message: str) -> str | None:
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
        if isinstance(record, dict) and record.get("message") == message:
            return str(record.get("reason"))
    return None
