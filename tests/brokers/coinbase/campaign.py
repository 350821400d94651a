"""Many brackets at a venue at which almost a third of all calls goes wrong, and what must be true of them at every moment and in the end.

``Checker`` looks at the venue itself, past the adapter: per bracket what its entry bought, what its exits and closes sold, what works. A position is
naked while working exits cover less than all of it. Nothing here believes the book but the comparison of the two at the end.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from brokers.coinbase.ids import FAMILY_CHARS
from tests.brokers.desk_kit import GRANTED, Bus, Caller
from tests.venues.coinbase.orders import Order
from tests.venues.coinbase.venue import CoinbaseVenue as SimulatedVenue
from tests.venues.common.faults import Fault, Kind
from trading.errors import ArenaError
from trading.money import ZERO

# Together three in ten; the script tries them one after another, so the later ones get a little less than they say.
HTTP_SHARES: Mapping[Kind, float] = {
    Kind.DROP_AFTER: 0.06,
    Kind.DROP_BEFORE: 0.05,
    Kind.ERROR_AFTER: 0.06,
    Kind.ERROR_BEFORE: 0.05,
    Kind.RATE_LIMIT: 0.04,
    Kind.BROKEN_JSON: 0.03,
    Kind.MISSING_FIELDS: 0.02,
    Kind.SLOW_AFTER: 0.02,
    Kind.SLOW_BEFORE: 0.01,
}
STREAM_SHARES: Mapping[Kind, float] = {
    Kind.STREAM_TWICE: 0.02,
    Kind.STREAM_SWAP: 0.02,
    Kind.STREAM_GAP: 0.002,
    Kind.STREAM_CUT: 0.001,
    Kind.STREAM_CUT_MID_LINE: 0.001,
}
SLOW_S = 6.0  # longer than any of our time-outs
NAKED_S_MAX = 5.0
SETTLED_S_MAX = 30.0
LOOK_S = 0.25


@dataclass
class Figures:
    """What came of a campaign."""

    orders: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    struck: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    naked_s_max: float = 0.0
    naked: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    oversold: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)  # REJECTED or VOID here, and the venue has it
    differing: list[str] = field(default_factory=list)
    settled_s: float = 0.0

    def wrong(self) -> dict[str, list[str]]:
        """What must be empty."""
        named = {"doubled": self.doubled, "oversold": self.oversold, "naked": self.naked, "denied": self.denied, "differing": self.differing}
        return {name: found[:5] for name, found in named.items() if found}


@dataclass
class Family:
    """One bracket as the venue has it."""

    bought: Decimal = ZERO
    ordered: Decimal = ZERO
    sold: Decimal = ZERO
    covered: Decimal = ZERO
    entries: int = 0
    failed: int = 0

    @property
    def position(self) -> Decimal:
        return self.bought - self.sold


class Checker:
    """Watches the venue's own truth."""

    def __init__(self, sim: SimulatedVenue, figures: Figures) -> None:
        self._sim = sim
        self._figures = figures
        self._naked_since: dict[str, float] = {}
        self._closed: set[str] = set()
        self.is_over = False

    async def run(self) -> None:
        while not self.is_over:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        now = time.monotonic()
        naked = {name: family for name, family in self.families().items() if family.position > family.covered}
        for name in [name for name in self._naked_since if name not in naked]:
            del self._naked_since[name]
        for name in naked:
            since = self._naked_since.setdefault(name, now)
            self._figures.naked_s_max = max(self._figures.naked_s_max, now - since)
            if now - since > NAKED_S_MAX and name not in self._figures.naked:
                self._figures.naked.append(name)

    def families(self) -> dict[str, Family]:
        """All brackets by the first characters of their id."""
        found: dict[str, Family] = {}
        account = self._sim.account
        for order in account.orders.values():
            name = self._name(order)
            family = found.setdefault(name, Family())
            if order.side == "BUY":
                family.entries += 1
                family.failed += order.status == "FAILED"
                family.bought += order.filled_size
                family.ordered = max(family.ordered, order.size)
            else:
                family.sold += order.filled_size
                if order.status in {"OPEN", "CANCEL_QUEUED"} and order.terms.stop_price is not None:
                    family.covered += order.remaining
        return found

    def _name(self, order: Order) -> str:
        parent = self._sim.account.orders[order.originating_order_id] if order.originating_order_id else order
        return parent.client_order_id[:FAMILY_CHARS]

    def conclude(self, book: Sequence[Mapping[str, Any]]) -> None:
        """Compare the end with the book."""
        figures, families = self._figures, self.families()
        ids = Counter(order.client_order_id for order in self._sim.account.orders.values())
        figures.doubled += [name for name, count in ids.items() if count > 1]
        figures.doubled += [name for name, family in families.items() if family.bought > family.ordered]
        figures.oversold += [name for name, family in families.items() if family.sold > family.bought]
        held = sum((family.position for family in families.values()), ZERO)
        ours = sum((Decimal(str(order["position_units"])) for order in book), ZERO)
        coins = self._sim.account.wallets["BTC"].total
        if not held == ours == coins:
            figures.differing.append(f"the venue's orders hold {held}, its wallet {coins}, the book {ours}")
        sent = sum(1 for family in families.values() if family.entries > family.failed)
        denied = [order for order in book if order["status"] in {"REJECTED", "VOID"}]
        if sent + len(denied) > len(book):
            figures.denied.append(f"{sent} brackets at the venue and {len(denied)} denied make more than the {len(book)} of the book")


