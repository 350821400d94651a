"""Short turns at a core, for the programs that an order passes through.

An order wakes a dozen threads one after the other. One that wakes on a core where somebody runs waits, with Linux's usual turns, until that one has
had 1 to 3 ms, or for the next tick, and ``nice`` changes little about that: a third of what the slowest orders waited was that. From Linux 6.12 on a
thread may ask for short turns: it comes soon after it wakes, and is taken off as soon. Its share of the processor is the same.
docs/performance.md, step 30, has the figures. Elsewhere nothing changes.
"""

import ctypes
import os
import platform
import struct

# The shortest that the kernel gives.
TURN_NS = 100_000

# No library function before glibc 2.41: the call by its number, on the machines where an arena is likely.
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
# struct sched_attr as it was first: size, policy, flags, nice, priority, runtime (the turn), deadline, period.
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


def take_short_turns() -> bool:
    """Ask for them for this thread and all that it starts from now on; whether the kernel took the call (one before 6.12 takes it for nothing).

    A program that somebody has given another policy (``chrt``) keeps it as it is.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or not hasattr(os, "sched_getscheduler") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, TURN_NS, 0, 0)
    taken: int = ctypes.CDLL(None).syscall(number, 0, attributes, 0)
    return taken == 0
