"""One adapter process: what is opened in which order, what runs, and how it stops.

The store's lock comes first, before any socket is bound: a second process for the source ends there and says so (RULES R5). The sockets are bound
before the account is reconciled, so that looking, cancelling and braking work at once. Stopping goes backwards: quotes, then requests (what is in
flight is answered), then the account's tasks, then the journal, last the publisher with the heartbeat that says ``stopping``.
"""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping

from brokers import ledger, tenancy
from brokers.base import Broker
from brokers.beat_intake import DAY, DAY_PNL, BeatIntake
from brokers.context import Context
from brokers.credentials import NAMES
from brokers.desk import Desk
from brokers.events_out import EventsOut
from brokers.feed_watch import FeedWatch
from brokers.quote_desk import QuoteDesk
from brokers.quote_intake import QuoteIntake
from brokers.real_quotes import RealQuotes
from brokers.schema import MIGRATIONS
from brokers.service import LATE_OPS, Service
from brokers.steady_clock import SteadyClock
from brokers.upkeep import AWAKE_KEY, Upkeep
from brokers.venue_calls import VenueCalls
from brokers.watches import Watches
from bus.heartbeat import HeartbeatTask, StandIn
from bus.journal import Journal
from bus.publisher import Publisher
from bus.replay import ReplayServer
from bus.requests import RequestServer
from bus.txn import Txn
from runtime.clock import NS_PER_S, Clock
from runtime.clock import boot_id as read_boot_id
from runtime.program import CannotStart
from runtime.settings import Settings
from trading.errors import ArenaError
from trading.instruments import Instruments
from trading.money import book, nearest
from trading.risk_limits import RiskLimits, RiskSettingsError

_log = logging.getLogger(__name__)


class Adapter:
    """A running adapter, for its heartbeat and for tests; made by ``open_adapter``."""

    def __init__(self, source: str, context: Context, service: Service, servers: tuple[RequestServer, ReplayServer], intake: QuoteIntake) -> None:
        self.source = source
        self.context = context
        self.service = service
        self.is_stopping = False
        self._orders, self._replay = servers
        self._intake = intake

    @property
    def status(self) -> str:
        """``starting`` until the account is reconciled, ``degraded`` while the store cannot take orders."""
        if self.is_stopping:
            return "stopping"
        if self.context.journal.degraded or self.context.store_is_low():
            return "degraded"
        return "ok" if self.context.desk.broker.is_reconciled else "starting"

    def heartbeat(self) -> Mapping[str, object]:
        """What each heartbeat says."""
        journal, desk = self.context.journal, self.context.desk
        status = self.status
        return {
            "epoch": journal.epoch,
            "first_seq": journal.first_seq,
            "last_seq": journal.last_seq,
            "mode": desk.broker.mode,
            "trading_state": str(desk.brake.state),
            "status": status,
            "metrics": {
                "arena_last_seq": journal.last_seq,
                "arena_orders_unknown": len(desk.unknown_ns),
                "arena_pending_orders": desk.pending_count,
                "arena_open_positions": desk.broker.position_count,
                "arena_unprotected_positions": len(desk.unprotected),
                **self._day(),
                "arena_degraded": int(status == "degraded"),
                "arena_replays_total": self._replay.metrics()["replay_requests"],
                "arena_dropped_total": self.context.quotes.dropped + self._intake.malformed.count,
                "arena_orders_placed_total": self.service.placements.placed,
                "arena_orders_refused_total": self.service.placements.refused,
                "arena_quotes_total": self._intake.received,
                "arena_quotes_decided_total": self.context.quotes.decided,
                **{f"arena_{name}": value for name, value in {**journal.metrics(), **self._orders.metrics(), **self._replay.metrics()}.items()},
            },
        }

    def _day(self) -> Mapping[str, object]:
        result = self.context.desk.limits.day_result
        return {} if result is None else {DAY: result.day, DAY_PNL: nearest(book(result.pnl))}


async def serve(settings: Settings, source: str, stop: asyncio.Event, *, broker: Broker, instruments: Instruments, clock: Clock) -> None:
    """Host ``broker`` until ``stop`` is set. Returns after a clean stop; raises if any of its tasks fails.

    Raises:
        CannotStart: another process owns the source, or a socket cannot be bound.
    """
    async with open_adapter(settings, source, broker=broker, instruments=instruments, clock=clock):
        await stop.wait()


