"""The venue's clock, as far as it was measured: at the pace of CLOCK_BOOTTIME, so that a step of our wall clock does not touch it.

Coinbase's log has no numbers, only times. What is asked for since a moment, and what a look had in it, is told by the venue's time alone; the
moments that the core hands in are labelled by our wall clock, which may have been stepped since.
"""

from runtime.clock import Clock


class VenueClock:
    """One venue's; until it is measured it is taken to be ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.found(self._ours_ns())

    def found(self, offset_ns: int) -> None:
        """The venue's clock less CLOCK_BOOTTIME was found to be ``offset_ns``."""
        self._offset_ns = offset_ns
        self._ahead_ns = self._ours_ns()

    def now_ns(self) -> int:
        """Nanoseconds since 1970 there."""
        return self._clock.boot_ns() + self._offset_ns

    def note(self) -> None:
        """Called whenever a moment of our wall clock is kept: how far ahead it has been since the venue's was measured."""
        self._ahead_ns = max(self._ahead_ns, self._ours_ns())

    def of_ours(self, our_ns: int) -> int:
        """A moment of our wall clock on the venue's, at the earliest that it can have been.

        What is listed from a moment on must not begin too late, or an order that is there would be taken for none.
        """
        self.note()
        return our_ns - self._ahead_ns + self._offset_ns

    def _ours_ns(self) -> int:
        return self._clock.wall_ns() - self._clock.boot_ns()
