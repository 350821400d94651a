"""The exits of a bracket as the venue shows them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from brokers.live.facts import ExitFilled, Fact, LegGone, LegStands
from trading import events
from trading.brackets import Bracket
from trading.events import CancelReason, EventDraft
from trading.money import ZERO
from trading.orders import BracketOrder, Leg
from trading.venue_refs import Doubt, StandingLeg

Tell = Callable[[EventDraft], None]


def lasting(facts: Sequence[Fact]) -> list[Fact]:
    """Those of a picture that was taken before something happened to the bracket: an exit that stood then may have been taken off since."""
    return [fact for fact in facts if not isinstance(fact, LegStands)]


def leg_stands(bracket: Bracket, fact: LegStands, tell: Tell, now_ns: int) -> Bracket:
    """``bracket`` with an exit that works at the venue. One at another price than ours was moved there by somebody: theirs is in force."""
    refs, is_stop = bracket.venue, fact.leg is Leg.STOP_LOSS
    standing = refs.stops if is_stop else refs.targets
    if not fact.is_whole and fact.order_ref in refs.leg_refs and all(leg.ref != fact.order_ref for leg in standing.values()):
        return bracket  # an old story: it has ended or been replaced since
    leg = StandingLeg(ref=fact.order_ref, units=fact.units, price=fact.price)
    refs = refs.with_trade(fact.trade_ref).with_leg(fact.order_ref)
    # One that covers everything and one of a position of its own are not added up: too little is looked for, too much would be believed.
    others = {} if not fact.trade_ref else {trade: each for trade, each in standing.items() if trade not in {"", fact.trade_ref}}
    now = {**others, fact.trade_ref: leg}
    refs = replace(refs.with_stops(now), stop_removed=False) if is_stop else refs.with_targets(now)
    return moved(replace(bracket, venue=refs), fact.leg, fact.price, tell, now_ns)


def shrunk(bracket: Bracket, fact: ExitFilled, *, releases: bool) -> Bracket:
    """``bracket`` after an exit: the exits of the position that left have shrunk with it, and those of one that is gone are gone.

    Args:
        releases: the venue's exits are orders of their own, which a close does not make smaller: one that stands beside it would sell too much.
    """
    refs, held = bracket.venue, bracket.position_units
    if releases and fact.leg is Leg.CLOSE:
        return bracket

    def follow(legs: Mapping[str, StandingLeg]) -> dict[str, StandingLeg]:
        if not held:
            return {}
        if fact.trade_ref not in legs:
            return {trade: replace(leg, units=min(leg.units, held)) for trade, leg in legs.items()}
        left = {**legs, fact.trade_ref: replace(legs[fact.trade_ref], units=min(legs[fact.trade_ref].units - fact.units, held))}
        return {trade: leg for trade, leg in left.items() if leg.units > 0}

    return replace(bracket, venue=refs.with_stops(follow(refs.stops)).with_targets(follow(refs.targets)))


def unsure(bracket: Bracket) -> Bracket:
    """``bracket`` whose stop counts for nothing until it is seen: a call that takes exits off may have done so and not have put them back."""
    stop = bracket.venue.stop
    return bracket if stop is None else replace(bracket, venue=replace(bracket.venue, stop=replace(stop, units=ZERO)))


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
    refs, is_stop = bracket.venue, fact.leg is Leg.STOP_LOSS
    standing = refs.stops if is_stop else refs.targets
    left = {trade: leg for trade, leg in standing.items() if fact.order_ref and leg.ref and leg.ref != fact.order_ref}
    if len(left) == len(standing):
        return bracket
    is_out = refs.asked is not Doubt.NONE or refs.doubt is not Doubt.NONE or bool(bracket.closing_units)
    is_ours = is_out or refs.released
    if is_stop:
        after = replace(bracket, venue=replace(refs.with_stops(left), stop_removed=bool(bracket.position_units) and not is_ours))
    else:
        after = replace(bracket, venue=refs.with_targets(left))
    if bracket.position_units and not is_ours:
        tell(events.order_cancelled(after, fact.leg, CancelReason.VENUE, now_ns))
    return after
