"""The venue's memory of one user: balances, orders, fills, and who wants to hear of a change.

Holds are never stored: they are the sum over the live orders, so they cannot drift from them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from operator import itemgetter
from random import Random
from uuid import UUID

from tests.venues.coinbase.options import Options
from tests.venues.coinbase.orders import Fill, Order
from trading.instruments import Side
from trading.money import ZERO

BALANCES: Mapping[str, Decimal] = {"USD": Decimal(100_000), "USDC": Decimal(100_000), "BTC": ZERO, "ETH": ZERO}


@dataclass(slots=True)
class Wallet:
    """All that is owned of one currency, what is on hold included."""

    uuid: str
    currency: str
    total: Decimal


class Account:
    """Everything there is to know about the user; ``options`` may be replaced at any time."""

    def __init__(self, *, seed: int, options: Options, balances: Mapping[str, Decimal] = BALANCES, now_ns: int) -> None:
        self.options = options
        self.opened_ns = now_ns
        self._ids = Random(seed)
        self.user_id = self.new_id()
        self.portfolio_id = self.new_id()
        self.wallets = {currency: Wallet(self.new_id(), currency, amount) for currency, amount in balances.items()}
        self.orders: dict[str, Order] = {}
        self.live: dict[str, Order] = {}
        self.by_client_id: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self._fills_of: defaultdict[str, list[tuple[int, Fill]]] = defaultdict(list)  # by order id, with its place in ``fills``
        self._listeners: list[Callable[[Order], None]] = []

    def new_id(self) -> str:
        """A UUID; the same seed gives the same ones in the same order."""
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    def on_order(self, listener: Callable[[Order], None]) -> None:
        """Call ``listener`` with every order that changed, after each change."""
        self._listeners.append(listener)

    def tell(self, order: Order) -> None:
        """``order`` has changed."""
        if order.is_final:
            self.live.pop(order.order_id, None)
        for listener in self._listeners:
            listener(order)

    def add(self, order: Order) -> None:
        """A new order, from here on with the others."""
        self.orders[order.order_id] = order
        self.live[order.order_id] = order
        if order.client_order_id:
            self.by_client_id[order.client_order_id] = order

    def held(self, currency: str) -> Decimal:
        """What the live orders keep back of ``currency``."""
        holds = (order.hold(self.options.taker_fee_rate) for order in self.live.values())
        return sum((amount for held, amount in holds if held == currency), ZERO)

    def available(self, currency: str) -> Decimal:
        """What a new order may use."""
        wallet = self.wallets.get(currency)
        return ZERO if wallet is None else wallet.total - self.held(currency)

    def settle(self, order: Order, fill: Fill) -> None:
        """Book what one fill bought or sold."""
        sign = order.side.sign
        self.wallets[order.product.base].total += sign * fill.size
        self.wallets[order.product.quote].total -= sign * fill.size * fill.price + fill.fee
        order.filled_size += fill.size
        order.filled_value += fill.size * fill.price
        order.fees += fill.fee
        order.fill_count += 1
        order.last_fill_ns = fill.time_ns
        self._fills_of[fill.order_id].append((len(self.fills), fill))
        self.fills.append(fill)

    def fills_of(self, order_ids: Iterable[str]) -> list[Fill]:
        """Those of some orders, oldest first."""
        return [fill for _, fill in sorted((placed for order_id in set(order_ids) for placed in self._fills_of.get(order_id, ())), key=itemgetter(0))]

    def child_of(self, order: Order) -> Order | None:
        """The exit that is attached to ``order``."""
        return self.orders.get(order.attached_order_id)

    def unprotected(self, base: str) -> Decimal:
        """What is owned of ``base`` and no resting order with a stop would sell: what a test of protection looks at."""
        stops = (order for order in self.live.values() if order.side is Side.SELL and order.product.base == base and order.is_protection)
        return self.wallets[base].total - sum((order.remaining for order in stops), ZERO)
