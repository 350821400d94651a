"""An adapter's core with users who hold grants, a venue that answers as it is told, and a second book of what has traded or may still trade."""

import sqlite3
import tempfile
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from brokers import changing, grant_ledger, ledger
from brokers.actors import Actor
from brokers.arguments import Modification
from brokers.base import VenueCall
from brokers.desk import Desk
from brokers.placing import Placed, PlaceRequest, place
from brokers.schema import MIGRATIONS
from bus.epoch import SCHEMA, load_state
from bus.group import run_group
from bus.jobs import Work
from bus.store import migrate
from bus.txn import Group
from runtime.clock import ManualClock
from runtime.settings import load_settings
from tests.brokers.fake import FakeBroker, FakeVenue
from trading.brackets import Bracket
from trading.errors import ArenaError, OrderDenied
from trading.instruments import Instruments, Side
from trading.order_state import Step, apply
from trading.orders import OrderTicket
from trading.risk_limits import RiskLimits
from trading.sessions import trading_day

INSTRUMENTS = Instruments.from_config(load_settings({"ARENA_HOME": "/nowhere"}).instruments)
# 2014-05-02 12:00 UTC: eight in the morning in New York, nine hours before the day turns.
START_NS = 1_399_032_000_000_000_000
LIMIT = Decimal(1000)
USERS = ("ann@desk", "bob@desk")
ENTRY = Decimal("1.1655")


class Nobody:
    """A future that nobody waits for."""

    def cancelled(self) -> bool:
        return False


class Account(FakeBroker):
    """The fake venue's account, with fills and ends that the test decides."""

    def happens(self, order_id: str, step: Step, now_ns: int, **changes: Any) -> None:
        self._step(replace(self._get(order_id), **changes), step, None, now_ns)

    def turns_up(self, bracket: Bracket, now_ns: int) -> None:
        self._keep(apply(replace(bracket, entry_cancelled=False), Step.TURNED_UP, now_ns=now_ns))


@dataclass(kw_only=True)
class Known:
    """An order in the test's own book: what it came to on which days, and how much of it has traded or may."""

    user: str
    units: Decimal
    charges: list[tuple[str, Decimal]]
    filled: Decimal = Decimal(0)
    may_trade: bool = True
    price: Decimal = ENTRY
    call: VenueCall | None = None  # sent, not answered
    given_up: bool = False


