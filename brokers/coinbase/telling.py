"""From "something about this order has changed" to facts.

What the channel or a list hints at is put on a list of orders that are due; for each, the order and its executions are read by REST, many in one
request, and everything known of it is told. An order stays due until its executions add up to what it says is filled, because the end of an entry
must not be told before what it traded; one of which an execution cannot be read is left to the core, which tells people and compares it no more. Of
one whose bracket is not known here nothing can be told, not even whether it is an entry or an exit: the core compares.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from brokers.coinbase.context import Context
from brokers.coinbase.facts import entry_filled, fill_facts, piece_facts
from brokers.coinbase.family import piece
from brokers.coinbase.messages import OrderNews
from brokers.coinbase.reading import IDS_PER_REQUEST
from brokers.coinbase.rest import Missing
from brokers.live.venue import EntryAccepted, EntryFilled, ExitFilled, Fact, NotSent, Unplaced
from runtime.outbound import InDoubt
from trading.money import ZERO

# Orders and executions of which it is remembered that they were told; one that is forgotten is told again.
KEPT_MAX = 20_000
# Orders read side by side, as many as one request may name.
AT_ONCE = IDS_PER_REQUEST

ValueT = TypeVar("ValueT")
_State = tuple[VenueStatus, Decimal, bool]


class Telling:
    """What one connection has told and has yet to tell.

    Args:
        fresh_ns: what was executed before (the venue's clock) an earlier connection has told, most likely: it is read after all else.
    """

    def __init__(self, context: Context, fresh_ns: int = 0) -> None:
        self._context = context
        self._fresh_ns = fresh_ns
        self._repeats: set[str] = set()  # of what is due, orders with nothing but executions from before ``fresh_ns``
        self._client = context.client
        self._due: dict[str, int] = {}  # order id, and since when (the venue's clock)
        self._asked: dict[str, int] = {}  # of those, when each was first read: a long queue is not a venue that does not tell
        self.polled_ns = 0  # when executions were last asked for without a word from the channel
        self._reading: dict[str, asyncio.Task[list[Fact]]] = {}
        self._states: OrderedDict[str, _State] = OrderedDict()
        self._hints: OrderedDict[str, _State] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    @property
    def is_done(self) -> bool:
        """Whether everything that was hinted at has been told, but for what is only read again."""
        return len(self._due) == len(self._repeats)

    @property
    def told_until_ns(self) -> int:
        """Everything that was executed before has been told: until the last poll, or the oldest hint that is still to be read."""
        return min([self.polled_ns, *self._due.values()])

    @property
    def oldest_ns(self) -> int | None:
        """Since when the order that has been read in vain for longest is read; None when none is."""
        return min(self._asked.values(), default=None)

    def due_news(self, orders: Iterable[OrderNews]) -> None:
        """The channel told of these; what is as it was last told is passed over."""
        for one in orders:
            if self._states.get(one.order_id) != (one.status, one.filled_size, one.is_triggered):
                _put(self._hints, one.order_id, (one.status, one.filled_size, one.is_triggered))
                self._is_due(one.order_id)

    def due_fills(self, fills: Iterable[VenueFill]) -> list[Fact]:
        """These were executed.

        Returns:
            What can be told of them without the order, which is read all the same: that a known entry has filled, for its stop waits for that.
        """
        told: list[Fact] = []
        for one in fills:
            if one.entry_id not in self._told:
                is_repeat = one.time_ns < self._fresh_ns
                self._is_due(one.order_id, is_repeat=is_repeat)
                client_id = "" if is_repeat else self._context.names.of_entry(one.order_id)
                told += [entry_filled(client_id, one)] if client_id else []
        for trouble in self._client.unreadable_fills:
            if trouble.order_id and trouble.key not in self._told:
                _put(self._told, trouble.key, None)
                self._is_due(trouble.order_id)
        return told

    async def standing(self, orders: Sequence[VenueOrder], began_ns: int) -> list[Fact]:
        """What works now, for orders of which nothing has traded; the others are due, and so is one whose bracket cannot be found out now.

        Args:
            began_ns: when they were asked for (CLOCK_BOOTTIME): what was heard or done of one since then counts, and it is read by itself.
        """
        told: list[Fact] = []
        for one in orders:
            if self._states.get(one.order_id) == (one.status, one.filled_size, one.is_triggered):
                continue  # told by an earlier connection
            self._is_due(one.order_id)
            knows = not one.originating_order_id or self._context.names.name_of_entry(one.originating_order_id) is not None
            is_past = self._is_older(one) or self._context.kept_ns.get(one.order_id, 0) >= began_ns
            if knows and not one.filled_size and not is_past:
                told += self._facts(one, [], await self._whose(one))
                self._is_told(one.order_id)
        return told

    def begin(self, wake: Callable[[], None]) -> None:
        """Begin to read what is due, as much side by side as may be; ``wake`` is called when one of them has been read.

        A restart or a break may have thousands read again: they keep nothing waiting that is news.
        """
        repeats = sum(1 for order_id in self._reading if order_id in self._repeats)
        news = (order_id for order_id in self._due if order_id not in self._reading and order_id not in self._repeats)
        again = (order_id for order_id in self._repeats if order_id not in self._reading)
        for order_id in [*islice(news, max(AT_ONCE + repeats - len(self._reading), 0)), *islice(again, AT_ONCE - repeats)]:
            task = asyncio.create_task(self._read(order_id))
            task.add_done_callback(lambda _: wake())
            self._reading[order_id] = task
            self._asked.setdefault(order_id, self._context.looking.time.now_ns())

    def told(self) -> list[Fact]:
        """The facts of what has been read by now; what could not be read stays due."""
        facts: list[Fact] = []
        for order_id in [order_id for order_id, task in self._reading.items() if task.done()]:
            facts += self._reading.pop(order_id).result()
        return sorted(facts, key=_rank)

    def cancel(self) -> None:
        """Stop reading: the stream is over."""
        for task in self._reading.values():
            task.cancel()

    async def _read(self, order_id: str) -> list[Fact]:
        began_ns = self._context.clock.boot_ns()
        try:
            order, fills = await self._order_and_fills(order_id)
            client_id = await self._whose(order)
        except Missing:
            self._is_told(order_id)
            return [Unplaced(order_ref=order_id, text="the venue told of an order that it does not show")]
        except (InDoubt, NotSent):
            unreadable = self._client.unreadable.get(order_id)
            if unreadable is None:
                return []  # it stays due, and is read again with the next message
            self._is_told(order_id)  # reading it again and again would hold up all the rest: the core compares, and knows whose it is
            return [Unplaced(order_ref=order_id, text=unreadable.why)]
        if self._context.kept_ns.get(order_id, 0) >= began_ns:
            return []  # taking it off came to nothing that we know of, after this was asked: it stays due
        if client_id and sum((one.size for one in fills), ZERO) != order.filled_size:
            unreadable = self._client.unreadable_fills.of_order(order_id)
            if unreadable is None:
                return fill_facts(piece(client_id, order, fills))  # one of the two lags: what traded is told, the rest is read again
            self._is_told(order_id)
            for key in (unreadable.key, *(one.entry_id for one in fills)):
                _put(self._told, key, None)
            return [*fill_facts(piece(client_id, order, fills)), Unplaced(client_id=client_id, order_ref=order_id, text=unreadable.why)]
        if not self._is_older(order):
            self._is_told(order_id)
        return self._facts(order, fills, client_id)

    async def _order_and_fills(self, order_id: str) -> tuple[VenueOrder, Sequence[VenueFill]]:
        guard, hinted = self._context.guard, self._hints.get(order_id)
        if hinted is not None and hinted[1]:  # it has traded: neither waits for the other
            return await asyncio.gather(guard.order(order_id), guard.fills([order_id]))
        order = await guard.order(order_id)
        return order, await guard.fills([order_id]) if order.filled_size else []

    def _is_due(self, order_id: str, *, is_repeat: bool = False) -> None:
        if order_id not in self._due:
            self._due[order_id] = self._context.looking.time.now_ns()
            if is_repeat:
                self._repeats.add(order_id)
        if not is_repeat:
            self._repeats.discard(order_id)

    def _is_told(self, order_id: str) -> None:
        self._due.pop(order_id, None)
        self._repeats.discard(order_id)
        self._asked.pop(order_id, None)

    def _is_older(self, order: VenueOrder) -> bool:
        """Whether the channel has told something newer meanwhile than what was read."""
        hinted = self._hints.get(order.order_id)
        return hinted is not None and not order.status.is_final and (order.filled_size < hinted[1] or hinted[0].is_final)

    def _facts(self, order: VenueOrder, fills: Sequence[VenueFill], client_id: str) -> list[Fact]:
        _put(self._states, order.order_id, (order.status, order.filled_size, order.is_triggered))
        for one in fills:
            _put(self._told, one.entry_id, None)
        if not client_id:
            return [Unplaced(order_ref=order.order_id, text="an order of a bracket that is not known here")]
        return piece_facts(piece(client_id, order, fills), is_replaced=order.order_id in self._context.replacing)

    async def _whose(self, order: VenueOrder) -> str:
        """The bracket of an order, or of the entry that it was attached to; empty when it is not known here."""
        parent_id, names = order.originating_order_id, self._context.names
        if not parent_id:
            names.note_entry(order.order_id, order.client_order_id)
            return names.find(order.client_order_id) or ""
        name = names.name_of_entry(parent_id)
        if name is None:
            try:
                name = (await self._context.guard.order(parent_id)).client_order_id
            except Missing:
                return ""
            names.note_entry(parent_id, name)
        return names.find(name) or ""


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
