"""The least live Broker there is, for tests of the service around one: orders that rest and never fill, and a venue that is a set of ids.

What a live account really does is in ``brokers.live``; its venue for tests is ``tests.brokers.live.exchange``.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from brokers.base import Mark, Progress, Snapshot, VenueCall, VenuePort
from trading import events
from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket, Protection
from trading.changes import Changes
from trading.errors import NotFound, StateConflict
from trading.events import EventDraft
from trading.order_state import Step, apply
from trading.orders import BracketOrder, Leg, OrderStatus
from trading.quotes import Quote
from trading.risk import Exposure

NS_PER_MIN = 60_000_000_000


class Script(StrEnum):
    """What becomes of the next order that is sent."""

    ACCEPT = "accept"
    REJECT = "reject"
    SWALLOW = "swallow"  # accepted, and the answer is lost
    LOSE = "lose"  # never arrives
    HANG = "hang"  # neither, until released


class VenueRejected(Exception):
    """The venue's own no: it will never have the order."""


class FakeVenue:
    """Orders by our order_id, and how often each was sent."""

    def __init__(self) -> None:
        self.script: deque[Script] = deque()
        self.has: set[str] = set()
        self.sent: list[str] = []
        self.release = asyncio.Event()

    async def create(self, order_id: str) -> None:
        """Raises VenueRejected, or ConnectionError when no answer came."""
        self.sent.append(order_id)
        step = self.script.popleft() if self.script else Script.ACCEPT
        if step is Script.HANG:
            await self.release.wait()
        if step is Script.REJECT:
            raise VenueRejected("MARKET_HALTED")
        if step is not Script.LOSE:
            self.has.add(order_id)
        if step in {Script.SWALLOW, Script.LOSE}:
            raise ConnectionError("no answer")

    async def cancel(self, order_id: str) -> None:
        self.has.discard(order_id)

    async def find(self, order_id: str) -> bool:
        return order_id in self.has


