"""The book alone: whatever order facts come in, and however often, the same life comes out, once the venue's records have been read."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from brokers.live.book import Book
from brokers.live.facts import EntryAccepted, EntryEnded, EntryFilled, ExitFilled, Fact, LegGone, LegStands
from brokers.paper.config import PaperAccountConfig
from brokers.paper.state import State
from tests.brokers.live.stories import order
from tests.brokers.paper.kit import INSTRUMENTS
from trading.brackets import Bracket, Protection
from trading.events import CancelReason
from trading.orders import CloseReason, Leg, OrderStatus
from trading.venue_refs import Doubt, VenueRefs

CLIENT = "client-1"


def book_of(status: OrderStatus = OrderStatus.SUBMITTING, **refs: object) -> Book:
    """A book with one bracket, buy 100."""
    config = PaperAccountConfig(balance=Decimal(1000), on_margin=True)
    book = Book(State(venue="oanda", instruments=INSTRUMENTS, config=config, mode="live"), lambda _: False)
    wanted = order()
    book.put(
        Bracket(
            order_id="live-oanda-1",
            n=1,
            order=wanted,
            placed_by="ann",
            mode="live",
            status=status,
            protection=Protection.NONE,
            placed_ns=1,
            updated_ns=1,
            ttl_expires_ns=2,
            stop_price=wanted.stop_loss_price,
            venue=VenueRefs(client_id=CLIENT, **refs),  # type: ignore[arg-type]  # its fields by name
        )
    )
    return book


def test_a_fill_after_an_exit_while_a_cancel_is_in_doubt_is_counted_once() -> None:
    """The exit led from UNKNOWN to OPEN, the fill had no place there, and was made up for, and counted, when it was told again."""
    book = book_of()
    bracket = book.take(filled(1, 50), 1)
    assert bracket is not None
    book.put(replace(bracket, status=OrderStatus.UNKNOWN, venue=replace(bracket.venue, doubt=Doubt.CANCEL, asked=Doubt.PROTECT)))
    for fact in (left(1, 50), filled(2, 25), filled(2, 25), filled(3, 25)):
        book.take(fact, 1)
    bracket = book.get(1)
    assert bracket is not None
    assert (bracket.filled_units, bracket.position_units, bracket.fill_count) == (Decimal(100), Decimal(50), 4)


def accepted(ref: str = "o1", **more: object) -> EntryAccepted:
    return EntryAccepted(client_id=CLIENT, order_ref=ref, **more)  # type: ignore[arg-type]  # its fields by name


def filled(n: int, units: int) -> EntryFilled:
    return EntryFilled(client_id=CLIENT, order_ref="o1", trade_ref="t1", fill_id=f"f{n}", units=Decimal(units), price=Decimal("1.1655"))


def left(n: int, units: int, leg: Leg = Leg.STOP_LOSS, price: str = "1.16") -> ExitFilled:
    return ExitFilled(trade_ref="t1", leg=leg, fill_id=f"x{n}", units=Decimal(units), price=Decimal(price))


def stands(ref: str, units: int, price: str = "1.16") -> LegStands:
    return LegStands(client_id=CLIENT, order_ref=ref, leg=Leg.STOP_LOSS, units=Decimal(units), price=Decimal(price))


LIVES: dict[str, tuple[list[Fact], OrderStatus, int]] = {
    "filled in two, stopped in two": (
        [accepted(), filled(1, 40), stands("s1", 40), filled(2, 60), stands("s1", 100), left(1, 30), left(2, 70)],
        OrderStatus.CLOSED,
        0,
    ),
    "filled in part, the rest cancelled": (
        [accepted(), filled(1, 40), stands("s1", 40), EntryEnded(client_id=CLIENT, order_ref="o1", reason=CancelReason.USER)],
        OrderStatus.OPEN,
        40,
    ),
    "filled in part, cancelled, stopped": (
        [accepted(), filled(1, 40), stands("s1", 40), EntryEnded(client_id=CLIENT, order_ref="o1", reason=CancelReason.USER), left(1, 40)],
        OrderStatus.CLOSED,
        0,
    ),
    "filled": ([accepted(), filled(1, 100), stands("s1", 100)], OrderStatus.OPEN, 100),
    "expired": ([accepted(), EntryEnded(client_id=CLIENT, order_ref="o1", reason=CancelReason.TTL_EXPIRED)], OrderStatus.EXPIRED, 0),
}


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("seed", range(40))
def test_any_order_and_any_repetition_of_facts_is_the_same_life(name: str, seed: int) -> None:
    facts, status, units = LIVES[name]
    dice, book = random.Random(seed), book_of()
    told = [fact for fact in facts for _ in range(dice.choice((1, 1, 2)))]
    dice.shuffle(told)
    for fact in told:
        book.take(fact, 5)
    for fact in facts:  # what a look at the venue's records tells again
        book.take(fact, 6)
    bracket = book.get(1)
    assert bracket is not None
    if not bracket.is_final and not bracket.remaining_units:
        bracket = book.end_if_flat(bracket, 7)
        book.take_early(1, 7)
        bracket = book.get(1) or bracket
    if not bracket.is_final and not bracket.remaining_units:
        bracket = book.end_if_flat(bracket, 7)
    assert (bracket.status, int(bracket.position_units)) == (status, units)
    changes = book.state.drain()
    assert len({fill.fill_id for fill in changes.fills}) == len(changes.fills)
    assert sum(fill.units for fill in changes.fills if fill.leg is Leg.ENTRY) == bracket.filled_units
    if units:
        assert bracket.protection is Protection.VENUE


def test_an_acceptance_that_replaces_is_the_newest_id_and_the_end_of_the_old_one_ends_nothing() -> None:
    book = book_of()
    book.take(accepted("o1"), 5)
    book.take(accepted("o2", replaces="o1", price=Decimal("1.1650")), 6)
    book.take(EntryEnded(client_id=CLIENT, order_ref="o1", reason=CancelReason.USER), 7)
    bracket = book.get(1)
    assert bracket is not None
    assert (bracket.status, bracket.venue.order_refs, bracket.order.entry_price) == (OrderStatus.PENDING, ("o1", "o2"), Decimal("1.1650"))
    book.take(EntryEnded(order_ref="o2", reason=CancelReason.USER), 8)
    ended = book.get(1)
    assert ended is not None
    assert (ended.status, ended.cancel_reason) == (OrderStatus.CANCELLED, "venue"), "nobody here had asked for it"


def test_a_stop_that_is_too_small_guards_nothing() -> None:
    book = book_of()
    for fact in (accepted(), filled(1, 100), stands("s1", 60)):
        book.take(fact, 5)
    bracket = book.get(1)
    assert bracket is not None
    assert bracket.protection is Protection.NONE
    book.take(stands("s2", 100), 6)
    assert (book.get(1) or bracket).protection is Protection.VENUE
    book.take(stands("s1", 60), 7)
    assert (book.get(1) or bracket).protection is Protection.VENUE, "an old story told again"
    book.take(LegGone(client_id=CLIENT, order_ref="s1", leg=Leg.STOP_LOSS), 8)
    assert (book.get(1) or bracket).protection is Protection.VENUE, "the end of the old one"
    book.take(LegGone(client_id=CLIENT, order_ref="s2", leg=Leg.STOP_LOSS), 9)
    gone = book.get(1)
    assert gone is not None
    assert (gone.protection, gone.venue.stop_removed) == (Protection.NONE, True)


def test_more_than_was_ordered_is_counted_for_it_is_there() -> None:
    book = book_of()
    for fact in (accepted(), filled(1, 100), filled(2, 100)):
        book.take(fact, 5)
    bracket = book.get(1)
    assert bracket is not None
    assert (int(bracket.position_units), int(bracket.remaining_units)) == (200, 0)


def test_a_fact_about_nothing_we_know_asks_for_a_comparison() -> None:
    book = book_of()
    assert book.take(replace(filled(1, 100), client_id="other", order_ref="o9", trade_ref="t9"), 5) is None
    assert book.must_compare


def test_the_venues_own_money_is_what_is_booked() -> None:
    book = book_of()
    for fact in (accepted(), filled(1, 100), replace(left(1, 100, Leg.TAKE_PROFIT, "1.17"), realized_pnl=Decimal("0.4321"), fee=Decimal("0.02"))):
        book.take(fact, 5)
    (trade,) = book.state.drain().trades
    assert (trade.realized_pnl, trade.fees, trade.close_reason) == (Decimal("0.4321"), Decimal("0.02"), CloseReason.TAKE_PROFIT)


def test_a_bracket_of_two_positions_is_guarded_by_the_stops_of_both() -> None:
    """As OANDA makes it of an entry that fills in parts: a trade for each, and exits for each trade."""
    book = book_of()

    def part(n: int, units: int, trade: str) -> list[Fact]:
        return [
            replace(filled(n, units), trade_ref=trade),
            replace(stands(f"s{n}", units), trade_ref=trade),
            LegStands(order_ref=f"p{n}", trade_ref=trade, leg=Leg.TAKE_PROFIT, units=Decimal(units), price=Decimal("1.17")),
        ]

    def standing() -> tuple[Protection, int, int]:
        bracket = book.get(1)
        assert bracket is not None
        stop, target = bracket.venue.stop, bracket.venue.target
        return bracket.protection, 0 if stop is None else int(stop.units), 0 if target is None else int(target.units)

    for fact in (accepted(), *part(1, 40, "t1"), *part(2, 60, "t2")):
        book.take(fact, 5)
    assert standing() == (Protection.VENUE, 100, 100)
    book.take(replace(left(1, 40, Leg.TAKE_PROFIT, "1.17"), trade_ref="t1"), 6)
    assert standing() == (Protection.VENUE, 60, 60), "the exits of the trade that is out are out"
    book.take(LegGone(order_ref="s1", leg=Leg.STOP_LOSS), 7)
    assert standing() == (Protection.VENUE, 60, 60), "of which the venue may tell besides"
    book.take(replace(left(2, 20, Leg.CLOSE, "1.165"), trade_ref="t2"), 8)
    assert standing() == (Protection.VENUE, 40, 40)
    book.take(LegGone(order_ref="s2", leg=Leg.STOP_LOSS), 9)
    assert standing()[0] is Protection.NONE
    book.take(replace(stands("s9", 40), is_whole=True), 10)
    assert standing() == (Protection.VENUE, 40, 40)
    book.take(replace(stands("s1", 40), trade_ref="t1"), 11)
    assert standing() == (Protection.VENUE, 40, 40), "an old story"
