"""The entry of a bracket: created once and read back, cancelled and seen cancelled, changed by making it anew.

The venue edits only what is good until cancelled, and our entries end at a date; so a change takes the entry off and places the next one under a name
of the same bracket. Between the two it does not exist: what went wrong there is told as the end of the entry, or comes out as doubt.
"""

import asyncio
from dataclasses import replace
from decimal import Decimal

from brokers.coinbase.answers import VenueOrder, VenueStatus
from brokers.coinbase.context import Ability, Context
from brokers.coinbase.facts import facts_of, piece_facts
from brokers.coinbase.family import Family, piece, refreshed
from brokers.coinbase.ids import Part
from brokers.coinbase.orders import ATTACHABLE, Create, differences, entry
from brokers.coinbase.placing import Placing, no_way_back, nothing_sent
from brokers.coinbase.products import refuse
from brokers.coinbase.refusals import CANCEL_TOO_LATE
from brokers.coinbase.rest import WRITE_S_MAX
from brokers.live.throttle import Priority
from brokers.live.venue import Amendment, EntryAccepted, EntryEnded, Fact, Intent, NotSent, Remembered, Target, VenueMismatch, VenueRefused
from runtime.outbound import InDoubt
from trading.events import CancelReason
from trading.orders import BracketOrder, EntryType
from trading.venue_refs import VenueRefs

# An answer to a create does not wait longer than this for what it has traded: no exit is placed before it is there, and the stream tells it as well.
TRADED_S_MAX = 0.7