class FakeBroker:
    """A live account whose orders rest and never fill."""

    mode = "live"
    account_id = "fake-account"
    protection = Protection.VENUE

    def __init__(self, venue: FakeVenue, source: str = "oanda", *, timeout_s: float = 5.0, look_again_s: float = 0.01) -> None:
        self._venue = venue
        self._source = source
        self._timeout_s = timeout_s
        self._look_again_s = look_again_s
        self._open: dict[str, Bracket] = {}
        self._next_n = 1
        self._touched: dict[str, Bracket] = {}
        self._events: list[EventDraft] = []
        self._in_doubt_at_start: list[str] = []
        self.is_reconciled = False

    @property
    def open_count(self) -> int:
        return len(self._open)

    @property
    def position_count(self) -> int:
        return 0

    def restore(self, snapshot: Snapshot, now_ns: int) -> None:
        self._touched, self._events = {}, []
        self._next_n = snapshot.next_n
        self._open = {bracket.order_id: bracket for bracket in snapshot.brackets}
        for bracket in snapshot.brackets:
            if bracket.status is OrderStatus.SUBMITTING:
                self._step(bracket, Step.LOST, events.order_unknown, now_ns)
        self._in_doubt_at_start = [order_id for order_id, bracket in self._open.items() if bracket.status is OrderStatus.UNKNOWN]

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int, deadline_ns: int | None = None) -> Progress:
        order_id = f"{self.mode}-{self._source}-{self._next_n}"
        bracket = Bracket(
            order_id=order_id,
            n=self._next_n,
            order=order,
            placed_by=placed_by,
            mode=self.mode,
            status=OrderStatus.SUBMITTING,
            protection=Protection.NONE,
            placed_ns=now_ns,
            updated_ns=now_ns,
            ttl_expires_ns=now_ns + int(order.ttl_min * NS_PER_MIN),
            stop_price=order.stop_loss_price,
        )
        self._next_n += 1
        self._keep(bracket)
        self._events.append(events.oco_placed(bracket))
        call = VenueCall(
            send=lambda: self._venue.create(order_id),
            settle=lambda answer, at_ns: self._settle_create(order_id, answer, at_ns),
            timeout_s=self._timeout_s,
        )
        return Progress(brackets=[bracket], calls=[call])

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Progress:
        bracket = self._get(order_id)
        changed = replace(bracket, order=replace(bracket.order, **changes), updated_ns=now_ns)  # type: ignore[arg-type]
        self._keep(changed)
        self._events.append(events.order_modified(changed, changes, now_ns))
        return Progress(brackets=[changed])

    def cancel(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        bracket = apply(self._get(order_id), Step.CANCEL_SENT, now_ns=now_ns)
        self._keep(bracket)
        call = VenueCall(
            send=lambda: self._venue.cancel(order_id),
            settle=lambda answer, at_ns: self._settle_cancel(order_id, reason, answer, at_ns),
            timeout_s=self._timeout_s,
        )
        return Progress(brackets=[bracket], calls=[call])

    def close(self, instrument: str, **_: object) -> Progress:
        raise StateConflict(f"{instrument} has no position: nothing fills here", code="NO_POSITION")

    @property
    def next_expiry_ns(self) -> int | None:
        return None

    def wants(self, quote: Quote) -> bool:
        return False

    def on_quote(self, quote: Quote, *, now_ns: int, fresh: bool) -> None:
        """A live venue matches by itself."""

    def mark(self, marks: Iterable[Mark]) -> None:
        """Nothing is held that could be valued."""

    def on_time(self, now_ns: int) -> None:
        """A live venue ends what is good till a date."""

    def shift_expiries(self, step_ns: int) -> None:
        """The venue's clock was not stepped."""

    def drain(self) -> Changes:
        changes = Changes(brackets=list(self._touched.values()), events=self._events)
        self._touched, self._events = {}, []
        return changes

    def bracket(self, order_id: str) -> Bracket | None:
        return self._open.get(order_id)

    def open_brackets(self) -> Sequence[Bracket]:
        return list(self._open.values())

    def positions(self) -> Sequence[Position]:
        return ()

    def account(self, now_ns: int) -> Account:
        zero = Decimal(0)
        return Account(
            venue=self._source, mode=self.mode, currency="USD", balance=zero, cash=zero, reserved=zero, open_pnl=zero, equity=zero, margin_used=zero,
            margin_available=zero, holdings_value=zero, realized_pnl=zero, fees=zero, pending_orders=len(self._open), open_trades=0, as_of_ns=now_ns,
            stale=False,
        )  # fmt: skip

    def exposure(self, instrument: str) -> Exposure:
        zero = Decimal(0)
        return Exposure(
            currency="USD", equity=Decimal(1_000_000), rate=Decimal(1), open_orders=len(self._open), instrument_units=zero, instrument_notional=zero,
            total_notional=zero,
        )  # fmt: skip

    def preview(self, order: BracketOrder) -> Preview:
        raise StateConflict(f"nothing is quoted here that could price {order.instrument}")

    def reset(self, reset_by: str, now_ns: int) -> None:
        raise StateConflict("this account is real", code="NOT_PAPER", details={"reset_by": reset_by, "now_ns": now_ns})

    def adopt_feed(self, feed: str, now_ns: int) -> None:
        raise StateConflict("this account is real", code="NOT_PAPER", details={"feed": feed, "now_ns": now_ns})

    async def run(self, port: VenuePort) -> None:
        for order_id in self._in_doubt_at_start:
            await port.apply(lambda _, order_id=order_id: self._look_up(order_id, looks=0))  # type: ignore[misc]
        await port.apply(lambda _: self._now_reconciled())

    def _now_reconciled(self) -> None:
        self.is_reconciled = True

    def _settle_create(self, order_id: str, answer: object, now_ns: int) -> VenueCall | None:
        bracket = self._get(order_id)
        if not isinstance(answer, Exception):
            self._step(bracket, Step.ACCEPTED, None, now_ns)
        elif isinstance(answer, VenueRejected):
            self._reject(bracket, str(answer), now_ns)
        else:
            self._step(bracket, Step.LOST, events.order_unknown, now_ns)
            return self._look_up(order_id, looks=0)
        return None

    def _look_up(self, order_id: str, looks: int) -> VenueCall:
        return VenueCall(
            send=lambda: self._venue.find(order_id),
            settle=lambda answer, at_ns: self._settle_look(order_id, answer, at_ns, looks + 1),
            timeout_s=self._timeout_s,
            delay_s=self._look_again_s if looks else 0.0,
        )

    def _settle_look(self, order_id: str, answer: object, now_ns: int, looks: int) -> VenueCall | None:
        if isinstance(answer, Exception) or (not answer and looks < 2):
            return self._look_up(order_id, looks)
        bracket = self._get(order_id)
        if answer:
            self._step(bracket, Step.ACCEPTED, events.order_resolved, now_ns)
        else:
            self._reject(bracket, "NEVER_REACHED_VENUE", now_ns)
        return None

    def _settle_cancel(self, order_id: str, reason: str, answer: object, now_ns: int) -> VenueCall | None:
        bracket = self._get(order_id)
        if isinstance(answer, Exception):
            self._step(bracket, Step.LOST, events.order_unknown, now_ns)
            return None
        cancelled = self._step(replace(bracket, cancel_reason=reason, entry_cancelled=True), Step.CANCELLED, None, now_ns)
        self._events.append(events.order_cancelled(cancelled, Leg.ENTRY, reason, now_ns))
        return None

    def _reject(self, bracket: Bracket, code: str, now_ns: int) -> None:
        rejected = self._step(replace(bracket, cancel_reason=code, entry_cancelled=True), Step.REJECTED, None, now_ns)
        self._events.append(
            events.order_rejected(
                rejected.order, order_id=rejected.order_id, placed_by=rejected.placed_by, mode=self.mode, code=code, message=code, ts_ns=now_ns
            )
        )

    def _step(self, bracket: Bracket, step: Step, event: Callable[[Bracket, int], EventDraft] | None, now_ns: int) -> Bracket:
        stepped = apply(bracket, step, now_ns=now_ns)
        self._keep(stepped)
        if event is not None:
            self._events.append(event(stepped, now_ns))
        return stepped

    def _keep(self, bracket: Bracket) -> None:
        self._touched[bracket.order_id] = bracket
        if bracket.status.is_final:
            self._open.pop(bracket.order_id, None)
        else:
            self._open[bracket.order_id] = bracket

    def _get(self, order_id: str) -> Bracket:
        try:
            return self._open[order_id]
        except KeyError:
            raise NotFound(f"no open order {order_id}", details={"order_id": order_id}) from None
