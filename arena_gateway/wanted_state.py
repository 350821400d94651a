"""The trading state that people want of each broker, kept over restarts in ``data/wanted-state.json``.

The adapters enforce their own; this is what an adapter that was away is told when it comes back. Several gateways of a host and the ``arena`` command
share the file, so it is read anew whenever it has changed and replaced whole. What is wanted is only ever pushed as "at least this strict": the
stricter of the two holds, and a release is told to the adapters that are there, once.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "wanted-state.json"
STRICTNESS = {"ACTIVE": 0, "REDUCING": 1, "HALTED": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One broker's; ``set_ns`` is nanoseconds since 1970, 0 while nobody has set anything."""

    state: str = "ACTIVE"
    reason: str = ""
    set_by: str = ""
    set_ns: int = 0

    @property
    def brakes(self) -> bool:
        return self.state != "ACTIVE"


NOTHING = Wanted()


class WantedStates:
    """All brokers'.

    Args:
        path: the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = os.fspath(path)
        self._lock_path = path.with_suffix(".lock")
        self._read_at: tuple[int, int] | None = None
        self._states: dict[str, Wanted] = {}

    def of(self, broker: str) -> Wanted:
        """What is wanted of ``broker`` now."""
        self._refresh()
        return self._states.get(broker, NOTHING)

    def brakes(self, broker: str) -> bool:
        """Whether less than everything is wanted of ``broker``."""
        self._refresh()
        wanted = self._states.get(broker)
        return wanted is not None and wanted.state != "ACTIVE"

    def set(self, brokers: Iterable[str], wanted: Wanted, *, only_stricter: bool = False) -> None:
        """Want it of ``brokers``; it is on the disk when this returns.

        Raises:
            OSError: it could not be written; in this process it holds all the same.
        """
        with self._locked():
            self._refresh()
            changed = {name: wanted for name in brokers if not only_stricter or is_stricter(wanted.state, self._states.get(name, NOTHING).state)}
            if not changed:
                return
            self._states = {**self._states, **changed}
            self._write()

    def _refresh(self) -> None:
        try:
            stat = os.stat(self._name)  # noqa: PTH116 - before every order, and a Path takes three times as long
        except FileNotFoundError:
            if self._read_at is not None:
                self._read_at, self._states = None, {}
            return
        read_at = (stat.st_mtime_ns, stat.st_ino)
        if read_at != self._read_at:
            self._states = _decode(self._path.read_bytes())
            self._read_at = read_at

    def _write(self) -> None:
        draft = self._path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({name: asdict(wanted) for name, wanted in sorted(self._states.items())}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        stat = self._path.stat()
        self._read_at = (stat.st_mtime_ns, stat.st_ino)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over processes: two that brake different brokers must not lose each other's."""
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def is_stricter(state: str, than: str) -> bool:
    return STRICTNESS[state] > STRICTNESS[than]


def _decode(raw: bytes) -> dict[str, Wanted]:
    """What a file says; one that nobody can read wants everything halted, for a brake that was lost must not be a release."""
    try:
        entries: Any = json.loads(raw)
        return {str(name): _entry(value) for name, value in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        halted = Wanted(state="HALTED", reason=f"{FILE_NAME} cannot be read: resume to write it anew", set_by="gateway")
        return {"oanda": halted, "coinbase": halted}


def _entry(value: Any) -> Wanted:
    if value["state"] not in STRICTNESS:
        raise ValueError(value["state"])
    return Wanted(state=value["state"], reason=str(value["reason"]), set_by=str(value["set_by"]), set_ns=int(value["set_ns"]))
