"""Coinbase Advanced Trade as a ``Venue``: one account, spot only, brackets made of single orders.

The parts: ``rest`` and ``client`` ask, ``answers`` reads, ``ids`` names, ``looking`` finds, ``family`` makes facts, ``entries`` and ``legs`` act,
``stream`` and ``telling`` listen, ``opening`` finds out what there is. Here they are put together and strangers are told apart.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal

from brokers.coinbase.answers import VenueOrder
from brokers.coinbase.auth import ApiKey
from brokers.coinbase.client import Client
from brokers.coinbase.coins import missing
from brokers.coinbase.context import Context, Names
from brokers.coinbase.entries import Entries
from brokers.coinbase.facts import facts_of
from brokers.coinbase.family import Family, piece, standing
from brokers.coinbase.legs import Legs
from brokers.coinbase.looking import Looking
from brokers.coinbase.opening import account_of, look_round
from brokers.coinbase.placing import Placing
from brokers.coinbase.reading import Reading
from brokers.coinbase.rest import Rest
from brokers.coinbase.resting import Resting
from brokers.coinbase.stream import Stream
from brokers.coinbase.venue_clock import VenueClock
from brokers.live.throttle import Priority, Throttle
from brokers.live.venue import (
    Amendment,
    Batch,
    EntryEnded,
    Fact,
    Intent,
    NotSent,
    Sighting,
    Stranger,
    Target,
    VenueInfo,
    VenuePolicy,
    VenueSnapshot,
    derived_id,
)
from runtime.clock import NS_PER_S, Clock
from runtime.outbound import InDoubt, Outbound
from trading.brackets import Protection
from trading.instruments import Instruments, Side
from trading.money import ZERO
from trading.orders import EntryType
from trading.venue_refs import VenueRefs

REST_URL = "https://api.coinbase.com"
STREAM_URL = "wss://advanced-trade-ws-user.coinbase.com"

# The venue allows an account 30 requests a second. Whichever second it counts, these two together stay below that.
RATE_PER_S, BURST = 24.0, 5
# A slow answer must not keep a cancel from leaving.
CONNECTIONS = 32

# What guards a position is not kept for longer by a reading that gets no answer.
GUARD_PATIENCE_S = 0.25

# What a preview said holds so long: a stream that is cut often must not cost a dozen previews each time.
ABILITIES_KEPT_NS = 3600 * NS_PER_S
# After a stream that was cut, what was found so lately is not asked again: being back soon matters more.
INFO_KEPT_NS = 60 * NS_PER_S

UUID_CHARS = 36
_ENTRY_TYPES = {"market": EntryType.MARKET, "stop": EntryType.STOP}


class CoinbaseVenue:
    """One account.

    Args:
        key: signs every request.
        instruments: what is configured for this venue; what the venue does not have is left out.
        rest_url, stream_url: from ``runtime.outbound.venue_url``.
        is_strict: whether a hole in the stream's numbers ends it.
    """

    name = "coinbase"
    protection = Protection.VENUE
    policy = VenuePolicy(resends=True, releases=True, attach_s_max=0.5)

    def __init__(
        self,
        key: ApiKey,
        instruments: Instruments,
        clock: Clock,
        *,
        rest_url: str = REST_URL,
        stream_url: str = STREAM_URL,
        rate_per_s: float = RATE_PER_S,
        is_strict: bool = True,
    ) -> None:
        self.account_id = account_id_of(key.name)
        self._instruments = instruments.for_venue(self.name)
        self._clock = clock
        self._rest_out, self._stream_out = Outbound(rest_url, connections_max=CONNECTIONS), Outbound(stream_url, connections_max=2)
        time = VenueClock(clock)
        client = Client(Rest(self._rest_out, key, time, Throttle(rate_per_s, BURST, clock)), Resting(clock.boot_ns), clock.boot_ns)
        self._at_once = client.reads_at(Priority.GUARD)  # while it looks round nothing is guarded
        guard = Reading(self._at_once, lambda: client.is_short, patience_s=GUARD_PATIENCE_S)
        self._context = Context(client=client, guard=guard, looking=Looking(client, guard, time), clock=clock)
        placing = Placing(self._context)
        self._entries = Entries(self._context, placing)
        self._legs = Legs(self._context, placing)
        self._stream = Stream(self._context, self._stream_out, is_strict=is_strict)
        self._stack = AsyncExitStack()
        self._is_open = False
        self._proven_ns = -ABILITIES_KEPT_NS
        self._found_ns = 0
        self._info: VenueInfo | None = None
        self._gone: dict[str, Decimal] = {}

    async def open(self) -> VenueInfo:
        """Connect, and look round (``opening``). Raises VenueRefused, NotSent, InDoubt."""
        if not self._is_open:
            await self._stack.enter_async_context(self._rest_out)
            await self._stack.enter_async_context(self._stream_out)
            self._is_open = True
        now_ns = self._clock.boot_ns()
        if self._info is not None and now_ns - self._found_ns < INFO_KEPT_NS and not self._context.must_reopen:
            return self._info
        if now_ns - self._proven_ns > ABILITIES_KEPT_NS:
            self._context.abilities = {}
            self._proven_ns = now_ns
        opened = await look_round(self._at_once, self._clock, self._instruments.values(), self._context.abilities)
        self._context.products = dict(opened.products)
        self._context.abilities = dict(opened.abilities)
        self._context.looking.time.found(opened.offset_ns)
        self._context.must_reopen = False
        self._info, self._found_ns = opened.info, now_ns
        return opened.info

    def recognise(self, client_ids: Sequence[str]) -> None:
        for client_id in client_ids:
            self._context.names.add(client_id)

    async def aclose(self) -> None:
        self._is_open = False
        with contextlib.suppress(Exception):  # the process ends, and a connection that does not close cleanly is closed by it
            await self._stack.aclose()

    async def create(self, intent: Intent) -> Sequence[Fact]:
        return await self._entries.create(intent)

    async def cancel(self, target: Target) -> Sequence[Fact]:
        self._know(target)
        return await self._entries.cancel(target)

    async def amend(self, target: Target, change: Amendment) -> Sequence[Fact]:
        """Entry and exits are never both at the venue on their own, so one of the two parts does it."""
        self._know(target)
        if target.position_units:
            stop = change.stop_loss_price or target.stop_price
            return await self._legs.replace(target, stop=stop, take_profit=change.take_profit_price or target.order.take_profit_price)
        return await self._entries.amend(target, change)

    async def protect(self, target: Target) -> Sequence[Fact]:
        self._know(target)
        return await self._legs.protect(target)

    async def close(self, target: Target, units: Decimal) -> Sequence[Fact]:
        self._know(target)
        return await self._legs.close(target, units)

    async def look_up(self, target: Target) -> Sighting:
        self._know(target)
        until = self._context.looking.time.now_ns()
        found = await self._context.looking.one(target)
        gone: Decimal | None = None
        if target.order.side is Side.BUY and found.position_units and not found.working_exits:
            # Without an exit that holds them its coins may have been sold by hand; what all brackets lack together the last snapshot has said.
            here: Mapping[str, Decimal] = {}
            with contextlib.suppress(InDoubt, NotSent):  # what guards the position must not wait for an answer about money
                here = missing({target.client_id: found}, [target], self._context.products, await self._context.guard.holdings())
            gone = min(max(here.get(target.client_id, ZERO), self._gone.get(target.client_id, ZERO)), found.position_units)
        return self._sighting(found, target, until, gone)

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        for target in targets:
            self._know(target)
        until = self._context.looking.time.now_ns()
        look = await self._context.looking.look(targets)
        holdings = await self._context.client.holdings()
        account = account_of(holdings)
        if self._info is not None:
            self._info = replace(self._info, account=account)
        self._gone = gone = missing(look.families, targets, self._context.products, holdings)
        return VenueSnapshot(
            sightings={
                target.client_id: self._sighting(look.families[target.client_id], target, until, gone.get(target.client_id))
                for target in targets
                if target.client_id in look.families
            },
            strangers=strangers_of(look.others, self._context.names),
            unreadable=[one.why for one in look.unreadable],
            unclear=look.dark,
            account=account,
            cursor=str(until),
            until=until,
        )

    def stream(self, cursor: str) -> AsyncIterator[Batch]:
        return self._stream.batches(cursor)

    def _sighting(self, found: Family, target: Target, until: int, gone: Decimal | None = None) -> Sighting:
        """An entry that is off for its change has not ended: the change goes on, or comes out as doubt. ``gone`` are coins that left by hand."""
        facts = [fact for fact in facts_of(found, target.refs) if not (isinstance(fact, EntryEnded) and fact.order_ref in self._context.replacing)]
        stands = standing(found)
        if stands is not None and gone:
            stands = replace(stands, position_units=stands.position_units - gone)
        return Sighting(facts=facts, standing=stands, until=until)

    def _know(self, target: Target) -> None:
        self._context.names.add(target.client_id)


def account_id_of(key_name: str) -> str:
    """What stands for the account: the organisation of the key, which stays when a key is replaced; a digest of a name of another form."""
    parts = key_name.split("/")
    return parts[1] if len(parts) == 4 and parts[0] == "organizations" and parts[1] else derived_id(key_name, "account")


def strangers_of(orders: Sequence[VenueOrder], names: Names) -> list[Stranger]:
    """Working orders of none of the brackets asked about: placed by hand or by another program, or ours and taken for ended, as their name says.

    Exits that hang on one of them are part of it.
    """
    parents = {one.order_id for one in orders if not one.originating_order_id}
    children = {one.originating_order_id: one for one in orders if one.originating_order_id in parents}
    found: list[Stranger] = []
    for one in orders:
        if one.originating_order_id or not one.configuration.base_size:
            continue  # an exit that hangs on an entry is never an order of its own: whose it is, its entry says
        if one.side is Side.SELL and names.find(one.client_order_id) is None:
            continue  # who sells coins of their own has no short position after it, and flattening must not buy them back
        exits = [children[one.order_id]] if one.order_id in children else []
        family = replace(piece("", one, []), entries=[one], exits=exits)
        stands = standing(family)
        assert stands is not None
        found.append(
            Stranger(
                refs=VenueRefs(client_id=_name_of(one, names), order_refs=(one.order_id,), stop=stands.stop, target=stands.target),
                instrument=one.product_id,
                side=one.side,
                units=one.configuration.base_size,
                entry_type=_entry_type(one.configuration.kind),
                entry_price=stands.entry_price,
                standing=stands,
                created_ns=one.created_ns,
            )
        )
    return found


def _name_of(order: VenueOrder, names: Names) -> str:
    """The bracket that the order says it belongs to; its own name where that is a UUID, else one made of its venue id."""
    known = names.find(order.client_order_id)
    if known is not None:
        return known
    return order.client_order_id if len(order.client_order_id) == UUID_CHARS else derived_id(order.order_id, "stranger")


def _entry_type(kind: str) -> EntryType:
    return next((found for part, found in _ENTRY_TYPES.items() if kind.startswith(part)), EntryType.LIMIT)
