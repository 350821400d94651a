"""What Rick remembers of one source's journal, and how one more event changes it.

The memory is a value: ``advance(story, event)`` returns the next one and changes nothing. It holds only what the journal said, so reading the same
journal again gives the same memory. It is bounded: orders are forgotten when they are over, and the oldest one when more than ORDERS_MAX are open.
A new epoch, or a hole in what could be read, starts it afresh: somebody who begins to read there would know no more either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation

from dashboard.narrator.reading import Happening, clean, number

# A desk with more open brackets than this still gets every comment; those on forgotten orders say less. What an event costs grows with this number:
# with a thousand, a flood of orders kept Rick busier than the broker that carried them out.
ORDERS_MAX = 200

_OVER = frozenset({"CLOSED", "CANCELLED", "EXPIRED", "REJECTED", "VOID"})
# order_modified's names for what the story keeps under a shorter one.
_CHANGEABLE = {"entry_price": "entry", "stop_loss_price": "stop", "take_profit_price": "target", "trailing_stop_distance": "trail", "units": "units"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOrder:
    """A bracket as its events told it. ``cost`` is the sum of price times units of its entry fills."""

    order_id: str
    placed_seq: int
    instrument: str
    side: str
    units: Decimal | None = None
    entry_type: str = "limit"
    entry: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    quality: Decimal | None = None
    filled: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    position: Decimal = Decimal(0)

    @property
    def average_entry(self) -> Decimal | None:
        """The mean price of its entry fills; before any, the price it waits for."""
        return self.cost / self.filled if self.filled else self.entry

    @property
    def first_stop(self) -> Decimal | None:
        """Where the stop stands at the entry: a trailing one keeps its distance from the fill on. Where it goes from there is in no event."""
        entry = self.average_entry
        if self.stop is None or self.trail is None or entry is None:
            return self.stop
        return max(self.stop, entry - self.trail) if self.is_buy else min(self.stop, entry + self.trail)

    @property
    def is_buy(self) -> bool:
        return self.side == "BUY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One source's story so far: ``orders`` in the order they were placed, ``streak`` of wins in a row, negative for losses."""

    orders: Mapping[str, KnownOrder] = field(default_factory=dict)
    streak: int = 0
    wins: int = 0
    losses: int = 0

    def siblings(self, order: KnownOrder) -> list[KnownOrder]:
        """The other orders on the same instrument that are not over."""
        itself, instrument = self.orders.get(order.order_id), order.instrument
        same = [other for other in self.orders.values() if other.instrument == instrument]
        return same if itself is None else [other for other in same if other is not itself]


def advance(story: Story, event: Happening) -> Story:
    """The story after ``event``."""
    if event.type in {"source_reset", "paper_reset"}:
        return Story()
    if event.type == "bracket_closed":
        story = _count_result(story, net_result(event))
    order_id = event.order_id
    if order_id is None:
        return story
    if _is_over(event):
        return replace(story, orders={key: order for key, order in story.orders.items() if key != order_id})
    known = story.orders.get(order_id)
    changed = _order_after(known, event)
    if changed is None or changed is known:
        return story
    orders = dict(story.orders)
    if event.type == "oco_placed":
        orders.pop(order_id, None)  # placed again under its old name: it is the newest now
    orders[order_id] = changed
    if len(orders) > ORDERS_MAX:
        del orders[next(iter(orders))]
    return Story(orders=orders, streak=story.streak, wins=story.wins, losses=story.losses)


def net_result(event: Happening) -> Decimal | None:
    """What a closed bracket brought after fees, in the account's currency; None where it does not say."""
    pnl = event.number("realized_pnl")
    return None if pnl is None else pnl - (event.number("fees") or 0)


def _count_result(story: Story, pnl: Decimal | None) -> Story:
    if not pnl:  # unknown or exactly nil: neither a win nor a loss, and no end of a streak
        return story
    if pnl > 0:
        return replace(story, streak=max(story.streak, 0) + 1, wins=story.wins + 1)
    return replace(story, streak=min(story.streak, 0) - 1, losses=story.losses + 1)


