"""From "something about this order has changed" to facts.

What the channel or a list hints at is put on a list of orders that are due; for each, the order and its executions are read by REST, and everything
known of it is told. An order stays due until its executions add up to what it says is filled, because the end of an entry must not be told before
what it traded. One whose bracket is not known here is told by the venue's id, which the core may know.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from brokers.coinbase.context import Context
from brokers.coinbase.family import fill_facts, piece, piece_facts
from brokers.coinbase.messages import OrderNews
from brokers.coinbase.rest import Missing
from brokers.live.venue import EntryAccepted, EntryFilled, ExitFilled, Fact, Unplaced
from trading.money import ZERO

# Orders and executions of which it is remembered that they were told; one that is forgotten is told again.
KEPT_MAX = 20_000
# Orders read side by side: as many as the way out has connections, less one for commands.
AT_ONCE = 6

ValueT = TypeVar("ValueT")
_State = tuple[VenueStatus, Decimal, bool]


class Telling:
    """What one connection has told and has yet to tell."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._due: OrderedDict[str, None] = OrderedDict()
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()
        self._parents: OrderedDict[str, str] = OrderedDict()  # client order ids of entries that have exits attached

    @property
    def is_done(self) -> bool:
        """Whether everything that was hinted at has been told."""
        return not self._due

    def due_news(self, orders: Iterable[OrderNews]) -> None:
        """The channel told of these; what is as it was last told is passed over."""
        for one in orders:
            if self._states.get(one.order_id) != (one.status, one.filled_size, one.is_triggered):
                self._due[one.order_id] = None

    def due_fills(self, fills: Iterable[VenueFill]) -> None:
        """These were executed."""
        for one in fills:
            if one.entry_id not in self._told:
                self._due[one.order_id] = None

    async def standing(self, orders: Sequence[VenueOrder]) -> list[Fact]:
        """What works now, for orders of which nothing has traded; the others are due."""
        told: list[Fact] = []
        for one in orders:
            if one.filled_size:
                self._due[one.order_id] = None
            elif one.order_id not in self._due or self._states.get(one.order_id) is None:
                told += self._facts(one, [], await self._whose(one))
                self._due.pop(one.order_id, None)
        return told

    async def tell(self) -> list[Fact]:
        """The facts of everything that is due and could be read whole.

        Raises:
            NotSent, InDoubt: the venue could not be asked; what was not read stays due.
        """
        told: list[Fact] = []
        waiting = list(self._due)
        for start in range(0, len(waiting), AT_ONCE):
            for found in await asyncio.gather(*(self._read(order_id) for order_id in waiting[start : start + AT_ONCE])):
                told += found
        return sorted(told, key=_rank)

    async def _read(self, order_id: str) -> list[Fact]:
        try:
            order = await self._client.order(order_id)
        except Missing:
            self._due.pop(order_id, None)
            return [Unplaced(order_ref=order_id, text="the venue told of an order that it does not show")]
        fills = await self._client.fills(order_ids=[order_id]) if order.filled_size else []
        client_id = await self._whose(order)
        if sum((one.size for one in fills), ZERO) != order.filled_size:
            return fill_facts(piece(client_id, order, fills))  # one of the two lags: what traded is told, the rest is read again
        self._due.pop(order_id, None)
        return self._facts(order, fills, client_id)

    def _facts(self, order: VenueOrder, fills: Sequence[VenueFill], client_id: str) -> list[Fact]:
        _put(self._states, order.order_id, (order.status, order.filled_size, order.is_triggered))
        for one in fills:
            _put(self._told, one.entry_id, None)
        return piece_facts(piece(client_id, order, fills), is_replaced=order.order_id in self._context.replacing)

    async def _whose(self, order: VenueOrder) -> str:
        """The bracket of an order, or of the entry that it was attached to; empty when it is not known here."""
        parent_id = order.originating_order_id
        if not parent_id:
            return self._context.names.find(order.client_order_id) or ""
        if parent_id not in self._parents:
            try:
                parent = await self._client.order(parent_id)
            except Missing:
                return ""
            _put(self._parents, parent_id, parent.client_order_id)
        return self._context.names.find(self._parents[parent_id]) or ""


def _rank(fact: Fact) -> tuple[int, int]:
    """An order must stand before it trades, trades come by time, and what ends or stands comes after what traded."""
    if isinstance(fact, EntryAccepted):
        return 0, 0
    return (1, fact.time_ns) if isinstance(fact, EntryFilled | ExitFilled) else (2, 0)


def _put(kept: OrderedDict[str, ValueT], key: str, value: ValueT) -> None:
    """Remember, and forget the oldest beyond ``KEPT_MAX``."""
    kept[key] = value
    if len(kept) > KEPT_MAX:
        kept.popitem(last=False)
