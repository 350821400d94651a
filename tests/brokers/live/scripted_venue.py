"""One adapter's way to the exchange in memory, and what becomes of each of its calls: done, lost, swallowed, late.

What the script does to a call is said by the test, call by call, or drawn by a seeded die.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from enum import StrEnum

from brokers.live.venue import (
    Amendment,
    Batch,
    Capability,
    Exits,
    Fact,
    Intent,
    NotSent,
    Sighting,
    Stranger,
    Target,
    VenueAccount,
    VenueInfo,
    VenuePolicy,
    VenueRefused,
    VenueSnapshot,
)
from tests.brokers.live.exchange import Exchange
from trading.brackets import Protection
from trading.instruments import Instruments
from trading.orders import EntryType
from trading.venue_refs import VenueRefs


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

    def recognise(self, client_ids: Sequence[str]) -> None:
        """Every order here says whose it is."""

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
        cursor, until = str(len(self.exchange.log)), self.exchange.until
        return VenueSnapshot(sightings=sightings, strangers=strangers, account=self._account(), cursor=cursor, until=until)

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
        until = self.exchange.until
        return Sighting(until=until) if held is None else Sighting(facts=list(held.facts), standing=self.exchange.standing(held), until=until)

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
