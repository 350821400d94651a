"""Finding the orders of brackets at a venue that cannot be asked by our id.

Three nets, each catching what the others let through: the orders whose venue ids are known are asked for by them; everything that works now is
listed whole; and everything made since a doubt arose is listed, whatever became of it. Who belongs to whom is read from the names (``ids``). The
lists are left out where nothing is in doubt: every order that this process made for the bracket has come back in its book. A bracket that this
process has not looked at yet is in doubt for the last minutes and for what works; of any other, all that could be unknown was made since the
doubt. An order in doubt that no list shows may have traded: then its executions name it. Brackets that are looked for at about the same time are
read together. One that is looked at by itself is in doubt, bare or being changed: that goes before new orders (``Priority.GUARD``), a comparison of
all does not.

Reads only. A look that cannot be completed raises; half of one is never taken for the whole.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from brokers.coinbase.answers import VenueOrder
from brokers.coinbase.client import Client
from brokers.coinbase.family import Family, highest_part, refreshed
from brokers.coinbase.ids import family_of
from brokers.coinbase.kin import Kin
from brokers.coinbase.reading import Reading
from brokers.coinbase.rest import Missing
from brokers.coinbase.unreadable import Unreadable
from brokers.coinbase.venue_clock import VenueClock
from brokers.live.venue import Target
from runtime.clock import NS_PER_S
from runtime.outbound import InDoubt
from trading.venue_refs import Doubt

# What the process before this one may have sent and not written down was made within this time, or works, or has traded and is told by the stream.
RECENT_NS = 10 * 60 * NS_PER_S
# Our clock, what is left of its difference to the venue's, and the time a request may take to arrive.
CLOCK_SLACK_NS = 15 * NS_PER_S

# Brackets of which it is remembered what was sent for them; one that is forgotten is looked at with the lists.
SENT_MAX = 50_000

# Orders that turned up under a name that was used again, until their bracket's book has them.
TURNED_UP_MAX = 1000

# How long a look waits for a reading that is out, before one of its own begins beside it.
PATIENCE_S = 1.0

# Executions are listed a moment after the order says that it filled.
LAG_PAUSES_S = (0.0, 0.15, 0.3, 0.6, 1.2)

# Executions of unknown orders that are followed up when an order in doubt is not listed; all others of the account are listed with their orders.
UNLISTED_MAX = 50


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The families asked about by client id, the working orders that belong to none, and of which brackets nothing can be said now, with why.

    ``unreadable``: orders and executions that belong to none of them and cannot be read; ``dark``: of those asked about, the ones of which something
    cannot be read, with why.
    """

    families: Mapping[str, Family]
    others: Sequence[VenueOrder]
    unclear: Mapping[str, str]
    unreadable: Sequence[Unreadable] = ()
    dark: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Sent:
    """The highest part that was sent for a bracket, and when (the venue's clock)."""

    number: int
    since_ns: int


