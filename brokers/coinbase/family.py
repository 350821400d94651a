"""One bracket's orders at the venue taken together: what has been filled, what still works, what that means. Pure.

The venue knows no brackets. A family is the entry (and what replaced it), the exits that were ever placed for it and the market orders that closed
it, with their executions. It is whole when the executions of each order add up to what the order itself says is filled; only a whole family is told
of, for an entry that ended may have traded a moment before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from brokers.coinbase.answers import VenueFill, VenueOrder, VenueStatus
from brokers.coinbase.ids import Part, read_part
from brokers.coinbase.refusals import family as refusal_family
from brokers.live.venue import EntryAccepted, EntryEnded, EntryFilled, EntryRefused, ExitFilled, Fact, LegGone, LegStands, Remembered, Standing
from trading.brackets import Liquidity
from trading.events import CancelReason
from trading.instruments import Side
from trading.money import ZERO, plain
from trading.orders import Leg
from trading.venue_refs import StandingLeg, VenueRefs

BRACKETS = frozenset({"trigger_bracket_gtc", "trigger_bracket_gtd"})
# What the memo says of exits that came with the entry: nothing until the entry was seen, then this where it carries none.
EXITS, NO_EXITS = "exits", "none"

# Ids of executions that the core made up for what no venue had a word for.
RECONCILED = "reconciled."

_AVERAGE_STEP = Decimal("0.0000000001")
_STOPS = frozenset({"stop_limit_stop_limit_gtc", "stop_limit_stop_limit_gtd"})


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
        counted = sum(1 for fill_id in refs.fill_ids if not fill_id.startswith(RECONCILED))
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
        liquidity = Liquidity.MAKER if one.is_maker else Liquidity.TAKER
        if one.order_id in entries:
            told.append(
                EntryFilled(
                    client_id=found.client_id,
                    order_ref=one.order_id,
                    time_ns=one.time_ns,
                    fill_id=one.entry_id,
                    units=one.size,
                    price=one.price,
                    fee=one.fee,
                    liquidity=liquidity,
                )
            )
        else:
            told.append(
                ExitFilled(
                    client_id=found.client_id,
                    order_ref=one.order_id,
                    time_ns=one.time_ns,
                    leg=exit_leg(orders[one.order_id], one.price),
                    fill_id=one.entry_id,
                    units=one.size,
                    price=one.price,
                    fee=one.fee,
                    liquidity=liquidity,
                )
            )
    return told


def exit_leg(order: VenueOrder, price: Decimal) -> Leg:
    """Which exit an execution of ``order`` at ``price`` was: a bracket trades at its target or better, or it is its stop."""
    has = order.configuration
    if has.kind in BRACKETS and has.limit_price is not None:
        is_target = price >= has.limit_price if order.side is Side.SELL else price <= has.limit_price
        return Leg.TAKE_PROFIT if is_target else Leg.STOP_LOSS
    return Leg.STOP_LOSS if has.kind in _STOPS else Leg.CLOSE


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
            price=has.stop_price if has.kind in _STOPS else has.limit_price,
            expires_ns=has.end_ns,
        )
    ]


def entry_end(found: Family) -> list[Fact]:
    """That the entry is over, unless it filled whole."""
    entry = found.entry
    if entry is None or not entry.status.is_final or entry.status is VenueStatus.FILLED:
        return []
    if entry.status is VenueStatus.FAILED and not found.filled_units:
        code = refusal_family(entry.reason)
        return [EntryRefused(client_id=found.client_id, order_ref=entry.order_id, code=code, text=entry.reason)]
    if entry.configuration.base_size is not None and entry.filled_size >= entry.configuration.base_size:
        return []
    return [EntryEnded(client_id=found.client_id, order_ref=entry.order_id, reason=end_reason(entry), text=entry.reason)]


def end_reason(entry: VenueOrder) -> CancelReason:
    """Why an entry ended before it had filled."""
    if entry.status is VenueStatus.EXPIRED:
        return CancelReason.TTL_EXPIRED
    if entry.status is VenueStatus.CANCELLED:
        return CancelReason.USER if "user" in entry.reason.lower() else CancelReason.VENUE
    return CancelReason.INSUFFICIENT_MARGIN if refusal_family(entry.reason) == "INSUFFICIENT_FUNDS" else CancelReason.VENUE


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
    over = {one.order_id: one for one in found.exits if one.status.is_final and one.status is not VenueStatus.FILLED}
    told += [
        LegGone(client_id=found.client_id, order_ref=believed.ref, leg=leg, text=over[believed.ref].reason)
        for leg, believed in ((Leg.STOP_LOSS, refs.stop), (Leg.TAKE_PROFIT, refs.target))
        if believed is not None and believed.ref in over
    ]
    return told


def standing_legs(order: VenueOrder) -> tuple[StandingLeg | None, StandingLeg | None]:
    """The stop and the target that ``order`` is, None for one that does not stand. Only an order in the book guards anything."""
    has = order.configuration
    if order.status is not VenueStatus.OPEN or has.base_size is None or has.base_size <= order.filled_size:
        return None, None
    left = plain(has.base_size - order.filled_size)
    stop = None if has.stop_price is None else StandingLeg(ref=order.order_id, units=left, price=has.stop_price)
    if has.kind in BRACKETS and has.limit_price is not None and not order.is_triggered:
        return stop, StandingLeg(ref=order.order_id, units=left, price=has.limit_price)
    return (stop, None) if has.kind in BRACKETS or has.kind in _STOPS else (None, None)


def standing(found: Family) -> Standing | None:
    """How the bracket stands; None when the venue has none of its orders."""
    entry = found.entry
    if entry is None:
        return None
    stop, target = next(((s, t) for one in reversed(found.exits) for s, t in [standing_legs(one)] if s or t), _waiting_legs(entry))
    has = entry.configuration
    ended = entry_end(found)
    filled = found.filled_units
    value = sum((one.filled_size * one.average_price for one in found.entries), ZERO)
    return Standing(
        remaining_units=found.remaining_units,
        position_units=found.position_units,
        average_price=(value / filled).quantize(_AVERAGE_STEP) if filled and value else None,
        entry_price=has.stop_price if has.kind in _STOPS else has.limit_price,
        expires_ns=has.end_ns,
        stop=stop,
        target=target,
        ended=end_reason(entry) if ended else None,
    )


def _waiting_legs(entry: VenueOrder) -> tuple[StandingLeg | None, StandingLeg | None]:
    """The exits that an unfilled entry carries: they guard nothing yet, so they cover no units."""
    has = entry.attached
    if has is None or entry.filled_size or entry.status.is_final or has.stop_price is None or has.limit_price is None:
        return None, None
    ref = entry.attached_order_id
    return StandingLeg(ref=ref, price=has.stop_price), StandingLeg(ref=ref, price=has.limit_price)


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


def piece_facts(found: Family, *, is_replaced: bool) -> list[Fact]:
    """What there is to tell of one order. ``is_replaced``: it is taken off to make room for another, so its end is no news."""
    told: list[Fact] = [*accepted(found), *fill_facts(found)]
    if found.client_id and found.entry is not None and found.entry.attached is None:
        told.append(Remembered(client_id=found.client_id, memo={EXITS: NO_EXITS}))
    if not is_replaced:
        told += entry_end(found)
    for one in found.exits:
        stop, target = standing_legs(one)
        if one.status.is_final and one.status is not VenueStatus.FILLED and not is_replaced:
            legs = [Leg.STOP_LOSS, *([Leg.TAKE_PROFIT] if one.configuration.kind in BRACKETS else [])]
            told += [LegGone(client_id=found.client_id, order_ref=one.order_id, leg=leg, text=one.reason) for leg in legs]
        told += [
            LegStands(client_id=found.client_id, order_ref=one.order_id, leg=leg, units=stands.units, price=stands.price)
            for leg, stands in ((Leg.STOP_LOSS, stop), (Leg.TAKE_PROFIT, target))
            if stands is not None
        ]
    return told


def facts_of_exit(client_id: str, placed: VenueOrder) -> list[Fact]:
    """That an exit stands which was placed this moment, and what it is called. What it traded at once is told when it is read."""
    part = read_part(client_id, placed.client_order_id)
    assert part is not None, "it goes by a name that was made for it"
    told: list[Fact] = piece_facts(piece(client_id, placed, []), is_replaced=False)
    return [*told, Remembered(client_id=client_id, memo={f"{part[0]}{part[1]}": placed.order_id})]


def _new_memo(found: Family, refs: VenueRefs) -> dict[str, str]:
    """What of the parts' names has to be kept or may be dropped: one that ended without a trade is not needed, but for the highest number."""
    idle = {one.order_id for one in found.orders if one.status.is_final and not one.filled_size}
    kept = {name: order_id for name, order_id in found.names.items() if order_id not in idle or int(name[1:]) == found.number}
    if found.entries and EXITS not in refs.memo and all(one.attached is None for one in found.entries):
        kept[EXITS] = NO_EXITS
    dropped = {name: "" for name in refs.memo if name in found.names and name not in kept}
    return {**{name: order_id for name, order_id in kept.items() if refs.memo.get(name) != order_id}, **dropped}
