"""What the programs said last, in their heartbeats, and how long ago."""

from collections.abc import Callable, Mapping

from bus.consumer import Heartbeat
from runtime.clock import NS_PER_S, Clock

Beat = Mapping[str, object]


class Beats:
    """The latest heartbeat of each program.

    Args:
        heartbeats: by program, as the event stream keeps them; received at CLOCK_BOOTTIME.
    """

    def __init__(self, heartbeats: Callable[[], Mapping[str, Heartbeat]], clock: Clock) -> None:
        self._heartbeats = heartbeats
        self._clock = clock

    def all(self) -> dict[str, Beat]:
        """Each program's payload, with ``age_s``."""
        now_ns = self._clock.boot_ns()
        return {program: {**beat.payload, "age_s": (now_ns - beat.received_ns) / NS_PER_S} for program, beat in self._heartbeats().items()}

    def mode(self, program: str) -> str | None:
        """``paper`` or ``live``; None for a program that has not said it."""
        beat = self._heartbeats().get(program)
        mode = None if beat is None else beat.payload.get("mode")
        return mode if isinstance(mode, str) else None
