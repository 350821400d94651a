"""What the adapter's tests are written with: a simulated venue, the adapter in front of it, and a bracket as the core would know it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from brokers.coinbase.auth import ApiKey
from brokers.coinbase.venue import CoinbaseVenue
from brokers.live.venue import (
    Batch,
    EntryAccepted,
    EntryEnded,
    EntryFilled,
    ExitFilled,
    Fact,
    Intent,
    LegGone,
    LegStands,
    Remembered,
    Target,
    client_id_of,
)
from runtime.clock import NS_PER_S, SystemClock
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.conf import instruments_of
from tests.venues.common.faults import Fault
from trading.instruments import Side
from trading.money import ZERO
from trading.orders import BracketOrder, EntryType, Leg
from trading.venue_refs import Doubt, StandingLeg, VenueRefs

WAIT_S = 30.0
CLOCK = SystemClock()
NAME = "live-coinbase-1"
_numbers = itertools.count(1)


def bracket(**changes: Any) -> BracketOrder:
    """Buy 0.01 BTC-USD at the market, which the tests quote at 60000 by 60010; texts of prices and units become Decimals."""
    fields: dict[str, Any] = {
        "instrument": "BTC-USD",
        "side": Side.BUY,
        "units": Decimal("0.01"),
        "entry_type": EntryType.MARKET,
        "stop_loss_price": Decimal(58000),
        "take_profit_price": Decimal(65000),
        "client_order_id": f"test-{next(_numbers)}",
    }
    numbers = {
        name: Decimal(value) if type(value) is str and name.endswith(("price", "units", "distance")) else value for name, value in changes.items()
    }
    return BracketOrder(**{**fields, **numbers})


def limit(price: str = "59000", **changes: Any) -> BracketOrder:
    """The same, waiting below the market."""
    return bracket(entry_type=EntryType.LIMIT, entry_price=price, **changes)


def stop(price: str = "61000", **changes: Any) -> BracketOrder:
    """The same, waiting above the market."""
    return bracket(entry_type=EntryType.STOP, entry_price=price, **changes)


def short(**changes: Any) -> BracketOrder:
    """Sell 0.01 BTC-USD at the market and buy it back."""
    return bracket(side=Side.SELL, **{"stop_loss_price": "65000", "take_profit_price": "58000", **changes})


@dataclass
class Known:
    """A bracket as its facts tell it: what the core keeps, in few lines. A fill counts once."""

    intent: Intent
    refs: VenueRefs
    order: BracketOrder
    filled: Decimal = ZERO
    closed: Decimal = ZERO
    end: EntryEnded | None = None
    fills: dict[str, EntryFilled | ExitFilled] = field(default_factory=dict)

    def take(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            match fact:
                case EntryAccepted():
                    self.refs = self.refs.with_order(fact.order_ref)
                case EntryFilled() if fact.fill_id not in self.fills:
                    self.fills[fact.fill_id] = fact
                    self.filled += fact.units
                case ExitFilled() if fact.fill_id not in self.fills:
                    self.fills[fact.fill_id] = fact
                    self.closed += fact.units
                case EntryEnded() if self.end is None:
                    self.end = fact
                case LegStands():
                    leg = StandingLeg(ref=fact.order_ref, units=fact.units, price=fact.price)
                    self.refs = replace(self.refs, **{"stop" if fact.leg is Leg.STOP_LOSS else "target": leg})
                case LegGone():
                    for name, leg_gone in (("stop", self.refs.stop), ("target", self.refs.target)):
                        if leg_gone is not None and leg_gone.ref == fact.order_ref:
                            self.refs = replace(self.refs, **{name: None})
                case Remembered():
                    memo = {name: text for name, text in {**self.refs.memo, **fact.memo}.items() if text}
                    self.refs = replace(self.refs, memo=memo)
        self.refs = replace(self.refs, fill_ids=tuple(self.fills))

    def doubting(self, doubt: Doubt) -> None:
        self.refs = replace(self.refs, doubt=doubt, asked_ns=CLOCK.wall_ns())

    @property
    def stop(self) -> StandingLeg | None:
        return self.refs.stop

    @property
    def position(self) -> Decimal:
        return self.filled - self.closed

    def exits(self) -> list[tuple[Leg, Decimal, Decimal]]:
        """(leg, units, price) of what traded out, in the order it was told."""
        return [(one.leg, one.units, one.price) for one in self.fills.values() if isinstance(one, ExitFilled)]

    def target(self, **changes: Any) -> Target:
        made = Target(
            order_id=NAME,
            order=self.order,
            refs=self.refs,
            stop_price=self.order.stop_loss_price,
            expires_ns=self.intent.expires_ns,
            remaining_units=ZERO if self.end is not None else self.order.units - self.filled,
            position_units=self.position,
            created_ns=self.intent.created_ns,
        )
        return replace(made, **changes)


@dataclass
class Pair:
    """A simulated venue and the adapter connected to it."""

    sim: SimulatedVenue
    venue: CoinbaseVenue

    def quote(self, bid: str, ask: str, *, size: str | None = None) -> None:
        self.sim.quote("BTC-USD", bid, ask, bid_size=size, ask_size=size)

    def strike(self, kind: str, **fault: Any) -> None:
        self.sim.faults.add(Fault.from_json({"kind": kind, **fault}))

    def options(self, **wanted: object) -> None:
        self.sim.set_state({"options": wanted})

    def intent(self, order: BracketOrder, *, ttl_s: float = 3600, deadline_s: float = 20) -> Intent:
        now_ns = CLOCK.wall_ns()
        return Intent(
            client_id=client_id_of("0123456789abcdef", "trader@test", order.client_order_id),
            order=order,
            expires_ns=now_ns + round(ttl_s * NS_PER_S),
            cursor_before=str(now_ns),
            deadline_boot_ns=CLOCK.boot_ns() + round(deadline_s * NS_PER_S),
            created_ns=now_ns,
        )

    def known(self, intent: Intent) -> Known:
        return Known(intent, VenueRefs(client_id=intent.client_id, sent_ns=intent.created_ns), intent.order)

    async def place(self, order: BracketOrder, **options: Any) -> Known:
        """Create ``order`` and know what the answer told."""
        known = self.known(self.intent(order, **options))
        known.take(await self.venue.create(known.intent))
        return known

    async def look(self, known: Known) -> Any:
        """A look-up; what it tells is known afterwards. Returns its standing."""
        sighting = await self.venue.look_up(known.target())
        known.take(sighting.facts)
        return sighting.standing

    def orders(self, *, side: str | None = None, working: bool = False) -> list[Mapping[str, Any]]:
        """The venue's truth."""
        found = [one for one in self.sim.state()["orders"] if side is None or one["side"] == side]
        return [one for one in found if one["status"] in {"OPEN", "PENDING", "CANCEL_QUEUED"}] if working else found

    @property
    def naked(self) -> Decimal:
        """Coins that the account holds and no exit covers."""
        return Decimal(self.sim.state()["unprotected"]["BTC"])


