"""Fills: what one execution makes of a bracket. Pure; whether and at what price it trades is decided in ``matching``.

Cost and proceeds are booked in the quote currency when they trade. A partial exit takes its share of the cost of what is open, rounded once; the last
exit takes all that is left, so that the parts of a trade always add up to the whole. Realised P&L, fees and the money at risk are converted into
the account's currency at mid.
"""

from dataclasses import dataclass
from decimal import Decimal

from trading.brackets import Bracket, Fill, Liquidity
from trading.instruments import Instrument, Side
from trading.money import ZERO, book, plain
from trading.order_state import Step, apply
from trading.orders import CloseReason, EntryType, Leg
from trading.quotes import Quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """So many units at a price, on a quote; ``rate`` is what one unit of the quote currency is worth in the account's."""

    units: Decimal
    price: Decimal
    liquidity: Liquidity
    instrument: Instrument
    quote: Quote
    rate: Decimal
    now_ns: int

    @property
    def value(self) -> Decimal:
        """What is paid or received, in the quote currency, before the fee."""
        return book(self.units * self.price)

    @property
    def fee(self) -> Decimal:
        """What the venue charges, in the account's currency."""
        share = self.instrument.maker_fee_rate if self.liquidity is Liquidity.MAKER else self.instrument.taker_fee_rate
        return book(self.units * self.price * share * self.rate)


def enter(bracket: Bracket, execution: Execution, *, has_order_book: bool) -> tuple[Bracket, Fill]:
    """``bracket`` after some of its entry traded. What remains of a stop entry takes any price, of a limit it rests."""
    units, price = execution.units, execution.price
    is_done = units == bracket.remaining_units
    at_risk = abs(price - bracket.stop_price) * units * execution.rate
    entered = apply(
        bracket,
        Step.ENTRY_DONE if is_done else Step.ENTRY_PARTIAL,
        now_ns=execution.now_ns,
        filled_units=plain(bracket.filled_units + units),
        entry_value=plain(bracket.entry_value + units * price),
        open_cost=plain(bracket.open_cost + execution.value),
        fees=plain(bracket.fees + execution.fee),
        risk_money=plain(bracket.risk_money + book(at_risk)),
        fill_count=bracket.fill_count + 1,
        opened_ns=bracket.opened_ns or execution.now_ns,
        entry_triggered=bracket.order.entry_type is not EntryType.LIMIT,
        entry_rests=has_order_book,
        target_rests=has_order_book,
    )
    return entered, _fill(bracket, execution, Leg.ENTRY, bracket.side, realized_pnl=ZERO)


def leave(bracket: Bracket, execution: Execution, leg: Leg, reason: CloseReason) -> tuple[Bracket, Fill]:
    """``bracket`` after some or all of its position traded out. What was left of its entry is cancelled with the first exit."""
    units, value = execution.units, execution.value
    position = bracket.position_units
    is_out = units == position
    cost = bracket.open_cost if is_out else book(bracket.open_cost * units / position)
    realized_pnl = book((value - cost) * bracket.side.sign * execution.rate)
    still_in = Step.ENTRY_DONE if bracket.remaining_units else Step.REDUCED
    left = apply(
        bracket,
        Step.CLOSED if is_out else still_in,
        now_ns=execution.now_ns,
        entry_cancelled=bracket.entry_cancelled or bool(bracket.remaining_units),
        closed_units=plain(bracket.closed_units + units),
        exit_value=plain(bracket.exit_value + units * execution.price),
        open_cost=plain(bracket.open_cost - cost),
        realized_pnl=plain(bracket.realized_pnl + realized_pnl),
        fees=plain(bracket.fees + execution.fee),
        fill_count=bracket.fill_count + 1,
        closed_ns=execution.now_ns if is_out else 0,
        close_reason=reason if is_out else None,
        closing_units=_still_closing(bracket, leg, units),
    )
    return left, _fill(bracket, execution, leg, bracket.side.opposite, realized_pnl=realized_pnl)


def _still_closing(bracket: Bracket, leg: Leg, units: Decimal) -> Decimal:
    """What is still asked to be closed: less by what just was, and never more than what is open."""
    asked = bracket.closing_units - units if leg is Leg.CLOSE else bracket.closing_units
    return min(asked, bracket.position_units - units)


def _fill(bracket: Bracket, execution: Execution, leg: Leg, side: Side, *, realized_pnl: Decimal) -> Fill:
    return Fill(
        fill_id=f"{bracket.order_id}.{bracket.fill_count + 1}",
        order_id=bracket.order_id,
        client_order_id=bracket.client_order_id,
        placed_by=bracket.placed_by,
        mode=bracket.mode,
        instrument=bracket.instrument,
        side=side,
        leg=leg,
        units=plain(execution.units),
        price=plain(execution.price),
        liquidity=execution.liquidity,
        fee=execution.fee,
        realized_pnl=realized_pnl,
        bid=plain(execution.quote.bid),
        ask=plain(execution.quote.ask),
        time_ns=execution.now_ns,
    )
