"""The life of a bracket: every way on is in the table, everything else is refused, and final means final but for what a venue has after all."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.trading.seed import BRACKET
from trading.errors import StateConflict
from trading.order_state import TRANSITIONS, Step, apply, next_status
from trading.orders import OrderStatus


@pytest.mark.parametrize("status", list(OrderStatus))
@pytest.mark.parametrize("step", list(Step))
def test_a_step_leads_where_the_table_says_or_is_refused(status: OrderStatus, step: Step) -> None:
    bracket = replace(BRACKET, status=status)
    if (status, step) in TRANSITIONS:
        moved = apply(bracket, step, now_ns=9, cancel_reason="user")
        assert (moved.status, moved.updated_ns, moved.cancel_reason) == (TRANSITIONS[status, step], 9, "user")
    elif (status, step) not in {(OrderStatus.CANCEL_PENDING, Step.CANCEL_REFUSED), (OrderStatus.UNKNOWN, Step.REDUCED)}:
        with pytest.raises(StateConflict, match="paper-oanda-1 is"):
            apply(bracket, step, now_ns=9)


def test_a_final_state_is_left_only_by_what_turns_up_at_the_venue_and_never_traded_here() -> None:
    left = {(status, step) for status, step in TRANSITIONS if status.is_final}
    assert {step for _, step in left} == {Step.TURNED_UP}
    assert {status for status, _ in left} == {OrderStatus.REJECTED, OrderStatus.VOID, OrderStatus.CANCELLED, OrderStatus.EXPIRED}


def test_every_state_but_the_first_is_reached_and_every_open_one_is_left() -> None:
    assert set(TRANSITIONS.values()) == set(OrderStatus) - {OrderStatus.SUBMITTING}
    assert {status for status, step in TRANSITIONS if step is not Step.TURNED_UP} == {status for status in OrderStatus if not status.is_final}


@pytest.mark.parametrize(
    ("filled", "entry_cancelled", "status"),
    [("0", False, OrderStatus.PENDING), ("40", False, OrderStatus.PARTIALLY_FILLED), ("100", False, OrderStatus.OPEN)],
)
def test_a_refused_cancel_leads_back_to_what_the_fills_say(filled: str, entry_cancelled: bool, status: OrderStatus) -> None:
    bracket = replace(BRACKET, status=OrderStatus.CANCEL_PENDING, filled_units=Decimal(filled), entry_cancelled=entry_cancelled)
    assert next_status(bracket, Step.CANCEL_REFUSED) is status


@pytest.mark.parametrize(("filled", "status"), [("40", OrderStatus.PARTIALLY_FILLED), ("100", OrderStatus.OPEN)])
def test_an_exit_leads_from_unknown_to_what_the_fills_say(filled: str, status: OrderStatus) -> None:
    """It led to OPEN, where a further fill of the entry had no place."""
    bracket = replace(BRACKET, status=OrderStatus.UNKNOWN, filled_units=Decimal(filled))
    assert next_status(bracket, Step.REDUCED) is status


@pytest.mark.parametrize("status", [status for status in OrderStatus if not status.is_final])
@pytest.mark.parametrize("step", [Step.ENTRY_PARTIAL, Step.ENTRY_DONE])
def test_a_fill_has_its_place_wherever_a_bracket_stands(status: OrderStatus, step: Step) -> None:
    """A venue's word that something has traded is never refused: what is not in the book has no stop."""
    assert (status, step) in TRANSITIONS


def test_what_is_left_of_an_entry_is_nothing_once_it_ended() -> None:
    partly = replace(BRACKET, status=OrderStatus.PARTIALLY_FILLED, filled_units=Decimal(40))
    assert (partly.remaining_units, partly.position_units) == (Decimal(60), Decimal(40))
    assert replace(partly, entry_cancelled=True, status=OrderStatus.OPEN).remaining_units == 0
    assert replace(partly, status=OrderStatus.VOID).remaining_units == 0