@contextlib.asynccontextmanager
async def open_adapter(settings: Settings, source: str, *, broker: Broker, instruments: Instruments, clock: Clock) -> AsyncIterator[Adapter]:
    """The adapter of ``source``, serving from entering to leaving."""
    desk = Desk(source=source, broker=broker, instruments=instruments, limits=_limits(settings), others=[name for name in NAMES if name != source])
    steady = SteadyClock(clock)
    address = settings.bus_pub_address
    with _plain_refusals(), Publisher(address) as publisher, EventsOut(publisher) as events_out, StandIn(address) as stand_in:

        def reload(connection: sqlite3.Connection) -> None:
            desk.reload(connection, steady.now_ns())

        journal = await Journal.open(
            settings.data_dir / f"{source}.db",
            source,
            migrations=MIGRATIONS,
            clock=clock,
            settings=settings.store,
            on_events=events_out.take,
            on_rollback=reload,
            on_held_up=stand_in.beat,
        )
        async with journal, asyncio.TaskGroup() as tasks:
            if broker.mode == "live":
                await journal.read(lambda db: tenancy.refuse_open_elsewhere(db, broker.account_id))
            awake_ns = await journal.run(lambda txn: _boot(desk, txn, steady.now_ns()))
            calendars = {name: instrument.calendar for name, instrument in desk.instruments.items()}
            watch = FeedWatch(int(settings.paper.quote_stale_s * NS_PER_S), calendars)
            blind = {bracket.instrument for bracket in await journal.read(lambda _: desk.broker.open_brackets())}
            quotes = QuoteDesk(journal, desk, watch, steady, blind=blind, blind_since_ns=awake_ns)
            upkeep = Upkeep(journal, desk, quotes, steady)
            context = Context(
                desk=desk,
                journal=journal,
                quotes=quotes,
                calls=VenueCalls(journal, desk, steady, tasks),
                clock=clock,
                steady=steady,
                kernel_boot_id=read_boot_id(),
                store_is_low=lambda: upkeep.store_is_low,
            )
            service = Service(context)
            replay = ReplayServer(settings.replay_address(source), journal)
            orders = RequestServer(
                settings.orders_address(source), service.handle, name="orders", together=service.together, late_ops=LATE_OPS, clock=clock
            )
            take = RealQuotes(source, quotes.take).take if broker.mode == "live" else quotes.take
            intake = QuoteIntake(settings.bus_sub_address, source, take, clock)
            adapter = Adapter(source, context, service, (orders, replay), intake)
            beats = BeatIntake(settings.bus_sub_address, desk.limits.others, desk.limits.hear)
            upkeep.watches = watches = Watches(context, beats)
            async with replay, orders, intake, beats:
                await watches.resume()
                heartbeat = HeartbeatTask(source, publisher, adapter.heartbeat, clock, float(settings.bus.heartbeat_s))
                stand_in.heartbeat = heartbeat
                running = [tasks.create_task(heartbeat.run()), tasks.create_task(upkeep.run()), tasks.create_task(broker.run(context.calls))]
                _log.info("ready", extra={"source": source, "mode": broker.mode, "epoch": journal.epoch, "last_seq": journal.last_seq})
                yield adapter
                adapter.is_stopping = True
            context.calls.cancel()
            for task in running:
                task.cancel()
            with contextlib.suppress(ArenaError):  # a full disk at a stop: the next start knows less exactly how long it was blind
                await journal.run(upkeep.note_awake)


def _limits(settings: Settings) -> RiskLimits:
    try:
        return RiskLimits.from_settings(settings.risk)
    except RiskSettingsError as error:
        raise CannotStart(str(error)) from error


@contextlib.contextmanager
def _plain_refusals() -> Iterator[None]:
    """Take a CannotStart out of the group that a TaskGroup wraps it in: it is a sentence for a person, not a crash."""
    try:
        yield
    except BaseExceptionGroup as group:
        refusals, _ = group.split(CannotStart)
        while refusals is not None:
            first = refusals.exceptions[0]
            if not isinstance(first, BaseExceptionGroup):
                raise first from group
            refusals = first
        raise


def _boot(desk: Desk, txn: Txn, now_ns: int) -> int:
    """Take up what the store holds; when this account was last awake."""
    desk.boot(txn, now_ns)
    awake_ns = ledger.get_state(txn, AWAKE_KEY)
    return now_ns if awake_ns is None else int(awake_ns)
