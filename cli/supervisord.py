"""supervisord as it is, except that it wakes at a signal.

By itself it looks once a second whether a signal has come or a program has ended, and once more before it starts that one again. A stop of seven
programs in their order then takes up to eight seconds, a program that was killed is missed for one or two, and the first start begins with a
second's rest. docs/decisions/032.
"""

import os
import signal
from typing import Any

from supervisor import poller, supervisord


def main() -> None:
    """Run supervisord with this process's arguments, until it is told to stop."""
    plain = poller.Poller

    def waking(options: Any) -> Any:
        # It makes a poller at its start and at each reload. A reload then closes every descriptor there is, ours too, so that ours is made at the
        # first look; and until then no signal is written to a number that may be another file's by now.
        signal.set_wakeup_fd(-1)
        made = plain(options)
        wait = made.poll
        signals: int | None = None
        was_woken = True  # the programs are started in its first turn, which need not wait either

        def poll(timeout: float) -> tuple[list[int], list[int]]:
            nonlocal signals, was_woken
            if signals is None:
                signals = _written_at_a_signal()
                made.register_readable(signals)
            # In the turn of a signal it notes who has ended; what follows from that it does in the next.
            readable, writable = wait(0 if was_woken else timeout)
            was_woken = signals in readable
            if was_woken:
                os.read(signals, 4096)
                readable.remove(signals)
            return readable, writable

        made.poll = poll
        return made

    poller.Poller = waking
    supervisord.main()


def _written_at_a_signal() -> int:
    """A descriptor that can be read once a signal has come."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    # A full pipe wakes as well as one more byte would.
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


if __name__ == "__main__":
    main()
