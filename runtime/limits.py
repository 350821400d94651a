"""Token buckets: how often somebody may, in bursts and in the long run. Bounded in memory; a bucket that is full again is forgotten."""

import math
from collections import OrderedDict
from collections.abc import Callable

BUCKETS_MAX = 16_384


class TokenBuckets:
    """One bucket a key: ``burst`` tokens at first, ``per_s`` more each second up to ``burst``.

    Args:
        now_s: a clock that does not step, ``loop.time`` or ``time.monotonic``.
    """

    def __init__(self, per_s: float, burst: float, now_s: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = burst
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> int:
        """Take one token and return 0; when there is none, return the whole seconds after which there will be."""
        now = self._now_s()
        tokens, at = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._per_s)
        if tokens < 1:
            return max(1, math.ceil((1 - tokens) / self._per_s))
        self._buckets[key] = (tokens - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)
        return 0

    def give_back(self, key: str) -> None:
        """Return a token that was taken for nothing."""
        entry = self._buckets.get(key)
        if entry is not None:
            self._buckets[key] = (min(self._burst, entry[0] + 1), entry[1])
