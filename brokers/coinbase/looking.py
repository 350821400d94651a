"""Finding the orders of brackets at a venue that cannot be asked by our id.

Three nets, each catching what the others let through: the orders whose venue ids are known are asked for by them; everything that works now is
listed whole; and everything made in the last minutes, or since a doubt arose, is listed whatever became of it. Who belongs to whom is read from the
names (``ids``). An order in doubt that no list shows may still have traded: then the executions name it, and it is fetched.

Reads only. A look that cannot be completed raises; half of one is never taken for the whole.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from brokers.coinbase.answers import VenueFill, VenueOrder
from brokers.coinbase.client import Client
from brokers.coinbase.family import Family, sort_out
from brokers.coinbase.rest import Missing
from brokers.live.venue import Target
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt
from trading.venue_refs import Doubt

# Orders made since then are listed at every look: an exit whose answer was lost is found here even when it has ended meanwhile.
RECENT_NS = 10 * 60 * NS_PER_S
# Our clock, the venue's, and the time a request may take to arrive.
CLOCK_SLACK_NS = 120 * NS_PER_S

# Order ids in one request: its address stays below 4 KiB.
IDS_PER_REQUEST = 50

# Executions are listed a moment after the order says that it filled.
LAG_PAUSES_S = (0.0, 0.15, 0.3, 0.6, 1.2)

# Executions of unknown orders that are followed up when an order in doubt is not listed; all others of the account are listed with their orders.
UNLISTED_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The families asked about by client id, and the working orders that belong to none of them."""

    families: Mapping[str, Family]
    others: Sequence[VenueOrder]


class Looking:
    """Args:
    wall_ns: the wall clock.
    """

    def __init__(self, client: Client, wall_ns: Callable[[], int]) -> None:
        self._client = client
        self._wall_ns = wall_ns

    async def look(self, targets: Sequence[Target]) -> Look:
        """The families of ``targets`` with all three nets.

        Raises:
            InDoubt, NotSent: the look could not be completed.
        """
        orders = {one.order_id: one for one in await self._client.working()}
        # In this order: what is made between the two requests is in the second, what ends between them is in the second as well.
        since_ns = min([self._wall_ns() - RECENT_NS, *(_since_ns(target) for target in targets)])
        orders |= {one.order_id: one for one in await self._client.orders(since_ns=since_ns)}
        await self._add_known(orders, targets)
        for target in targets:
            if target.refs.doubt is Doubt.CREATE and sort_out(target.client_id, target.refs, orders.values()).entry is None:
                await self._add_unlisted(orders, target)
        families = await self._whole(targets, orders)
        mine = {one.order_id for found in families.values() for one in found.orders}
        others = [one for one in orders.values() if one.order_id not in mine and not one.status.is_final]
        return Look(families=families, others=others)

    async def one(self, target: Target) -> Family:
        """The family of ``target`` with all three nets.

        Raises:
            InDoubt, NotSent.
        """
        return (await self.look([target])).families[target.client_id]

    async def again(self, target: Target, order_ids: Iterable[str]) -> Family:
        """The family of ``target`` as far as ``order_ids`` and the known ids go.

        Raises:
            InDoubt, NotSent.
        """
        orders: dict[str, VenueOrder] = {}
        await self._add_known(orders, [target], order_ids)
        return (await self._whole([target], orders))[target.client_id]

    async def _add_known(self, orders: dict[str, VenueOrder], targets: Sequence[Target], more: Iterable[str] = ()) -> None:
        """Fetch by id what is not in ``orders`` yet; then the exits that were attached to what was found."""
        await self._add(orders, [*more, *(order_id for target in targets for order_id in _known_ids(target))])
        attached = [
            one.attached_order_id
            for target in targets
            for one in sort_out(target.client_id, target.refs, orders.values()).entries
            if one.attached_order_id
        ]
        await self._add(orders, attached)

    async def _add(self, orders: dict[str, VenueOrder], order_ids: Iterable[str]) -> None:
        missing = list(dict.fromkeys(order_id for order_id in order_ids if order_id not in orders))
        for some in _chunks(missing):
            found = [await self._one(some[0])] if len(some) == 1 else await self._client.orders(order_ids=some)
            orders |= {one.order_id: one for one in found}
        for order_id in missing:
            if order_id not in orders:
                orders[order_id] = await self._one(order_id)

    async def _one(self, order_id: str) -> VenueOrder:
        try:
            return await self._client.order(order_id)
        except Missing:
            raise InDoubt("the venue no longer shows an order that it has shown before") from None

    async def _add_unlisted(self, orders: dict[str, VenueOrder], target: Target) -> None:
        """The order in doubt may have traded and not be listed yet: look at whose the executions since then are."""
        fills = await self._client.fills(since_ns=_since_ns(target))
        unknown = [one.order_id for one in fills if one.order_id not in orders and one.product_id == target.order.instrument]
        await self._add(orders, list(dict.fromkeys(unknown))[-UNLISTED_MAX:])

    async def _whole(self, targets: Sequence[Target], orders: dict[str, VenueOrder]) -> dict[str, Family]:
        """The families with their executions, once totals and executions agree."""
        families = {target.client_id: sort_out(target.client_id, target.refs, orders.values()) for target in targets}
        lacking = list(families.values())
        for pause_s in LAG_PAUSES_S:
            await asyncio.sleep(pause_s)
            wanted = [one.order_id for found in lacking for one in found.orders if one.filled_size or found.fills]
            fills = await self._fills(wanted)
            for found in lacking:
                families[found.client_id] = replace(found, fills=[one for one in fills if one.order_id in {order.order_id for order in found.orders}])
            lacking = [families[found.client_id] for found in lacking if families[found.client_id].not_whole]
            if not lacking:
                return families
            # Whichever of the two was read first may be the older one: read the totals again as well.
            for found in lacking:
                fresh = {one.order_id: await self._one(one.order_id) for one in found.not_whole}
                families[found.client_id] = _refreshed(found, fresh)
            lacking = [families[found.client_id] for found in lacking]
        raise InDoubt("what an order says is filled and its executions do not agree yet")

    async def _fills(self, order_ids: Sequence[str]) -> list[VenueFill]:
        return [one for some in _chunks(order_ids) for one in await self._client.fills(order_ids=some)]


def _chunks(order_ids: Sequence[str]) -> list[Sequence[str]]:
    return [order_ids[start : start + IDS_PER_REQUEST] for start in range(0, len(order_ids), IDS_PER_REQUEST)]


def _known_ids(target: Target) -> list[str]:
    refs = target.refs
    legs = [leg.ref for leg in (refs.stop, refs.target) if leg is not None and leg.ref]
    parts = [order_id for name, order_id in refs.memo.items() if name[1:].isdecimal() and order_id]
    return [*refs.order_refs, *legs, *parts]


def _since_ns(target: Target) -> int:
    """Since when an order of ``target`` may have been made that is not known yet; far in the future when there is no such doubt."""
    refs = target.refs
    if not refs.order_refs:
        return (refs.sent_ns or target.created_ns) - CLOCK_SLACK_NS
    if (refs.doubt is not Doubt.NONE or refs.asked is not Doubt.NONE) and refs.asked_ns:
        return refs.asked_ns - CLOCK_SLACK_NS
    return 1 << 62


def _refreshed(found: Family, fresh: Mapping[str, VenueOrder]) -> Family:
    def newest(orders: Sequence[VenueOrder]) -> list[VenueOrder]:
        return [fresh.get(one.order_id, one) for one in orders]

    return replace(found, entries=newest(found.entries), exits=newest(found.exits), closes=newest(found.closes))
