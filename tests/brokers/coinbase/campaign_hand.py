"""A hand at the simulated Coinbase, for the fault campaign: it takes exits off, cancels entries, and has orders of its own that rest far away.

It sells no coins: the account has more than the brackets hold, so whose they were nobody could say.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random

from tests.venues.campaign_hands import OWN_MAX, Hand
from tests.venues.coinbase.exchange import Exchange, read_request
from tests.venues.coinbase.orders import Order
from tests.venues.coinbase.refusals import BadRequest, Refused
from trading.money import ZERO

_PRICES = {"BUY": "55000", "SELL": "65000"}


class CoinbaseHand(Hand):
    """At ``exchange``, in BTC-USD.

    Args:
        name_of: what the bracket of an order is called; an exit of it guards a position.
        guarded: the brackets whose position is covered, or that are over; what a hand took off before the fill is missing after it.
    """

    def __init__(self, exchange: Exchange, name_of: Callable[[Order], str], guarded: Callable[[], frozenset[str]]) -> None:
        super().__init__()
        self._exchange = exchange
        self._name_of = name_of
        self._guarded = guarded
        self._own: dict[str, Order] = {}
        self._bared: frozenset[str] = frozenset()

    def meddle(self, dice: Random) -> None:
        what = dice.choice((self._take_exit_off, self._cancel_entry, self._order))
        with suppress(Refused, BadRequest):
            if what(dice):
                self.done[what.__name__.strip("_")] += 1

    def own_ids(self) -> frozenset[str]:
        return frozenset(self._own)

    def excused(self) -> frozenset[str]:
        self._bared -= self._guarded()
        return self._bared

    def own_units(self) -> Decimal:
        return ZERO

    def touched(self) -> Sequence[str]:
        return [f"{name} {order.status}" for name, order in self._own.items() if order.is_final]

    # ── what it does ──

    def _take_exit_off(self, dice: Random) -> bool:
        order = self._of_ours(dice, is_exit=True)
        if order is None or self._exchange.cancel(order.order_id):
            return False
        self._bared |= {self._name_of(order)}
        return True

    def _cancel_entry(self, dice: Random) -> bool:
        order = self._of_ours(dice, is_exit=False)
        return order is not None and not self._exchange.cancel(order.order_id)

    def _order(self, dice: Random) -> bool:
        if len(self._own) >= OWN_MAX:
            return False
        side, name = dice.choice(sorted(_PRICES)), f"hand-{len(self._own)}"
        rests = {"limit_limit_gtc": {"base_size": "0.01", "limit_price": _PRICES[side]}}
        body = {"client_order_id": name, "product_id": "BTC-USD", "side": side, "order_configuration": rests}
        self._own[name] = self._exchange.create(read_request(body, with_client_id=True))
        return True

    def _of_ours(self, dice: Random, *, is_exit: bool) -> Order | None:
        """An order of the arena's that works: an exit, or an entry."""
        live = [order for order in self._exchange.account.live.values() if order.client_order_id not in self._own]
        found = [order for order in live if (self._name_of(order) != order.client_order_id) is is_exit]
        return dice.choice(found) if found else None
