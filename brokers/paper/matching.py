"""Matching: what one quote does to the brackets of its instrument.

Brackets in ascending n; each one: a close that was asked for, the stop, the target, the entry. Everything trades on the right side of the spread:

- a stop, a market order and a close take what is quoted, so a gap costs what it costs; - a limit never trades worse than its price: from a dealer
at the quote, in a book at its own price once it rests there (maker), else at the quote (taker); - an entry that would trade where one of its exits
is already due is cancelled instead, for it would be in and out, or in and naked; - quoted size, where there is one, is used up in this order; what
finds none waits. A stop that was reached goes on at any price.

A trailing stop moves in whole ticks, after the stop was looked at, and only towards the market.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.paper.fills import Execution, enter, leave
from brokers.paper.market import Standing
from brokers.paper.state import State
from trading import events
from trading.brackets import Bracket, Liquidity
from trading.events import CancelReason
from trading.instruments import Instrument, Side
from trading.money import ZERO, ceil_to, floor_to
from trading.orders import CloseReason, EntryType, Leg

# What a leg is told to have been cancelled for when its position was closed for another reason than an exit of its own.
_CANCELLED_BY_CLOSE = {
    CloseReason.MANUAL: CancelReason.USER,
    CloseReason.KILL_SWITCH: CancelReason.KILL_SWITCH,
    CloseReason.MARGIN_CLOSEOUT: CancelReason.INSUFFICIENT_MARGIN,
    CloseReason.EXTERNAL: CancelReason.VENUE,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One quote's turn: the state it meets, and what a unit of the quote currency is worth."""

    state: State
    instrument: Instrument
    standing: Standing
    rate: Decimal
    now_ns: int

    def run(self) -> None:
        """Let the quote do what it does, and close the account out if that left too little."""
        quote = self.standing.quote
        triggers = self.state.triggers.get(self.instrument.name)
        if triggers is not None:
            for n in triggers.due(quote.bid, quote.ask):
                self._meet(self.state.brackets[n])
        if self.state.config.on_margin:
            self._close_out()

    def _meet(self, bracket: Bracket) -> None:
        after = bracket
        for part in (self._close, self._stop, self._target, self._trail, self._enter):
            after = part(after)
            if after.is_final:
                return
        # What it waited for was taken out to be looked at.
        self.state.arm(after)

    def _close(self, bracket: Bracket) -> Bracket:
        if not bracket.closing_units or bracket.closing_reason is None:
            return bracket
        return self._exit(bracket, Leg.CLOSE, bracket.closing_reason, wanted=bracket.closing_units)

    def _stop(self, bracket: Bracket) -> Bracket:
        if not bracket.position_units or not (bracket.stop_triggered or self._is_past_stop(bracket)):
            return bracket
        after = self._exit(bracket, Leg.STOP_LOSS, CloseReason.STOP_LOSS, wanted=bracket.position_units)
        if after.is_final or bracket.stop_triggered:
            return after
        # Reached, and more to go than there was size for: from here on at any price, and the target is off.
        if after.remaining_units:
            after = self.state.end_entry(after, CancelReason.OCO_SIBLING, self.now_ns)
        after = replace(after, stop_triggered=True, updated_ns=self.now_ns)
        self.state.put(after)
        self.state.tell(events.order_cancelled(after, Leg.TAKE_PROFIT, CancelReason.OCO_SIBLING, self.now_ns))
        return after

    def _target(self, bracket: Bracket) -> Bracket:
        if not bracket.position_units or bracket.stop_triggered:
            return bracket
        if self._is_past_target(bracket):
            rests = bracket.target_rests
            price = bracket.order.take_profit_price if rests else None
            bracket = self._exit(bracket, Leg.TAKE_PROFIT, CloseReason.TAKE_PROFIT, wanted=bracket.position_units, resting_at=price)
        if self.state.config.has_order_book and not bracket.is_final and not bracket.target_rests:
            bracket = replace(bracket, target_rests=True)
            self.state.put(bracket)
        return bracket

    def _trail(self, bracket: Bracket) -> Bracket:
        if not bracket.position_units or bracket.stop_triggered:
            return bracket
        stop_price = self._trailed(bracket)
        if stop_price == bracket.stop_price:
            return bracket
        after = replace(bracket, stop_price=stop_price, updated_ns=self.now_ns)
        self.state.put(after)
        return after

    def _enter(self, bracket: Bracket) -> Bracket:
        remaining = bracket.remaining_units
        if not remaining or bracket.closing_units:
            return bracket
        order, standing = bracket.order, self.standing
        is_reached = self._is_entry_reached(bracket)
        units = standing.can_take(order.side, remaining, self.instrument.step) if is_reached else ZERO
        if not units:
            return self._wait(bracket, is_reached=is_reached)
        if self._is_past_stop(bracket):
            return self.state.end_entry(bracket, CancelReason.STOP_LOSS_ON_FILL, self.now_ns)
        if self._is_past_target(bracket):
            return self.state.end_entry(bracket, CancelReason.TAKE_PROFIT_ON_FILL, self.now_ns)
        price, liquidity = standing.entry_price(order.side), Liquidity.TAKER
        if bracket.entry_rests and order.entry_price is not None and order.entry_type is EntryType.LIMIT:
            price, liquidity = order.entry_price, Liquidity.MAKER
        execution = self._execution(units, price, liquidity)
        if not self._can_afford(bracket, execution):
            return self.state.end_entry(bracket, CancelReason.INSUFFICIENT_MARGIN, self.now_ns)
        standing.take(order.side, units, bracket)
        after, fill = enter(bracket, execution, has_order_book=self.state.config.has_order_book)
        after = replace(after, stop_price=self._trailed(after))
        self.state.fill(bracket, after, fill)
        return after

    def _wait(self, bracket: Bracket, *, is_reached: bool) -> Bracket:
        """An entry that finds no counterpart yet: a limit rests in the book from now on, a stop that was reached has become a market order."""
        order = bracket.order
        if order.entry_type is EntryType.LIMIT:
            if not self.state.config.has_order_book or bracket.entry_rests:
                return bracket
            after = replace(bracket, entry_rests=True)
        elif order.entry_type is EntryType.STOP and is_reached and not bracket.entry_triggered:
            after = replace(bracket, entry_triggered=True)
        else:
            return bracket
        self.state.put(after)
        return after

    def _exit(self, bracket: Bracket, leg: Leg, reason: CloseReason, *, wanted: Decimal, resting_at: Decimal | None = None) -> Bracket:
        """Trade out of ``wanted`` units as far as size goes: at ``resting_at`` as a maker, else at the quote."""
        side = bracket.side.opposite
        units = self.standing.can_take(side, wanted, self.instrument.step)
        if not units:
            return bracket
        price = self.standing.exit_price(bracket.side) if resting_at is None else resting_at
        execution = self._execution(units, price, Liquidity.TAKER if resting_at is None else Liquidity.MAKER)
        self.standing.take(side, units, bracket)
        after, fill = leave(bracket, execution, leg, reason)
        self.state.fill(bracket, after, fill)
        if after.is_final:
            self._finish(bracket, after, leg, reason)
        return after

    def _finish(self, before: Bracket, after: Bracket, leg: Leg, reason: CloseReason) -> None:
        """Tell which exits ended with the position; the target of a stop that was already under way has been told of."""
        exits = [Leg.STOP_LOSS] if before.stop_triggered else [Leg.STOP_LOSS, Leg.TAKE_PROFIT]
        self.state.finish(after, [each for each in exits if each is not leg], _CANCELLED_BY_CLOSE.get(reason, CancelReason.OCO_SIBLING))

    def _close_out(self) -> None:
        """When equity is below half the margin used, everything goes: here and now, elsewhere on the next quote there."""
        if self.state.held_by_feed:
            return  # part of the account cannot be valued
        valuation = self.state.books.valuation()
        if not valuation.is_complete or not valuation.margin_used or valuation.excess >= 0:
            return
        for bracket in [self.state.brackets[n] for n in sorted(self.state.brackets)]:
            if not bracket.position_units or bracket.closing_reason is CloseReason.MARGIN_CLOSEOUT:
                continue
            closing = bracket
            if closing.remaining_units:
                closing = self.state.end_entry(closing, CancelReason.INSUFFICIENT_MARGIN, self.now_ns)
            closing = replace(closing, closing_units=closing.position_units, closing_reason=CloseReason.MARGIN_CLOSEOUT, updated_ns=self.now_ns)
            self.state.put(closing)
            if closing.instrument == self.instrument.name:
                self._close(closing)

    def _execution(self, units: Decimal, price: Decimal, liquidity: Liquidity) -> Execution:
        return Execution(
            units=units,
            price=price,
            liquidity=liquidity,
            instrument=self.instrument,
            quote=self.standing.quote,
            rate=self.rate,
            now_ns=self.now_ns,
        )

    def _can_afford(self, bracket: Bracket, execution: Execution) -> bool:
        """Whether the account can carry this fill. What was reserved for it when it was placed is there for it."""
        books = self.state.books
        if self.state.config.on_margin:
            more = books.margin_after(self.instrument, bracket.side, execution.units, self.standing.quote.mid)
            valuation = books.valuation()
            return more is not None and valuation.equity - valuation.margin_used >= more
        if bracket.side is Side.SELL:
            return books.free_base(self.instrument.base) >= 0
        reserved = execution.units * bracket.reserve_price * (1 + self.instrument.taker_fee_rate)
        return execution.value + execution.fee <= books.cash - books.reserved + reserved

    def _is_entry_reached(self, bracket: Bracket) -> bool:
        order, price = bracket.order, self.standing.entry_price(bracket.side)
        if order.entry_price is None or bracket.entry_triggered:
            return True
        # Above zero when the market is dearer than the order's price for a buyer, cheaper for a seller.
        beyond = (price - order.entry_price) * order.side.sign
        return beyond <= 0 if order.entry_type is EntryType.LIMIT else beyond >= 0

    def _is_past_stop(self, bracket: Bracket) -> bool:
        return (self.standing.exit_price(bracket.side) - bracket.stop_price) * bracket.side.sign <= 0

    def _is_past_target(self, bracket: Bracket) -> bool:
        return (self.standing.exit_price(bracket.side) - bracket.order.take_profit_price) * bracket.side.sign >= 0

    def _trailed(self, bracket: Bracket) -> Decimal:
        """Where the stop stands after this quote: at most as far from the market as it trails, and never further than it was."""
        distance = bracket.order.trailing_stop_distance
        if distance is None:
            return bracket.stop_price
        market, tick = self.standing.exit_price(bracket.side), self.instrument.tick
        if bracket.side is Side.BUY:
            return max(bracket.stop_price, floor_to(market - distance, tick))
        return min(bracket.stop_price, ceil_to(market + distance, tick))