def _is_over(event: Happening) -> bool:
    if event.type in {"bracket_closed", "order_rejected"}:
        return True
    return event.type in {"order_cancelled", "order_resolved"} and event.word("status") in _OVER


def _order_after(known: KnownOrder | None, event: Happening) -> KnownOrder | None:
    if event.type == "oco_placed":
        return _placed(event)
    if known is None:
        return None
    if event.type in {"order_filled", "order_partially_filled"}:
        return _filled(known, event)
    if event.type == "order_modified":
        return _modified(known, event)
    return known


def order_of(event: Happening) -> KnownOrder | None:
    """As much of the order as its one event says by itself; None where it names no order or no instrument."""
    order_id, instrument, side = event.order_id, event.word("instrument"), event.word("side")
    if order_id is None or instrument is None:
        return None
    return KnownOrder(order_id=order_id, placed_seq=event.seq, instrument=instrument, side=side or "", units=event.number("units"))


def _placed(event: Happening) -> KnownOrder | None:
    order_id, instrument = event.order_id, event.word("instrument")
    if order_id is None or instrument is None:
        return None
    return KnownOrder(
        order_id=order_id,
        placed_seq=event.seq,
        instrument=instrument,
        side=event.word("side") or "",
        units=event.number("units"),
        entry_type=event.word("entry_type") or "limit",
        entry=event.number("entry"),
        stop=event.number("sl"),
        target=event.number("tp"),
        trail=event.number("trailing_stop_distance"),
        quality=event.number("quality"),
    )


def _filled(order: KnownOrder, event: Happening) -> KnownOrder:
    units, at, position = fill_units(order, event), event.number("price"), event.number("position_units")
    if event.word("leg") != "entry":
        return replace(order, position=position if position is not None else max(order.position - units, Decimal(0)))
    return replace(
        order,
        filled=order.filled + units,
        cost=order.cost + units * (at if at is not None else order.entry or Decimal(0)),
        position=position if position is not None else order.position + units,
    )


def fill_units(order: KnownOrder | None, event: Happening) -> Decimal:
    """How many units this one fill moved: what it says, else what the position changed by."""
    said, position = event.number("fill_units"), event.number("position_units")
    if said is not None:
        return abs(said)
    if position is not None and order is not None:
        return abs(position - order.position)
    return abs(event.number("units") or Decimal(0))


def _modified(order: KnownOrder, event: Happening) -> KnownOrder:
    values = {_CHANGEABLE[key]: new for key, (_, new) in changes(event).items() if key in _CHANGEABLE and new is not None}
    return replace(order, **values)  # type: ignore[arg-type]  # the values of _CHANGEABLE are fields that hold numbers


def changes(event: Happening) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """What order_modified changed: name → (from, to)."""
    found: dict[str, tuple[Decimal | None, Decimal | None]] = {}
    for key, value in event.mapping("changes").items():
        pair = value if isinstance(value, Mapping) else {"to": value}
        found[clean(key)] = number(pair.get("from")), number(pair.get("to"))
    return found


_ORDER_FIELDS = tuple(each.name for each in fields(KnownOrder))


def order_to_json(order: KnownOrder) -> dict[str, object]:
    """The order as plain JSON values, numbers as text."""
    held = ((key, getattr(order, key)) for key in _ORDER_FIELDS)
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in held}


def order_from_json(values: Mapping[str, object]) -> KnownOrder:
    """What ``order_to_json`` wrote.

    Raises:
        ValueError: it was not written by it.
    """
    numbers = {"units", "entry", "stop", "target", "trail", "quality", "filled", "cost", "position"}
    try:
        read = {key: Decimal(str(value)) if key in numbers and value is not None else value for key, value in values.items()}
        return KnownOrder(**read)  # type: ignore[arg-type]  # the names and types are those order_to_json wrote
    except (InvalidOperation, TypeError) as error:
        raise ValueError(f"not a remembered order: {error}") from error