class Looking:
    """Finds the orders of brackets by ``client``, or by ``guard`` for who cannot wait."""

    def __init__(self, client: Client, guard: Reading, time: VenueClock) -> None:
        self._client = client
        self._guard = guard
        self._patient = Reading(client, lambda: client.is_short, patience_s=PATIENCE_S)
        self.time = time
        self._sent: OrderedDict[str, Sent] = OrderedDict()
        self._turned_up: OrderedDict[str, str] = OrderedDict()  # order id, and of which bracket

    def sending(self, client_id: str, number: int) -> Sent | None:
        """Part ``number`` of the bracket is about to be sent: until the book knows of it, looks are made with the lists.

        Returns:
            What was sent before, for ``not_made``.
        """
        self.time.note()
        before = self._sent.get(client_id)
        since_ns = self.time.now_ns() if before is None or before.number < number else before.since_ns
        self._sent[client_id] = Sent(number, since_ns)
        self._sent.move_to_end(client_id)
        while len(self._sent) > SENT_MAX:
            self._sent.popitem(last=False)
        return before

    def not_made(self, client_id: str, before: Sent | None) -> None:
        """What was sent last was sent once and refused: it is there as little as before, and there is nothing to look for."""
        if before is not None:
            self._sent[client_id] = before

    def created(self, client_id: str) -> None:
        """The bracket began in this process: there is nothing of it from before."""
        self.time.note()
        self._sent.setdefault(client_id, Sent(0, self.time.now_ns()))

    def turned_up(self, client_id: str, order_id: str) -> None:
        """The venue answered a name of the bracket with an order that the book does not have, and that may be too old for any list."""
        self._turned_up[order_id] = client_id
        while len(self._turned_up) > TURNED_UP_MAX:
            self._turned_up.popitem(last=False)

    async def look(self, targets: Sequence[Target]) -> Look:
        """The families of ``targets`` with all nets, and what else works. One that cannot be made out now is left out; the others count.

        Raises:
            InDoubt, NotSent: the look could not be completed.
        """
        look = await self._look(self._patient, targets, with_working=True)
        if look.unclear:
            _log.warning("brackets could not be made out", extra={"client_ids": sorted(look.unclear)[:10], "brackets": len(look.unclear)})
        self._client.forget_foreign(look.unreadable)
        return look

    async def one(self, target: Target) -> Family:
        """The family of ``target``, with the nets that it needs.

        Raises:
            InDoubt, NotSent.
        """
        return _only(await self._look(self._guard, [target], with_working=target.client_id not in self._sent), target)

    async def _look(self, reading: Reading, targets: Sequence[Target], *, with_working: bool) -> Look:
        orders: dict[str, VenueOrder] = {}
        if with_working:
            orders = {one.order_id: one for one in await reading.working()}
        # In this order: what is made between the two requests is in the second, what ends between them is in the second as well.
        since_ns = min((since for target in targets if (since := self._since_ns(target)) is not None), default=None)
        if since_ns is not None:
            orders |= {one.order_id: one for one in await reading.made_since(since_ns)}
        gone = await self._add_known(reading, orders, targets)
        doubtful = [target for target in targets if target.refs.doubt is Doubt.CREATE]
        kin = Kin(orders.values())
        for target in [target for target in doubtful if kin.family(target).entry is None]:
            await self._add_unlisted(reading, orders, target)
        families, unclear = await self._whole(reading, targets, orders)
        for target in targets:
            if gone.intersection(_known_ids(target)):
                unclear[target.client_id] = "the venue no longer shows an order that it has shown before"
            if target.client_id not in self._sent:
                self.sending(target.client_id, 0)
        dark, foreign = self._sort_unreadable(targets, families, unclear)
        mine = {one.order_id for found in families.values() for one in found.orders}
        others = [one for one in orders.values() if one.order_id not in mine and not one.status.is_final]
        clear = {name: found for name, found in families.items() if name not in unclear}
        return Look(families=clear, others=others, unclear=unclear, unreadable=foreign, dark=dark)

    def knows_all(self, target: Target) -> bool:
        """Whether every order that was ever made for ``target`` is in the book: nothing is in doubt."""
        return self._since_ns(target) is None

    async def again(self, target: Target, seen: Sequence[VenueOrder]) -> Family:
        """The family of ``target`` as far as ``seen`` and the known ids go, each no older than it was seen: a list may be behind.

        Raises:
            InDoubt, NotSent.
        """
        orders: dict[str, VenueOrder] = {}
        gone = await self._add_known(self._guard, orders, [target], [one.order_id for one in seen])
        orders |= {one.order_id: one for one in seen if one.order_id in orders and _is_behind(orders[one.order_id], one)}
        families, unclear = await self._whole(self._guard, [target], orders)
        if gone:
            unclear[target.client_id] = "the venue no longer shows an order that it has shown before"
        self._sort_unreadable([target], families, unclear)
        return _only(Look(families=families, others=(), unclear=unclear), target)

    def _sort_unreadable(
        self, targets: Sequence[Target], families: Mapping[str, Family], unclear: dict[str, str]
    ) -> tuple[dict[str, str], list[Unreadable]]:
        """Brackets with something that cannot be read, which become ``unclear``, with why; and the things that are of none of ``targets``.

        An execution says nothing against a bracket whose other executions add up.
        """
        orders, fills = self._client.unreadable, self._client.unreadable_fills
        dark: dict[str, str] = {}
        foreign: list[Unreadable] = []
        if not orders and not fills:
            return dark, foreign
        not_whole = set(unclear)
        by_family = {family_of(target.client_id): target.client_id for target in targets}
        by_order = {order_id: target.client_id for target in targets for order_id in _all_ids(target, families[target.client_id])}
        for one in (*orders, *fills):
            of = one.of(by_family, by_order)
            foreign += [] if of else [one]
            dark |= dict.fromkeys(of & not_whole if one.is_execution else of, one.why)
        unclear |= dark
        return dark, foreign

    def _since_ns(self, target: Target) -> int | None:
        """Since when, by the venue's clock, an order of ``target`` may have been made that is not known yet; None when there is no such doubt."""
        refs, sent = target.refs, self._sent.get(target.client_id)
        moments: list[int] = []
        if not refs.order_refs or refs.doubt is Doubt.CREATE:
            moments.append(self.time.of_ours(refs.sent_ns or target.created_ns))
        if (refs.doubt is not Doubt.NONE or refs.asked is not Doubt.NONE) and refs.asked_ns:
            moments.append(self.time.of_ours(refs.asked_ns))
        if sent is None:
            moments.append(self.time.now_ns() - RECENT_NS)
        elif sent.number > highest_part(refs):
            moments.append(sent.since_ns)
        return min(moments) - CLOCK_SLACK_NS if moments else None

    async def _add_known(self, reading: Reading, orders: dict[str, VenueOrder], targets: Sequence[Target], more: Iterable[str] = ()) -> set[str]:
        """Fetch by id what is not in ``orders`` yet; then the exits that were attached to what was found. Returns the ids that are not there."""
        late = self._late(targets)
        gone = await self._add(reading, orders, [*more, *late, *(order_id for target in targets for order_id in _known_ids(target))])
        kin = Kin(orders.values())
        attached = [one.attached_order_id for target in targets for one in kin.family(target).entries if one.attached_order_id]
        return gone | await self._add(reading, orders, attached)

    def _late(self, targets: Sequence[Target]) -> list[str]:
        """What turned up of ``targets`` and is not in their books yet."""
        if not self._turned_up:
            return []
        known = {target.client_id: set(_known_ids(target)) for target in targets}
        mine = {order_id: client_id for order_id, client_id in self._turned_up.items() if client_id in known}
        for order_id in [order_id for order_id, client_id in mine.items() if order_id in known[client_id]]:
            del self._turned_up[order_id], mine[order_id]
        return list(mine)

    async def _add(self, reading: Reading, orders: dict[str, VenueOrder], order_ids: Iterable[str]) -> set[str]:
        missing = list(dict.fromkeys(order_id for order_id in order_ids if order_id not in orders))
        if len(missing) > 1:
            orders |= await reading.orders(missing)
        gone: set[str] = set()
        for order_id in [order_id for order_id in missing if order_id not in orders and self._client.unreadable.get(order_id) is None]:
            try:
                orders[order_id] = await reading.order(order_id)
            except Missing:
                gone.add(order_id)
        return gone

    async def _add_unlisted(self, reading: Reading, orders: dict[str, VenueOrder], target: Target) -> None:
        """The order in doubt may have traded and not be listed yet: look at whose the executions since then are."""
        since_ns = self._since_ns(target)
        assert since_ns is not None, "its create is in doubt"
        fills = await reading.traded_since(since_ns)
        unknown = [one.order_id for one in fills if one.order_id not in orders and one.product_id == target.order.instrument]
        await self._add(reading, orders, list(dict.fromkeys(unknown))[-UNLISTED_MAX:])

    async def _whole(self, reading: Reading, targets: Sequence[Target], orders: dict[str, VenueOrder]) -> tuple[dict[str, Family], dict[str, str]]:
        """The families with their executions, and why some are not clear: totals and executions do not agree yet."""
        kin = Kin(orders.values())
        families = {target.client_id: kin.family(target) for target in targets}
        lacking = [found for target in targets if not (found := families[target.client_id]).has_no_news(target.refs)]
        for pause_s in LAG_PAUSES_S:
            await asyncio.sleep(pause_s)
            wanted = [one.order_id for found in lacking for one in found.orders if one.filled_size or found.fills]
            fills = await reading.fills(wanted)
            for found in lacking:
                families[found.client_id] = replace(found, fills=[one for one in fills if one.order_id in {order.order_id for order in found.orders}])
            lacking = [families[found.client_id] for found in lacking if families[found.client_id].not_whole]
            if all(self._cannot_be_read(found) for found in lacking):
                break
            # Whichever of the two was read first may be the older one: read the totals again as well.
            for found in lacking:
                fresh = {one.order_id: await _again(reading, one) for one in found.not_whole}
                families[found.client_id] = refreshed(found, fresh)
            lacking = [families[found.client_id] for found in lacking]
        return families, {found.client_id: "what an order says is filled and its executions do not agree yet" for found in lacking if found.not_whole}

    def _cannot_be_read(self, found: Family) -> bool:
        """Whether waiting brings nothing: it lacks executions, and one of them cannot be read."""
        fills = self._client.unreadable_fills
        return bool(fills) and any(fills.of_order(one.order_id) is not None for one in found.not_whole)


async def _again(reading: Reading, order: VenueOrder) -> VenueOrder:
    try:
        read = await reading.order(order.order_id)
    except Missing:
        return order  # it stays as it was seen, and does not agree
    return order if _is_behind(read, order) else read


def _is_behind(read: VenueOrder, seen: VenueOrder) -> bool:
    """Whether what was read is older than what was seen: an order fills and ends, and never the other way."""
    return read.filled_size < seen.filled_size or (seen.status.is_final and not read.status.is_final)


def _only(look: Look, target: Target) -> Family:
    """The family of the one ``target`` that was looked at. Raises InDoubt when it is not clear."""
    if target.client_id in look.unclear:
        raise InDoubt(look.unclear[target.client_id])
    return look.families[target.client_id]


def _all_ids(target: Target, found: Family) -> set[str]:
    return {order_id for order_id in (*_known_ids(target), *(one.order_id for one in found.orders)) if order_id}


def _known_ids(target: Target) -> list[str]:
    refs = target.refs
    legs = [leg.ref for leg in (refs.stop, refs.target) if leg is not None and leg.ref]
    parts = [order_id for name, order_id in refs.memo.items() if name[1:].isdecimal() and order_id]
    return [*refs.order_refs, *legs, *parts]
