"""How long a stream gathers after a batch before it looks at the bus again.

Each batch is one chunk, one write a reader, and one waking up of everybody on the way; in a flood fewer and larger ones cost a fifth less. What is a
flood says the rate over a while, not the size of a batch: Rick's comments come by the dozen at 200 orders a second already, and whoever gathered long
after each dozen would hold up one event in five for what nobody needs.
"""

# After a batch: what comes meanwhile leaves as one chunk. The first event after a silence does not wait.
GATHER_S = 0.002
# In a flood a little longer: a page paints every 16 ms.
FLOOD_GATHER_S = 0.01
FLOOD_EVENTS_PER_S = 2_000  # a thousand orders, each with its comment
WINDOW_S = 0.1


class Gathering:
    """Counts the events of one stream over windows of a tenth of a second; each decides for the next."""

    __slots__ = ("_count", "_is_flood", "_since_s")

    def __init__(self, now_s: float) -> None:
        self._since_s = now_s
        self._count = 0
        self._is_flood = False

    def after(self, events: int, now_s: float) -> float:
        """Seconds to gather after a batch of ``events`` that was taken at ``now_s``, of any steady clock."""
        self._count += events
        elapsed_s = now_s - self._since_s
        if elapsed_s >= WINDOW_S:
            self._is_flood = self._count >= FLOOD_EVENTS_PER_S * elapsed_s
            self._since_s, self._count = now_s, 0
        return FLOOD_GATHER_S if self._is_flood else GATHER_S
