"""A venue in memory whose other side can be played by a test: it takes brackets, fills them and moves their exits, and logs all that happened.

It outlives any number of adapters; ``tests.brokers.live.scripted_venue`` is the ``Venue`` through which one adapter speaks to it.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from brokers.live.venue import (
    Amendment,
    EntryAccepted,
    EntryEnded,
    EntryFilled,
    ExitFilled,
    Exits,
    Fact,
    LegGone,
    LegStands,
    Standing,
    Target,
    VenueRefused,
)
from trading.events import CancelReason
from trading.orders import BracketOrder, Leg
from trading.venue_refs import StandingLeg

ZERO = Decimal(0)


@dataclass
class Held:
    """One bracket as the exchange has it."""

    client_id: str
    order_ref: str
    order: BracketOrder
    expires_ns: int
    filled: Decimal = ZERO
    open_units: Decimal = ZERO
    entry_value: Decimal = ZERO
    is_working: bool = True
    stop: StandingLeg | None = None
    target: StandingLeg | None = None
    stop_price: Decimal = ZERO
    target_price: Decimal = ZERO
    trade_ref: str = ""
    ended: CancelReason | None = None
    facts: list[Fact] = field(default_factory=list)
    was_naked: bool = False

    @property
    def remaining(self) -> Decimal:
        return self.order.units - self.filled if self.is_working else ZERO


class Exchange:
    """Orders by client id, and the log of all that happened."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.log: list[Fact] = []
        self.creates: dict[str, int] = {}
        self.balance = Decimal(100_000)
        self.exits = Exits.ATTACHED
        self.refuses_stops = False
        self.doubles_creates = True  # as OANDA: a second create under the same id is a second order
        self.confirms_cancels = True
        self.close_price = Decimal("1.1650")
        self._moves = 0
        self.on_create: Callable[[], None] = lambda: None
        self.clock: Callable[[], int] = lambda: 0
        self.has_log_numbers = True
        self._ids = itertools.count(1)
        self._news = asyncio.Event()

    def next_id(self) -> str:
        return str(next(self._ids))

    def by_id(self, client_id: str) -> Held:
        return self.held[client_id]

    @property
    def only(self) -> Held:
        """The one bracket there is."""
        (held,) = self.held.values()
        return held

    # ── what is asked of it ──

    def create(self, client_id: str, order: BracketOrder, expires_ns: int) -> list[Fact]:
        if client_id in self.held and not self.doubles_creates:
            return list(self.held[client_id].facts)
        self.creates[client_id] = self.creates.get(client_id, 0) + 1
        ref = self.next_id()
        self.held[client_id] = held = Held(client_id, ref, order, expires_ns, stop_price=order.stop_loss_price, target_price=order.take_profit_price)
        self._tell(held, EntryAccepted(client_id=client_id, order_ref=ref, price=order.entry_price, expires_ns=expires_ns or None))
        self.on_create()
        return list(held.facts)

    def cancel(self, client_id: str) -> list[Fact]:
        held = self.held.get(client_id)
        if held is None or not held.remaining:
            raise VenueRefused("ORDER_DOESNT_EXIST")
        if not self.confirms_cancels:
            asyncio.get_running_loop().call_later(0.05, self.end_entry, client_id, CancelReason.USER)
            return []
        return self.end_entry(client_id, CancelReason.USER)

    def amend(self, target: Target, change: Amendment) -> list[Fact]:
        held = self.held.get(target.client_id)
        if held is None or (change.entry_price is not None and held.filled):
            raise VenueRefused("ORDER_DOESNT_EXIST")
        facts: list[Fact] = []
        held.stop_price = change.stop_loss_price or held.stop_price
        held.target_price = change.take_profit_price or held.target_price
        if change.entry_price is not None or change.expires_ns is not None:
            old, held.order_ref = held.order_ref, self.next_id()
            held.order = replace(held.order, entry_price=change.entry_price or held.order.entry_price)
            held.expires_ns = change.expires_ns or held.expires_ns
            accepted = EntryAccepted(
                client_id=held.client_id, order_ref=held.order_ref, replaces=old, price=held.order.entry_price, expires_ns=held.expires_ns
            )
            facts.append(self._tell(held, accepted))
        if held.stop is not None and change.stop_loss_price is not None:
            facts.append(self._stand(held, Leg.STOP_LOSS))
        if held.target is not None and change.take_profit_price is not None:
            facts.append(self._stand(held, Leg.TAKE_PROFIT))
        return facts

    def protect(self, target: Target) -> list[Fact]:
        held = self.held.get(target.client_id)
        if held is None or not held.open_units or self.exits is Exits.HELD:
            return []
        if self.refuses_stops:
            raise VenueRefused("STOP_LOSS_ON_FILL_LOSS")
        facts: list[Fact] = [self._stand(held, Leg.STOP_LOSS)]
        if self.exits is not Exits.STOP_ONLY:
            facts.append(self._stand(held, Leg.TAKE_PROFIT))
        return facts

    def close(self, client_id: str, units: Decimal, price: Decimal | None = None) -> list[Fact]:
        held = self.held.get(client_id)
        if held is None or held.open_units < units:
            raise VenueRefused("CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE")
        return [self._exit(held, Leg.CLOSE, units, self.close_price if price is None else price)]

    # ── what happens at it ──

    def fill(self, client_id: str, units: str | Decimal | None = None, price: str = "1.1655", *, fill_id: str = "") -> EntryFilled:
        """The market fills some of an entry, all of it without ``units``; attached exits stand in the same breath."""
        held = self.held[client_id]
        traded = held.remaining if units is None else Decimal(units)
        held.filled += traded
        held.open_units += traded
        held.entry_value += traded * Decimal(price)
        held.trade_ref = held.trade_ref or self.next_id()
        fact = EntryFilled(
            client_id=client_id,
            order_ref=held.order_ref,
            trade_ref=held.trade_ref,
            fill_id=fill_id or self.next_id(),
            units=traded,
            price=Decimal(price),
            time_ns=self.clock(),
            at=self._moved(),
        )
        self._tell(held, fact)
        if not held.remaining:
            held.is_working = False
        if self.exits is Exits.ATTACHED and not self.refuses_stops:
            self._stand(held, Leg.STOP_LOSS)
            self._stand(held, Leg.TAKE_PROFIT)
        return fact

    def hit(self, client_id: str, leg: Leg, price: str | None = None, units: str | None = None) -> ExitFilled:
        """An exit at the venue trades."""
        held = self.held[client_id]
        at = held.stop_price if leg is Leg.STOP_LOSS else held.target_price
        return self._exit(held, leg, held.open_units if units is None else Decimal(units), at if price is None else Decimal(price))

    def end_entry(self, client_id: str, reason: CancelReason = CancelReason.USER) -> list[Fact]:
        held = self.held[client_id]
        if not held.remaining:
            return []
        held.is_working, held.ended = False, reason
        return [self._tell(held, EntryEnded(client_id=client_id, order_ref=held.order_ref, reason=reason))]

    def expire(self, client_id: str) -> None:
        """Its date has come."""
        self.end_entry(client_id, CancelReason.TTL_EXPIRED)

    def release(self, client_id: str) -> None:
        """Both exits are taken off."""
        held = self.held.get(client_id)
        if held is None:
            return
        legs = ((Leg.STOP_LOSS, held.stop), (Leg.TAKE_PROFIT, held.target))
        held.stop = held.target = None
        for leg, standing in legs:
            if standing is not None:
                self._tell(held, LegGone(client_id=client_id, order_ref=standing.ref, leg=leg))

    def remove_stop(self, client_id: str) -> None:
        """A hand at the venue takes the stop off."""
        held = self.held[client_id]
        assert held.stop is not None
        ref, held.stop = held.stop.ref, None
        self._tell(held, LegGone(client_id=client_id, order_ref=ref, leg=Leg.STOP_LOSS))

    def place_by_hand(self, order: BracketOrder, *, filled: bool = False) -> str:
        """Somebody places an order at the venue's own page; its client id."""
        client_id = f"hand-{self.next_id()}"
        self.create(client_id, order, 0)
        if filled:
            self.fill(client_id)
        return client_id

    def forget(self, client_id: str) -> None:
        """It is gone without a word."""
        del self.held[client_id]

    @property
    def until(self) -> int:
        """Where it stands in its own order of things: the last number of its log, or its clock."""
        return self._moves if self.has_log_numbers else self.clock()

    def _moved(self) -> int:
        self._moves += 1
        return self.until

    def standing(self, held: Held) -> Standing:
        return Standing(
            remaining_units=held.remaining,
            position_units=held.open_units,
            average_price=held.entry_value / held.filled if held.filled else None,
            entry_price=held.order.entry_price,
            expires_ns=held.expires_ns or None,
            stop=held.stop or self._attached(held, held.stop_price),
            target=held.target or self._attached(held, held.target_price),
            ended=held.ended,
        )

    async def news(self, after: int) -> list[Fact]:
        """The log behind ``after``, once there is some."""
        while len(self.log) <= after:
            self._news.clear()
            await self._news.wait()
        return self.log[after:]

    def wake(self) -> None:
        self._news.set()

    def _attached(self, held: Held, price: Decimal) -> StandingLeg | None:
        return StandingLeg(ref="", price=price) if self.exits is Exits.ATTACHED and held.remaining and not held.open_units else None

    def _stand(self, held: Held, leg: Leg) -> LegStands:
        price = held.stop_price if leg is Leg.STOP_LOSS else held.target_price
        standing = StandingLeg(ref=self.next_id(), units=held.open_units, price=price)
        if leg is Leg.STOP_LOSS:
            held.stop = standing
        else:
            held.target = standing
        fact = LegStands(client_id=held.client_id, order_ref=standing.ref, trade_ref=held.trade_ref, leg=leg, units=standing.units, price=price)
        self._tell(held, fact)
        return fact

    def _exit(self, held: Held, leg: Leg, units: Decimal, price: Decimal) -> ExitFilled:
        assert 0 < units <= held.open_units, "the exchange never sells what is not held"
        held.open_units -= units
        for standing in ("stop", "target"):
            leg_now: StandingLeg | None = getattr(held, standing)
            if leg_now is not None:
                setattr(held, standing, replace(leg_now, units=held.open_units) if held.open_units else None)
        fact = ExitFilled(
            client_id=held.client_id,
            trade_ref=held.trade_ref,
            leg=leg,
            fill_id=self.next_id(),
            units=units,
            price=price,
            time_ns=self.clock(),
            at=self._moved(),
        )
        self._tell(held, fact)
        return fact

    def _tell(self, held: Held, fact: Fact) -> Fact:
        held.facts.append(fact)
        self.log.append(fact)
        self._news.set()
        return fact
