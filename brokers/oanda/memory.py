"""What the log has told lately that later transactions leave out: how many units a trade has left, and which order is whose exit.

A transaction that makes an exit names its trade but no units; one that cancels an order names no trade. Both were told before. This keeps them, a
bounded number of each, and anything may be missing at any time (after a start, say): then ``Missing`` says what has to be read from the venue first.

The same transaction comes through several doors, in the answer of a call and in the stream. So each trade remembers up to which transaction it has
been counted, and an older one changes nothing.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

# An account may hold 1,000 orders and as many trades; with a day's finished ones beside them.
KEPT_MAX = 20_000


class Role(StrEnum):
    """What an order is for. A ``MARKET_CLOSE`` is the market order by which somebody, or the venue, closes a trade."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    MARKET_CLOSE = "market_close"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """An order and, where it is an exit, its trade and price: 0 while only its distance from the market has been told."""

    order_id: str
    role: Role
    trade_id: str = ""
    price: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTrade:
    """A trade as it was after transaction ``as_of``: units left, never signed, and its exits by role."""

    trade_id: str
    units: Decimal
    as_of: int
    exits: Mapping[Role, KnownOrder] = field(default_factory=dict)


class Missing(Exception):
    """Exactly one of the two must be read from the venue and put in before the transaction can be told."""

    def __init__(self, *, order_id: str = "", trade_id: str = "") -> None:
        super().__init__(f"order {order_id}" if order_id else f"trade {trade_id}")
        self.order_id = order_id
        self.trade_id = trade_id


class Memory:
    """Belongs to one event loop; a reader of it gets values that do not change."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._orders: OrderedDict[str, KnownOrder] = OrderedDict()
        self._trades: OrderedDict[str, KnownTrade] = OrderedDict()

    def order(self, order_id: str) -> KnownOrder:
        """Raises Missing."""
        found = self._orders.get(order_id)
        if found is None:
            raise Missing(order_id=order_id)
        return found

    def trade(self, trade_id: str) -> KnownTrade:
        """Raises Missing."""
        found = self._trades.get(trade_id)
        if found is None:
            raise Missing(trade_id=trade_id)
        return found

    def keep_order(self, order: KnownOrder) -> None:
        self._orders[order.order_id] = order
        self._orders.move_to_end(order.order_id)
        if len(self._orders) > self._kept_max:
            self._orders.popitem(last=False)

    def keep_trade(self, trade: KnownTrade) -> None:
        """Put in what was read from the venue or opened by a fill; what is known of a later moment stays."""
        known = self._trades.get(trade.trade_id)
        if known is None or known.as_of <= trade.as_of:
            self._put(trade)
            for order in trade.exits.values():
                self.keep_order(order)

    def reduce(self, trade_id: str, units: Decimal, at: int) -> KnownTrade:
        """The trade after transaction ``at`` took ``units`` of it away; raises Missing."""
        trade = self.trade(trade_id)
        if at > trade.as_of:
            trade = replace(trade, units=max(trade.units - units, Decimal(0)), as_of=at)
            self._put(trade)
        return trade

    def close(self, trade_id: str, at: int) -> None:
        """Transaction ``at`` closed the trade; nothing is kept of one that was not known."""
        trade = self._trades.get(trade_id)
        if trade is not None and at > trade.as_of:
            self._put(replace(trade, units=Decimal(0), exits={}, as_of=at))

    def attach(self, order: KnownOrder, at: int) -> KnownTrade:
        """The trade after transaction ``at`` gave it the exit ``order``; raises Missing."""
        if order.order_id not in self._orders:
            self.keep_order(order)
        trade = self.trade(order.trade_id)
        if at > trade.as_of:
            trade = replace(trade, exits={**trade.exits, order.role: order}, as_of=at)
            self._put(trade)
        return trade

    def detach(self, order: KnownOrder, at: int) -> None:
        """Transaction ``at`` took the exit ``order`` off its trade."""
        trade = self._trades.get(order.trade_id)
        if trade is not None and at > trade.as_of:
            left = {role: exit_ for role, exit_ in trade.exits.items() if exit_.order_id != order.order_id}
            self._put(replace(trade, exits=left, as_of=at))

    def _put(self, trade: KnownTrade) -> None:
        self._trades[trade.trade_id] = trade
        self._trades.move_to_end(trade.trade_id)
        if len(self._trades) > self._kept_max:
            self._trades.popitem(last=False)
