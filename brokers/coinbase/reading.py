"""The account's orders, executions, holdings and products, read together by all who want them at about the same time.

A lone order is asked for by its own address, several by one list; what a list leaves out is asked for by itself, and only that answer says that it is
not there. While the venue's limit leaves turns enough nobody waits for company; when they run short, readings gather.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from brokers.coinbase.answers import Holding, VenueFill, VenueOrder
from brokers.coinbase.client import Client
from brokers.coinbase.products import Product
from brokers.coinbase.rest import Missing
from brokers.coinbase.together import Together
from brokers.live.venue import NotSent
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt

# Order ids in one request: its address stays below 4 KiB.
IDS_PER_REQUEST = 50
# How long one waits for company while turns are short.
GATHER_S = 0.2

_Ids = frozenset[str]
_Trouble = InDoubt | NotSent | Missing

WishT = TypeVar("WishT")
ValueT = TypeVar("ValueT")


class Reading:
    """Reads by ``client``, each call together with others of its kind.

    Args:
        is_short: whether the venue's limit is nearly used up.
        patience_s: how long a reading that is out is waited for by who comes after it.
    """

    def __init__(self, client: Client, is_short: Callable[[], bool], *, patience_s: float) -> None:
        self._client = client

        def gather_s() -> float:
            return GATHER_S if is_short() else 0.0

        def shared(read: Callable[[WishT], Awaitable[ValueT]], both: Callable[[WishT, WishT], WishT]) -> Together[WishT, ValueT]:
            return Together(read, both, patience_s=patience_s, gather_s=gather_s)

        self._working = shared(lambda _: client.working(), _earlier)
        self._made = shared(lambda since_ns: client.orders(since_ns=since_ns), _earlier)
        self._traded = shared(lambda since_ns: client.fills(since_ns=since_ns), _earlier)
        self._orders = shared(self._read_orders, _all)
        self._fills = shared(self._read_fills, _all)
        self._products = shared(self._read_products, _all)
        self._holdings = shared(lambda _: client.holdings(), _earlier)

    async def working(self) -> Sequence[VenueOrder]:
        """``Client.working``."""
        return await self._working.read(0)

    async def made_since(self, since_ns: int) -> Sequence[VenueOrder]:
        """All orders made at or after ``since_ns`` (the venue's clock), and perhaps older ones."""
        return await self._made.read(since_ns)

    async def traded_since(self, since_ns: int) -> Sequence[VenueFill]:
        """All executions at or after ``since_ns``, oldest first; a second's older ones are there as well, for a trade's time is told cut short."""
        return [one for one in await self._traded.read(since_ns) if one.time_ns >= since_ns - NS_PER_S]

    async def order(self, order_id: str) -> VenueOrder:
        """One order as it stands.

        Raises:
            Missing, NotSent, InDoubt.
        """
        found = (await self._orders.read(frozenset([order_id]))).get(order_id)
        if found is None:
            return await self._client.order(order_id)
        if not isinstance(found, VenueOrder):
            raise found
        return found

    async def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        """Those of ``order_ids`` that a list shows or, of a single one, its own address: what is left out may be there all the same.

        Raises:
            NotSent, InDoubt.
        """
        wanted = frozenset(order_ids)
        if not wanted:
            return {}
        read = await self._orders.read(wanted)
        found: dict[str, VenueOrder] = {}
        for order_id in wanted:
            one = read.get(order_id)
            if isinstance(one, VenueOrder):
                found[order_id] = one
            elif one is not None and not isinstance(one, Missing):
                raise one
        return found

    async def fills(self, order_ids: Iterable[str]) -> list[VenueFill]:
        """The executions of ``order_ids``, oldest first.

        Raises:
            NotSent, InDoubt.
        """
        wanted = frozenset(order_ids)
        if not wanted:
            return []
        read = await self._fills.read(wanted)
        found: list[VenueFill] = []
        for order_id in wanted:
            executions = read[order_id]
            if not isinstance(executions, Sequence):
                raise executions
            found += executions
        return sorted(found, key=lambda one: (one.time_ns, one.entry_id))

    async def product(self, product_id: str) -> Product:
        """One product as it is traded now.

        Raises:
            Missing, NotSent, InDoubt.
        """
        found = (await self._products.read(frozenset([product_id])))[product_id]
        if not isinstance(found, Product):
            raise found
        return found

    async def holdings(self) -> Mapping[str, Holding]:
        """``Client.holdings``."""
        return await self._holdings.read(0)

    async def _read_products(self, product_ids: _Ids) -> Mapping[str, Product | _Trouble]:
        async def one(product_id: str) -> Product | _Trouble:
            try:
                return (await self._client.product(product_id))[0]
            except (Missing, NotSent, InDoubt) as trouble:
                return trouble

        return dict(zip(product_ids, await asyncio.gather(*map(one, product_ids)), strict=True))

    async def _read_orders(self, order_ids: _Ids) -> Mapping[str, VenueOrder | _Trouble]:
        if len(order_ids) == 1:
            (only,) = order_ids
            try:
                return {only: await self._client.order(only)}
            except (Missing, NotSent, InDoubt) as trouble:
                return {only: trouble}

        async def listed(some: Sequence[str]) -> Mapping[str, VenueOrder]:
            return {one.order_id: one for one in await self._client.orders(order_ids=some)}

        return await _in_parts(order_ids, listed)

    async def _read_fills(self, order_ids: _Ids) -> Mapping[str, Sequence[VenueFill] | _Trouble]:
        async def listed(some: Sequence[str]) -> Mapping[str, Sequence[VenueFill]]:
            by_order: dict[str, list[VenueFill]] = {order_id: [] for order_id in some}
            for one in await self._client.fills(order_ids=some):
                if one.order_id in by_order:
                    by_order[one.order_id].append(one)
            return by_order

        return await _in_parts(order_ids, listed)


async def _in_parts(order_ids: _Ids, read: Callable[[Sequence[str]], Awaitable[Mapping[str, ValueT]]]) -> Mapping[str, ValueT | InDoubt | NotSent]:
    """What ``read`` makes of them, as many at a time as one request may name; what befalls a request befalls those whom it named."""

    async def part(some: Sequence[str]) -> Mapping[str, ValueT | InDoubt | NotSent]:
        try:
            return {**await read(some)}
        except (NotSent, InDoubt) as trouble:
            return dict.fromkeys(some, trouble)

    return {order_id: found for each in await asyncio.gather(*map(part, _chunks(order_ids))) for order_id, found in each.items()}


def _earlier(a_ns: int, b_ns: int) -> int:
    return min(a_ns, b_ns)


def _all(some: _Ids, others: _Ids) -> _Ids:
    return some | others


def _chunks(order_ids: _Ids) -> list[Sequence[str]]:
    ordered = sorted(order_ids)
    return [ordered[start : start + IDS_PER_REQUEST] for start in range(0, len(ordered), IDS_PER_REQUEST)]
