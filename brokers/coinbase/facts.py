"""From orders and executions to facts: what there is to tell of a family, and of a single order. Pure.

Fills come before what ends, and what stands after what traded; each may be told any number of times.
"""

from decimal import Decimal

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from brokers.coinbase.family import BRACKETS, STOPS, Family, end_reason, is_cut_short, piece, standing_legs
from brokers.coinbase.ids import read_part
from brokers.coinbase.refusals import family as refusal_family
from brokers.live.facts import EXITS, NO_EXITS
from brokers.live.venue import EntryAccepted, EntryEnded, EntryFilled, EntryRefused, ExitFilled, Fact, LegGone, LegStands, Remembered, Unplaced
from trading.brackets import Liquidity
from trading.events import CancelReason
from trading.instruments import Side
from trading.orders import Leg
from trading.venue_refs import VenueRefs

# In the memo at ``EXITS``: the exits that the entry carried failed before they could trade.
FAILED_EXITS = "failed"


def facts_of(found: Family, refs: VenueRefs) -> list[Fact]:
    """Everything there is to tell of a whole family, in the order in which it happened."""
    told: list[Fact] = [*accepted(found), *fill_facts(found), *entry_end(found), *leg_facts(found, refs)]
    memo = _new_memo(found, refs)
    if memo:
        told.append(Remembered(client_id=found.client_id, memo=memo))
    return told


def fill_facts(found: Family) -> list[Fact]:
    """One fact for each execution, by time."""
    entries = {one.order_id for one in found.entries}
    orders = {one.order_id: one for one in found.orders}
    told: list[Fact] = []
    for one in sorted(found.fills, key=lambda fill: (fill.time_ns, fill.entry_id)):
        if one.order_id in entries:
            told.append(entry_filled(found.client_id, one))
        else:
            told.append(
                ExitFilled(
                    client_id=found.client_id,
                    order_ref=one.order_id,
                    time_ns=one.time_ns,
                    at=one.time_ns,
                    leg=exit_leg(orders[one.order_id], one.price),
                    fill_id=one.entry_id,
                    units=one.size,
                    price=one.price,
                    fee=one.fee,
                    liquidity=_liquidity(one),
                )
            )
    return told


def entry_filled(client_id: str, execution: VenueFill) -> EntryFilled:
    """An execution of the bracket's entry."""
    return EntryFilled(
        client_id=client_id,
        order_ref=execution.order_id,
        time_ns=execution.time_ns,
        at=execution.time_ns,
        fill_id=execution.entry_id,
        units=execution.size,
        price=execution.price,
        fee=execution.fee,
        liquidity=_liquidity(execution),
    )


def _liquidity(execution: VenueFill) -> Liquidity:
    return Liquidity.MAKER if execution.is_maker else Liquidity.TAKER


def exit_leg(order: VenueOrder, price: Decimal) -> Leg:
    """Which exit an execution of ``order`` at ``price`` was: a bracket trades at its target or better, or it is its stop."""
    has = order.configuration
    if has.kind in BRACKETS and has.limit_price is not None:
        is_target = price >= has.limit_price if order.side is Side.SELL else price <= has.limit_price
        return Leg.TAKE_PROFIT if is_target else Leg.STOP_LOSS
    return Leg.STOP_LOSS if has.kind in STOPS else Leg.CLOSE


def accepted(found: Family) -> list[Fact]:
    """That the venue has the entry, or had it; not of one that failed before it could trade."""
    entry = found.entry
    if entry is None or (entry.status is VenueStatus.FAILED and not found.filled_units):
        return []
    has = entry.configuration
    return [
        EntryAccepted(
            client_id=found.client_id,
            order_ref=entry.order_id,
            time_ns=entry.created_ns,
            replaces=found.entries[-2].order_id if len(found.entries) > 1 else "",
            price=has.stop_price if has.kind in STOPS else has.limit_price,
            expires_ns=has.end_ns,
        )
    ]


def entry_end(found: Family) -> list[Fact]:
    """That the entry is over, unless it filled whole."""
    entry = found.entry
    if entry is None or not is_cut_short(entry):
        return []
    if entry.status is VenueStatus.FAILED and not found.filled_units:
        code = refusal_family(entry.reason)
        return [EntryRefused(client_id=found.client_id, order_ref=entry.order_id, code=code, text=entry.reason)]
    return [EntryEnded(client_id=found.client_id, order_ref=entry.order_id, reason=end_reason(entry), text=entry.reason)]


