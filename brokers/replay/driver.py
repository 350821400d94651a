"""The driver of a replay: recorded quotes through the paper engine, in market time, as fast as it goes. Pure: it opens nothing and reads no clock.

For each quote, in this order: time passes (entries whose time to live ended before or at the quote end at that very time), the quote decides, and the
orders that were due by then arrive one after the other and meet it. Every quote is fresh when it comes; silence in a recording is no stale feed.

Most quotes do nothing. What could happen is asked of the engine only after something did (``PaperEngine.idle_range``: prices that brackets wait for,
trailing stops, the room above a margin close-out, the next time to live), and together with the next order's arrival, the turn of a trading day and
the edges of the session it makes a *window*: four integers and a time. A quote inside it costs two chained comparisons, however many orders
rest, and reaches the engine only if it is the last before somebody looks at the account.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

from brokers.paper.config import PaperAccountConfig
from brokers.paper.engine import PaperEngine
from brokers.paper.idle import NEVER_NS
from brokers.replay.curve import Curve, Holding, to_scaled
from brokers.replay.desk import IdTaken, ReplayDesk
from brokers.replay.errors import PlanError, ReplayRefused
from brokers.replay.plan import PlannedOrder
from brokers.replay.summary import Summary
from runtime.timestamps import to_text
from trading.instruments import Instruments
from trading.money import plain
from trading.quote_files import from_scaled
from trading.quote_rows import SCALE, QuoteBlock
from trading.quotes import Quote
from trading.risk_limits import RiskLimits
from trading.sessions import session_at

FEED = "replay"

_EVER = 1 << 62
_EVERY_PRICE = (-_EVER, _EVER, -_EVER, _EVER)

# How often a trading day is looked for when a limit hangs on it: what the live adapter does.
_DAY_LOOK_NS = 60_000_000_000

# How far ahead the scan looks at once: what it copies is thrown away when something happens soon, as it does near the market.
_SCAN_MIN, _SCAN_MAX = 64, 8192


class Replay:
    """One instrument's quotes and one plan. ``feed`` every block, then ``finish``.

    Args:
        venue: ``oanda`` or ``coinbase``.
        instrument: one of the venue's in ``instruments``.
        plan: in the order of arrival; ``plan_path`` names the file in what is refused.
        write: takes each event as one line of JSON with its line end.
    Raises:
        ReplayRefused: the instrument cannot be replayed by its own quotes alone.
    """

    def __init__(
        self,
        *,
        venue: str,
        instrument: str,
        instruments: Instruments,
        account: PaperAccountConfig,
        limits: RiskLimits,
        plan: Sequence[PlannedOrder],
        plan_path: Path,
        write: Callable[[bytes], object],
    ) -> None:
        engine = PaperEngine(venue=venue, instruments=instruments, account=account)
        self._by_inverse = _converts(engine, instruments, instrument)
        self._engine = engine
        self._instrument = instruments[instrument]
        self._desk = ReplayDesk(engine, instrument=self._instrument, instruments=instruments, limits=limits, write=write)
        self._plan, self._plan_path, self._next = plan, plan_path, 0
        self._curve = Curve(engine.books.balance)
        self._balance_start = engine.books.balance
        self._holding = self._hold()
        self._bounds = _EVERY_PRICE
        self._until_ns = -_EVER  # the first quote is looked at
        self._look_ns = -_EVER if self._desk.counts_days else NEVER_NS
        self._quotes = self._first_ns = self._early = 0
        self._last: tuple[QuoteBlock, int] | None = None

    @property
    def quotes(self) -> int:
        """How many have been fed."""
        return self._quotes

    def feed(self, block: QuoteBlock) -> None:
        """The next quotes.

        Raises:
            PlanError: two orders of one client_order_id are not the same.
        """
        times, count = block.times_ns, len(block)
        if not self._quotes:
            self._begin(times[0])
        start = 0
        while start < count:
            stop = count if times[-1] < self._until_ns else bisect_left(times, self._until_ns, start)
            wake = self._scan(block, start, stop)
            if wake > start and not self._holding.is_flat:
                self._curve.over(self._holding, times[start:wake], block.bids[start:wake], block.asks[start:wake])
            if wake == count:
                break
            if block.bid_sizes is not None:
                self._show_before(block, wake)
            self._wake(self._quote(block, wake), block.bids[wake], block.asks[wake])
            start = wake + 1
        self._quotes += count
        self._last = (block, count - 1)

    def finish(self) -> Summary:
        """What came of it.

        Raises:
            PlanError: an order is due after the last quote.
        """
        if self._last is None:
            raise ReplayRefused("there was no quote to replay")
        last = self._quote(*self._last)
        if self._next < len(self._plan):
            late = self._plan[self._next]
            raise PlanError(
                self._plan_path, f"at is {late.at}, after the last quote of the file, {to_text(last.time_ns)}: it would never arrive", line=late.line
            )
        self._engine.mark(last)
        account, desk = self._engine.account(last.time_ns), self._desk
        self._curve.at(last.time_ns, self._holding.equity(*(column[self._last[1]] for column in (self._last[0].bids, self._last[0].asks))))
        return Summary(
            broker=self._engine.venue,
            instrument=self._instrument.name,
            currency=account.currency,
            quotes=self._quotes,
            first_ns=self._first_ns,
            last_ns=last.time_ns,
            events=desk.events,
            early=self._early,
            repeated=desk.repeated,
            balance_start=self._balance_start,
            balance_end=account.balance,
            equity_end=plain(account.balance + account.open_pnl),
            open_trades=account.open_trades,
            open_pnl=account.open_pnl,
            pending=account.pending_orders,
            drawdown=self._curve.drawdown,
            tally=desk.tally,
            points=self._curve.points(),
        )

    def _begin(self, first_ns: int) -> None:
        self._first_ns = first_ns
        self._curve.begin(first_ns)
        self._early = sum(1 for planned in self._plan if planned.at_ns < first_ns)

    def _scan(self, block: QuoteBlock, start: int, stop: int) -> int:
        """The first quote from ``start`` that lies outside the window; ``stop`` when none before it does."""
        low_bid, high_bid, low_ask, high_ask = self._bounds
        bids, asks, step = block.bids, block.asks, _SCAN_MIN
        while start < stop:
            end = min(stop, start + step)
            for index, (bid, ask) in enumerate(zip(bids[start:end], asks[start:end], strict=True), start):
                if not (low_bid <= bid <= high_bid and low_ask <= ask <= high_ask):
                    return index
            start, step = end, min(2 * step, _SCAN_MAX)
        return stop

    def _show_before(self, block: QuoteBlock, wake: int) -> None:
        """Two quotes alike are one shown twice, with what is left of its size, unless another came between: so the engine must have seen that."""
        if wake:
            self._engine.mark(self._quote(block, wake - 1))
        elif self._last is not None:
            self._engine.mark(self._quote(*self._last))

    def _wake(self, quote: Quote, bid: int, ask: int) -> None:
        """Everything one quote may bring; then the next window."""
        engine, desk, now_ns = self._engine, self._desk, quote.time_ns
        while (at_ns := engine.next_expiry_ns) is not None and at_ns <= now_ns:
            engine.on_time(at_ns)
            desk.record()
        engine.on_quote(quote, now_ns=now_ns, fresh=True)
        desk.record()
        if now_ns >= self._look_ns:
            desk.look_at_day(now_ns)
            self._look_ns = now_ns + _DAY_LOOK_NS
        while self._next < len(self._plan) and self._plan[self._next].at_ns <= now_ns:
            planned = self._plan[self._next]
            self._next += 1
            try:
                desk.take(planned, quote)
            except IdTaken:
                raise PlanError(
                    self._plan_path,
                    f"client_order_id {planned.client_order_id} stands for another order already: use a new one",
                    line=planned.line,
                ) from None
        self._open_window(now_ns)
        before, self._holding = self._holding, self._hold()
        if not (before.is_flat and self._holding.is_flat and before.balance == self._holding.balance):
            self._curve.at(now_ns, self._holding.equity(bid, ask))

    def _open_window(self, now_ns: int) -> None:
        name, engine = self._instrument.name, self._engine
        until_ns = min(self._look_ns, self._plan[self._next].at_ns if self._next < len(self._plan) else NEVER_NS)
        if engine.market.is_open(name, now_ns):
            idle = engine.idle_range(name)
            self._bounds = idle.scaled(SCALE)
            # A range that holds no price at all has no end either.
            until_ns = min(until_ns, idle.until_ns or NEVER_NS)
        else:
            # Nothing fills before the market opens, whatever is quoted.
            self._bounds = _EVERY_PRICE
            expiry_ns = engine.next_expiry_ns
            until_ns = min(until_ns, session_at(self._instrument.calendar, now_ns).until_ns, NEVER_NS if expiry_ns is None else expiry_ns)
        self._until_ns = until_ns

    def _hold(self) -> Holding:
        books = self._engine.books
        share = books.share(self._instrument.name)
        return Holding(
            balance=to_scaled(books.balance),
            long_units=int(share.long_units * SCALE),
            short_units=int(share.short_units * SCALE),
            cost=to_scaled(share.long_cost - share.short_cost),
            by_inverse=self._by_inverse,
        )

    def _quote(self, block: QuoteBlock, index: int) -> Quote:
        decimals = self._instrument.price_decimals
        return Quote(
            instrument=self._instrument.name,
            bid=from_scaled(block.bids[index], decimals),
            ask=from_scaled(block.asks[index], decimals),
            bid_size=None if block.bid_sizes is None else from_scaled(block.bid_sizes[index], 0),
            ask_size=None if block.ask_sizes is None else from_scaled(block.ask_sizes[index], 0),
            time_ns=block.times_ns[index],
            feed=FEED,
        )


def _converts(engine: PaperEngine, instruments: Instruments, name: str) -> bool:
    """Whether the quote currency is converted by the instrument's own price.

    Raises:
        ReplayRefused: it would take another instrument's.
    """
    quote, currency = instruments[name].quote, engine.books.currency
    if quote == currency:
        return False
    route = engine.market.route(quote, currency)
    if route is None or route[0] != name:
        raise ReplayRefused(
            f"{name} trades in {quote} and the account is in {currency}: quotes of {name} alone do not say what a {quote} is worth",
            details={"instrument": name, "currency": currency},
        )
    return True
