"""What a bracket must remember of its venue: under which ids it stands there, which of its exits stand, and which fills have been counted.

It is a field of ``Bracket`` and so lives in the same row: written in the transaction of the events that taught it, read back by a restart, needing no
table of its own. A field that a later version adds reads as its default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from trading.money import ZERO, book, plain

# A stop that is moved every few seconds is a new order each time.
LEG_REFS_MAX = 40


class Doubt(StrEnum):
    """Which question to the venue has had no answer, so that the bracket is UNKNOWN until it is looked up."""

    NONE = ""
    CREATE = "create"
    CANCEL = "cancel"
    AMEND = "amend"
    PROTECT = "protect"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLeg:
    """An exit that stands at the venue: its id there, how many units it covers, its price."""

    ref: str
    units: Decimal = ZERO
    price: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """A fill that was made up because the account showed another position, as far as the venue has not told its own since.

    ``until``: whatever had traded up to there, in the venue's own order of things (``brokers.live.facts``), was in what it showed.
    """

    fill_id: str
    is_entry: bool
    units: Decimal
    price: Decimal
    realized_pnl: Decimal
    until: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRefs:
    """One bracket's.

    ``client_id`` is ours, frozen before anything is sent; ``cursor_before`` is where the venue's log stood then, and ``sent_ns`` when that was.
    ``order_refs`` are the venue's ids of the entry, the newest last (a changed entry is a new order there); ``trade_refs`` those of the positions it
    opened. ``stop`` and ``target`` are the exits that stand now, None for one that does not; where a bracket has several positions,
    each with exits of its own, they are all of them together, and ``stops`` and ``targets`` hold each by its ``trade_ref`` ("" for one that covers
    everything). ``fill_ids`` are the fills that were counted, ``made_up`` those of them whose own word from the venue is still to come.
    ``leg_refs`` are the newest exits there ever were: one that has ended does not stand again because it is told of again. ``stop_removed``: the stop
    stood and somebody took it off at the venue.

    ``asked`` is a change that was sent and not answered yet, ``doubt`` one whose answer is being looked up, ``asked_ns`` when it was sent,
    ``released`` that it may have taken exits off. ``cancel_reason`` is an asked-for cancel that still has to be made or confirmed; ``entry_known``:
    the venue's records were read after an entry ended unfilled, so that no fill of it is still on its way. ``memo`` is the adapter's own, text by
    name.
    """

    client_id: str = ""
    cursor_before: str = ""
    sent_ns: int = 0
    order_refs: tuple[str, ...] = ()
    trade_refs: tuple[str, ...] = ()
    stop: StandingLeg | None = None
    target: StandingLeg | None = None
    stops: Mapping[str, StandingLeg] = field(default_factory=dict)
    targets: Mapping[str, StandingLeg] = field(default_factory=dict)
    fill_ids: tuple[str, ...] = ()
    made_up: tuple[MadeUp, ...] = ()
    leg_refs: tuple[str, ...] = ()
    stop_removed: bool = False
    asked: Doubt = Doubt.NONE
    doubt: Doubt = Doubt.NONE
    asked_ns: int = 0
    released: bool = False
    entry_known: bool = False
    cancel_reason: str = ""
    memo: Mapping[str, str] = field(default_factory=dict)

    def with_order(self, ref: str) -> "VenueRefs":
        """Also known under ``ref``, the newest id of its entry."""
        return self if not ref or self.order_refs[-1:] == (ref,) else replace(self, order_refs=(*(r for r in self.order_refs if r != ref), ref))

    def with_trade(self, ref: str) -> "VenueRefs":
        return self if not ref or ref in self.trade_refs else replace(self, trade_refs=(*self.trade_refs, ref))

    def with_stops(self, stops: Mapping[str, StandingLeg]) -> "VenueRefs":
        """With these stops and no others."""
        return replace(self, stops=dict(stops), stop=_together(stops))

    def with_targets(self, targets: Mapping[str, StandingLeg]) -> "VenueRefs":
        return replace(self, targets=dict(targets), target=_together(targets))

    def with_leg(self, ref: str) -> "VenueRefs":
        return self if not ref or ref in self.leg_refs else replace(self, leg_refs=(*self.leg_refs, ref)[-LEG_REFS_MAX:])

    def ids(self) -> tuple[str, ...]:
        """Every id under which the venue may speak of this bracket."""
        exits = (self.stop, self.target, *self.stops.values(), *self.targets.values())
        legs = tuple(dict.fromkeys(leg.ref for leg in exits if leg is not None and leg.ref))
        return (self.client_id, *self.order_refs, *self.trade_refs, *legs)


def _together(legs: Mapping[str, StandingLeg]) -> StandingLeg | None:
    """All of ``legs`` as one: what they cover together, at the newest one's id and price."""
    if not legs:
        return None
    newest = list(legs.values())[-1]
    return replace(newest, units=sum((leg.units for leg in legs.values()), ZERO))


def taken_from(made_up: Sequence[MadeUp], *, is_entry: bool, units: Decimal, at: int) -> tuple[tuple[MadeUp, ...], list[MadeUp]]:
    """What a fill of ``units`` leaves of ``made_up``, and what it takes the place of, the oldest first.

    Args:
        at: where it traded in the venue's own order of things; 0 where that is not said. What traded after a look is not what the look saw.
    """
    left: list[MadeUp] = []
    taken: list[MadeUp] = []
    for one in made_up:
        share = min(one.units, units) if one.is_entry is is_entry and at <= one.until else ZERO
        units -= share
        if share:
            taken.append(one if share == one.units else _part(one, share))
        if share < one.units:
            left.append(_part(one, one.units - share) if share else one)
    return tuple(left), taken


def _part(one: MadeUp, units: Decimal) -> MadeUp:
    return replace(one, units=plain(units), realized_pnl=book(one.realized_pnl * units / one.units))