@dataclass
class Arena:
    """One adapter's core on a store in memory, and the second book."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(wall_ns=START_NS))
    known: dict[str, Known] = field(default_factory=dict)
    image: bytes | None = None
    latest: dict[str, str] = field(default_factory=dict)
    has_turned_up: bool = False  # what was given back and is there all the same may be more than the limit: it is counted, not undone

    def __post_init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="arena-grants-")  # of the store only its high-water file lives there
        self.path = Path(self._directory.name) / "oanda.db"
        self.boot()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()
        self._directory.cleanup()

    def boot(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        if self.image is not None:
            self.db.deserialize(self.image)
        migrate(self.db, self.path, SCHEMA, MIGRATIONS)
        state = load_state(self.db, self.path, "oanda", self.clock)
        self.broker = Account(FakeVenue())
        self.desk = Desk(source="oanda", broker=self.broker, instruments=INSTRUMENTS, limits=RiskLimits())
        self.group = Group(self.db, state, self.clock)
        self.run(lambda txn: self.desk.boot(txn, self.now_ns))
        self.broker.is_reconciled = True

    @property
    def now_ns(self) -> int:
        return self.clock.wall_ns()

    def today(self, user: str) -> str:
        return max(trading_day(self.now_ns, "America/New_York", "17:00").isoformat(), self.latest.get(user, ""))

    def run(self, *works: Any) -> list[tuple[BaseException | None, Any]]:
        """The outcomes of works that came together: one group, one transaction."""
        jobs = [Work(work, Nobody()) for work in works]  # type: ignore[arg-type]  # the part of a future that a group asks
        queue = jobs[1:]
        result = run_group(self.group, jobs[0], lambda _: queue.pop(0) if queue else None, lambda: self.desk.reload(self.db, self.now_ns))
        found = {id(future): (error, value) for future, error, value in result.outcomes}
        return [found[id(job.future)] for job in jobs]

    def change(self, work: Any) -> Any:
        def recorded(txn: Any) -> Any:
            result = work()
            self.desk.record(txn)
            return result

        ((error, result),) = self.run(recorded)
        if error is not None:
            raise error
        return result

    # ── what users do ──

    def place(self, asked: list[tuple[str, str, int]]) -> None:
        """Placements that reach the writer together: (user, client_order_id, units)."""

        def work(user: str, client_order_id: str, units: int) -> Any:
            ticket = OrderTicket(
                instrument="EUR_USD", side=Side.BUY, units=Decimal(units), entry_price=ENTRY, stop_loss_price=Decimal("1.16"),
                take_profit_price=Decimal("1.17"), client_order_id=client_order_id,
            )  # fmt: skip
            request = PlaceRequest(
                ticket=ticket, client_order_id=client_order_id, actor=actor(user), is_late=lambda: False, store_is_low=lambda: False, marks={}
            )
            return lambda txn: place(self.desk, txn, request, self.now_ns)

        for (user, _, units), (error, placed) in zip(asked, self.run(*(work(*each) for each in asked)), strict=True):
            refusal = error or (placed.refusal if isinstance(placed, Placed) else None)
            if isinstance(refusal, OrderDenied) and refusal.code == "LIVE_NOTIONAL_PER_DAY_MAX":
                assert refusal.details["limit"] == LIMIT
                assert refusal.details["value"] == refusal.details["used"] + units * ENTRY > LIMIT
                continue
            if isinstance(placed, Placed) and placed.call is not None:
                order_id = f"live-oanda-{placed.in_flight_n}"
                day = self.today(user)
                self.latest[user] = day
                self.known[order_id] = Known(user=user, units=Decimal(units), charges=[(day, units * ENTRY)], call=placed.call)

    def modify(self, order_id: str, price: Decimal) -> None:
        known = self.known[order_id]
        request = Modification(order_id=order_id, entry_price=price)

        def work(txn: Any) -> Any:
            return changing.modify_order(self.desk, txn, request, actor(known.user), marks={}, now_ns=self.now_ns)

        ((error, _),) = self.run(work)
        assert error is None or isinstance(error, ArenaError)
        if error is None:
            if price > known.price:
                day = self.today(known.user)
                self.latest[known.user] = day
                known.charges.append((day, (price - known.price) * known.units))
            known.price = price

    # ── what the venue does ──

    def answer(self, order_id: str, answer: object) -> None:
        """The venue's answer to the order's create, or to the look-ups that followed; None: nothing."""
        known = self.known[order_id]
        call, known.call = known.call, None
        assert call is not None
        known.call = self.change(lambda: call.settle(answer, self.now_ns))
        bracket = self.stored(order_id)
        if bracket.is_final:
            known.given_up = bracket.cancel_reason == "NEVER_REACHED_VENUE"
            known.may_trade = known.given_up

    def ends(self, order_id: str) -> None:
        """The rest of the entry is off, for good."""
        step = Step.ENTRY_DONE if self.known[order_id].filled else Step.CANCELLED
        self.change(lambda: self.broker.happens(order_id, step, self.now_ns, entry_cancelled=True))
        self.known[order_id].may_trade = False

    def fills(self, order_id: str, units: Decimal) -> None:
        known = self.known[order_id]
        known.filled += units
        step = Step.ENTRY_DONE if known.filled == known.units else Step.ENTRY_PARTIAL
        self.change(lambda: self.broker.happens(order_id, step, self.now_ns, filled_units=known.filled))

    def turns_up(self, order_id: str) -> None:
        bracket = self.stored(order_id)
        self.change(lambda: self.broker.turns_up(bracket, self.now_ns))
        known = self.known[order_id]
        known.may_trade, known.given_up = True, False
        self.has_turned_up = True

    # ── what the machine does ──

    def restart(self) -> None:
        """What is in flight is UNKNOWN afterwards, and looked up."""
        self.image = self.db.serialize()
        self.db.close()
        self.boot()
        for order_id, known in self.known.items():
            bracket = self.broker.bracket(order_id)
            known.call = self.broker._look_up(order_id, 0) if bracket is not None and str(bracket.status) == "UNKNOWN" else None

    def stored(self, order_id: str) -> Bracket:
        bracket = ledger.order(self.db, int(order_id.rpartition("-")[2]))
        assert bracket is not None
        return bracket

    def check(self) -> None:
        """Each user's every day: the two books agree, and what is in the market or may get there is within the limit."""
        days = {(user, day) for known in self.known.values() for user, day in ((known.user, day) for day, _ in known.charges)}
        for user, day in days:
            counted = sum(
                (
                    amount if known.may_trade else amount * known.filled / known.units
                    for known in self.known.values()
                    for on, amount in known.charges
                    if (known.user, on) == (user, day)
                ),
                Decimal(0),
            )
            assert abs(grant_ledger.used(self.db, user, date.fromisoformat(day)) - counted) < Decimal("0.0001"), (user, day)
            assert counted <= LIMIT or self.has_turned_up, (user, day, counted)


def actor(user: str) -> Actor:
    return Actor(user=user, role="trader", live=True, live_notional_max=LIMIT)
