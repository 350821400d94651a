"""Fills that a comparison made up because the account showed another position than the book, and the venue's own word of them, told later.

What the account showed holds everything that had traded up to some point of the venue's own order of things (``Sighting.until``). So a fill that lies
no later there is in the position already, as far as something was made up in its direction: it takes the place of that, and mends prices, fees and
results only. What lies later is another one. Our clock has no part in it: it may be wrong, and be stepped in between. A fill that does not say where
it lies is taken for an old one.

The rows of the fill that was made up, and of a trade that ended with it, stay as they were told; the bracket and the account are mended.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from brokers.live.facts import MADE_UP, EntryFilled, ExitFilled
from brokers.live.fills import REASON_OF, Execution, counted, rate_of
from brokers.paper.state import State
from trading import events
from trading.brackets import Bracket
from trading.money import ZERO, book, plain
from trading.orders import CloseReason, Leg
from trading.venue_refs import MadeUp, taken_from

FillT = TypeVar("FillT", EntryFilled, ExitFilled)


def kept(bracket: Bracket, fact: EntryFilled | ExitFilled, execution: Execution, *, realized_pnl: Decimal = ZERO) -> Bracket:
    """``bracket`` after ``fact`` was booked as ``execution``, which is remembered where it was made up."""
    if not execution.fill_id.startswith(MADE_UP):
        return bracket
    one = MadeUp(
        fill_id=execution.fill_id,
        is_entry=isinstance(fact, EntryFilled),
        units=execution.units,
        price=execution.price,
        realized_pnl=realized_pnl,
        until=fact.at,
    )
    return replace(bracket, venue=replace(bracket.venue, made_up=(*bracket.venue.made_up, one)))


def settle(bracket: Bracket, fact: FillT, state: State, now_ns: int) -> tuple[Bracket, FillT]:
    """Let the venue's own word take the place of what was made up of it, and tell people: the bracket, and what of ``fact`` is still to be counted.

    The money in ``state`` is mended but for the balance, which is the venue's own and has it already.
    """
    left, taken = taken_from(bracket.venue.made_up, is_entry=isinstance(fact, EntryFilled), units=fact.units, at=fact.at)
    if not taken:
        return bracket, fact
    rest = rest_of(fact, taken)
    after, realized_pnl, fee = _mended(bracket, fact, rest, taken, rate_of(bracket, state))
    refs = replace(after.venue, made_up=left).with_trade(fact.trade_ref)
    after = counted(replace(after, updated_ns=now_ns, venue=refs), fact.fill_id)
    state.books.correct(realized_pnl, fee)
    state.account_changed = True
    state.tell(_settlement(after, fact, taken, realized_pnl=realized_pnl, fee=fee, now_ns=now_ns))
    return after, rest


def rest_of(fact: FillT, taken: Sequence[MadeUp]) -> FillT:
    """What of ``fact`` is news, its fee and its result by units."""
    if not taken:
        return fact
    rest = fact.units - sum((one.units for one in taken), ZERO)
    share = rest / fact.units
    if isinstance(fact, ExitFilled):
        realized_pnl = None if fact.realized_pnl is None else book(fact.realized_pnl * share)
        return replace(fact, units=plain(rest), fee=book(fact.fee * share), realized_pnl=realized_pnl)
    return replace(fact, units=plain(rest), fee=book(fact.fee * share))


def _mended(
    bracket: Bracket, fact: EntryFilled | ExitFilled, rest: EntryFilled | ExitFilled, taken: Sequence[MadeUp], rate: Decimal
) -> tuple[Bracket, Decimal, Decimal]:
    """``bracket`` with prices, fees and results as the venue has them, and by how much its result and its fees have changed.

    What was realised at the price of an entry that was made up stays, as does what was at risk. ``rate`` turns the quote currency into the account's.
    """
    units = sum((one.units for one in taken), ZERO)
    dearer = sum((one.units * (fact.price - one.price) for one in taken), ZERO)
    fee = book(fact.fee - rest.fee)
    known = replace(bracket, fees=plain(bracket.fees + fee))
    if isinstance(fact, EntryFilled):
        still_open = bracket.position_units / bracket.filled_units
        cost = plain(bracket.open_cost + book(dearer * still_open))
        return replace(known, entry_value=plain(bracket.entry_value + dearer), open_cost=cost), ZERO, fee
    result = dearer * bracket.side.sign * rate
    if fact.realized_pnl is not None:
        result = fact.realized_pnl * units / fact.units - sum((one.realized_pnl for one in taken), ZERO)
    result = book(result)
    if bracket.close_reason is CloseReason.EXTERNAL:  # it was out, and nobody knew why
        known = replace(known, close_reason=fact.reason or REASON_OF.get(fact.leg, CloseReason.EXTERNAL))
    return replace(known, exit_value=plain(bracket.exit_value + dearer), realized_pnl=plain(bracket.realized_pnl + result)), result, fee


def _settlement(
    bracket: Bracket, fact: EntryFilled | ExitFilled, taken: Sequence[MadeUp], *, realized_pnl: Decimal, fee: Decimal, now_ns: int
) -> events.EventDraft:
    """What people are told of it: ``details.settled``, and the same in words."""
    units = plain(sum((one.units for one in taken), ZERO))
    leg = Leg.ENTRY if isinstance(fact, EntryFilled) else fact.leg
    names = ", ".join(one.fill_id for one in taken)
    text = (
        f"{bracket.order_id}: the venue's fill {fact.fill_id}, {units} at {plain(fact.price)}, takes the place of what the comparison had made up at "
        f"{', '.join(str(one.price) for one in taken)} ({names}); nothing has traded besides"
    )
    details: dict[str, object] = {
        "differences": [text],
        "found": 1,
        "adopted": [],
        "settled": {
            "order_id": bracket.order_id,
            "leg": str(leg),
            "fill_id": fact.fill_id,
            "made_up": [one.fill_id for one in taken],
            "units": units,
            "price": plain(fact.price),
            "fee": fee,
            "realized_pnl": realized_pnl,
        },
    }
    return events.reconciled(instrument=bracket.instrument, blind_s=ZERO, orders=1, ts_ns=fact.time_ns or now_ns, details=details)
