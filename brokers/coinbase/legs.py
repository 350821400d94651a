"""The exits of a bracket at a venue that holds the coins for each of them: one exit at a time, and a moment without one whenever it changes.

All units of a position are on hold for its exit, so nothing else can be placed beside it. Changing an exit is: take it off, see that it is gone,
count what it traded meanwhile, place the next for what is left, see that it stands. A step that goes wrong in between leaves the position without an
exit and comes out as doubt, never as a refusal; and that the stop covers nothing is told through the stream at once, so that the core protects again.

A create that is refused for its kind is tried on the next lower rung: a bracket (both exits in one order), then a stop alone. One that is refused for
its prices is not: the market has passed them, and what then is to be done the core decides.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from brokers.coinbase.answers import VenueOrder, VenueStatus
from brokers.coinbase.coins import held, is_dust
from brokers.coinbase.context import Ability, Context
from brokers.coinbase.facts import FAILED_EXITS, ended_for_its_exits, facts_of, facts_of_exit
from brokers.coinbase.family import Family, highest_part, refreshed, sort_out, standing_legs
from brokers.coinbase.ids import Part
from brokers.coinbase.orders import Create, bracket_exit, market, stop_exit
from brokers.coinbase.placing import LOOK_PAUSES_S, Placing, no_way_back, nothing_sent
from brokers.coinbase.refusals import family as refusal_family
from brokers.coinbase.rest import Missing
from brokers.live.facts import EXITS, NO_EXITS
from brokers.live.venue import Fact, LegStands, NotSent, Target, Unplaced, VenueRefused
from runtime.outbound import InDoubt
from trading.instruments import Side
from trading.money import ZERO, plain
from trading.orders import Leg

# A close does not wait longer than this to hear whether the market is halted.
HALTED_S_MAX = 1.0


class Legs:
    """Places, replaces and releases exits, and closes at the market."""

    def __init__(self, context: Context, placing: Placing) -> None:
        self._context = context
        self._placing = placing

    async def protect(self, target: Target) -> list[Fact]:
        """See that one exit of the right size and prices stands; what stands already is left.

        Raises:
            VenueRefused: the stop cannot stand, and nothing guards the position at the venue.
        """
        if self._has_no_exit(target):
            return await self._place_first(target)
        found = await self._context.looking.one(target)
        told: list[Fact] = []
        if held(found, target) and any(one.rests for one in found.working_exits):
            raise VenueRefused("STOP_RESTS", "it was triggered and does not fill, for the market has jumped past its limit")
        if held(found, target) and _waits_for_its_entry(found):
            found = await self._await_attached(target, found)
            if found.remaining_units and _waits_for_its_entry(found):
                # They come when the entry is over: end it, and they open for what it filled. Another exit beside them could sell twice.
                found = await self._end_entry(target, found)
                told = ended_for_its_exits(found)
                found = await self._await_attached(target, found)
        if not held(found, target):
            found = await self._release(target, found)
            return [*told, *facts_of(found, target.refs)]
        if self._stands_right(found, target):
            return [*told, *facts_of(found, target.refs)]
        found = await self._release(target, found)
        if not held(found, target):
            return [*told, *facts_of(found, target.refs)]
        return [*told, *await self._place_exit(target, found)]

    def _has_no_exit(self, target: Target) -> bool:
        """Whether it is certain, without asking, that no exit of the bracket works: its entry was seen to carry none, or to have filled whole and
        those that it carried to have failed; and none was placed unknown."""
        refs = target.refs
        if not target.position_units or refs.stop is not None or refs.target is not None or highest_part(refs):
            return False  # one that was placed and is off may have traded, and not be told yet
        had_none = refs.memo.get(EXITS) == NO_EXITS or (refs.memo.get(EXITS) == FAILED_EXITS and not target.remaining_units)
        return had_none and self._context.looking.knows_all(target)

    async def _place_first(self, target: Target) -> list[Fact]:
        """The first exit, without a look before and after: a position that has just opened must not wait for answers that say nothing new."""
        with no_way_back():
            try:
                placed = await self._exit_order(target, _unseen(target), target.stop_price, target.order.take_profit_price)
            except VenueRefused as refusal:
                if refusal.code == "INSUFFICIENT_FUNDS":
                    # The fill is a moment old and its coins may not be free yet: no word about the stop. The next try looks first.
                    raise InDoubt("the coins for the first exit are not there yet") from refusal
                raise
            if placed.status is VenueStatus.OPEN and not placed.filled_size:
                return facts_of_exit(target.client_id, placed)
            return facts_of(await self._placing.looked_again(target, [placed]), target.refs)  # it has traded: the market was there already

    async def close(self, target: Target, units: Decimal) -> list[Fact]:
        """Close ``units`` at the market; exits are released first and stand again for what is left.

        What would be left and is too little for any order of the venue's is closed with them: nothing could guard it, and nothing get it out.

        Raises:
            VenueRefused: the venue would not close, and the exits stand again, under other ids; or it takes no order of so little, and they stand.
        """
        was_guarded = False
        if self._has_no_exit(target):
            found = _unseen(target)
        else:
            with nothing_sent():
                found, halted = await asyncio.gather(self._context.looking.one(target), self._halted(target))
            was_guarded = bool(found.working_exits)
            if halted and was_guarded:
                raise VenueRefused("MARKET_HALTED", f"{halted}; its exits are left standing, for they would not be taken again")
            if was_guarded and units < held(found, target) and is_dust(target, self._context.products, units):
                raise VenueRefused("UNITS_TOO_SMALL", f"the venue takes no order of {plain(units)}; its exits are left standing")
            found = await self._release(target, found)
        there = held(found, target)
        size = there if is_dust(target, self._context.products, there - units) else min(units, there)
        if not size:
            return facts_of(found, target.refs)
        product_id, side = target.order.instrument, target.order.side.opposite
        with no_way_back():
            try:
                closed = await self._close_order(target, found, lambda name: market(product_id, side, size, client_order_id=name))
            except VenueRefused as refusal:
                await self._doubt_coins(refusal, found, target)
                if was_guarded:
                    await self._place_again(target, found)
                raise
            except BaseException:
                self._tell_bare(target)
                raise
            found = await self._placing.looked_again(target, [*found.orders, closed])
            if not held(found, target):
                return facts_of(found, target.refs)
            try:
                return await self._place_exit(target, found)
            except VenueRefused:
                return facts_of(found, target.refs)  # it was closed as asked; that nothing guards the rest is seen from this, and dealt with

    async def replace(self, target: Target, *, stop: Decimal, take_profit: Decimal) -> list[Fact]:
        """Exits at other prices: all of it or nothing, as far as the venue allows.

        Raises:
            VenueRefused: the venue would not have the new prices; the old exits stand, or stand again under other ids.
        """
        with nothing_sent():
            found = await self._context.looking.one(target)
        if held(found, target):
            await self._placing.object_to(self._wanted_exit(target, held(found, target), stop, take_profit))  # while the old exit still stands
        found = await self._release(target, found)
        if not held(found, target):
            return facts_of(found, target.refs)
        try:
            return await self._place_exit(target, found, stop=stop, take_profit=take_profit)
        except VenueRefused:
            await self._place_again(target, found)
            raise

    def _wanted_exit(self, target: Target, size: Decimal, stop: Decimal, take_profit: Decimal) -> Create:
        """The exit of the rung that the venue is taken to have, for a preview."""
        product_id, side = target.order.instrument, target.order.side.opposite
        if self._context.ability(product_id, target.order.side) >= Ability.BRACKET:
            return bracket_exit(product_id, side, size, target=take_profit, stop=stop, client_order_id="preview")
        tick = self._context.products[product_id].price_increment
        return stop_exit(product_id, side, size, stop=stop, tick=tick, client_order_id="preview")

    async def _halted(self, target: Target) -> str:
        """Why the market would take no close now, by what the venue says of the product; empty where it would, or that cannot be found out."""
        try:
            async with asyncio.timeout(HALTED_S_MAX):
                product = await self._context.guard.product(target.order.instrument)
        except (InDoubt, NotSent, Missing, TimeoutError):
            return ""
        return f"{product.product_id} {product.closed_because}" if product.closed_because else ""

    async def _close_order(self, target: Target, found: Family, build: Callable[[str], Create]) -> VenueOrder:
        closed = await self._placing.ended(await self._placing.part(target.client_id, found, Part.CLOSE, build))
        if closed.status is VenueStatus.FAILED:
            raise VenueRefused(refusal_family(closed.reason), closed.reason or "the venue took the order and then refused it")
        return closed

    async def _await_attached(self, target: Target, found: Family) -> Family:
        """The family once the attached exits stand or are over; as it is after the last look otherwise."""
        for pause_s in LOOK_PAUSES_S[1:5]:
            if not _waits_for_its_entry(found):
                break
            await asyncio.sleep(pause_s)
            found = await self._placing.looked_again(target, found.orders)
        return found

    async def _end_entry(self, target: Target, found: Family) -> Family:
        entry = found.entry
        assert entry is not None
        self._context.replace([entry.order_id])
        try:
            await self._placing.ask_to_end([entry.order_id])
            with no_way_back():
                over = await self._placing.ended(entry)
                return await self._placing.looked_again(target, refreshed(found, {over.order_id: over}).orders)
        except BaseException:
            self._context.keep([entry.order_id])
            raise

    def _stands_right(self, found: Family, target: Target) -> bool:
        """Whether exactly one exit works, for all of the position, where the book wants it."""
        working = found.working_exits
        if len(working) != 1:
            return False
        stop, take_profit = standing_legs(working[0])
        if stop is None or stop.units != held(found, target):
            return False
        if working[0].is_triggered:
            return True  # the stop is at work: it must not be taken off
        if stop.price != target.stop_price:
            return False
        wants_both = self._context.ability(target.order.instrument, target.order.side) >= Ability.BRACKET
        return take_profit.price == target.order.take_profit_price if take_profit is not None else not wants_both

    async def _release(self, target: Target, found: Family) -> Family:
        """Take all exits off and count what they traded until then.

        Raises:
            InDoubt: one of them is not off yet, so nothing may be placed beside it.
        """
        working = found.working_exits
        if not working:
            return found
        ids = [one.order_id for one in working]
        self._context.replace(ids)
        try:
            await self._placing.ask_to_end(ids)
            with no_way_back():
                ended = {one.order_id: await self._placing.ended(one) for one in working}
                over = refreshed(found, ended)
                if all(ended[one.order_id].filled_size == one.filled_size for one in working):
                    return over  # nothing traded meanwhile: there is nothing to read before the next step
                return await self._placing.looked_again(target, over.orders)
        except BaseException:
            self._context.keep(ids)  # their end, whenever it comes, is news after all
            self._tell_bare(target)
            raise

    async def _place_exit(self, target: Target, found: Family, *, stop: Decimal | None = None, take_profit: Decimal | None = None) -> list[Fact]:
        """Everything there is to tell once the next exit for all of the position stands.

        Raises:
            VenueRefused, InDoubt.
        """
        try:
            with no_way_back():
                placed = await self._exit_order(target, found, stop or target.stop_price, take_profit or target.order.take_profit_price)
                found = await self._placing.looked_again(target, [*found.orders, placed])
        except VenueRefused as refusal:
            self._tell_bare(target)
            await self._doubt_coins(refusal, found, target)
            raise
        except BaseException:
            self._tell_bare(target)
            raise
        return facts_of(found, target.refs)

    async def _exit_order(self, target: Target, found: Family, stop: Decimal, take_profit: Decimal) -> VenueOrder:
        """The next exit on the highest rung that the venue takes."""
        product_id, side, size = target.order.instrument, target.order.side.opposite, held(found, target)
        placed: VenueOrder | None = None
        if self._context.ability(product_id, target.order.side) >= Ability.BRACKET:
            try:
                placed = await self._placing.part(
                    target.client_id,
                    found,
                    Part.BRACKET,
                    lambda name: bracket_exit(product_id, side, size, target=take_profit, stop=stop, client_order_id=name),
                )
            except VenueRefused as refusal:
                if refusal.code != "BRACKET_NOT_SUPPORTED":
                    raise
                self._context.lower(product_id, target.order.side, Ability.STOP)
        if placed is None:
            tick = self._context.products[product_id].price_increment
            placed = await self._placing.part(
                target.client_id,
                found,
                Part.STOP,
                lambda name: stop_exit(product_id, side, size, stop=stop, tick=tick, client_order_id=name),
            )
        if placed.status is VenueStatus.FAILED:
            raise VenueRefused(refusal_family(placed.reason), placed.reason or "the venue took the exit and then refused it")
        return placed

    def _tell_bare(self, target: Target) -> None:
        """The stop that the book believes in is off, or may be: it covers nothing until one is seen. Protecting looks before it acts."""
        leg = target.refs.stop
        if leg is not None:
            self._context.aside.append(
                LegStands(client_id=target.client_id, order_ref=leg.ref, leg=Leg.STOP_LOSS, units=ZERO, price=target.stop_price)
            )

    async def _doubt_coins(self, refusal: VenueRefused, found: Family, target: Target) -> None:
        """A sale is refused for want of coins where somebody has sold them by hand: that is no word about the stop, and comparing finds out.

        Raises:
            InDoubt: the account has fewer coins than the bracket should have, or that could not be found out.
        """
        if refusal.code != "INSUFFICIENT_FUNDS" or target.order.side is not Side.BUY:
            return
        base = self._context.products[target.order.instrument].base
        with no_way_back():  # an exit may have been taken off before
            coins = (await self._context.guard.holdings()).get(base)
        if coins is not None and coins.total < held(found, target):
            self._context.aside.append(Unplaced(client_id=target.client_id, text="coins of this bracket are not in the account any more"))
            raise InDoubt(f"the account has no {base} for it any more") from refusal

    async def _place_again(self, target: Target, found: Family) -> None:
        """Put back what was released for a change that the venue would not make.

        Raises:
            InDoubt: it does not stand again, so that it would be wrong to say that nothing has changed.
        """
        try:
            await self._place_exit(target, found)
        except VenueRefused as refusal:
            raise InDoubt(f"the exits were taken off and the venue would not have them again: {refusal.code}") from refusal


def _unseen(target: Target) -> Family:
    """What the book says of a bracket whose orders need not be looked at."""
    return replace(sort_out(target.client_id, target.refs, []), bought=target.position_units)


def _waits_for_its_entry(found: Family) -> bool:
    """Whether attached exits are there that do not stand yet."""
    parents = {one.order_id for one in found.entries}
    return any(one.originating_order_id in parents and one.status in {VenueStatus.PENDING, VenueStatus.QUEUED} for one in found.exits)
