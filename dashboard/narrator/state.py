"""What Rick remembers of one source's journal, and how one more event changes it.

A story holds only what the journal said, so reading the same journal again gives the same story. It is bounded: orders are forgotten when they are
over, and the oldest one when more than ORDERS_MAX are open. A new epoch, or a hole in what could be read, starts it afresh: somebody who begins to
read there would know no more either.

``advance`` changes the story it is given. Whoever needs it as it was takes a ``copy`` before: one for a batch, not one for each of its events.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from operator import attrgetter

import msgspec
from msgspec.structs import replace

from dashboard.narrator.reading import Happening, clean, number

# A desk with more open brackets than this still gets every comment; those on forgotten orders say less.
ORDERS_MAX = 200

_OVER = frozenset({"CLOSED", "CANCELLED", "EXPIRED", "REJECTED", "VOID"})
_NIL = Decimal(0)
# order_modified's names for what the story keeps under a shorter one.
_CHANGEABLE = {"entry_price": "entry", "stop_loss_price": "stop", "take_profit_price": "target", "trailing_stop_distance": "trail", "units": "units"}


class KnownOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    filled: Decimal = _NIL
    cost: Decimal = _NIL
    position: Decimal = _NIL

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


class Story:
    """One source's story so far: ``orders`` in the order they were placed, ``streak`` of wins in a row, negative for losses.

    Beside the orders it keeps how many there are on each instrument and which of them hold a position: a comment on one order looks at its company,
    and going through all of them for it was the dearest part of a comment.
    """

    __slots__ = ("_count", "_holding", "losses", "orders", "streak", "wins")

    def __init__(self, orders: Iterable[KnownOrder] = (), *, streak: int = 0, wins: int = 0, losses: int = 0) -> None:
        self.streak = streak
        self.wins = wins
        self.losses = losses
        self.orders: dict[str, KnownOrder] = {}
        self._count: dict[str, int] = {}
        self._holding: dict[str, dict[str, KnownOrder]] = {}
        for order in orders:
            self.put(order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Story):
            return NotImplemented
        mine, theirs = ((each.streak, each.wins, each.losses, list(each.orders.values())) for each in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it changes

    def copy(self) -> "Story":
        copy = Story(streak=self.streak, wins=self.wins, losses=self.losses)
        copy.orders, copy._count = dict(self.orders), dict(self._count)
        copy._holding = {instrument: dict(orders) for instrument, orders in self._holding.items()}
        return copy

    def clear(self) -> None:
        """Begin afresh."""
        self.streak = self.wins = self.losses = 0
        for each in (self.orders, self._count, self._holding):
            each.clear()

    def put(self, order: KnownOrder) -> None:
        """Remember ``order`` in the place of the one of its name, or as the newest."""
        self._uncount(self.orders.get(order.order_id))
        self.orders[order.order_id] = order
        self._count[order.instrument] = self._count.get(order.instrument, 0) + 1
        if order.position:
            self._holding.setdefault(order.instrument, {})[order.order_id] = order

    def forget(self, order_id: str) -> None:
        self._uncount(self.orders.pop(order_id, None))

    def forget_beyond(self, orders_max: int) -> None:
        """Forget the oldest until no more than ``orders_max`` are left."""
        while len(self.orders) > orders_max:
            self.forget(next(iter(self.orders)))

    def others(self, order: KnownOrder) -> int:
        """How many other orders on the same instrument are not over."""
        itself = self.orders.get(order.order_id)
        return self._count.get(order.instrument, 0) - (itself is not None and itself.instrument == order.instrument)

    def others_holding(self, order: KnownOrder) -> list[KnownOrder]:
        """Those of them that hold a position, the oldest first."""
        holding = self._holding.get(order.instrument)
        if not holding:
            return []
        return sorted((other for other in holding.values() if other.order_id != order.order_id), key=_placed_seq)

    def _uncount(self, order: KnownOrder | None) -> None:
        if order is None:
            return
        left = self._count[order.instrument] - 1
        if left:
            self._count[order.instrument] = left
        else:
            del self._count[order.instrument]
        if order.position:
            holding = self._holding[order.instrument]
            del holding[order.order_id]
            if not holding:
                del self._holding[order.instrument]


_placed_seq = attrgetter("placed_seq")


def advance(story: Story, event: Happening) -> None:
    """Move ``story`` past ``event``. It may hold one order more than ORDERS_MAX then: the comment still counts it (story.py forgets it)."""
    if event.type in {"source_reset", "paper_reset"}:
        story.clear()
        return
    if event.type == "bracket_closed":
        _count_result(story, net_result(event))
    order_id = event.order_id
    if order_id is None:
        return
    if _is_over(event):
        story.forget(order_id)
        return
    known = story.orders.get(order_id)
    changed = _order_after(known, event)
    if changed is None or changed is known:
        return
    if event.type == "oco_placed":
        story.forget(order_id)  # placed again under its old name: it is the newest now
    story.put(changed)


def net_result(event: Happening) -> Decimal | None:
    """What a closed bracket brought after fees, in the account's currency; None where it does not say."""
    pnl = event.number("realized_pnl")
    return None if pnl is None else pnl - (event.number("fees") or 0)


def _count_result(story: Story, pnl: Decimal | None) -> None:
    if not pnl:  # unknown or exactly nil: neither a win nor a loss, and no end of a streak
        return
    if pnl > 0:
        story.streak = max(story.streak, 0) + 1
        story.wins += 1
    else:
        story.streak = min(story.streak, 0) - 1
        story.losses += 1


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
        return replace(order, position=position if position is not None else max(order.position - units, _NIL))
    return replace(
        order,
        filled=order.filled + units,
        cost=order.cost + units * (at if at is not None else order.entry or _NIL),
        position=position if position is not None else order.position + units,
    )


def fill_units(order: KnownOrder | None, event: Happening) -> Decimal:
    """How many units this one fill moved: what it says, else what the position changed by."""
    said, position = event.number("fill_units"), event.number("position_units")
    if said is not None:
        return abs(said)
    if position is not None and order is not None:
        return abs(position - order.position)
    return abs(event.number("units") or _NIL)


def _modified(order: KnownOrder, event: Happening) -> KnownOrder:
    values = {_CHANGEABLE[key]: new for key, (_, new) in changes(event).items() if key in _CHANGEABLE and new is not None}
    return replace(order, **values)


def changes(event: Happening) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    """What order_modified changed: name → (from, to)."""
    found: dict[str, tuple[Decimal | None, Decimal | None]] = {}
    for key, value in event.mapping("changes").items():
        pair = value if isinstance(value, Mapping) else {"to": value}
        found[clean(key)] = number(pair.get("from")), number(pair.get("to"))
    return found


def order_to_json(order: KnownOrder) -> str:
    """The order as JSON, numbers as text."""
    return msgspec.json.encode(order).decode()


def order_from_json(text: str) -> KnownOrder:
    """What ``order_to_json`` wrote.

    Raises:
        ValueError: it was not written by it.
    """
    try:
        return msgspec.json.decode(text, type=KnownOrder)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a remembered order: {error}") from error
