"""The arena's core in one thread: the real desk, paper engine, journal transaction and consumer machine, on a store, network and clock that lie.

A schedule is drawn from a seed, so a seed that fails fails again. The store is SQLite in memory; a power cut leaves the image of the last sync.
The network loses, delays, doubles and reorders requests, replies, published events and pages. Statements fail with a full disk, commits with an I/O
error after which nobody knows whether they happened, and the process dies before and after them.
"""

import os
import random
import sqlite3
import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers import changing
from brokers.actors import Actor
from brokers.desk import Desk
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from brokers.placing import Placed, PlaceRequest, place
from brokers.schema import MIGRATIONS
from bus.envelope import Event
from bus.epoch import SCHEMA, load_state, request_new_epoch, write_high_water
from bus.fetch import FLOOR, Fetch, FetchedPage
from bus.follower import Follower
from bus.group import run_group
from bus.jobs import Work
from bus.notices import Delivery
from bus.store import migrate
from bus.txn import Group
from runtime.clock import ManualClock
from runtime.settings import load_settings
from tests.simulation.lying_connection import Died, LyingConnection
from trading.errors import ArenaError
from trading.instruments import Instruments, Side
from trading.orders import EntryType, OrderTicket
from trading.quotes import Quote
from trading.risk_limits import RiskLimits

SETTINGS = load_settings({"ARENA_HOME": "/nowhere"})
INSTRUMENTS = Instruments.from_config(SETTINGS.instruments)
TTL_NS = 3_000_000_000
TRADER = Actor(user="trader@test", role="trader", live=False)
# 2014-05-02 12:00 UTC, a Friday on which forex trades.
MARKET_NS = 1_399_032_000_000_000_000


class Nobody:
    """A future that nobody waits for; the group only asks whether it was cancelled."""

    def cancelled(self) -> bool:
        return False


@dataclass(kw_only=True)
class Request:
    client_order_id: str
    ticket: OrderTicket
    deadline_ns: int  # boot time


@dataclass(kw_only=True)
class Told:
    """What a client was told about its id, in order: ``("ok", order_id)``, ``("refused", code)``, ``("void", "")``."""

    replies: list[tuple[str, str]] = field(default_factory=list)


