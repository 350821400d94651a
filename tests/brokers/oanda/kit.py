"""What the adapter's tests are written with: a simulated venue, the adapter in front of it, and a bracket as the core would know it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from brokers.live.venue import Batch, EntryAccepted, EntryEnded, EntryFilled, ExitFilled, Fact, Intent, LegStands, Target, client_id_of
from brokers.oanda.hosts import Hosts
from brokers.oanda.venue import Limits, OandaVenue
from runtime.clock import NS_PER_S, SystemClock
from runtime.secret_files import Secret
from tests.venues.common.clock import DrivenClock
from tests.venues.common.conf import instruments_of
from tests.venues.common.faults import Fault
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue
from trading.instruments import Side
from trading.money import ZERO
from trading.orders import BracketOrder, EntryType
from trading.venue_refs import VenueRefs

WAIT_S = 30.0
CLOCK = SystemClock()
UNLIMITED = Limits(requests_per_s=1e6, burst=1000, connections_per_s=float("inf"))
_numbers = itertools.count(1)


def bracket(**changes: Any) -> BracketOrder:
    """Buy 1,000 EUR_USD at the market, which the simulator's tests quote at 1.10000 to 1.10010."""
    fields: dict[str, Any] = {
        "instrument": "EUR_USD",
        "side": Side.BUY,
        "units": Decimal(1000),
        "entry_type": EntryType.MARKET,
        "stop_loss_price": Decimal("1.09"),
        "take_profit_price": Decimal("1.11"),
        "client_order_id": f"test-{next(_numbers)}",
    }
    numbers = {
        name: Decimal(value) if type(value) is str and name.endswith(("price", "units", "distance")) else value for name, value in changes.items()
    }
    return BracketOrder(**{**fields, **numbers})


def limit(price: str = "1.095", **changes: Any) -> BracketOrder:
    """The same, waiting below the market."""
    return bracket(entry_type=EntryType.LIMIT, entry_price=price, **changes)


def stop(price: str = "1.105", **changes: Any) -> BracketOrder:
    """The same, waiting above the market."""
    return bracket(entry_type=EntryType.STOP, entry_price=price, **changes)


def quote(sim: SimulatedVenue, bid: str, ask: str, *, size: str | None = None) -> None:
    """Put EUR_USD there, for no more than ``size`` on each side."""
    left = None if size is None else Decimal(size)
    sim.quotes.set("EUR_USD", bid=Decimal(bid), ask=Decimal(ask), bid_size=left, ask_size=left)


