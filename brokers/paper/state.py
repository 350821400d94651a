"""The state of one paper account, and the two doors through which it changes: ``put`` for a bracket, ``fill`` for an execution.

``put`` keeps everything that is derived from brackets in step with them: sums of the books, prices waited for, times to live, rows to write. Nobody
else touches those.
"""

import heapq
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from brokers.paper.books import Books
from brokers.paper.config import PaperAccountConfig
from brokers.paper.market import Market
from brokers.paper.triggers import Triggers, wanted_by
from trading import events
from trading.brackets import Bracket, Fill, Trade, trade_of
from trading.changes import Changes
from trading.errors import NotFound
from trading.events import CancelReason, EventDraft
from trading.instruments import Instruments
from trading.order_state import Step, apply
from trading.orders import EntryType, Leg


class State:
    """Brackets that are not final, by n, and all that follows from them."""

    def __init__(self, *, venue: str, instruments: Instruments, config: PaperAccountConfig, mode: str) -> None:
        self.venue = venue
        self.mode = mode
        self.config = config
        self.instruments = instruments.for_venue(venue)
        self.market = Market(self.instruments)
        self.books = Books(config, self.instruments, self.market)
        self.next_n = 1
        self.clear()

    def clear(self) -> None:
        """Forget all brackets and everything that was to be written; the market's quotes stay, they are facts."""
        self.brackets: dict[int, Bracket] = {}
        self.by_instrument: dict[str, dict[int, None]] = {}
        self.triggers: dict[str, Triggers] = {}
        self.expiries: list[tuple[int, int]] = []
        # The feed that the open orders of an instrument belong to, and the other one that holds them up if one does.
        self.feeds: dict[str, str] = {}
        self.held_by_feed: dict[str, str] = {}
        self.is_dirty = True
        self._numbers: dict[str, int] = {}
        self._forget_changes()

    def find(self, order_id: str) -> Bracket:
        """The open bracket called ``order_id``; ORDER_NOT_FOUND."""
        n = self._numbers.get(order_id)
        if n is None:
            raise NotFound(f"no open order {order_id}", code="ORDER_NOT_FOUND", details={"order_id": order_id})
        return self.brackets[n]

    def get(self, order_id: str) -> Bracket | None:
        n = self._numbers.get(order_id)
        return None if n is None else self.brackets[n]

    def in_instrument(self, instrument: str) -> list[Bracket]:
        """Its open brackets in ascending n."""
        return [self.brackets[n] for n in sorted(self.by_instrument.get(instrument, ()))]

    def put(self, bracket: Bracket) -> None:
        """Make this the bracket of its n, and a row to write."""
        self.load(bracket)
        self._touched[bracket.n] = bracket

    def load(self, bracket: Bracket) -> None:
        """Make this the bracket of its n, as the store has it already."""
        n, name = bracket.n, bracket.order.instrument
        self.books.change(self.brackets.get(n), bracket)
        if bracket.is_final:
            self._remove(bracket)
        else:
            if n not in self.brackets:
                self._numbers[bracket.order_id] = n
                self.by_instrument.setdefault(name, {})[n] = None
            if bracket.feed:
                self.feeds.setdefault(name, bracket.feed)
            self.brackets[n] = bracket
            self.arm(bracket)
        self.is_dirty = True

    def arm(self, bracket: Bracket) -> None:
        """Wait for what ``bracket`` waits for."""
        name = bracket.order.instrument
        triggers = self.triggers.get(name)
        if triggers is None:
            triggers = self.triggers[name] = Triggers()
        triggers.put(bracket.n, wanted_by(bracket, self.instruments[name]), urgent=self._is_urgent(bracket))

    def expect(self, bracket: Bracket) -> None:
        """Wake up when the time to live of ``bracket`` ends."""
        heapq.heappush(self.expiries, (bracket.ttl_expires_ns, bracket.n))
        self.is_dirty = True

    def next_expiry_ns(self) -> int | None:
        """When the next unfilled entry ends; those that have traded or gone are dropped on the way."""
        while self.expiries:
            at_ns, n = self.expiries[0]
            bracket = self.brackets.get(n)
            if bracket is not None and bracket.remaining_units and bracket.ttl_expires_ns == at_ns:
                return at_ns
            heapq.heappop(self.expiries)
        return None

    def fill(self, before: Bracket, after: Bracket, fill: Fill) -> None:
        """Book one execution that turned ``before`` into ``after``, tell of it, and of everything that ended with it."""
        self.book(after, fill)
        is_entry = fill.leg is Leg.ENTRY
        self.tell(events.order_filled(after, fill, remaining_units=self._remaining(after, fill)))
        if not is_entry and before.remaining_units:
            self.tell(events.order_cancelled(after, Leg.ENTRY, CancelReason.OCO_SIBLING, fill.time_ns))

    def book(self, after: Bracket, fill: Fill) -> None:
        """Book one execution that led to ``after``, and tell nothing."""
        self.books.settle(fill.realized_pnl, fill.fee)
        self.account_changed = True
        self.put(after)
        self._fills.append(fill)

    def finish(self, bracket: Bracket, cancelled: Iterable[Leg], reason: CancelReason) -> None:
        """Tell that ``bracket`` is out of the market and which exits ended with it."""
        for leg in cancelled:
            self.tell(events.order_cancelled(bracket, leg, reason, bracket.closed_ns))
        trade = trade_of(bracket)
        self._trades.append(trade)
        self.tell(events.bracket_closed(bracket, trade))

    def end_entry(self, bracket: Bracket, reason: CancelReason, now_ns: int) -> Bracket:
        """Cancel what has not traded of an entry: the bracket ends with it unless it holds something."""
        unfilled = Step.EXPIRED if reason is CancelReason.TTL_EXPIRED else Step.CANCELLED
        ended = apply(bracket, Step.ENTRY_DONE if bracket.filled_units else unfilled, now_ns=now_ns, entry_cancelled=True, cancel_reason=str(reason))
        self.put(ended)
        self.tell(events.order_cancelled(ended, Leg.ENTRY, reason, now_ns))
        return ended

    def stamp_feed(self, instrument: str, feed: str) -> None:
        """The open orders of ``instrument`` belong to ``feed`` from now on."""
        for bracket in self.in_instrument(instrument):
            if bracket.feed != feed:
                self.put(replace(bracket, feed=feed))
        if self.by_instrument.get(instrument):
            self.feeds[instrument] = feed

    def tell(self, event: EventDraft) -> None:
        self._events.append(event)

    def drain(self) -> Changes:
        """Everything since the last call."""
        account = self.books.record() if self.account_changed else None
        changes = Changes(list(self._touched.values()), self._events, self._fills, self._trades, account)
        self._forget_changes()
        return changes

    def _forget_changes(self) -> None:
        self._touched: dict[int, Bracket] = {}
        self._events: list[EventDraft] = []
        self._fills: list[Fill] = []
        self._trades: list[Trade] = []
        self.account_changed = False

    def _remove(self, bracket: Bracket) -> None:
        n, name = bracket.n, bracket.instrument
        self.brackets.pop(n, None)
        self._numbers.pop(bracket.order_id, None)
        if name in self.triggers:
            self.triggers[name].drop(n)
        numbers = self.by_instrument.get(name, {})
        numbers.pop(n, None)
        if not numbers:
            self.feeds.pop(name, None)
            self.held_by_feed.pop(name, None)

    def _is_urgent(self, bracket: Bracket) -> bool:
        """Whether the next quote concerns ``bracket`` whatever it says."""
        if bracket.closing_units or bracket.stop_triggered:
            return True
        if bracket.remaining_units and (bracket.entry_triggered or bracket.order.entry_type is EntryType.MARKET):
            return True
        # In a book it must be seen once whether a limit trades on arrival, as a taker, or comes to rest.
        return self.config.has_order_book and bool(
            (bracket.remaining_units and not bracket.entry_rests and bracket.order.entry_type is EntryType.LIMIT)
            or (bracket.position_units and not bracket.target_rests)
        )

    @staticmethod
    def _remaining(after: Bracket, fill: Fill) -> Decimal:
        if fill.leg is Leg.ENTRY:
            return after.remaining_units
        return after.closing_units if fill.leg is Leg.CLOSE else after.position_units
