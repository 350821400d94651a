"""Thousands of brackets, a third of all calls going wrong, crashes, cut streams, users and a market: nothing is doubled, nothing naked.

Time is virtual, so an hour takes seconds; every seed is a story of its own and gives the same one again.
"""

import asyncio
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.broker import LiveBroker
from brokers.live.venue import Exits, VenuePolicy
from tests.brokers.live.exchange import Exchange
from tests.brokers.live.scripted_venue import Script, ScriptedVenue
from tests.brokers.live.virtual import Service, Store, VirtualClock, run_virtually
from tests.brokers.paper.kit import INSTRUMENTS
from trading.errors import ArenaError
from trading.instruments import Instruments, Side
from trading.orders import BracketOrder, EntryType, Leg, OrderStatus

FAULTS = (Script.LOSE, Script.SWALLOW, Script.SILENCE, Script.LATE, Script.HANG, Script.NOT_SENT, Script.REFUSE)
FAULT_SHARE = 0.3
ORDERS = 700
NAKED_S_MAX = 5.0
POLICY = VenuePolicy(call_s_max=2.0, look_gap_s=5.0, silence_s_max=8.0, reconcile_s=30.0, attach_s_max=0.5)
# Of a venue whose exits are orders of their own, and which knows a name that it has seen.
RELEASING = replace(POLICY, releases=True, resends=True)


