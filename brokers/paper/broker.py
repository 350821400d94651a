"""The paper engine as a ``Broker``: the venue whose every answer is there at once, so that no command leaves a call to be made.

The engine lives on the writer thread. What the event loop asks for every quote (``wants``) and every tick (``next_expiry_ns``) is answered from
values that ``drain``, the last act of every change, puts in place whole. Working the idle ranges out costs more than all the rest of a placement, so
an order that has only begun to wait narrows the range of its instrument by what it waits for; a range may be too narrow, never too wide.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from brokers.base import Mark, Progress, Snapshot, VenuePort
from brokers.paper.config import PaperAccountConfig
from brokers.paper.engine import PaperEngine
from brokers.paper.idle import NEVER_IDLE, IdleRange
from brokers.paper.triggers import Reach
from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket, Protection
from trading.changes import Changes
from trading.instruments import Instruments, Side
from trading.orders import BracketOrder, CloseReason, EntryType
from trading.quotes import Quote
from trading.risk import Exposure

_FALLING = frozenset({Reach.BID_FALLS, Reach.ASK_FALLS})


class PaperBroker:
    """One venue's paper account; see ``brokers.base.Broker``."""

    mode = "paper"
    account_id = "paper"
    protection = Protection.ADAPTER
    is_reconciled = True

    def __init__(self, *, venue: str, instruments: Instruments, account: PaperAccountConfig) -> None:
        self._engine = PaperEngine(venue=venue, instruments=instruments, account=account, mode_prefix=self.mode)
        self._instruments = instruments.for_venue(venue)
        self._has_order_book = account.has_order_book
        # The newest quote of each instrument that was wanted and has not decided yet; both threads write it, under the lock.
        self._wanted: dict[str, Quote] = {}
        self._decided: list[Quote] = []
        self._lock = threading.Lock()
        self._ranges: dict[str, IdleRange] = {}
        self._next_expiry_ns: int | None = None
        self._must_publish = False
        self._marked: dict[str, Mark] = {}
        self._publish()

    @property
    def next_expiry_ns(self) -> int | None:
        return self._next_expiry_ns

    @property
    def open_count(self) -> int:
        return self._engine.open_count

    @property
    def position_count(self) -> int:
        return self._engine.position_count

    def restore(self, snapshot: Snapshot, now_ns: int) -> None:  # noqa: ARG002  (nothing a paper order waits for depends on when it is taken up)
        """Orders of a live account that share the store are not ours and stay untouched."""
        ours = [bracket for bracket in snapshot.brackets if bracket.mode == self.mode]
        self._engine.restore(ours, snapshot.account, snapshot.next_n)
        self._decided.clear()
        self._marked.clear()
        self._publish()

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int, deadline_ns: int | None = None) -> Progress:  # noqa: ARG002  (done at once)
        bracket = self._engine.place(order, placed_by=placed_by, now_ns=now_ns)
        self._narrow(bracket)
        return Progress(brackets=[bracket])

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Progress:
        bracket = self._engine.modify(order_id, changes, now_ns=now_ns)
        self._narrow(bracket)
        return Progress(brackets=[bracket])

    def cancel(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        return Progress(brackets=[self._engine.cancel(order_id, reason=reason, now_ns=now_ns)])

    def close(
        self, instrument: str, *, side: Side | None, units: Decimal | None, percent: Decimal | None, placed_by: str | None, reason: str, now_ns: int
    ) -> Progress:
        closing = self._engine.close(
            instrument, side=side, units=units, percent=percent, placed_by=placed_by, reason=CloseReason(reason), now_ns=now_ns
        )
        self._must_publish = True
        return Progress(brackets=closing)

    def protect(self, order_id: str, *, now_ns: int) -> Progress:
        """Guard the stop of what the bracket holds again."""
        guarded = self._engine.protect(order_id, now_ns=now_ns)
        self._must_publish = True
        return Progress(brackets=[guarded])

    def close_bracket(self, order_id: str, *, reason: str, now_ns: int) -> Progress:
        """Close all that one bracket holds on the next quote."""
        closing = self._engine.close_bracket(order_id, reason=CloseReason(reason), now_ns=now_ns)
        self._must_publish = True
        return Progress(brackets=[closing])

    def wants(self, quote: Quote) -> bool:
        """Whether ``quote`` could change anything. One that comes behind a wanted quote is wanted too: what that one does is not known yet."""
        # In this order: who finds no wanted quote reads the ranges that the last one left behind (``drain`` writes them in the other order).
        if quote.instrument not in self._wanted and self._is_idle(quote):
            return False
        with self._lock:
            self._wanted[quote.instrument] = quote
        return True

    def on_quote(self, quote: Quote, *, now_ns: int, fresh: bool) -> None:
        self._engine.on_quote(quote, now_ns=now_ns, fresh=fresh)
        self._decided.append(quote)
        self._marked.pop(quote.instrument, None)
        self._must_publish = True

    def mark(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            name = mark.quote.instrument
            before = self._marked.get(name)
            if before is None or before.quote is not mark.quote or before.is_fresh is not mark.is_fresh:
                self._engine.mark(mark.quote, fresh=mark.is_fresh)
                self._marked[name] = mark
                # What the account was worth when the ranges were worked out is not what it is worth now.
                self._must_publish = self._must_publish or not self._ranges.get(name, NEVER_IDLE).holds(mark.quote.bid, mark.quote.ask)

    def on_time(self, now_ns: int) -> None:
        self._engine.on_time(now_ns)
        self._must_publish = True

    def shift_expiries(self, step_ns: int) -> None:
        self._engine.shift_expiries(step_ns)
        self._must_publish = True

    def drain(self) -> Changes:
        changes = self._engine.drain()
        if self._must_publish:
            self._publish()
        if self._decided:
            with self._lock:
                for quote in self._decided:
                    if self._wanted.get(quote.instrument) is quote:
                        del self._wanted[quote.instrument]
            self._decided.clear()
        return changes

    def bracket(self, order_id: str) -> Bracket | None:
        return self._engine.bracket(order_id)

    def open_brackets(self) -> Sequence[Bracket]:
        return self._engine.open_brackets()

    def positions(self) -> Sequence[Position]:
        return self._engine.positions()

    def account(self, now_ns: int) -> Account:
        return self._engine.account(now_ns)

    def preview(self, order: BracketOrder) -> Preview:
        return self._engine.preview(order)

    def exposure(self, instrument: str) -> Exposure:
        """What the risk limits look at before an order in ``instrument``."""
        return self._engine.exposure(instrument)

    def reset(self, reset_by: str, now_ns: int) -> None:
        self._engine.reset(reset_by=reset_by, now_ns=now_ns)
        self._must_publish = True

    def adopt_feed(self, feed: str, now_ns: int) -> None:
        self._engine.adopt_feed(feed, now_ns=now_ns)
        self._must_publish = True

    async def run(self, port: VenuePort) -> None:
        """Nothing to do: the quotes that the service hands in are all there is to this venue."""

    def _is_idle(self, quote: Quote) -> bool:
        idle_range = self._ranges.get(quote.instrument, NEVER_IDLE)
        if idle_range.feed not in {None, quote.feed}:
            return self._engine.held_by_feed.get(quote.instrument) == quote.feed  # held up, and told of already
        return idle_range.holds(quote.bid, quote.ask)

    def _publish(self) -> None:
        self._ranges = {name: self._engine.idle_range(name) for name in self._instruments}
        self._next_expiry_ns = self._engine.next_expiry_ns
        self._must_publish = False

    def _narrow(self, bracket: Bracket) -> None:
        """Make room in the range of one instrument for what ``bracket`` waits for; nothing has traded, so the other ranges stand."""
        name = bracket.instrument
        if self._next_expiry_ns is None or bracket.ttl_expires_ns < self._next_expiry_ns:
            self._next_expiry_ns = bracket.ttl_expires_ns
        idle_range = self._ranges.get(name, NEVER_IDLE)
        waits_for_a_price = bracket.order.entry_type is not EntryType.MARKET and not (bracket.entry_triggered or bracket.stop_triggered)
        if self._has_order_book or not waits_for_a_price or idle_range.feed != bracket.feed:
            self._ranges[name] = NEVER_IDLE  # until the next quote, which may concern it whatever it says, has decided
            return
        bounds = [idle_range.bid_above, idle_range.bid_below, idle_range.ask_above, idle_range.ask_below]
        for reach, price in self._engine.waits_for(bracket):
            # The bounds stand in the order of Reach; those for a price that is fallen to lie below.
            bounds[reach] = max(bounds[reach], price) if reach in _FALLING else min(bounds[reach], price)
        bid_above, bid_below, ask_above, ask_below = bounds
        self._ranges[name] = IdleRange(bid_above, bid_below, ask_above, ask_below, idle_range.until_ns, idle_range.feed)
