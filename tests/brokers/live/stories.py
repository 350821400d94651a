"""Short ways to say what a test of the live broker needs, in virtual time: an order, an exchange, one life of a broker after another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any

from brokers.base import Progress
from brokers.live.broker import LiveBroker
from brokers.live.venue import Exits, VenuePolicy
from tests.brokers.live.exchange import Exchange, Held
from tests.brokers.live.scripted_venue import ScriptedVenue
from tests.brokers.live.virtual import Service, Store, VirtualClock, run_virtually
from tests.brokers.paper.kit import INSTRUMENTS
from trading.brackets import Bracket
from trading.instruments import Instruments, Side
from trading.orders import BracketOrder, EntryType, OrderStatus

POLICY = VenuePolicy(call_s_max=2.0, look_gap_s=5.0, silence_s_max=8.0, reconcile_s=30.0, attach_s_max=0.5)
# In virtual time it costs nothing.
WAIT_S = 60.0


def order(client_order_id: str = "a1", *, kind: EntryType = EntryType.LIMIT, **changes: Any) -> BracketOrder:
    """The seed's EUR_USD buy."""
    fields: dict[str, Any] = {
        "instrument": "EUR_USD",
        "side": Side.BUY,
        "units": Decimal(100),
        "entry_type": kind,
        "entry_price": None if kind is EntryType.MARKET else Decimal("1.1655"),
        "stop_loss_price": Decimal("1.16"),
        "take_profit_price": Decimal("1.17"),
        "client_order_id": client_order_id,
    }
    return BracketOrder(**{**fields, **changes})


@dataclass
class Desk:
    """One account over all its lives."""

    exits: Exits = Exits.ATTACHED
    policy: VenuePolicy = POLICY
    exchange: Exchange = field(default_factory=Exchange)
    store: Store = field(default_factory=Store)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.exchange.exits = self.exits
        self.venue: ScriptedVenue
        self.service: Service

    @asynccontextmanager
    async def life(self, prepare: Callable[["Desk"], None] | None = None, *, reconciled: bool = True) -> AsyncIterator[Service]:
        """One process from start to end; ``prepare`` sets the venue up before it is asked anything."""
        instruments = Instruments(INSTRUMENTS.values())
        self.venue = ScriptedVenue(self.exchange, instruments, policy=self.policy)
        if prepare is not None:
            prepare(self)
        self.service = Service(self.store, LiveBroker(self.venue, instruments=instruments, clock=self.clock), self.clock)
        try:
            if reconciled:
                await self.until(lambda: self.service.broker.is_reconciled)
            yield self.service
        finally:
            self.service.kill()
            await self.service.gone()
            assert self.service.bug is None, self.service.bug

    async def until(self, condition: Callable[[], bool], seconds: float = WAIT_S) -> None:
        """Return once ``condition`` holds."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    def place(self, client_order_id: str = "a1", **changes: Any) -> str:
        """Place an order; its id."""
        wanted = order(client_order_id, **changes)
        progress = self.service.ask(lambda broker, now_ns: broker.place(wanted, placed_by="ann", now_ns=now_ns))
        assert progress is not None
        return progress.brackets[0].order_id

    async def resting(self) -> str:
        """The id of an order that the venue has, and that waits."""
        order_id = self.place()
        await self.becomes(OrderStatus.PENDING, order_id)
        return order_id

    def ask(self, command: Callable[[Any, int], Progress]) -> Progress:
        """A command that is not refused."""
        progress = self.service.ask(command)
        assert progress is not None
        return progress

    def bracket(self, order_id: str = "live-oanda-1") -> Bracket:
        """The order as the store has it."""
        n = int(order_id.rpartition("-")[2])
        return next(bracket for bracket in self.store.all() if bracket.n == n)

    def held(self, order_id: str = "live-oanda-1") -> Held:
        """The same at the exchange."""
        return self.exchange.by_id(self.bracket(order_id).venue.client_id)

    async def becomes(self, status: OrderStatus, order_id: str = "live-oanda-1", *, protection: str | None = None) -> Bracket:
        """The order once it stands so."""

        def stands() -> bool:
            bracket = self.bracket(order_id)
            return bracket.status is status and protection in {None, bracket.protection}

        try:
            await self.until(stands)
        except TimeoutError:
            raise AssertionError(f"{self.bracket(order_id)} never became {status} {protection or ''}") from None
        return self.bracket(order_id)

    async def opened(self, client_order_id: str = "a1", **changes: Any) -> str:
        """The id of an order that has filled and is guarded."""
        order_id = self.place(client_order_id, **changes)
        await self.until(lambda: self.bracket(order_id).status is not OrderStatus.SUBMITTING)
        if self.held(order_id).remaining:
            self.exchange.fill(self.held(order_id).client_id)
        await self.becomes(OrderStatus.OPEN, order_id)
        await self.until(lambda: self.bracket(order_id).protection != "none")
        return order_id

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The payloads of all events of a kind, in order."""
        return [dict(draft.payload) for draft in self.store.events if str(draft.type) == kind]

    def agrees(self, order_id: str = "live-oanda-1") -> None:
        """Book and exchange say the same, and what is held is guarded."""
        bracket, held = self.bracket(order_id), self.held(order_id)
        assert (bracket.position_units, bracket.remaining_units, bracket.filled_units) == (held.open_units, held.remaining, held.filled)
        assert self.exchange.creates[held.client_id] == 1
        assert not held.open_units or (held.stop is not None and held.stop.units >= held.open_units), "naked"


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """``test`` as a plain one, played in virtual time."""

    @wraps(test)
    def played(*args: Any, **named: Any) -> None:
        run_virtually(lambda: test(*args, **named))

    return played
