"""The exits of a bracket as the venue shows them. Pure."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from brokers.live.venue import LegGone, LegStands
from trading import events
from trading.brackets import Bracket
from trading.events import CancelReason, EventDraft
from trading.orders import BracketOrder, Leg
from trading.venue_refs import Doubt, StandingLeg

Tell = Callable[[EventDraft], None]


def leg_stands(bracket: Bracket, fact: LegStands, tell: Tell, now_ns: int) -> Bracket:
    """``bracket`` with an exit that works at the venue. One at another price than ours was moved there by somebody: theirs is in force."""
    current = bracket.venue.stop if fact.leg is Leg.STOP_LOSS else bracket.venue.target
    if fact.order_ref in bracket.venue.leg_refs and (current is None or current.ref != fact.order_ref):
        return bracket  # an old story: it has ended or been replaced since
    leg = StandingLeg(ref=fact.order_ref, units=fact.units, price=fact.price)
    refs = bracket.venue.with_trade(fact.trade_ref).with_leg(fact.order_ref)
    refs = replace(refs, stop=leg, stop_removed=False) if fact.leg is Leg.STOP_LOSS else replace(refs, target=leg)
    return moved(replace(bracket, venue=refs), fact.leg, fact.price, tell, now_ns)


def moved(bracket: Bracket, leg: Leg, price: Decimal, tell: Tell, now_ns: int) -> Bracket:
    """``bracket`` with the price of one exit as the venue has it; told of unless it trails or a change of ours is on its way."""
    order, is_ours = bracket.order, bracket.venue.asked is not Doubt.NONE or bracket.venue.doubt is not Doubt.NONE
    if leg is Leg.STOP_LOSS:
        before, name = bracket.stop_price, "stop_loss_price"
        after = replace(bracket, stop_price=price)
        if order.trailing_stop_distance is not None:
            return after
    else:
        before, name = order.take_profit_price, "take_profit_price"
        after = bracket
    if price == before or is_ours:
        return after if leg is Leg.STOP_LOSS and not is_ours else bracket
    after = replace(after, order=with_exit(order, leg, price), updated_ns=now_ns)
    tell(events.order_modified(after, {name: {"from": before, "to": price}}, now_ns))
    return after


def with_exit(order: BracketOrder, leg: Leg, price: Decimal) -> BracketOrder:
    """``order`` with an exit at ``price``, unless that makes no bracket (a hand at the venue can do what a ticket cannot): then as it was."""
    stop, target = (price, order.take_profit_price) if leg is Leg.STOP_LOSS else (order.stop_loss_price, price)
    if (target - stop) * order.side.sign <= 0:
        return order
    return replace(order, stop_loss_price=stop, take_profit_price=target)


def leg_gone(bracket: Bracket, fact: LegGone, tell: Tell, now_ns: int) -> Bracket:
    """``bracket`` without an exit. One that a call of ours may have taken off was taken off by it, however late that is told."""
    refs = bracket.venue
    standing = refs.stop if fact.leg is Leg.STOP_LOSS else refs.target
    if standing is None or (fact.order_ref and standing.ref and fact.order_ref != standing.ref):
        return bracket
    is_out = refs.asked is not Doubt.NONE or refs.doubt is not Doubt.NONE or bool(bracket.closing_units)
    is_ours = is_out or refs.released
    if fact.leg is Leg.STOP_LOSS:
        after = replace(bracket, venue=replace(refs, stop=None, stop_removed=bool(bracket.position_units) and not is_ours))
    else:
        after = replace(bracket, venue=replace(refs, target=None))
    if bracket.position_units and not is_ours:
        tell(events.order_cancelled(after, fact.leg, CancelReason.VENUE, now_ns))
    return after
