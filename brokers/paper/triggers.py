"""Triggers: at which prices something happens in one instrument, kept so that a quote on which nothing does costs the same however many orders rest.

Four heaps of prices, one for each way a quote can reach one (bid falls to it, bid rises to it, and the same for the ask), hold what each bracket
waits for. Entries that no longer count are dropped when they surface, or all at once when they outnumber the others. Brackets that act on the next
quote whatever it says (a market order, the rest of a stop that was triggered) are ``urgent`` instead.
"""

import heapq
from decimal import Decimal
from enum import IntEnum

from trading.brackets import Bracket
from trading.instruments import Instrument, Side
from trading.orders import EntryType

_NEVER_BELOW = Decimal("-Infinity")
_NEVER_ABOVE = Decimal("Infinity")

# Dead entries are swept when there are more than this beyond the number of live ones: a sweep then costs less than what it follows.
_DEAD_MAX = 256


class Reach(IntEnum):
    """How a quote reaches a price."""

    BID_FALLS = 0
    BID_RISES = 1
    ASK_FALLS = 2
    ASK_RISES = 3


_FALLING = frozenset({Reach.BID_FALLS, Reach.ASK_FALLS})

Wanted = tuple[tuple[Reach, Decimal], ...]


def wanted_by(bracket: Bracket, instrument: Instrument) -> Wanted:
    """The prices ``bracket`` waits for: its entry while some of that is to come, its exits while it holds something."""
    order, is_long = bracket.order, bracket.order.side is Side.BUY
    wanted: list[tuple[Reach, Decimal]] = []
    if bracket.position_units and not bracket.stop_triggered:
        # What is held leaves at the bid when long, at the ask when short.
        losing, winning = (Reach.BID_FALLS, Reach.BID_RISES) if is_long else (Reach.ASK_RISES, Reach.ASK_FALLS)
        wanted += [(losing, bracket.stop_price), (winning, order.take_profit_price)]
        if order.trailing_stop_distance is not None:
            # The stop moves in whole ticks, so it moves first when the market is one tick further than where it was set.
            lead = order.trailing_stop_distance + instrument.tick
            wanted.append((winning, bracket.stop_price + lead * order.side.sign))
    if order.entry_price is not None and not bracket.entry_triggered and bracket.remaining_units:
        if order.entry_type is EntryType.LIMIT:
            wanted.append((Reach.ASK_FALLS if is_long else Reach.BID_RISES, order.entry_price))
        else:
            wanted.append((Reach.ASK_RISES if is_long else Reach.BID_FALLS, order.entry_price))
    return tuple(wanted)


class Triggers:
    """What the brackets of one instrument wait for, by n."""

    def __init__(self) -> None:
        self._heaps: tuple[list[tuple[Decimal, int]], ...] = ([], [], [], [])
        self._wanted: dict[int, Wanted] = {}
        self._live = 0
        self.urgent: set[int] = set()

    def put(self, n: int, wanted: Wanted, *, urgent: bool) -> None:
        """Bracket ``n`` now waits for ``wanted`` and for nothing else; ``urgent`` when it acts on any quote."""
        before = self._wanted.get(n, ())
        for each in wanted:
            if each not in before:
                reach, price = each
                # heapq pops the smallest: what a falling price reaches first is the greatest, hence the sign.
                heapq.heappush(self._heaps[reach], (-price if reach in _FALLING else price, n))
        self._live += len(wanted) - len(before)
        if wanted:
            self._wanted[n] = wanted
        else:
            self._wanted.pop(n, None)
        if urgent:
            self.urgent.add(n)
        else:
            self.urgent.discard(n)
        if sum(map(len, self._heaps)) > 2 * self._live + _DEAD_MAX:
            self._sweep()

    def wanted(self, n: int) -> Wanted:
        """What bracket ``n`` waits for."""
        return self._wanted.get(n, ())

    def drop(self, n: int) -> None:
        self.put(n, (), urgent=False)

    def due(self, bid: Decimal, ask: Decimal) -> list[int]:
        """The brackets that a quote concerns, in ascending n. Each must be ``put`` again afterwards: what it waited for is taken out."""
        found = set(self.urgent)
        for reach, price in ((Reach.BID_FALLS, -bid), (Reach.BID_RISES, bid), (Reach.ASK_FALLS, -ask), (Reach.ASK_RISES, ask)):
            heap = self._heaps[reach]
            while heap and heap[0][0] <= price:
                key, n = heapq.heappop(heap)
                if self._take_out(n, (reach, -key if reach in _FALLING else key)):
                    found.add(n)
        return sorted(found)

    def bounds(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """``bid_above, bid_below, ask_above, ask_below``: strictly between them a quote concerns no bracket that is not urgent."""
        bid_falls, bid_rises, ask_falls, ask_rises = (self._best(reach) for reach in Reach)
        return (
            _NEVER_BELOW if bid_falls is None else -bid_falls,
            _NEVER_ABOVE if bid_rises is None else bid_rises,
            _NEVER_BELOW if ask_falls is None else -ask_falls,
            _NEVER_ABOVE if ask_rises is None else ask_rises,
        )

    def __len__(self) -> int:
        return len(self._wanted)

    def _best(self, reach: Reach) -> Decimal | None:
        heap = self._heaps[reach]
        while heap:
            key, n = heap[0]
            if (reach, -key if reach in _FALLING else key) in self._wanted.get(n, ()):
                return key
            heapq.heappop(heap)
        return None

    def _take_out(self, n: int, each: tuple[Reach, Decimal]) -> bool:
        """Whether bracket ``n`` really waited for this; if so it does no longer."""
        wanted = self._wanted.get(n, ())
        if each not in wanted:
            return False
        rest = tuple(other for other in wanted if other != each)
        self._live -= len(wanted) - len(rest)
        if rest:
            self._wanted[n] = rest
        else:
            del self._wanted[n]
        return True

    def _sweep(self) -> None:
        for reach, heap in zip(Reach, self._heaps, strict=True):
            sign = -1 if reach in _FALLING else 1
            heap[:] = [(key, n) for key, n in heap if (reach, sign * key) in self._wanted.get(n, ())]
            heapq.heapify(heap)
