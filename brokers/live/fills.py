"""What one execution at a live venue makes of a bracket. Pure, and as ``brokers.paper.fills``, but for two things: the venue says what it charged and
realised, and an entry that is not done when its position leaves is not ended by that: it still stands at the venue until the venue says otherwise.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from brokers.live.facts import EntryFilled, ExitFilled
from brokers.paper.state import State
from trading.brackets import Bracket, Fill, Liquidity
from trading.money import ZERO, book, plain
from trading.order_state import Step, apply
from trading.orders import CloseReason, Leg

# What an exit ends a bracket for; of any other nobody may have asked for it.
REASON_OF = {Leg.STOP_LOSS: CloseReason.STOP_LOSS, Leg.TAKE_PROFIT: CloseReason.TAKE_PROFIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill as the venue tells it. ``rate`` is what a unit of the quote currency is worth in the account's, ``bid`` and ``ask`` what was quoted.

    ``realized_pnl`` is the venue's own figure, before ``fee``; None where it gives none.
    """

    fill_id: str
    units: Decimal
    price: Decimal
    fee: Decimal
    liquidity: Liquidity
    rate: Decimal
    bid: Decimal
    ask: Decimal
    now_ns: int
    realized_pnl: Decimal | None = None

    @property
    def value(self) -> Decimal:
        return book(self.units * self.price)


def enter(bracket: Bracket, execution: Execution) -> tuple[Bracket, Fill]:
    """``bracket`` after some of its entry traded. More than was ordered is counted all the same: the venue's word is what there is."""
    units, price = execution.units, execution.price
    is_done = bracket.entry_cancelled or bracket.filled_units + units >= bracket.order.units
    at_risk = abs(price - bracket.stop_price) * units * execution.rate if bracket.stop_price else ZERO
    entered = apply(
        bracket,
        Step.ENTRY_DONE if is_done else Step.ENTRY_PARTIAL,
        now_ns=execution.now_ns,
        filled_units=plain(bracket.filled_units + units),
        entry_value=plain(bracket.entry_value + units * price),
        open_cost=plain(bracket.open_cost + execution.value),
        fees=plain(bracket.fees + book(execution.fee)),
        risk_money=plain(bracket.risk_money + book(at_risk)),
        fill_count=bracket.fill_count + 1,
        opened_ns=bracket.opened_ns or execution.now_ns,
        close_reason=None,
        entry_cancelled=is_done and bracket.filled_units + units != bracket.order.units,
    )
    return counted(entered, execution.fill_id), _fill(bracket, execution, Leg.ENTRY, realized_pnl=ZERO)


def leave(bracket: Bracket, execution: Execution, leg: Leg, reason: CloseReason) -> tuple[Bracket, Fill]:
    """``bracket`` after some or all of its position traded out. It is closed when nothing is held and nothing can come.

    After an entry that ended unfilled, fills may still be on their way: it is closed once the venue's records have been read.
    """
    units, value, position = execution.units, execution.value, bracket.position_units
    is_out = units == position
    cost = bracket.open_cost if is_out else book(bracket.open_cost * units / position)
    realized_pnl = execution.realized_pnl
    if realized_pnl is None:
        realized_pnl = (value - cost) * bracket.side.sign * execution.rate
    is_closed = is_out and not bracket.remaining_units and is_entry_known(bracket)
    asked = bracket.closing_units - units if leg is Leg.CLOSE else bracket.closing_units
    left = apply(
        bracket,
        Step.CLOSED if is_closed else Step.REDUCED,
        now_ns=execution.now_ns,
        closed_units=plain(bracket.closed_units + units),
        exit_value=plain(bracket.exit_value + units * execution.price),
        open_cost=plain(bracket.open_cost - cost),
        realized_pnl=plain(bracket.realized_pnl + book(realized_pnl)),
        fees=plain(bracket.fees + book(execution.fee)),
        fill_count=bracket.fill_count + 1,
        closed_ns=execution.now_ns if is_closed else 0,
        close_reason=reason if is_out else None,
        closing_units=max(ZERO, min(asked, position - units)),
    )
    return counted(left, execution.fill_id), _fill(bracket, execution, leg, realized_pnl=book(realized_pnl))


def is_entry_known(bracket: Bracket) -> bool:
    """Whether every fill of an entry that has ended is in the book."""
    return bracket.filled_units >= bracket.order.units or bracket.venue.entry_known


def counted(bracket: Bracket, fill_id: str) -> Bracket:
    """``bracket`` that has counted the fill, once."""
    known = bracket.venue.fill_ids
    return bracket if fill_id in known else replace(bracket, venue=replace(bracket.venue, fill_ids=(*known, fill_id)))


def execution_of(
    fact: EntryFilled | ExitFilled, bracket: Bracket, state: State, *, units: Decimal, realized_pnl: Decimal | None, now_ns: int
) -> Execution:
    """``fact`` as it is booked: what was quoted and what the quote currency is worth are as things stand in ``state``."""
    standing = state.market.standing(bracket.instrument)
    return Execution(
        fill_id=fact.fill_id,
        units=units,
        price=fact.price,
        fee=fact.fee,
        liquidity=fact.liquidity,
        rate=rate_of(bracket, state),
        bid=fact.price if standing is None else standing.quote.bid,
        ask=fact.price if standing is None else standing.quote.ask,
        now_ns=fact.time_ns or now_ns,
        realized_pnl=realized_pnl,
    )


def rate_of(bracket: Bracket, state: State) -> Decimal:
    """What a unit of its quote currency is worth in the account's; 0 where nobody says."""
    return state.market.rate(state.instruments[bracket.instrument].quote, state.books.currency) or ZERO


def _fill(bracket: Bracket, execution: Execution, leg: Leg, *, realized_pnl: Decimal) -> Fill:
    return Fill(
        fill_id=execution.fill_id,
        order_id=bracket.order_id,
        client_order_id=bracket.client_order_id,
        placed_by=bracket.placed_by,
        mode=bracket.mode,
        instrument=bracket.instrument,
        side=bracket.side if leg is Leg.ENTRY else bracket.side.opposite,
        leg=leg,
        units=plain(execution.units),
        price=plain(execution.price),
        liquidity=execution.liquidity,
        fee=book(execution.fee),
        realized_pnl=realized_pnl,
        bid=plain(execution.bid),
        ask=plain(execution.ask),
        time_ns=execution.now_ns,
    )