@contextlib.asynccontextmanager
async def pair(*, balances: Mapping[str, str] | None = None, **options: object) -> AsyncIterator[Pair]:
    """Connected and opened; BTC-USD stands at 60000 by 60010."""
    async with SimulatedVenue() as sim:
        sim.set_state({"balances": balances or {}, "options": options})
        sim.quote("BTC-USD", "60000", "60010")
        made = Pair(sim, adapter(sim))
        await made.venue.open()
        try:
            yield made
        finally:
            await made.venue.aclose()


def adapter(sim: SimulatedVenue, *, rate_per_s: float = 1e6, **options: Any) -> CoinbaseVenue:
    """A fresh adapter at ``sim``, as after a restart."""
    key, clock = ApiKey(sim.key.name, sim.key.secret), options.pop("clock", CLOCK)
    return CoinbaseVenue(key, instruments_of("coinbase"), clock, rest_url=sim.base_url, stream_url=sim.ws_url, rate_per_s=rate_per_s, **options)


class Ear:
    """Hears a stream in the background, and keeps what it said."""

    def __init__(self, venue: CoinbaseVenue, cursor: str = "") -> None:
        self._venue = venue
        self._cursor = cursor
        self.batches: list[Batch] = []
        self.trouble: Exception | None = None
        self._came = asyncio.Event()

    async def __aenter__(self) -> "Ear":
        self._task = asyncio.create_task(self._hear())
        await self.until(lambda: any(batch.is_live for batch in self.batches))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _hear(self) -> None:
        try:
            async for batch in self._venue.stream(self._cursor):
                self.batches.append(batch)
                self._came.set()
        except Exception as trouble:
            self.trouble = trouble
            self._came.set()

    @property
    def facts(self) -> Sequence[Fact]:
        return [fact for batch in self.batches for fact in batch.facts]

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    async def until(self, condition: Any) -> None:
        """Once ``condition()`` holds; fails when the stream ends first or nothing comes."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                if self.trouble is not None and not condition():
                    raise self.trouble
                self._came.clear()
                await self._came.wait()

    async def ended(self) -> Exception:
        async with asyncio.timeout(WAIT_S):
            while self.trouble is None:
                self._came.clear()
                await self._came.wait()
        return self.trouble