class Entries:
    """Creates, cancels and changes entries."""

    def __init__(self, context: Context, placing: Placing) -> None:
        self._context = context
        self._placing = placing

    async def create(self, intent: Intent) -> list[Fact]:
        """Send the entry once and tell what the venue made of it.

        Raises:
            VenueRefused, NotSent, VenueMismatch, InDoubt.
        """
        self._context.names.add(intent.client_id)
        self._context.looking.created(intent.client_id)
        self._refuse(intent.order)
        create = self._create(intent.order, intent.client_id, intent.expires_ns)
        priority = Priority.GUARD if intent.is_again else Priority.ORDER
        created = await self._context.client.create(create, priority=priority, deadline_boot_ns=intent.deadline_boot_ns, timeout_s=WRITE_S_MAX)
        with no_way_back():  # it is there: that a question about it could not be sent must not be taken for an order that was not
            placed = await self._placing.seen(created.order_id)
        wrong = differences(create, placed, sent_ns=self._context.looking.time.of_ours(intent.created_ns))
        if wrong:
            raise VenueMismatch(f"the venue answered with another order than was sent: {', '.join(wrong)} differ")
        self._context.names.note_entry(placed.order_id, placed.client_order_id)
        target = _target_of(intent, placed)
        try:
            async with asyncio.timeout(TRADED_S_MAX):
                found = await self._context.looking.again(target, [placed])
        except (InDoubt, NotSent, TimeoutError):
            # It stands, that much was read back; what it has traded the stream tells, once the venue's two accounts of it agree.
            told = piece_facts(piece(intent.client_id, placed, []), is_replaced=False)
            return [fact for fact in told if isinstance(fact, EntryAccepted | Remembered)]
        return facts_of(found, target.refs)

    async def cancel(self, target: Target) -> list[Fact]:
        """End what of the entry is unfilled, and see that it is over.

        Raises:
            VenueRefused: there is nothing to cancel. InDoubt: asked, and not seen to be over.
        """
        with nothing_sent():
            found = await self._context.looking.one(target)
        entry_order = found.entry
        if entry_order is None or entry_order.status.is_final:
            raise VenueRefused("NOTHING_TO_CANCEL", "the venue has nothing of this entry that could still trade")
        answers = await self._placing.ask_to_end([entry_order.order_id])
        with no_way_back():
            for answer in answers:
                if not answer.is_taken and answer.reason not in CANCEL_TOO_LATE:
                    # One that is over already is refused as well, also by the cancel that ended it when its answer was lost.
                    seen = await self._placing.seen(entry_order.order_id)
                    if not seen.status.is_final:
                        raise VenueRefused(answer.reason or "CANCEL_REFUSED", "the venue would not take the cancel")
            over = await self._placing.ended(entry_order)
            found = await self._placing.looked_again(target, refreshed(found, {over.order_id: over}).orders)
        return facts_of(found, target.refs)

    async def amend(self, target: Target, change: Amendment) -> list[Fact]:
        """The unfilled entry with other prices, another end, or other exits attached.

        Raises:
            VenueRefused: it has filled meanwhile, or the venue would not have it so; the entry stands as it was.
        """
        with nothing_sent():
            found = await self._context.looking.one(target)
        old = found.entry
        if old is None or old.status.is_final or found.filled_units:
            raise VenueRefused("ENTRY_NOT_PENDING", "the entry has traded or ended meanwhile")
        order = _changed(target.order, change)
        if not self._is_other(target, order, change):
            return facts_of(found, target.refs)
        expires_ns = change.expires_ns or target.expires_ns
        await self._placing.object_to(self._create(order, target.client_id, expires_ns))
        self._context.replace([old.order_id])
        try:
            await self._placing.ask_to_end([old.order_id])
            with no_way_back():
                over = await self._placing.ended(old)
                found = await self._placing.looked_again(target, refreshed(found, {over.order_id: over}).orders)
        except BaseException:
            self._context.keep([old.order_id])
            raise
        if found.filled_units or found.entry is None or found.entry.status is VenueStatus.FILLED:
            # It traded before it was off. What is left of it is gone, and what traded needs its exits: that comes before the change.
            return facts_of(found, target.refs)
        with no_way_back():
            return await self._again(target, found, order, expires_ns)

    async def _again(self, target: Target, found: Family, order: BracketOrder, expires_ns: int) -> list[Fact]:
        try:
            placed = await self._placing.part(target.client_id, found, Part.ENTRY, lambda name: self._create(order, name, expires_ns))
        except VenueRefused as refusal:
            old = found.entry
            assert old is not None
            ended = EntryEnded(
                client_id=target.client_id,
                order_ref=old.order_id,
                reason=CancelReason.VENUE,
                text=f"it was taken off for its change, and the venue would not have the new one: {refusal.code}",
            )
            return [ended, *(fact for fact in facts_of(found, target.refs) if not isinstance(fact, EntryAccepted))]
        found = await self._placing.looked_again(target, [*found.orders, placed])
        return facts_of(found, target.refs)

    def _is_other(self, target: Target, order: BracketOrder, change: Amendment) -> bool:
        """Whether the venue has to know: exits that are placed after the fill are not there yet."""
        if change.expires_ns is not None or order.entry_price != target.order.entry_price:
            return True
        return self._attaches(order) and (order.stop_loss_price, order.take_profit_price) != (target.stop_price, target.order.take_profit_price)

    def _create(self, order: BracketOrder, name: str, expires_ns: int) -> Create:
        tick = self._context.products[order.instrument].price_increment
        return entry(order, client_order_id=name, tick=tick, end_ns=expires_ns, attach_exits=self._attaches(order))

    def _attaches(self, order: BracketOrder) -> bool:
        return order.entry_type in ATTACHABLE and self._context.ability(order.instrument, order.side) is Ability.ATTACHED

    def _refuse(self, order: BracketOrder) -> None:
        """Raise VenueRefused for what the venue could not take: nothing is sent then."""
        product = self._context.products.get(order.instrument)
        if product is None:
            raise VenueRefused("UNKNOWN_INSTRUMENT", f"the venue has no product {order.instrument}")
        price = order.entry_price or max(order.stop_loss_price, order.take_profit_price)
        refuse(product, units=order.units, price=price, is_market=order.entry_type is EntryType.MARKET)
        if min(self._context.ability(order.instrument, order.side), Ability.BRACKET) < min(self._context.promised(order.instrument), Ability.BRACKET):
            raise VenueRefused(
                "BRACKET_NOT_SUPPORTED", f"the venue was not seen to take the exits of a {order.side} in {order.instrument}: nothing was sent"
            )


def _changed(order: BracketOrder, change: Amendment) -> BracketOrder:
    prices: dict[str, Decimal | None] = {
        "entry_price": change.entry_price,
        "stop_loss_price": change.stop_loss_price,
        "take_profit_price": change.take_profit_price,
    }
    return replace(order, **{name: price for name, price in prices.items() if price is not None})  # type: ignore[arg-type]  # three of its prices


def _target_of(intent: Intent, placed: VenueOrder) -> Target:
    """The bracket as it stands the moment after its create."""
    return Target(
        order_id="",
        order=intent.order,
        refs=VenueRefs(client_id=intent.client_id, order_refs=(placed.order_id,)),
        stop_price=intent.order.stop_loss_price,
        expires_ns=intent.expires_ns,
        remaining_units=intent.order.units,
        position_units=Decimal(0),
        created_ns=intent.created_ns,
    )
