"""Clocks: wall time for people, boot time for ages and deadlines.

The wall clock may step (NTP, a laptop lid, an operator); CLOCK_BOOTTIME may not, and unlike CLOCK_MONOTONIC it runs on through a suspend. Ages,
deadlines and time to live are therefore measured in boot time, and wall time only labels what people read. A process measures against
``Clock``, never ``time`` directly, so that tests hand in their own.
"""

import time
from pathlib import Path
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """Two readings, both integer nanoseconds."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970, UTC. May step."""

    def boot_ns(self) -> int:
        """Nanoseconds since the machine started, suspends included. Never steps."""


class SystemClock:
    """The machine's clocks.

    Args:
        offset_file: a file holding a whole number of seconds that is added to the wall clock; read anew at most every 50 ms. Only for stacks under
            test (``ARENA_TEST__CLOCK_OFFSET_FILE``); a live stack refuses to start with it.
    """

    _REREAD_NS = 50_000_000

    def __init__(self, offset_file: Path | None = None) -> None:
        self._offset_file = offset_file
        self._offset_ns = 0
        self._read_at_ns = -self._REREAD_NS

    def wall_ns(self) -> int:
        return time.time_ns() + self._offset()

    def boot_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def _offset(self) -> int:
        if self._offset_file is None:
            return 0
        now_ns = self.boot_ns()
        if now_ns - self._read_at_ns >= self._REREAD_NS:
            self._read_at_ns = now_ns
            try:
                self._offset_ns = int(self._offset_file.read_text() or "0") * NS_PER_S
            except (OSError, ValueError):
                self._offset_ns = 0  # no file yet, or half written: the clock is then the machine's
        return self._offset_ns


class ManualClock:
    """A clock that stands still until it is told to move; for tests and for replays in market time."""

    def __init__(self, wall_ns: int = 1_760_637_327_021_043_000, boot_ns: int = 1_000 * NS_PER_S) -> None:
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def boot_ns(self) -> int:
        return self._boot_ns

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass on both clocks."""
        self._wall_ns += round(seconds * NS_PER_S)
        self._boot_ns += round(seconds * NS_PER_S)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an operator or NTP would."""
        self._wall_ns += round(seconds * NS_PER_S)


def boot_id() -> str:
    """The kernel's id of this boot: two processes with the same one may compare boot-time readings."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
