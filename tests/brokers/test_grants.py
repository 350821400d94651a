"""The daily amount of a live grant cannot be passed: not in slices, by a race, a repeat, a restart, a change of price, doubt, or a clock set back.

Hypothesis draws what users, venue and machine do; the desk, its store and the fake venue's Broker are the real ones. The second book of
``grant_arena`` must equal the desk's own count, so it lets nothing through and keeps nobody out.
"""

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.brokers.fake import VenueRejected
from tests.brokers.grant_arena import LIMIT, USERS, Arena
from trading.orders import OrderStatus

HOUR_S = 3600
ENDED = {OrderStatus.REJECTED, OrderStatus.CANCELLED}
ANSWERS = (None, True, False, ConnectionError("no answer"), VenueRejected("NO_MONEY"))


def step(arena: Arena, data: st.DataObject) -> None:
    """One thing that can happen now."""
    known = arena.known
    free = {order_id: each for order_id, each in known.items() if each.call is None}
    waiting = [order_id for order_id, each in known.items() if each.call is not None]
    resting = [order_id for order_id, each in free.items() if each.may_trade and not each.given_up and each.filled < each.units]
    ended = [order_id for order_id, each in free.items() if not each.filled and arena.stored(order_id).status in ENDED]
    names = ["place", "place", "place", "restart", "later", "back"]
    names += ["answer", "answer"] * bool(waiting) + ["fill", "end", "modify"] * bool(resting) + ["turn up"] * bool(ended)
    match data.draw(st.sampled_from(names)):
        case "place":
            one = st.tuples(st.sampled_from(USERS), st.sampled_from([f"id-{n}" for n in range(12)]), st.integers(1, 900))
            arena.place(data.draw(st.lists(one, min_size=1, max_size=5)))
        case "restart":
            arena.restart()
        case "later":
            arena.clock.advance(data.draw(st.integers(1, 30)) * HOUR_S)
        case "back":
            arena.clock.step_wall(-data.draw(st.integers(1, 30)) * HOUR_S)
        case "answer":
            arena.answer(data.draw(st.sampled_from(waiting)), data.draw(st.sampled_from(ANSWERS)))
        case "fill":
            order_id = data.draw(st.sampled_from(resting))
            arena.fills(order_id, Decimal(data.draw(st.integers(1, int(known[order_id].units - known[order_id].filled)))))
        case "end":
            arena.ends(data.draw(st.sampled_from(resting)))
        case "modify":
            order_id = data.draw(st.sampled_from(resting))
            if not known[order_id].filled:
                arena.modify(order_id, Decimal(data.draw(st.integers(11601, 11699))) / 10_000)
        case "turn up":
            arena.turns_up(data.draw(st.sampled_from(ended)))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_days_amount_is_never_passed_and_never_cut_short(data: st.DataObject) -> None:
    with Arena() as arena:
        for _ in range(data.draw(st.integers(5, 40))):
            step(arena, data)
            arena.check()


@pytest.fixture
def arena() -> Iterator[Arena]:
    with Arena() as made:
        yield made


def test_slices_that_come_together_are_counted_together(arena: Arena) -> None:
    """Ten orders of 200 units in one transaction: four come to 932.40, the fifth would pass 1,000."""
    arena.place([("ann@desk", f"slice-{n}", 200) for n in range(10)])
    assert len(arena.known) == 4
    arena.place([("bob@desk", "another", 200)])
    assert len(arena.known) == 5, "somebody else's day is another"


def test_the_second_book_would_see_an_amount_that_is_not_counted(arena: Arena) -> None:
    arena.place([("ann@desk", "a", 500)])
    arena.db.execute("UPDATE grant_days SET notional = '0'")
    with pytest.raises(AssertionError):
        arena.check()
    arena.place([("ann@desk", "b", 500)])
    assert sum(each.units for each in arena.known.values()) * Decimal("1.1655") > LIMIT, "and then it is passed"
