"""Comparing a bracket with how it stands at the venue. Pure; the venue wins.

What the venue still has facts for comes as facts and is no difference. What is left is: an entry that ended untold or rests otherwise, a position
that is smaller or larger, exits and prices other than ours. A position or an entry that is missing or another must be so twice, some seconds apart,
before the book believes it: a look may cross a fill on its way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.live.facts import MADE_UP, EntryChanged, EntryEnded, EntryFilled, ExitFilled, Fact, LegGone, LegStands, TrailingChanged
from brokers.live.venue import Standing
from trading.brackets import Bracket
from trading.errors import ArenaError
from trading.events import CancelReason
from trading.money import ZERO, plain
from trading.orders import Leg
from trading.venue_refs import Doubt

# What a hand at the venue can change of an entry that rests.
RESTS_WITH = ("units", "entry_price", "stop_loss_price", "take_profit_price", "trailing_stop_distance")
_EXITS = {"take_profit_price": "take profit", "trailing_stop_distance": "trailing stop"}

# How long a thing that is missing at the venue must be missing.
MISSED_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """``text`` for people, and the fact that makes the book agree. ``is_sure``: one look is enough."""

    text: str
    fact: Fact
    is_sure: bool


def differences(bracket: Bracket, standing: Standing, mark_price: Decimal | None, begun_ns: int, until: int) -> Sequence[Difference]:
    """In what ``bracket``, with all facts applied, differs from ``standing``, as it was at ``begun_ns``.

    ``until`` is how far the look reached in the venue's own order of things. ``mark_price`` prices a position that left without a word.
    """
    found: list[Difference] = []
    name, held, there = bracket.order_id, bracket.position_units, standing.position_units
    client_id = bracket.venue.client_id
    if there > held:
        price = standing.average_price or bracket.order.entry_price or mark_price or bracket.stop_price
        entered = EntryFilled(client_id=client_id, fill_id=_fill_id(bracket), units=plain(there - held), price=price, time_ns=begun_ns, at=until)
        found.append(Difference(text=f"{name}: the venue holds {there}, the book held {held}", fact=entered, is_sure=False))
    if there < held:
        price = mark_price or bracket.average_entry_price or bracket.stop_price
        units = plain(held - there)
        left = ExitFilled(client_id=client_id, leg=Leg.CLOSE, fill_id=_fill_id(bracket), units=units, price=price, time_ns=begun_ns, at=until)
        found.append(Difference(text=f"{name}: the venue holds {there}, the book held {held}", fact=left, is_sure=False))
    if bracket.remaining_units and not standing.remaining_units and there <= held:
        ended = EntryEnded(client_id=client_id, reason=standing.ended or CancelReason.VENUE)
        found.append(Difference(text=f"{name}: its entry has ended at the venue", fact=ended, is_sure=standing.ended is not None))
    is_ours = Doubt.AMEND in {bracket.venue.asked, bracket.venue.doubt}  # what is other there may be the change that is being looked for
    if bracket.remaining_units and standing.remaining_units and there == held and not is_ours:
        found += _entry(bracket, standing)
    if there and there == held:
        found += _legs(bracket, standing)
    return found


def gone(bracket: Bracket, mark_price: Decimal | None, begun_ns: int, until: int) -> Sequence[Difference]:
    """The same for a bracket that the venue knows nothing of."""
    return differences(bracket, Standing(remaining_units=Decimal(0), position_units=Decimal(0)), mark_price, begun_ns, until)


def with_prices_of(standing: Standing, bracket: Bracket) -> tuple[Bracket, dict[str, object]]:
    """``bracket`` with the prices and the date that the venue has, and what that changed, as ``order_modified`` tells it."""
    order = bracket.order
    now = {"entry_price": order.entry_price, "stop_loss_price": bracket.stop_price, "take_profit_price": order.take_profit_price}
    now["trailing_stop_distance"] = order.trailing_stop_distance
    there = {
        "entry_price": standing.entry_price if order.entry_price is not None and bracket.remaining_units else None,
        "stop_loss_price": None if standing.stop is None else standing.stop.price,
        "take_profit_price": None if standing.target is None else standing.target.price,
        "trailing_stop_distance": None if standing.exits is None else standing.exits.trailing_stop_distance,
    }
    wanted = {name: price for name, price in there.items() if price is not None and price != now[name]}
    try:
        order = replace(order, **wanted)  # type: ignore[arg-type]  # names of its fields
    except ArenaError:
        wanted = {}  # a hand at the venue made of it what is no bracket: its legs are told one by one
    expires_ns = standing.expires_ns if standing.expires_ns is not None and bracket.remaining_units else bracket.ttl_expires_ns
    stop_price = wanted.get("stop_loss_price", bracket.stop_price)
    changes: dict[str, object] = {name: {"from": now[name], "to": price} for name, price in wanted.items()}
    return replace(bracket, order=order, ttl_expires_ns=expires_ns, stop_price=stop_price), changes


def _entry(bracket: Bracket, standing: Standing) -> list[Difference]:
    """In what an entry rests otherwise than it was given. Its exits count while nothing has filled: afterwards they are told one by one."""
    changed, shown = (bracket, None) if bracket.filled_units else (with_prices_of(standing, bracket)[0], standing.exits)
    there = replace(changed.order, units=plain(bracket.filled_units + standing.remaining_units))
    had_stop = has_stop = bool(there.stop_loss_price) and not bracket.venue.stop_removed
    if shown is not None:
        target = there.take_profit_price if shown.has_target else ZERO
        there = replace(there, take_profit_price=target, trailing_stop_distance=shown.trailing_stop_distance)
        has_stop = shown.has_stop and bool(there.stop_loss_price)
    other = [name for name in RESTS_WITH if getattr(there, name) != getattr(bracket.order, name)]
    changes = [f"{name} {value}, not {getattr(bracket.order, name)}" for name in other if (value := getattr(there, name))]
    missing = [f"its {_EXITS.get(name, name)}" for name in other if not getattr(there, name)]
    if has_stop and bracket.venue.stop_removed:
        changes.append("its stop loss again")
    if had_stop and not has_stop:
        missing.append("its stop loss, so what fills of it has none")
    if not changes and not missing:
        return []
    ways = [f"{word} {joined}" for word, joined in (("with", "; ".join(changes)), ("without", " and ".join(missing))) if joined]
    fact = EntryChanged(client_id=bracket.venue.client_id, order=there, has_stop=has_stop or not there.stop_loss_price)
    return [Difference(text=f"{bracket.order_id}: its entry rests at the venue {', '.join(ways)}", fact=fact, is_sure=False)]


def _legs(bracket: Bracket, standing: Standing) -> list[Difference]:
    found: list[Difference] = []
    client_id = bracket.venue.client_id
    pairs = ((Leg.STOP_LOSS, bracket.venue.stop, standing.stop), (Leg.TAKE_PROFIT, bracket.venue.target, standing.target))
    for leg, ours, theirs in pairs:
        what = f"{bracket.order_id}: its {str(leg).replace('_', ' ')}"
        is_same = theirs is not None and ours is not None and bool(theirs.ref) and theirs.ref == ours.ref  # though it may guard nothing any more
        if theirs is not None and (theirs.units or is_same) and (ours is None or (theirs.units, theirs.price) != (ours.units, ours.price)):
            stands = LegStands(client_id=client_id, order_ref=theirs.ref, leg=leg, units=theirs.units, price=theirs.price, is_whole=True)
            found.append(Difference(text=f"{what} stands at {theirs.price} for {theirs.units}", fact=stands, is_sure=True))
        elif ours is not None and not is_same and (theirs is None or not theirs.units):
            off = LegGone(client_id=client_id, order_ref=ours.ref, leg=leg)
            found.append(Difference(text=f"{what} does not stand at the venue any more", fact=off, is_sure=True))
    return found + _trailing(bracket, standing)


def _trailing(bracket: Bracket, standing: Standing) -> list[Difference]:
    """Whether the stop of a position trails otherwise than it was given; what is being changed from here is no difference."""
    ours, refs = bracket.order.trailing_stop_distance, bracket.venue
    if standing.exits is None or standing.exits.trailing_stop_distance == ours or refs.asked is not Doubt.NONE or refs.doubt is not Doubt.NONE:
        return []
    theirs = standing.exits.trailing_stop_distance
    text = f"{bracket.order_id}: its trailing stop is {'off at the venue' if theirs is None else f'{theirs} away at the venue, not {ours}'}"
    return [Difference(text=text, fact=TrailingChanged(client_id=refs.client_id, distance=theirs), is_sure=False)]


def _fill_id(bracket: Bracket) -> str:
    """Of a fill that the venue has no word for: ours, and another one each time."""
    return f"{MADE_UP}{bracket.order_id}.{bracket.fill_count + 1}"
