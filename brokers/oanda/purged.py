"""What is left to be known of a bracket whose orders or trades the venue no longer shows by their ids: the account, and the log.

How long v20 shows what has ended is not written anywhere. So a 404 to an id that it has told us is no answer to what became of it. Two things are:
the account lists everything that works and every trade that is open; and the log, when it comes without a hole from the first id of the bracket on,
holds every fill and every end of it. Where both together leave something out, nothing is made up: a person has to look.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from brokers.live.venue import EntryEnded, Fact, Sighting, Target
from brokers.oanda import wire
from brokers.oanda.log_reader import LogReader
from brokers.oanda.objects import AccountState
from brokers.oanda.sightings import entries_of, facts_standing, standing_of, trades_of
from brokers.oanda.wire import Json

# Brackets whose log is being read; one look may not be enough for a long one, and what was read is not read again.
READING_MAX = 100


@dataclass(slots=True)
class _Reading:
    """The log of one bracket, read up to number ``until``: what belongs to it, which of its orders have ended, which trades have closed."""

    until: int
    orders: set[str]
    trades: set[str]
    transactions: list[Json] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    has_hole: bool = False

    def take(self, transaction: Json) -> None:
        """Note what ``transaction`` says of the bracket."""
        number, order_id = wire.identity(transaction, "id"), wire.text_or(transaction, "orderID")
        if wire.text_or(transaction, "replacesOrderID") in self.orders:
            self.orders.add(number)
        if number in self.orders:
            self.transactions.append(transaction)
            return
        out = [*wire.parts_or_none(transaction, "tradesClosed")]
        gone = {wire.text_or(each, "tradeID") for each in out} & self.trades
        reduced = wire.part_or_none(transaction, "tradeReduced")
        is_reduced = reduced is not None and wire.text_or(reduced, "tradeID") in self.trades
        if order_id not in self.orders and not gone and not is_reduced:
            return
        self.transactions.append(transaction)
        self.closed |= gone
        if order_id in self.orders:
            self.ended.add(order_id)
            opened = wire.part_or_none(transaction, "tradeOpened")
            if opened is not None:
                self.trades.add(wire.identity(opened, "tradeID"))


class Purged:
    """Reads the log that ``log`` is of. Nothing is kept but what was read."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._readings: OrderedDict[str, _Reading] = OrderedDict()

    async def look(self, target: Target, order_ids: Sequence[str], trade_ids: Sequence[str], state: AccountState) -> Sighting:
        """How the bracket stands, or that it cannot be known (``Sighting.lost``)."""
        reading = await self._read(target, order_ids, trade_ids, state.last_id)
        entries, trades = entries_of(target, state.orders.values()), trades_of(target, state.trades.values())
        facts: list[Fact] = []
        for transaction in reading.transactions:
            facts += await self._log.tell(transaction)
        orders_left = reading.orders - reading.ended - {order.order_id for order in entries}
        trades_left = reading.trades - reading.closed - {trade.trade_id for trade in trades}
        if reading.has_hole or orders_left or trades_left:
            self._readings.pop(target.client_id, None)  # it may be whole another time
            if not entries and not trades:
                return Sighting(facts=facts, lost=_lost(reading, orders_left, trades_left), until=state.last_id)
        ended = next((fact.reason for fact in reversed(facts) if isinstance(fact, EntryEnded)), None)
        facts += facts_standing(entries, trades, state.last_id)
        return Sighting(facts=facts, standing=standing_of(entries, trades, target, ended), until=state.last_id)

    async def _read(self, target: Target, order_ids: Sequence[str], trade_ids: Sequence[str], newest: int) -> _Reading:
        orders, trades = {*target.refs.order_refs, *order_ids}, {*target.refs.trade_refs, *trade_ids}
        reading = self._readings.get(target.client_id)
        if reading is None or not orders <= reading.orders or not trades <= reading.trades:
            reading = _Reading(until=min(map(int, orders | trades)) - 1, orders=orders, trades=trades)
        self._readings[target.client_id] = reading
        while len(self._readings) > READING_MAX:
            self._readings.popitem(last=False)
        async for page in self._log.pages(reading.until, newest, is_news=False):
            for transaction in page.transactions:
                reading.take(transaction)
            reading.has_hole = reading.has_hole or not page.is_whole
            reading.until = page.last
        return reading


def _lost(reading: _Reading, orders: set[str], trades: set[str]) -> str:
    """Why nothing can be said, for a person who has the venue's own history before them."""
    which = [f"order {each}" for each in sorted(orders, key=int)] + [f"trade {each}" for each in sorted(trades, key=int)]
    named = ", ".join(which or sorted(reading.orders | reading.trades, key=int))
    why = "its log has holes there" if reading.has_hole else "its log does not say how it ended"
    return f"OANDA no longer shows {named}, and {why}; nothing of it works or is open in the account"