@dataclass
class Known:
    """A bracket as its facts tell it: what the core keeps, in few lines. A fill counts once."""

    intent: Intent
    refs: VenueRefs
    filled: Decimal = ZERO
    closed: Decimal = ZERO
    is_over: bool = False
    seen: dict[str, Fact] = field(default_factory=dict)

    def take(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            match fact:
                case EntryAccepted():
                    self.refs = self.refs.with_order(fact.order_ref)
                case EntryFilled() if fact.fill_id not in self.seen:
                    self.seen[fact.fill_id] = fact
                    self.refs = self.refs.with_trade(fact.trade_ref)
                    self.filled += fact.units
                case ExitFilled() if fact.fill_id not in self.seen and fact.trade_ref in self.refs.trade_refs:
                    self.seen[fact.fill_id] = fact
                    self.closed += fact.units
                case EntryEnded():
                    self.is_over = True

    def target(self, **changes: Any) -> Target:
        order = self.intent.order
        made = Target(
            order_id="live-oanda-1",
            order=order,
            refs=self.refs,
            stop_price=order.stop_loss_price,
            expires_ns=self.intent.expires_ns,
            remaining_units=ZERO if self.is_over else order.units - self.filled,
            position_units=self.filled - self.closed,
            created_ns=self.intent.created_ns,
        )
        return replace(made, **changes)


@dataclass
class Pair:
    """A simulated venue and the adapter connected to it."""

    sim: SimulatedVenue
    venue: OandaVenue

    @property
    def clock(self) -> DrivenClock:
        assert isinstance(self.sim.clock, DrivenClock)
        return self.sim.clock

    def quote(self, bid: str, ask: str, *, size: str | None = None) -> None:
        quote(self.sim, bid, ask, size=size)

    def strike(self, **fault: Any) -> None:
        self.sim.faults.add(Fault(**fault))

    def intent(self, order: BracketOrder, *, ttl_s: float = 3600, deadline_s: float = 10) -> Intent:
        now_ns = self.sim.clock.now_ns()
        return Intent(
            client_id=client_id_of("0123456789abcdef", "trader@test", order.client_order_id),
            order=order,
            expires_ns=now_ns + round(ttl_s * NS_PER_S),
            cursor_before=str(self.sim.account.log.last_id),
            deadline_boot_ns=CLOCK.boot_ns() + round(deadline_s * NS_PER_S),
            created_ns=now_ns,
        )

    def known(self, intent: Intent) -> Known:
        return Known(intent, VenueRefs(client_id=intent.client_id, cursor_before=intent.cursor_before))

    async def place(self, order: BracketOrder, **options: Any) -> Known:
        """Create ``order`` and know what the answer told."""
        known = self.known(self.intent(order, **options))
        known.take(await self.venue.create(known.intent))
        return known

    def types(self, since: int = 0) -> list[str]:
        """The types in the venue's log after ``since``; of fills and cancels with their reason."""
        told = self.sim.account.log.since(since)
        return [each["type"] + (f" {each['reason']}" if each["type"] in {"ORDER_FILL", "ORDER_CANCEL"} else "") for each in told]


@contextlib.asynccontextmanager
async def pair(*, opened: bool = True, **config: Any) -> AsyncIterator[Pair]:
    """EUR_USD stands at 1.10000 to 1.10010; the account has 100,000 dollars. ``config``: see ``AccountConfig``."""
    async with SimulatedVenue(config=AccountConfig(**config), clock=DrivenClock(), requests_per_s=None) as sim:
        venue = adapter(sim)
        made = Pair(sim, venue)
        made.quote("1.10000", "1.10010")
        if opened:
            await venue.open()
        try:
            yield made
        finally:
            await venue.aclose()


def adapter(sim: SimulatedVenue, **changes: Any) -> OandaVenue:
    """The adapter for ``sim``, not opened yet."""
    options: Mapping[str, Any] = {
        "account_id": sim.account_id,
        "token": Secret(sim.token),
        "hosts": Hosts(kind="other", rest=sim.base_url, stream=sim.stream_url),
        "instruments": instruments_of("oanda"),
        "clock": CLOCK,
        "limits": UNLIMITED,
    }
    return OandaVenue(**{**options, **changes})


class Listener:
    """Follows the adapter's stream in a task of its own and keeps what it told."""

    def __init__(self, venue: OandaVenue, cursor: str = "") -> None:
        self._venue = venue
        self._cursor = cursor
        self.batches: list[Batch] = []
        self._came = asyncio.Condition()
        self.error: BaseException | None = None

    async def __aenter__(self) -> "Listener":
        self._task = asyncio.create_task(self._follow())
        await self.until(lambda: any(batch.is_live for batch in self.batches))
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def facts(self) -> list[Fact]:
        return [fact for batch in self.batches for fact in batch.facts]

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def legs(self) -> list[LegStands]:
        return self.of(LegStands)

    async def until(self, done: Any) -> None:
        """Wait until ``done()``, which is asked again after each batch; raises what ended the stream."""
        async with asyncio.timeout(WAIT_S), self._came:
            while not done():
                if self.error is not None:
                    raise self.error
                await self._came.wait()

    async def ended(self) -> BaseException:
        """What ended the stream."""
        async with asyncio.timeout(WAIT_S), self._came:
            while self.error is None:
                await self._came.wait()
        return self.error

    async def _follow(self) -> None:
        try:
            async for batch in self._venue.stream(self._cursor):
                async with self._came:
                    self.batches.append(batch)
                    self._came.notify_all()
        except Exception as error:
            async with self._came:
                self.error = error
                self._came.notify_all()
