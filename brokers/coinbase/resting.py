"""Exits that were triggered and do not trade.

A stop of this venue is a limit order once it is triggered. A market that jumps past its limit leaves it open, far from where anything trades: it
looks like a stop and guards nothing. Quotes may be behind or missing, so the venue's own word decides.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from brokers.coinbase.answers import VenueOrder
from runtime.clock import NS_PER_S

# How long a triggered order may stay in the book without trading. Each execution begins the time anew: what still fills is left to fill.
RESTS_S = 2.0
# Orders of which it is remembered; one that is forgotten has its time once more.
KEPT_MAX = 10_000


class Resting:
    """Since when each triggered order was seen to have traded no more, whichever request showed it.

    Args:
        boot_ns: CLOCK_BOOTTIME.
    """

    def __init__(self, boot_ns: Callable[[], int]) -> None:
        self._boot_ns = boot_ns
        self._seen: OrderedDict[str, tuple[Decimal, int]] = OrderedDict()

    def judged(self, order: VenueOrder) -> VenueOrder:
        """``order``, with ``rests`` set when two looks at least ``RESTS_S`` apart have found it triggered, open and no further."""
        if order.status.is_final or not order.is_triggered:
            self._seen.pop(order.order_id, None)
            return order
        now_ns = self._boot_ns()
        filled, since_ns = self._seen.get(order.order_id, (order.filled_size, now_ns))
        if order.filled_size > filled:
            since_ns = now_ns
        self._seen[order.order_id] = max(filled, order.filled_size), since_ns
        while len(self._seen) > KEPT_MAX:
            self._seen.popitem(last=False)
        return replace(order, rests=True) if now_ns - since_ns >= RESTS_S * NS_PER_S else order
