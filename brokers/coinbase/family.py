"""One bracket's orders at the venue taken together: what has been filled, what still works, what that means. Pure.

The venue knows no brackets. A family is the entry (and what replaced it), the exits that were ever placed for it and the market orders that closed
it, with their executions. It is whole when the executions of each order add up to what the order itself says is filled; only a whole family is told
of, for an entry that ended may have traded a moment before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from brokers.coinbase.ids import Part, read_part
from brokers.coinbase.refusals import family as refusal_family
from brokers.live.facts import MADE_UP
from brokers.live.venue import Standing
from trading.events import CancelReason
from trading.money import ZERO, plain
from trading.venue_refs import StandingLeg, VenueRefs

BRACKETS = frozenset({"trigger_bracket_gtc", "trigger_bracket_gtd"})

_AVERAGE_STEP = Decimal("0.0000000001")
STOPS = frozenset({"stop_limit_stop_limit_gtc", "stop_limit_stop_limit_gtd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """``entries`` and ``exits`` oldest first; ``number`` is the highest part that was ever seen."""

    client_id: str
    entries: Sequence[VenueOrder] = ()
    exits: Sequence[VenueOrder] = ()
    closes: Sequence[VenueOrder] = ()
    fills: Sequence[VenueFill] = ()
    number: int = 0
    names: dict[str, str] = field(default_factory=dict)  # the adapter's memo: order ids by part, "b3"
    bought: Decimal | None = None  # what is held, where the orders were not looked at

    @property
    def entry(self) -> VenueOrder | None:
        """The entry in force: the newest."""
        return self.entries[-1] if self.entries else None

    @property
    def orders(self) -> list[VenueOrder]:
        return [*self.entries, *self.exits, *self.closes]

    @property
    def working_exits(self) -> list[VenueOrder]:
        """Exits that may still trade, in the book or on their way there."""
        return [one for one in self.exits if not one.status.is_final]

    @property
    def filled_units(self) -> Decimal:
        return sum((one.filled_size for one in self.entries), ZERO)

    @property
    def position_units(self) -> Decimal:
        """What the bracket holds, by the orders' own totals. Never negative: the venue cannot sell for it more than it bought."""
        if self.bought is not None:
            return self.bought
        out = sum((one.filled_size for one in (*self.exits, *self.closes)), ZERO)
        return max(plain(self.filled_units - out), ZERO)

    @property
    def remaining_units(self) -> Decimal:
        """What of the entry may still fill."""
        entry = self.entry
        if entry is None or entry.status.is_final or entry.configuration.base_size is None:
            return ZERO
        return max(plain(entry.configuration.base_size - entry.filled_size), ZERO)

    def has_no_news(self, refs: VenueRefs) -> bool:
        """Whether the book has counted as many executions as there are: then they need not be asked for."""
        counted = sum(1 for fill_id in refs.fill_ids if not fill_id.startswith(MADE_UP))
        there = [one.number_of_fills for one in self.orders]
        return sum(there) == counted and all(bool(one.filled_size) == bool(one.number_of_fills) for one in self.orders)

    @property
    def not_whole(self) -> list[VenueOrder]:
        """The orders whose executions do not add up to their totals: one of the two lags."""
        listed: dict[str, Decimal] = {}
        for one in self.fills:
            listed[one.order_id] = listed.get(one.order_id, ZERO) + one.size
        return [one for one in self.orders if listed.get(one.order_id, ZERO) != one.filled_size]


def sort_out(client_id: str, refs: VenueRefs, orders: Iterable[VenueOrder], fills: Iterable[VenueFill] = ()) -> Family:
    """The family of ``client_id`` among ``orders``, which may hold anybody's."""
    candidates = sorted({one.order_id: one for one in orders}.values(), key=lambda one: (one.created_ns, one.order_id))
    entries: list[tuple[int, VenueOrder]] = []
    exits: list[VenueOrder] = []
    closes: list[VenueOrder] = []
    rest: list[VenueOrder] = []
    number, names = highest_part(refs), dict[str, str]()
    for one in candidates:
        part = read_part(client_id, one.client_order_id)
        if part is not None:
            kind, part_number = part
            number = max(number, part_number)
            if part_number:
                names[f"{kind}{part_number}"] = one.order_id
            if kind is Part.ENTRY:
                entries.append((part_number, one))
            else:
                (closes if kind is Part.CLOSE else exits).append(one)
        elif one.order_id in refs.order_refs:
            entries.append((refs.order_refs.index(one.order_id), one))  # placed by hand, under a name that is not ours
        else:
            rest.append(one)
    entries.sort(key=lambda pair: pair[0])
    parents = {one.order_id for _, one in entries}
    children = {one.attached_order_id for _, one in entries if one.attached_order_id}
    legs = {leg.ref for leg in (refs.stop, refs.target) if leg is not None}
    attached = [one for one in rest if one.originating_order_id in parents or one.order_id in children | legs]
    mine = {one.order_id for one in (*(one for _, one in entries), *exits, *closes, *attached)}
    return Family(
        client_id=client_id,
        entries=[one for _, one in entries],
        exits=[*attached, *exits],
        closes=closes,
        fills=[one for one in fills if one.order_id in mine],
        number=number,
        names=names,
    )


