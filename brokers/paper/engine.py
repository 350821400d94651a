"""The paper venue: a matching engine and an account, pure.

It reads no clock, opens nothing and waits for nothing: quotes, commands and times are handed in, what changed is handed out by ``drain``. The same
quotes and commands give the same changes, and an engine restored from what was drained goes on as if nothing had happened.

Times are integer nanoseconds since 1970; whoever calls makes sure that they never step back. Rules: DESIGN section 6 and docs/paper.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from brokers.paper import changing, closing, idle, placing, views
from brokers.paper.books import Books
from brokers.paper.config import PaperAccountConfig
from brokers.paper.idle import ALWAYS_IDLE, NEVER_IDLE, NEVER_NS, IdleRange
from brokers.paper.market import Market, Standing
from brokers.paper.matching import Turn
from brokers.paper.state import State
from brokers.paper.triggers import Triggers, Wanted
from trading import events
from trading.accounts import Account, Position, Preview
from trading.brackets import Bracket, Protection
from trading.changes import Changes
from trading.events import CancelReason
from trading.instruments import Instruments, Side
from trading.money import ZERO
from trading.order_state import Step, apply
from trading.orders import BracketOrder, CloseReason
from trading.quotes import Quote
from trading.risk import Exposure

_NO_TRIGGERS = Triggers()


class PaperEngine:
    """One venue's paper account and everything that trades on it.

    Args:
        venue: ``oanda`` or ``coinbase``.
        instruments: all of them; those of the venue are used.
        account: what a new account starts with.
        mode_prefix: the first part of order ids, and the ``mode`` of orders.
    """

    def __init__(self, *, venue: str, instruments: Instruments, account: PaperAccountConfig, mode_prefix: str = "paper") -> None:
        self.venue = venue
        self._state = State(venue=venue, instruments=instruments, config=account, mode=mode_prefix)
        self._ranges: dict[str, IdleRange] = {}

    # ── commands: each checks everything first and changes nothing when it refuses ──

    def place(self, order: BracketOrder, *, placed_by: str, now_ns: int) -> Bracket:
        """Accept a bracket order; it is matched by the next ``match`` or quote. See ``placing.place`` for the refusals."""
        return placing.place(self._state, order, placed_by=placed_by, now_ns=now_ns)

    def cancel(self, order_id: str, *, reason: str = CancelReason.USER, now_ns: int) -> Bracket:
        """Cancel what has not traded of an entry. See ``changing.cancel``."""
        return changing.cancel(self._state, order_id, reason=reason, now_ns=now_ns)

    def modify(self, order_id: str, changes: Mapping[str, object], *, now_ns: int) -> Bracket:
        """Change prices or time to live, Decimals by field name. See ``changing.modify``."""
        return changing.modify(self._state, order_id, changes, now_ns=now_ns)

    def close(
        self,
        instrument: str,
        *,
        side: Side | None = None,
        units: Decimal | None = None,
        percent: Decimal | None = None,
        placed_by: str | None = None,
        reason: CloseReason = CloseReason.MANUAL,
        now_ns: int,
    ) -> list[Bracket]:
        """Ask for a position, or part of it, to be closed at the market by the next ``match`` or quote. See ``closing.close``."""
        return closing.close(
            self._state, instrument, side=side, units=units, percent=percent, placed_by=placed_by, reason=CloseReason(reason), now_ns=now_ns
        )

    def close_bracket(self, order_id: str, *, reason: CloseReason, now_ns: int) -> Bracket:
        """Ask for one bracket's position to be closed at the market. See ``closing.close_bracket``."""
        return closing.close_bracket(self._state, order_id, reason=reason, now_ns=now_ns)

    def protect(self, order_id: str, *, now_ns: int) -> Bracket:
        """Guard one bracket's stop again; this engine is who guards them all."""
        return closing.protect(self._state, order_id, protection=Protection.ADAPTER, now_ns=now_ns)

    def reset(self, *, reset_by: str, now_ns: int) -> int:
        """Start the account over: every open bracket is VOID, the money is what the settings say; n goes on. Returns how many brackets that ended."""
        state = self._state
        open_brackets = self.open_brackets()
        for bracket in open_brackets:
            state.put(apply(bracket, Step.RESET, now_ns=now_ns, entry_cancelled=True, closing_units=ZERO))
        config = state.config
        state.books.start(config.currency, config.balance, config.holdings)
        state.account_changed = state.is_dirty = True
        state.tell(
            events.paper_reset(
                venue=self.venue,
                reset_by=reset_by,
                cancelled=len(open_brackets),
                balance=state.books.balance,
                currency=state.books.currency,
                holdings=state.books.own_holdings,
                ts_ns=now_ns,
            )
        )
        return len(open_brackets)

    def adopt_feed(self, feed: str, *, now_ns: int) -> list[str]:
        """Let all open orders go on with the quotes of ``feed``. Returns the instruments that belonged to another."""
        state = self._state
        adopted = sorted(name for name, ours in state.feeds.items() if ours != feed)
        for instrument in adopted:
            state.stamp_feed(instrument, feed)
            state.held_by_feed.pop(instrument, None)
        if adopted:
            state.tell(events.feed_recovered(instruments=adopted, feed=feed, ts_ns=now_ns))
        return adopted

    # ── the market ──

    def on_quote(self, quote: Quote, *, now_ns: int, fresh: bool) -> None:
        """Take in a quote and let it decide, unless it is stale, its market is closed, or it comes from another feed than the open orders.

        The standing quote may be shown again, after a placement for example: it then has only the size that is left of it.
        """
        if quote.instrument not in self._state.instruments:
            return
        idle_range = self.idle_range(quote.instrument)
        if now_ns < idle_range.until_ns and idle_range.feed in {None, quote.feed} and idle_range.holds(quote.bid, quote.ask):
            self._state.market.note(quote, fresh=fresh)
            return
        self.on_time(now_ns)
        if self._is_right_feed(quote, now_ns):
            self._decide(self._state.market.note(quote, fresh=fresh), now_ns)

    def match(self, instrument: str, *, now_ns: int, fresh: bool) -> None:
        """Let the standing quote decide about what has arrived since; nothing happens where there is none."""
        standing = self._state.market.standing(instrument)
        if standing is not None:
            self.on_quote(standing.quote, now_ns=now_ns, fresh=fresh)

    def on_time(self, now_ns: int) -> None:
        """End the entries whose time to live is over. A position that came of one stays, with its exits."""
        state = self._state
        while (at_ns := state.next_expiry_ns()) is not None and at_ns <= now_ns:
            state.end_entry(state.brackets[state.expiries[0][1]], CancelReason.TTL_EXPIRED, now_ns)

    def idle_range(self, instrument: str) -> IdleRange:
        """Between which prices a quote of ``instrument`` changes nothing but what positions are worth, as things stand now.

        A driver may then leave such quotes out and hand in the last of them by ``mark`` before it looks at the account or places an order.
        """
        if self._state.is_dirty:
            self._ranges = self._work_out_ranges()
            self._state.is_dirty = False
        return self._ranges.get(instrument, ALWAYS_IDLE)

    def mark(self, quote: Quote, *, fresh: bool = True) -> None:
        """Value the account by ``quote`` from now on, and decide nothing by it; quotes of a feed that open orders do not belong to are left out."""
        state = self._state
        if quote.instrument not in state.instruments or state.feeds.get(quote.instrument, quote.feed) != quote.feed:
            return
        if not self.idle_range(quote.instrument).holds(quote.bid, quote.ask):
            state.is_dirty = True  # the ranges of all instruments rest on what this one was worth
        state.market.note(quote, fresh=fresh)

    def shift_expiries(self, step_ns: int) -> None:
        """Move the end of every unfilled entry's time to live by ``step_ns``: the clock that it is written in was moved as much."""
        for bracket in self.open_brackets():
            if bracket.remaining_units:
                moved = replace(bracket, ttl_expires_ns=bracket.ttl_expires_ns + step_ns)
                self._state.put(moved)
                self._state.expect(moved)

    # ── what there is ──

    def bracket(self, order_id: str) -> Bracket | None:
        """The bracket if it is not final yet."""
        return self._state.get(order_id)

    def waits_for(self, bracket: Bracket) -> Wanted:
        """The prices at which something happens to ``bracket``, which is open."""
        return self._state.triggers[bracket.instrument].wanted(bracket.n)

    def open_brackets(self) -> list[Bracket]:
        """Every bracket that is not final, in ascending n."""
        return [self._state.brackets[n] for n in sorted(self._state.brackets)]

    def positions(self) -> list[Position]:
        return views.positions(self._state)

    def account(self, now_ns: int) -> Account:
        return views.account(self._state, now_ns)

    def preview(self, order: BracketOrder) -> Preview:
        """What ``order`` would cost and could lose; places nothing."""
        return views.preview(self._state, order)

    def exposure(self, instrument: str) -> Exposure:
        """What the risk limits look at before an order in ``instrument``, which must be one of the venue's."""
        return views.exposure(self._state, instrument)

    @property
    def open_count(self) -> int:
        """How many brackets are not final."""
        return len(self._state.brackets)

    @property
    def position_count(self) -> int:
        """How many of them hold something."""
        return sum([share.open_trades for share in self._state.books.shares.values()])

    @property
    def next_expiry_ns(self) -> int | None:
        """When the time to live of an unfilled entry ends next."""
        return self._state.next_expiry_ns()

    @property
    def held_by_feed(self) -> Mapping[str, str]:
        """Instruments whose open orders belong to another feed than the one that quotes, and which that is."""
        return self._state.held_by_feed

    @property
    def mode(self) -> str:
        """The first part of order ids."""
        return self._state.mode

    @property
    def books(self) -> Books:
        """The account's money and sums, to look at."""
        return self._state.books

    @property
    def next_n(self) -> int:
        return self._state.next_n

    @property
    def market(self) -> Market:
        """Standing quotes and conversions."""
        return self._state.market

    # ── storing and going on ──

    def drain(self) -> Changes:
        """What changed since the last call."""
        return self._state.drain()

    def restore(self, brackets: Iterable[Bracket], account: Mapping[str, object] | None, next_n: int, *, market: Market | None = None) -> None:
        """Forget everything but the market's quotes and go on from what was drained and stored.

        The quotes keep what is left of their size after the fills that are stored; what fills took that are not is there again.

        Args:
            brackets: all that are not final.
            account: the last account record; None or empty for a new account.
            next_n: the n of the next placement.
            market: another engine's, to go on from its standing quotes; without it this one's stay, and the first quote decides where there is none.
        """
        state = self._state
        state.clear()
        state.next_n = next_n
        if market is not None:
            state.market.take_over(market)
        state.books.restore(account or {})
        for bracket in sorted(brackets, key=lambda each: each.n):
            state.load(bracket)
            if bracket.remaining_units:
                state.expect(bracket)
        state.market.give_back(next_n, state.brackets)

    # ── inside ──

    def _is_right_feed(self, quote: Quote, now_ns: int) -> bool:
        """Whether the open orders of the instrument belong to the quote's feed; tells of it when that changes."""
        state, name = self._state, quote.instrument
        ours = state.feeds.get(name)
        if ours is None:
            if state.by_instrument.get(name):
                state.stamp_feed(name, quote.feed)
            return True
        if ours == quote.feed:
            if state.held_by_feed.pop(name, None) is not None:
                state.tell(events.feed_recovered(instruments=[name], feed=ours, ts_ns=now_ns))
            return True
        if state.held_by_feed.get(name) != quote.feed:
            state.held_by_feed[name] = quote.feed
            state.tell(events.feed_stale(instruments=[name], reason="FEED_CHANGED", feed=quote.feed, orders_feed=ours, ts_ns=now_ns))
        return False

    def _decide(self, standing: Standing, now_ns: int) -> None:
        state = self._state
        state.is_dirty = True
        name = standing.quote.instrument
        instrument = state.instruments[name]
        rate = state.market.rate(instrument.quote, state.books.currency)
        if rate is None or not state.market.decides(standing):
            return
        Turn(state, instrument, standing, rate, now_ns).run()

    def _work_out_ranges(self) -> dict[str, IdleRange]:
        state = self._state
        until_ns = state.next_expiry_ns()
        reach = idle.closeout_reach(state.books, state.market, state.instruments)
        ranges: dict[str, IdleRange] = {}
        for name in state.instruments:
            if not self._may_be_idle(name):
                ranges[name] = NEVER_IDLE
                continue
            bid_above, bid_below, ask_above, ask_below = state.triggers.get(name, _NO_TRIGGERS).bounds()
            ranges[name] = IdleRange(
                bid_above=bid_above,
                bid_below=bid_below,
                ask_above=ask_above,
                ask_below=ask_below,
                until_ns=NEVER_NS if until_ns is None else until_ns,
                feed=state.feeds.get(name),
            )
            standing = state.market.standing(name)
            if name in reach and standing is not None:
                ranges[name] = idle.narrowed(ranges[name], standing.quote, reach[name])
        return ranges

    def _may_be_idle(self, name: str) -> bool:
        """Not while an order acts on any quote, or the first quote still has to say which feed the orders belong to."""
        state = self._state
        if name in state.triggers and state.triggers[name].urgent:
            return False
        return not state.by_instrument.get(name) or name in state.feeds
