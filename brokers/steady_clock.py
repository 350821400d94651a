"""Time for an account's decisions: the wall clock's label at the pace of boot time.

A step of the wall clock (an operator, NTP after a boot without network) must neither expire every waiting order nor revive it. So ``now_ns`` runs on
CLOCK_BOOTTIME from the label read at start; ``check`` notices that the wall has stepped, moves the label along and says by how much, and expiries
wait ``HOLD_S`` so that nothing ends while the clocks are being mended. The owner moves the expiry labels of its waiting orders by the same
amount, so that what was to live forty minutes more still does, and has the label follow in that same transaction: whoever reads the time before it
sees old labels by the old time, whoever reads it after, new ones by the new time. Source: RULES R32.
"""

from dataclasses import dataclass

from runtime.clock import NS_PER_S, Clock

STEP_NS_MIN = 2 * NS_PER_S
HOLD_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStep:
    """The wall clock moved by ``step_ns`` (negative: backwards) against boot time; ``offset_ns`` is how far it is from that now."""

    step_ns: int
    offset_ns: int


class SteadyClock:
    """Nanoseconds since 1970 that jump only by ``follow``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ns = clock.wall_ns() - clock.boot_ns()
        self._hold_until_boot_ns = 0

    def now_ns(self) -> int:
        return self._clock.boot_ns() + self._offset_ns

    def boot_ns(self) -> int:
        return self._clock.boot_ns()

    @property
    def expiries_held(self) -> bool:
        """Whether a step was seen in the last ``HOLD_S`` seconds."""
        return self._clock.boot_ns() < self._hold_until_boot_ns

    def check(self) -> ClockStep | None:
        """Look at the wall clock; return a step that was not followed yet. A difference of less than two seconds is followed silently."""
        boot_ns = self._clock.boot_ns()
        offset_ns = self._clock.wall_ns() - boot_ns
        step_ns = offset_ns - self._offset_ns
        if abs(step_ns) <= STEP_NS_MIN:
            self._offset_ns = offset_ns
            return None
        self._hold_until_boot_ns = boot_ns + HOLD_S * NS_PER_S
        return ClockStep(step_ns=step_ns, offset_ns=offset_ns)

    def follow(self, step: ClockStep) -> None:
        """From now on the time is what the wall clock says after ``step``. Twice is once: the transaction may run again."""
        self._offset_ns = step.offset_ns

    def take_back(self, step: ClockStep) -> None:
        """The transaction in which ``step`` was followed has been taken back; ``check`` will find it again."""
        self._offset_ns = step.offset_ns - step.step_ns