def ended_for_its_exits(found: Family) -> list[Fact]:
    """The entry's end as what it was: ours, for want of exits. Its fills first."""
    return [
        *fill_facts(found),
        *(
            EntryEnded(
                client_id=found.client_id,
                order_ref=end.order_ref,
                reason=CancelReason.STOP_LOSS_ON_FILL,
                text="its exits did not follow a partial fill, so the rest of the entry was cancelled",
            )
            for end in entry_end(found)
        ),
    ]


def leg_facts(found: Family, refs: VenueRefs) -> list[Fact]:
    """Which exits stand, and which of those the book believes in do not."""
    told: list[Fact] = []
    for one in found.exits:
        stop, target = standing_legs(one)
        told += [
            LegStands(client_id=found.client_id, order_ref=one.order_id, leg=leg, units=stands.units, price=stands.price)
            for leg, stands in ((Leg.STOP_LOSS, stop), (Leg.TAKE_PROFIT, target))
            if stands is not None
        ]
    told += _look_again(found)
    over = {one.order_id: one for one in found.exits if one.status.is_final and one.status is not VenueStatus.FILLED}
    told += [
        LegGone(client_id=found.client_id, order_ref=believed.ref, leg=leg, text=over[believed.ref].reason)
        for leg, believed in ((Leg.STOP_LOSS, refs.stop), (Leg.TAKE_PROFIT, refs.target))
        if believed is not None and believed.ref in over
    ]
    return told


def piece_facts(found: Family, *, is_replaced: bool) -> list[Fact]:
    """What there is to tell of one order. ``is_replaced``: it is taken off to make room for another, so its end is no news."""
    told: list[Fact] = [*accepted(found), *fill_facts(found)]
    if found.client_id and found.entry is not None and found.entry.attached is None:
        told.append(Remembered(client_id=found.client_id, memo={EXITS: NO_EXITS}))
    if not is_replaced:
        told += entry_end(found)
    for one in found.exits:
        stop, target = standing_legs(one)
        if one.status is VenueStatus.FAILED and one.originating_order_id and not one.filled_size:
            told.append(Remembered(client_id=found.client_id, memo={EXITS: FAILED_EXITS}))
        if one.status.is_final and one.status is not VenueStatus.FILLED and not is_replaced:
            legs = [Leg.STOP_LOSS, *([Leg.TAKE_PROFIT] if one.configuration.kind in BRACKETS else [])]
            told += [LegGone(client_id=found.client_id, order_ref=one.order_id, leg=leg, text=one.reason) for leg in legs]
        told += [
            LegStands(client_id=found.client_id, order_ref=one.order_id, leg=leg, units=stands.units, price=stands.price)
            for leg, stands in ((Leg.STOP_LOSS, stop), (Leg.TAKE_PROFIT, target))
            if stands is not None
        ]
    return [*told, *_look_again(found)]


def facts_of_exit(client_id: str, placed: VenueOrder) -> list[Fact]:
    """That an exit stands which was placed this moment, and what it is called. What it traded at once is told when it is read."""
    part = read_part(client_id, placed.client_order_id)
    assert part is not None, "it goes by a name that was made for it"
    told: list[Fact] = piece_facts(piece(client_id, placed, []), is_replaced=False)
    return [*told, Remembered(client_id=client_id, memo={f"{part[0]}{part[1]}": placed.order_id})]


def _look_again(found: Family) -> list[Fact]:
    """A stop that was triggered and is still open may rest, and nothing need be told of that by itself: the core compares soon, and again until it
    has traded or ``rests``."""
    return [
        Unplaced(client_id=found.client_id, order_ref=one.order_id, text="a stop was triggered and has not filled yet")
        for one in found.exits
        if one.is_triggered and not one.rests and not one.status.is_final
    ]


def _new_memo(found: Family, refs: VenueRefs) -> dict[str, str]:
    """What of the parts' names has to be kept or may be dropped: one that ended without a trade is not needed, but for the highest number."""
    idle = {one.order_id for one in found.orders if one.status.is_final and not one.filled_size}
    kept = {name: order_id for name, order_id in found.names.items() if order_id not in idle or int(name[1:]) == found.number}
    if found.entries and EXITS not in refs.memo and all(one.attached is None for one in found.entries):
        kept[EXITS] = NO_EXITS
    dropped = {name: "" for name in refs.memo if name in found.names and name not in kept}
    return {**{name: order_id for name, order_id in kept.items() if refs.memo.get(name) != order_id}, **dropped}