class Story:
    """One seed's: an exchange, lives of a broker on one store, and everything that happens to them."""

    def __init__(self, seed: int, exits: Exits, policy: VenuePolicy = POLICY) -> None:
        self.dice = random.Random(seed)
        self.policy = policy
        self.exchange = Exchange()
        self.exchange.exits = exits
        self.exchange.doubles_creates = not policy.resends
        self.store = Store()
        self.clock = VirtualClock()
        self.is_faulty = True
        self.placed = 0
        self.lives = 0
        self.naked_since: dict[str, float] = {}
        self.worst_naked_s = 0.0
        self.service: Service | None = None
        self.venue: ScriptedVenue | None = None

    def begin_life(self) -> None:
        assert self.service is None or not self.service.misfits
        instruments = Instruments(INSTRUMENTS.values())
        self.venue = ScriptedVenue(self.exchange, instruments, policy=self.policy, die=self._die)
        self.venue.late_s = self.dice.choice((0.5, 1.5, 30.0))
        self.venue.tells = self.dice.choice((1, 1, 2))
        self.venue.answers_are_empty = self.dice.random() < 0.3
        broker = LiveBroker(self.venue, instruments=instruments, clock=self.clock, dice=random.Random(self.dice.random()))
        self.service = Service(self.store, broker, self.clock)
        self.lives += 1

    def _die(self, call: str) -> Script:
        if not self.is_faulty or self.dice.random() >= FAULT_SHARE:
            return Script.DO
        return self.dice.choice(FAULTS)

    async def play(self) -> None:
        self.begin_life()
        await self.happen()
        self.is_faulty = False
        assert self.venue is not None
        self.venue.is_mute = False
        self._market(1.0)
        await self._settle(40)
        await self._settle(90)  # over what may still come late, and its end
        assert self.service is not None
        assert self.service.bug is None, self.service.bug
        assert not self.service.misfits
        self.service.kill()
        await self.service.gone()

    async def happen(self) -> None:
        """What is told between the beginning and the quiet at the end."""
        while self.placed < ORDERS:
            await self._moment()

    async def _moment(self) -> None:
        service = self.service
        assert service is not None
        if service.is_dead:
            assert service.bug is None, service.bug
            await service.gone()
            await asyncio.sleep(self.dice.uniform(0, 20))
            self._market(0.3)
            self.begin_life()
            return
        await asyncio.sleep(self.dice.expovariate(3))
        self._watch_naked()
        what = self.dice.random()
        if what < 0.5 and service.broker.is_reconciled:
            self._place(service)
        elif what < 0.8:
            self._market(0.15)
        elif what < 0.95:
            self._user(service)
        elif what < 0.96:
            service.crash_in, service.crashes_before_commit = self.dice.randrange(6), self.dice.random() < 0.5
        elif what < 0.97:
            service.kill()
        elif self.venue is not None:
            self.venue.is_mute = not self.venue.is_mute

    def _place(self, service: Service) -> None:
        self.placed += 1
        kind = self.dice.choice((EntryType.LIMIT, EntryType.LIMIT, EntryType.STOP, EntryType.MARKET))
        order = BracketOrder(
            instrument="EUR_USD",
            side=Side.BUY,
            units=Decimal(self.dice.choice((10, 100, 1000))),
            entry_type=kind,
            entry_price=None if kind is EntryType.MARKET else Decimal("1.1655"),
            stop_loss_price=Decimal("1.16"),
            take_profit_price=Decimal("1.17"),
            client_order_id=f"c{self.placed}",
        )
        service.ask(lambda broker, now_ns: broker.place(order, placed_by="ann", now_ns=now_ns, deadline_ns=now_ns + 10_000_000_000))

    def _user(self, service: Service) -> None:
        brackets = service.broker.open_brackets()
        if not brackets:
            return
        bracket = self.dice.choice(list(brackets))
        price = Decimal(self.dice.choice(("1.1590", "1.1595", "1.1605")))
        asked = (
            lambda broker, now_ns: broker.cancel(bracket.order_id, reason="user", now_ns=now_ns),
            lambda broker, now_ns: broker.close_bracket(bracket.order_id, reason="MANUAL", now_ns=now_ns),
            lambda broker, now_ns: broker.modify(bracket.order_id, {"stop_loss_price": price}, now_ns=now_ns),
        )
        service.ask(self.dice.choice(asked))

    def _market(self, share: float) -> None:
        """Some entries fill, some of them in part; some exits are hit."""
        for held in list(self.exchange.held.values()):
            if self.dice.random() >= share:
                continue
            if held.remaining and self.dice.random() < 0.6:
                whole = self.dice.random() < 0.7
                self.exchange.fill(held.client_id, None if whole else max(held.remaining // 2, Decimal(1)))
            elif held.stop is not None and self.dice.random() < 0.5:
                self.exchange.hit(held.client_id, Leg.STOP_LOSS, units=None)
            elif held.target is not None and self.dice.random() < 0.5:
                part = held.open_units if self.dice.random() < 0.7 else max(held.open_units // 2, Decimal(1))
                self.exchange.hit(held.client_id, Leg.TAKE_PROFIT, units=str(part))

    async def _settle(self, seconds: float) -> None:
        """Let time pass in quiet; whoever has died comes back."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            service = self.service
            assert service is not None
            if service.is_dead:
                assert service.bug is None, service.bug
                assert not service.misfits
                await service.gone()
                self.begin_life()
            await asyncio.sleep(0.25)
            self._watch_naked()

    def _watch_naked(self) -> None:
        """How long anything has been held at the venue without a stop while an adapter was up and calls were going through."""
        now = asyncio.get_running_loop().time()
        for held in self.exchange.held.values():
            if held.open_units and (held.stop is None or held.stop.units < held.open_units):
                since = self.naked_since.setdefault(held.client_id, now)
                if not self.is_faulty:
                    self.worst_naked_s = max(self.worst_naked_s, now - max(since, self.quiet_since))
            else:
                self.naked_since.pop(held.client_id, None)
        if self.is_faulty:
            self.quiet_since = now

    quiet_since = 0.0

    def check(self) -> None:
        brackets = self.store.all()
        ours = {bracket.venue.client_id: bracket for bracket in brackets if bracket.origin == "arena"}
        doubled = {client_id: made for client_id, made in self.exchange.creates.items() if made > 1}
        assert not doubled, f"created more than once: {doubled}"
        strays = [bracket.order_id for bracket in brackets if bracket.origin != "arena"]
        assert not strays, f"ours taken for somebody else's: {strays}"
        unknown = [bracket.order_id for bracket in brackets if bracket.status in {OrderStatus.UNKNOWN, OrderStatus.SUBMITTING}]
        assert not unknown, f"still in doubt: {unknown}"
        for client_id, held in self.exchange.held.items():
            bracket = ours[client_id]
            where = f"{bracket.order_id} ({bracket.status}) against {held}"
            assert bracket.status not in {OrderStatus.REJECTED, OrderStatus.VOID}, f"the venue has {where}"
            assert bracket.position_units == held.open_units, where
            assert bracket.remaining_units == held.remaining, where
            assert bracket.filled_units == held.filled, where
            if held.open_units:
                assert held.stop is not None, f"naked: {where}"
                assert held.stop.units >= held.open_units, f"half naked: {where}"
                assert bracket.protection == "venue", where
        missing = [bracket.order_id for client_id, bracket in ours.items() if client_id not in self.exchange.held and not bracket.is_final]
        assert not missing, f"open here and unknown there: {missing}"
        assert self.worst_naked_s <= NAKED_S_MAX, f"naked for {self.worst_naked_s:.1f} s"


@pytest.mark.parametrize(
    ("exits", "policy"),
    [
        pytest.param(Exits.ATTACHED, POLICY, id="attached"),
        pytest.param(Exits.AFTER_FILL, POLICY, id="after_fill"),
        pytest.param(Exits.AFTER_FILL, RELEASING, id="releasing"),
        pytest.param(Exits.STOP_ONLY, RELEASING, id="stop_only"),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_doubled_lost_or_naked(seed: int, exits: Exits, policy: VenuePolicy) -> None:
    story = Story(seed, exits, policy)
    run_virtually(story.play)
    story.check()
    assert story.lives > 3, "the story has crashes"
    assert sum(bracket.status is OrderStatus.CLOSED for bracket in story.store.all()) > ORDERS / 20, "and trades"


def test_refused_commands_change_nothing() -> None:
    """An ArenaError of the broker is told to who asked; the story's service then finds nothing to write."""

    async def work() -> None:
        exchange, store, clock = Exchange(), Store(), VirtualClock()
        instruments = Instruments(INSTRUMENTS.values())
        broker = LiveBroker(ScriptedVenue(exchange, instruments), instruments=instruments, clock=clock)
        service = Service(store, broker, clock)
        before = len(store.events)
        with pytest.raises(ArenaError):
            broker.cancel("live-oanda-1", reason="user", now_ns=service.now_ns())
        assert not broker.drain().events
        assert len(store.events) == before
        service.kill()
        await service.gone()

    run_virtually(work)
