"""A venue in memory whose other side can be played by a test: it takes brackets, fills them, loses, swallows and delays what it is sent.

``Exchange`` is the venue itself and outlives any number of adapters; ``ScriptedVenue`` is the ``Venue`` through which one adapter speaks to it. What
the script does to a call is said by the test, call by call, or drawn by a seeded die.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from brokers.live.venue import (
    Amendment,
    Batch,
    Capability,
    EntryAccepted,
    EntryEnded,
    EntryFilled,
    ExitFilled,
    Exits,
    Fact,
    Intent,
    LegGone,
    LegStands,
    NotSent,
    Sighting,
    Standing,
    Stranger,
    Target,
    VenueAccount,
    VenueInfo,
    VenuePolicy,
    VenueRefused,
    VenueSnapshot,
)
from trading.brackets import Protection
from trading.events import CancelReason
from trading.instruments import Instruments
from trading.orders import BracketOrder, EntryType, Leg
from trading.venue_refs import StandingLeg, VenueRefs

ZERO = Decimal(0)


class Script(StrEnum):
    """What becomes of a call."""

    DO = "do"
    REFUSE = "refuse"  # the venue says no
    NOT_SENT = "not_sent"  # no byte left
    LOSE = "lose"  # it never arrives, and no answer comes
    SWALLOW = "swallow"  # done, and the answer is lost
    HANG = "hang"  # never arrives, and nobody says so until ``release``; then it is done
    SILENCE = "silence"  # done, and no answer comes at all
    LATE = "late"  # the answer is lost, and it arrives ``late_s`` later


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
        self.on_create: Callable[[], None] = lambda: None
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
        self.creates[client_id] = self.creates.get(client_id, 0) + 1
        if client_id in self.held and not self.doubles_creates:
            return list(self.held[client_id].facts)
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
        fact = ExitFilled(client_id=held.client_id, trade_ref=held.trade_ref, leg=leg, fill_id=self.next_id(), units=units, price=price)
        self._tell(held, fact)
        return fact

    def _tell(self, held: Held, fact: Fact) -> Fact:
        held.facts.append(fact)
        self.log.append(fact)
        self._news.set()
        return fact


class ScriptedVenue:
    """One adapter's way to the exchange.

    Args:
        script: what becomes of the next calls, by name (``create``, ``cancel``, …); a call without an entry is simply done.
        die: draws what becomes of a call that the script says nothing about.
    """

    name = "oanda"
    account_id = "scripted-account"
    protection = Protection.VENUE

    def __init__(
        self, exchange: Exchange, instruments: Instruments, *, policy: VenuePolicy | None = None, die: Callable[[str], Script] | None = None
    ) -> None:
        self.exchange = exchange
        self.policy = policy or VenuePolicy(call_s_max=0.3, look_gap_s=0.2, silence_s_max=5.0, reconcile_s=1.0, attach_s_max=0.1)
        self.instruments = instruments
        self.script: dict[str, deque[Script]] = {}
        self.die = die
        self.calls: list[str] = []
        self.release = asyncio.Event()
        self.late_s = 0.1
        self.is_down = False
        self.is_mute = False
        self.tells = 1  # how often the stream tells each fact
        self.answers_are_empty = False
        self.capability: Capability | None = None
        self._late: set[asyncio.TimerHandle] = set()

    def next(self, call: str, *scripts: Script) -> None:
        """What becomes of the next calls of this name."""
        self.script.setdefault(call, deque()).extend(scripts)

    async def open(self) -> VenueInfo:
        await self._reach("open")
        capability = self.capability or Capability(exits=self.exchange.exits)
        names = self.instruments.for_venue(self.name)
        return VenueInfo(account=self._account(), instruments=list(names.values()), capabilities=dict.fromkeys(names, capability))

    async def aclose(self) -> None:
        for late in self._late:
            late.cancel()

    async def create(self, intent: Intent) -> Sequence[Fact]:
        return await self._call("create", lambda: self.exchange.create(intent.client_id, intent.order, intent.expires_ns))

    async def cancel(self, target: Target) -> Sequence[Fact]:
        return await self._call("cancel", lambda: self.exchange.cancel(target.client_id))

    async def amend(self, target: Target, change: Amendment) -> Sequence[Fact]:
        return await self._call("amend", lambda: self.exchange.amend(target, change))

    async def protect(self, target: Target) -> Sequence[Fact]:
        return await self._call("protect", lambda: self.exchange.protect(target))

    async def close(self, target: Target, units: Decimal) -> Sequence[Fact]:
        """Where an exit holds the units it is taken off first, whatever becomes of the close then."""
        if self.exchange.exits is Exits.ATTACHED:
            return await self._call("close", lambda: self.exchange.close(target.client_id, units))
        if not self.is_down:
            self.exchange.release(target.client_id)
        facts = await self._call("close", lambda: self.exchange.close(target.client_id, units))
        left = self.exchange.held.get(target.client_id)
        return [*facts, *self.exchange.protect(target)] if left is not None and left.open_units and self.exchange.exits is not Exits.HELD else facts

    async def look_up(self, target: Target) -> Sighting:
        await self._reach("look_up")
        return self._sighting(target)

    async def snapshot(self, targets: Sequence[Target]) -> VenueSnapshot:
        await self._reach("snapshot")
        known = {target.client_id for target in targets}
        strangers = [
            Stranger(
                refs=VenueRefs(client_id=held.client_id, order_refs=(held.order_ref,), trade_refs=(held.trade_ref,) if held.trade_ref else ()),
                instrument=held.order.instrument,
                side=held.order.side,
                units=held.order.units,
                entry_type=EntryType(held.order.entry_type),
                entry_price=held.order.entry_price,
                standing=self.exchange.standing(held),
                created_ns=0,
            )
            for held in self.exchange.held.values()
            if held.client_id not in known and (held.remaining or held.open_units)
        ]
        sightings = {target.client_id: self._sighting(target) for target in targets}
        return VenueSnapshot(sightings=sightings, strangers=strangers, account=self._account(), cursor=str(len(self.exchange.log)))

    async def stream(self, cursor: str) -> AsyncIterator[Batch]:
        await self._reach("stream")
        at = int(cursor) if cursor else len(self.exchange.log)
        yield Batch(facts=self.exchange.log[at:], cursor=str(len(self.exchange.log)))
        at = max(at, len(self.exchange.log))
        while True:
            try:
                async with asyncio.timeout(0.5):
                    facts = await self.exchange.news(at)
            except TimeoutError:
                facts = []
            if self.is_down:
                raise ConnectionError("the stream broke")
            if not facts:
                yield Batch(cursor=str(at))
            if self.is_mute:
                await asyncio.sleep(0.01)
                continue
            for fact in facts:
                at += 1
                yield Batch(facts=[fact] * self.tells, cursor=str(at))

    def _sighting(self, target: Target) -> Sighting:
        held = self.exchange.held.get(target.client_id)
        return Sighting() if held is None else Sighting(facts=list(held.facts), standing=self.exchange.standing(held))

    def _account(self) -> VenueAccount:
        return VenueAccount(currency="USD", balance=self.exchange.balance, equity=self.exchange.balance)

    async def _reach(self, call: str) -> None:
        self.calls.append(call)
        step = self._step(call)
        await asyncio.sleep(0)
        if self.is_down or step in {Script.LOSE, Script.SWALLOW, Script.LATE, Script.REFUSE, Script.NOT_SENT}:
            raise ConnectionError("no answer")
        if step is Script.HANG:
            await self.release.wait()

    def _step(self, call: str) -> Script:
        waiting = self.script.get(call)
        if waiting:
            return waiting.popleft()
        return Script.DO if self.die is None else self.die(call)

    async def _call(self, call: str, do: Callable[[], list[Fact]]) -> Sequence[Fact]:
        self.calls.append(call)
        step = self._step(call)
        await asyncio.sleep(0)
        if self.is_down:
            raise NotSent
        if step is Script.REFUSE:
            raise VenueRefused("MARKET_HALTED", "the market is halted")
        if step is Script.NOT_SENT:
            raise NotSent
        if step is Script.HANG:
            await self.release.wait()
        if step is Script.LATE:
            self._late.add(asyncio.get_running_loop().call_later(self.late_s, _quietly, do))
        if step in {Script.LOSE, Script.LATE}:
            raise ConnectionError("no answer")
        facts = do()
        if step is Script.SILENCE:
            await self.release.wait()
        if step is Script.SWALLOW:
            raise ConnectionError("no answer")
        return [] if self.answers_are_empty else facts


def _quietly(do: Callable[[], list[Fact]]) -> None:
    try:
        do()
    except VenueRefused:
        return


Waits = Callable[[], Awaitable[None]]