def strike(sim: SimulatedVenue, *, seed: int) -> None:
    """From now on three calls in ten go wrong."""
    sim.faults.reseed(seed)
    fields = ("success", "orders", "order", "fills", "results")
    for kind, share in HTTP_SHARES.items():
        sim.faults.add(Fault(kind=kind, path="/api/", share=share, times=None, seconds=SLOW_S, status=502, fields=fields))
    for kind, share in STREAM_SHARES.items():
        sim.faults.add(Fault(kind=kind, path="user", share=share, times=None))
    sim.faults.add(
        Fault(kind=Kind.PARTIAL_FILL, share=0.1, times=None),
        Fault(kind=Kind.LEG_REFUSED, share=0.02, times=None, reason="COMMANDER_REJECTED_NEW_ORDER"),
    )


class Campaign:
    """Places ``orders`` brackets, ``at_once`` at a time, in a market that walks."""

    def __init__(self, sim: SimulatedVenue, ask: Caller, bus: Bus, *, orders: int, at_once: int, seed: int) -> None:
        self._sim = sim
        self._ask = ask
        self._bus = bus
        self._orders = orders
        self._at_once = at_once
        self._seed = seed
        self._dice = random.Random(seed)
        self._price = Decimal(60000)
        self._n = 0
        self.figures = Figures(orders=orders)
        self._checker = Checker(sim, self.figures)

    async def run(self) -> Figures:
        began = time.monotonic()
        market = asyncio.create_task(self._walk())
        checking = asyncio.create_task(self._checker.run())
        strike(self._sim, seed=self._seed)
        try:
            numbers = iter(range(self._orders))
            await asyncio.gather(*(self._trader(numbers) for _ in range(self._at_once)))
            self.figures.struck = dict(self._sim.faults.struck)
            self._sim.faults.clear()
            await self._settle()
            self.figures.seconds = time.monotonic() - began
            self.figures.requests = sum(self._sim.hits.counts.values())
            await self._agree()
        finally:
            self._checker.is_over = True
            market.cancel()
            await asyncio.gather(market, checking, return_exceptions=True)
        return self.figures

    async def _walk(self) -> None:
        """The market: a step of up to a thousandth ten times a second, around 60,000."""
        while True:
            step = Decimal(self._dice.randint(-60, 60)) + (60000 - self._price) / 200
            self._price = (self._price + step).quantize(Decimal("0.01"))
            bid, ask = f"{self._price}", f"{self._price + 10}"
            self._sim.quote("BTC-USD", bid, ask)
            self._n += 1
            now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self._bus.quote(bid, ask, instrument="BTC-USD", sent_boot_ns=now_ns, n=self._n, feed="coinbase", synthetic=False)
            await asyncio.sleep(0.1)

    async def _trader(self, numbers: Any) -> None:
        for number in numbers:
            self.figures.answers[await self._try("order.place", self._ticket(number))] += 1
            roll = self._dice.random()
            if roll < 0.3:
                await asyncio.sleep(self._dice.random())
                await self._change(number, roll)

    async def _change(self, number: int, roll: float) -> None:
        found = (await self._ask("order.list", {"client_order_id": f"c{number}"}, GRANTED))["orders"]
        if not found:
            return
        order_id = found[0]["order_id"]
        if roll < 0.12:
            await self._try("order.cancel", {"order_id": order_id})
        elif roll < 0.24:
            await self._try("order.modify", {"order_id": order_id, "stop_loss_price": float(self._near("0.985"))})
        else:
            await self._try("position.close", {"instrument": "BTC-USD", "units": 0.001})

    async def _try(self, op: str, args: Mapping[str, Any]) -> str:
        try:
            await self._ask(op, args, GRANTED, ttl_ms=10_000)
        except ArenaError as error:
            return error.code
        except TimeoutError:
            return "NO_ANSWER"
        return "OK"

    def _near(self, factor: str) -> Decimal:
        return (self._price * Decimal(factor)).quantize(Decimal(1))

    def _ticket(self, number: int) -> dict[str, Any]:
        kind = self._dice.choice(["limit", "limit", "market", "stop"])
        prices = {"limit": self._near(self._dice.choice(["0.9995", "0.998", "1.001"])), "stop": self._near("1.001"), "market": None}
        return {
            "client_order_id": f"c{number}",
            "instrument": "BTC-USD",
            "side": "BUY",
            "units": self._dice.choice([0.001, 0.002, 0.005]),
            "entry_type": kind,
            "stop_loss_price": float(self._near(self._dice.choice(["0.996", "0.99"]))),
            "take_profit_price": float(self._near(self._dice.choice(["1.004", "1.01"]))),
            "ttl_min": self._dice.choice([0.1, 0.5, 5]),
            **({} if prices[kind] is None else {"entry_price": float(prices[kind] or 0)}),
        }

    async def _settle(self) -> None:
        """How long until nothing is in doubt, once the venue answers again."""
        began = time.monotonic()
        async with asyncio.timeout(4 * SETTLED_S_MAX):
            while any(order["status"] in {"UNKNOWN", "SUBMITTING"} for order in await self._book(["UNKNOWN", "SUBMITTING"])):
                await asyncio.sleep(0.1)
        self.figures.settled_s = time.monotonic() - began

    async def _agree(self) -> None:
        """Stop the market, and compare once nothing moves any more."""
        book: list[dict[str, Any]] = []
        async with asyncio.timeout(4 * SETTLED_S_MAX):
            while True:
                self.figures.differing.clear()
                self.figures.doubled.clear()
                self.figures.oversold.clear()
                self.figures.denied.clear()
                book = await self._book([])
                self._checker.conclude(book)
                if not self.figures.differing:
                    break
                await asyncio.sleep(0.5)
        self.figures.statuses = Counter(order["status"] for order in book)

    async def _book(self, statuses: Sequence[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            args = {"limit": 200, **({"status": list(statuses)} if statuses else {}), **({} if after is None else {"after": after})}
            page = await self._ask("order.list", args, GRANTED)
            found += page["orders"]
            after = page["next"]
            if after is None:
                return found
