"""A wall clock that is stepped while everything runs, as by an operator or a time server; boot time goes on as it was."""

from runtime.clock import NS_PER_S, Clock


class SteppingClock:
    """``clock`` with a wall clock that is off by ``off_s`` seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.off_s = 0

    def wall_ns(self) -> int:
        return self._clock.wall_ns() + self.off_s * NS_PER_S

    def boot_ns(self) -> int:
        return self._clock.boot_ns()