def standing_legs(order: VenueOrder) -> tuple[StandingLeg | None, StandingLeg | None]:
    """The stop and the target that ``order`` is, None for one that does not stand. Only an order in the book guards anything.

    A stop that rests (``resting``) stands for 0 units.
    """
    has = order.configuration
    if order.status is not VenueStatus.OPEN or has.base_size is None or has.base_size <= order.filled_size:
        return None, None
    left = plain(has.base_size - order.filled_size)
    stop = None if has.stop_price is None else StandingLeg(ref=order.order_id, units=ZERO if order.rests else left, price=has.stop_price)
    if has.kind in BRACKETS and has.limit_price is not None and not order.is_triggered:
        return stop, StandingLeg(ref=order.order_id, units=left, price=has.limit_price)
    return (stop, None) if has.kind in BRACKETS or has.kind in STOPS else (None, None)


def is_cut_short(entry: VenueOrder) -> bool:
    """Whether the entry is over without having filled whole."""
    if not entry.status.is_final or entry.status is VenueStatus.FILLED:
        return False
    size = entry.configuration.base_size
    return size is None or entry.filled_size < size


def end_reason(entry: VenueOrder) -> CancelReason:
    """Why an entry ended before it had filled."""
    if entry.status is VenueStatus.EXPIRED:
        return CancelReason.TTL_EXPIRED
    if entry.status is VenueStatus.CANCELLED:
        return CancelReason.USER if "user" in entry.reason.lower() else CancelReason.VENUE
    return CancelReason.INSUFFICIENT_MARGIN if refusal_family(entry.reason) == "INSUFFICIENT_FUNDS" else CancelReason.VENUE


def standing(found: Family) -> Standing | None:
    """How the bracket stands; None when the venue has none of its orders."""
    entry = found.entry
    if entry is None:
        return None
    stop, target = next(((s, t) for one in reversed(found.exits) for s, t in [standing_legs(one)] if s or t), _waiting_legs(entry))
    has = entry.configuration
    filled = found.filled_units
    value = sum((one.filled_size * one.average_price for one in found.entries), ZERO)
    return Standing(
        remaining_units=found.remaining_units,
        position_units=found.position_units,
        average_price=(value / filled).quantize(_AVERAGE_STEP) if filled and value else None,
        entry_price=has.stop_price if has.kind in STOPS else has.limit_price,
        expires_ns=has.end_ns,
        stop=stop,
        target=target,
        ended=end_reason(entry) if is_cut_short(entry) else None,
    )


def _waiting_legs(entry: VenueOrder) -> tuple[StandingLeg | None, StandingLeg | None]:
    """The exits that an unfilled entry carries: they guard nothing yet, so they cover no units."""
    has = entry.attached
    if has is None or entry.filled_size or entry.status.is_final or has.stop_price is None or has.limit_price is None:
        return None, None
    ref = entry.attached_order_id
    return StandingLeg(ref=ref, price=has.stop_price), StandingLeg(ref=ref, price=has.limit_price)


def refreshed(found: Family, fresh: Mapping[str, VenueOrder]) -> Family:
    """``found`` with newer looks at some of its orders."""

    def newest(orders: Sequence[VenueOrder]) -> list[VenueOrder]:
        return [fresh.get(one.order_id, one) for one in orders]

    return replace(found, entries=newest(found.entries), exits=newest(found.exits), closes=newest(found.closes))


def highest_part(refs: VenueRefs) -> int:
    """The highest number of a part that the book knows of."""
    return max((int(name[1:]) for name in refs.memo if name[1:].isdecimal()), default=0)


def piece(client_id: str, order: VenueOrder, fills: Sequence[VenueFill]) -> Family:
    """A family of which one order is known. ``client_id`` is empty for an order of somebody else's, which is then taken for an entry."""
    part = read_part(client_id, order.client_order_id) if client_id else None
    kind = part[0] if part is not None else (Part.BRACKET if order.originating_order_id else Part.ENTRY)
    return Family(
        client_id=client_id,
        entries=[order] if kind is Part.ENTRY else [],
        exits=[order] if kind in {Part.BRACKET, Part.STOP} else [],
        closes=[order] if kind is Part.CLOSE else [],
        fills=[one for one in fills if one.order_id == order.order_id],
    )
