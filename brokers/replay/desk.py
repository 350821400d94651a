"""The desk of a replay: orders arrive, are refused or placed, and what the engine says becomes lines.

It is the live adapter's order of things (``brokers.placing``) without its store: the ticket's own checks, then the limits of ``[risk]``, then the
venue; a refusal by our rules is told as ``order_rejected`` in the adapter's words and leaves the client_order_id free; the same order under an id
that was used is not placed twice. Trading is never halted here, nothing is late and no disk is full.
"""

from collections.abc import Callable

from brokers.actors import LOCAL
from brokers.base import Mark
from brokers.limits import Limits
from brokers.paper.engine import PaperEngine
from brokers.placing import rejection
from brokers.replay.plan import PlannedOrder
from brokers.replay.summary import Tally
from bus.envelope import GENESIS, make_event
from bus.frames import event_line
from trading.errors import OrderDenied
from trading.events import EventDraft
from trading.instruments import Instrument, Instruments
from trading.money import ZERO
from trading.order_checks import check_ticket
from trading.orders import canonical_hash
from trading.quotes import Quote
from trading.risk import Exposure
from trading.risk_limits import RiskLimits

EPOCH = "0" * 16


class IdTaken(Exception):
    """A client_order_id that stands for another order already."""


class ReplayDesk:
    """One engine, its limits, and where its events go.

    Args:
        write: takes each event as one line of JSON with its line end.
    """

    def __init__(
        self, engine: PaperEngine, *, instrument: Instrument, instruments: Instruments, limits: RiskLimits, write: Callable[[bytes], object]
    ) -> None:
        self.engine = engine
        self.tally = Tally()
        self.events = 0
        self.repeated = 0
        self._instrument = instrument
        self._instruments = instruments
        self._limits = Limits(limits, instruments)
        self._write = write
        self._hashes: dict[str, str] = {}

    @property
    def counts_days(self) -> bool:
        """Whether ``look_at_day`` must be called as time passes."""
        return self._limits.counts_days

    def look_at_day(self, now_ns: int) -> None:
        """Begin a new trading day where one is due, with the equity of now."""
        self._limits.begin_day(self.engine.account(now_ns).equity, now_ns)

    def exposure(self, instrument: str) -> Exposure:
        """What the limits look at. What the account holds besides is never quoted in a replay, so there is nothing to wait for."""
        return self.engine.exposure(instrument)._replace(awaited=())

    def take(self, planned: PlannedOrder, quote: Quote) -> None:
        """An order arrives right after ``quote`` and meets it.

        Raises:
            IdTaken: its client_order_id is another order's.
        """
        engine, now_ns, ticket = self.engine, quote.time_ns, planned.ticket
        known = self._hashes.get(planned.client_order_id)
        if known is not None:
            self._repeat(planned, known)
            return
        try:
            order = check_ticket(ticket, self._instruments, engine.venue)
            body_hash = canonical_hash(order)
            marks = {quote.instrument: Mark(quote=quote, age_ns=0, is_fresh=True)}
            self._limits.refuse(order, placed_by=LOCAL.user, body_hash=body_hash, broker=self, marks=marks, now_ns=now_ns)
            engine.place(order, placed_by=LOCAL.user, now_ns=now_ns)
        except OrderDenied as denial:
            self.tally.reject(denial.code)
            self._tell(
                rejection(
                    ticket,
                    client_order_id=planned.client_order_id,
                    placed_by=LOCAL.user,
                    mode=engine.mode,
                    refusal=denial,
                    now_ns=now_ns,
                )
            )
            return
        self._limits.note(LOCAL.user, body_hash, now_ns)
        self._hashes[planned.client_order_id] = body_hash
        self.tally.placed += 1
        self.record()
        engine.match(quote.instrument, now_ns=now_ns, fresh=True)
        self.record()

    def record(self) -> None:
        """Write and count what the engine did since the last time."""
        changes = self.engine.drain()
        if not changes:
            return
        for draft in changes.events:
            self._tell(draft)
        rate = self.engine.market.rate(self._instrument.quote, self.engine.books.currency)
        self.tally.take(changes, ZERO if rate is None else rate)

    def _repeat(self, planned: PlannedOrder, known: str) -> None:
        try:
            is_same = canonical_hash(check_ticket(planned.ticket, self._instruments, self.engine.venue)) == known
        except OrderDenied:
            is_same = False
        if not is_same:
            raise IdTaken
        self.repeated += 1

    def _tell(self, draft: EventDraft) -> None:
        self.events += 1
        # The chain is the journal's; a line has no prev.
        event = make_event(self.engine.venue, str(draft.type), draft.payload, draft.ts_ns, epoch=EPOCH, seq=self.events, prev=GENESIS)
        self._write(event_line(event))
