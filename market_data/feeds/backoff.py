"""How long to wait before a stream is opened again: longer each time, never the same, never beyond a cap.

The jitter is half of the wait: many arenas that lost one venue in the same second must not all come back in the same second.
"""

from random import Random

_DOUBLINGS_MAX = 32  # beyond every cap; keeps the power small


class Backoff:
    """Waits of ``first_s``, twice that, and so on up to ``max_s``, each shortened by up to a half."""

    def __init__(self, first_s: float, max_s: float, random: Random) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._random = random
        self._failures = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        whole_s = min(self._max_s, self._first_s * 2.0 ** min(self._failures, _DOUBLINGS_MAX))
        self._failures += 1
        return whole_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """All is well again: the next failure is a first one."""
        self._failures = 0