class World:
    """One run. ``step`` does what the schedule says; ``calm`` ends the faults; ``told``, ``deliveries`` and the store are what is checked."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = ManualClock(wall_ns=MARKET_NS)
        # In memory where that can be had: only the high-water file lives here.
        self._directory = tempfile.TemporaryDirectory(prefix="arena-simulation-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.database = Path(self._directory.name) / "oanda.db"
        self.requests: list[Request] = []  # in the network, to the adapter
        self.known: dict[str, Request] = {}
        self.told: dict[str, Told] = {}
        self.last_chance_ns: dict[str, int] = {}
        self.bus: list[Event] = []
        self.fetch: Fetch | None = None
        self.deliveries: list[Delivery] = []
        self.executed_late: list[str] = []
        self.image: bytes | None = None
        self.backup: bytes | None = None
        self.deaths = self.restores = self.orders = 0
        self.ever_placed: dict[str, str] = {}  # order id → client id: across restores, an id stands for one order
        self.follower = Follower("oanda", FLOOR, jitter=self.rng.random)
        self.connection: LyingConnection
        self.boot()

    def close(self) -> None:
        self.connection.real.close()
        self._directory.cleanup()

    # ── the adapter ──

    def boot(self) -> None:
        """Start on what the last sync left, as ``Journal.open`` and ``open_adapter`` do."""
        real = sqlite3.connect(":memory:", isolation_level=None)
        if self.image is not None:
            real.deserialize(self.image)
        migrate(real, self.database, SCHEMA, MIGRATIONS)
        self.state = load_state(real, self.database, "oanda", self.clock)
        self.connection = LyingConnection(real)
        if self.state.reset is not None:
            self.bus.append(self.state.reset)
        broker = PaperBroker(venue="oanda", instruments=INSTRUMENTS, account=PaperAccountConfig.for_venue("oanda", SETTINGS.paper))
        self.desk = Desk(source="oanda", broker=broker, instruments=INSTRUMENTS, limits=RiskLimits())
        self.group = Group(self.connection, self.state, self.clock)  # type: ignore[arg-type]  # the part of a connection that it uses
        self.run(lambda txn: self.desk.boot(txn, self.clock.wall_ns()))
        self.mark()

    def die(self) -> None:
        """A new process on what was synced; requests, events and pages under way stay under way."""
        self.deaths += 1
        self.image = self.connection.image
        self.connection.real.close()
        self.boot()

    def mark(self) -> None:
        """What the writer does each second."""
        write_high_water(self.database, self.group.high_water)

    def run(self, *works: Any) -> list[tuple[BaseException | None, Any]] | None:
        """The outcomes of one group; None when the process died of it (and was started again)."""
        jobs = [Work(work, Nobody()) for work in works]  # type: ignore[arg-type]
        queue = jobs[1:]
        try:
            result = run_group(self.group, jobs[0], lambda _: queue.pop(0) if queue else None, self._reload)
        except (Died, sqlite3.Error):
            self.die()
            return None
        self.bus += result.events
        outcomes = {id(future): (error, value) for future, error, value in result.outcomes}
        return [outcomes.get(id(job.future), (None, None)) for job in jobs]

    def _reload(self) -> None:
        self.desk.reload(self.connection, self.clock.wall_ns())

    def serve(self, requests: list[Request]) -> None:
        """One group of placements; a reply may be lost on its way."""

        def work(request: Request) -> Any:
            def do(txn: Any) -> Placed:
                asked = PlaceRequest(
                    ticket=request.ticket,
                    client_order_id=request.client_order_id,
                    actor=TRADER,
                    is_late=lambda: self.clock.boot_ns() > request.deadline_ns,
                    store_is_low=lambda: False,
                    marks={},
                )
                return place(self.desk, txn, asked, self.clock.wall_ns())

            return do

        outcomes = self.run(*(work(request) for request in requests))
        for request, (error, placed) in zip(requests, outcomes or [], strict=False):
            self.reply(request, error, placed)

    def reply(self, request: Request, error: BaseException | None, placed: Placed | None) -> None:
        if self.rng.random() < 0.2:
            return
        refusal = error or (placed.refusal if placed else None)
        told = self.told.setdefault(request.client_order_id, Told()).replies
        if placed is not None and placed.result is not None:
            told.append(("ok", str(placed.result["order_id"])))
        elif isinstance(refusal, ArenaError):
            told.append(("void", "") if refusal.code in {"ORDER_VOID", "EXPIRED"} else ("refused", refusal.code))

    def resolve(self, client_order_id: str) -> None:
        outcomes = self.run(lambda txn: changing.resolve(self.desk, txn, client_order_id, TRADER, self.clock.wall_ns()))
        if outcomes and outcomes[0][1] is not None and outcomes[0][1]["status"] == "VOID":
            self.told.setdefault(client_order_id, Told()).replies.append(("void", ""))

    def quote(self) -> None:
        bid = Decimal(self.rng.randrange(115_800, 117_200)) / 100_000
        quote = Quote(instrument="EUR_USD", bid=bid, ask=bid + Decimal("0.00010"), time_ns=self.clock.wall_ns(), synthetic=True, feed="simulated")

        def work(txn: Any) -> None:
            self.desk.broker.on_quote(quote, now_ns=self.clock.wall_ns(), fresh=True)
            self.desk.record(txn)

        self.run(work)

    def expire(self) -> None:
        def work(txn: Any) -> None:
            self.desk.broker.on_time(self.clock.wall_ns())
            self.desk.record(txn)

        self.run(work)

    def restore(self) -> None:
        """The backup is put back the documented way."""
        if self.backup is None:
            return
        self.restores += 1
        self.mark()  # it is stopped for a restore, which writes the mark; a killed one has written it within its last second
        request_new_epoch(self.database)
        self.connection.image = self.backup
        self.die()

    # ── the client ──

    def send(self) -> None:
        """A new order, or the same one again, or twice; some are refused by our own rules."""
        if self.known and self.rng.random() < 0.4:
            old = self.rng.choice(list(self.known.values()))
            request = Request(client_order_id=old.client_order_id, ticket=old.ticket, deadline_ns=self.clock.boot_ns() + TTL_NS)
        else:
            self.orders += 1
            client_order_id = f"c{self.orders}"
            entry = Decimal(self.rng.randrange(116_300, 116_900)) / 100_000
            ticket = OrderTicket(
                instrument="EUR_USD",
                side=Side.BUY,
                units=Decimal(self.rng.choice([1, 100, 1000])),
                entry_type=EntryType.LIMIT,
                entry_price=entry,
                stop_loss_price=Decimal("1.1600") if self.rng.random() < 0.9 else Decimal("1.1800"),
                take_profit_price=Decimal("1.1700"),
                ttl_min=Decimal(self.rng.choice([1, 360])),
                client_order_id=client_order_id,
            )
            request = Request(client_order_id=client_order_id, ticket=ticket, deadline_ns=self.clock.boot_ns() + TTL_NS)
            self.known[client_order_id] = request
        self.last_chance_ns[request.client_order_id] = max(self.last_chance_ns.get(request.client_order_id, 0), request.deadline_ns)
        self.requests += [request] * self.rng.choice([1, 1, 1, 2])

    # ── the reader ──

    def look(self) -> None:
        fetch = self.follower.tick(self.clock.boot_ns())
        if fetch is not None:
            self.fetch = fetch
        self.deliveries += self.follower.take()

    def answer(self) -> None:
        if self.fetch is None:
            return
        fetch, self.fetch = self.fetch, None
        if self.rng.random() < 0.2:
            self.follower.failed(fetch, self.clock.boot_ns())
        else:
            self.follower.page(fetch, self.page(fetch), self.clock.boot_ns())
        self.look()

    def page(self, fetch: Fetch) -> FetchedPage:
        epoch, last = self.state.epoch, self.state.last_seq
        events: list[bytes | Event] = []
        if fetch.epoch in {None, epoch} and fetch.after <= last:
            after = max(0, last + fetch.after) if fetch.after < 0 else fetch.after
            query = "SELECT body FROM events WHERE epoch_n = ? AND seq > ? ORDER BY seq LIMIT ?"
            events = [row[0] for row in self.connection.real.execute(query, (self.state.epoch_n, after, min(fetch.limit, 50)))]
        return FetchedPage(epoch=epoch, first_seq=self.state.first_seq, last_seq=last, events=events)

    def heartbeat(self) -> None:
        payload: dict[str, object] = {"epoch": self.state.epoch, "first_seq": self.state.first_seq, "last_seq": self.state.last_seq}
        self.follower.heartbeat({**payload, "instance": f"{self.deaths:016x}"}, self.clock.boot_ns())
        self.look()

    def publish(self) -> None:
        """The bus hands on one of what was published: lost, out of order, twice."""
        if not self.bus:
            return
        event = self.bus.pop(self.rng.randrange(min(3, len(self.bus))))
        for _ in range(self.rng.choice([0, 1, 1, 1, 2])):
            self.follower.event(event, self.clock.boot_ns())
        self.look()

    # ── the schedule ──

    def step(self) -> None:
        rng = self.rng
        match rng.choices(
            ["send", "serve", "quote", "expire", "wait", "publish", "beat", "answer", "resolve", "fault", "die", "mark", "backup", "restore"],
            [20, 20, 8, 2, 10, 20, 6, 12, 4, 8, 2, 3, 1, 0.5],
        )[0]:
            case "send":
                self.send()
            case "serve" if self.requests:
                count = rng.randint(1, min(4, len(self.requests)))
                self.serve([self.requests.pop(rng.randrange(len(self.requests))) for _ in range(count)])
            case "quote":
                self.quote()
            case "expire":
                self.expire()
            case "wait":
                self.clock.advance(rng.choice([0.01, 0.3, 1.0, 4.0, 70.0]))
            case "publish":
                self.publish()
            case "beat":
                self.heartbeat()
            case "answer":
                self.answer()
            case "resolve" if self.known:
                self.resolve(rng.choice(list(self.known)))
            case "fault":
                kind = rng.choice(["full", "die", "die_before", "die_after", "eio", "eio_lost"])
                self.connection.orders = (kind, rng.randint(0, 6))
            case "die":
                self.die()
            case "mark":
                self.mark()
            case "backup":
                self.backup = self.connection.image
            case "restore":
                self.restore()
        self.note_placed()

    def note_placed(self) -> None:
        """Remember every order that the store has, and whether it was placed in time."""
        for client_order_id, n, made_ns in self.connection.real.execute("SELECT client_order_id, n, made_ns FROM client_ids WHERE n IS NOT NULL"):
            order_id = f"paper-oanda-{n}"
            if order_id not in self.ever_placed:
                boot_ns = made_ns - MARKET_NS + 1_000_000_000_000
                if boot_ns > self.last_chance_ns[client_order_id]:
                    self.executed_late.append(client_order_id)
                self.ever_placed[order_id] = client_order_id
            elif self.ever_placed[order_id] != client_order_id:
                raise AssertionError(f"{order_id} stood for {self.ever_placed[order_id]} and now for {client_order_id}")

    def calm(self) -> None:
        """No more faults; whatever is under way arrives; the reader is answered."""
        self.connection.orders = None
        while self.requests:
            self.serve([self.requests.pop(0)])
        for client_order_id in self.known:
            self.resolve(client_order_id)
        self.note_placed()
        for _ in range(60):
            self.clock.advance(0.3)
            self.heartbeat()
            while self.fetch is not None:
                fetch, self.fetch = self.fetch, None
                self.follower.page(fetch, self.page(fetch), self.clock.boot_ns())
                self.look()
