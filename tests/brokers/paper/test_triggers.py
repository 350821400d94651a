"""The ordered triggers: best prices, lazy deletion, and a cost that does not grow."""

from decimal import Decimal
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.paper.triggers import Reach, Triggers

D = Decimal
PRICES = st.integers(1, 30).map(Decimal)
OPERATIONS = st.lists(
    st.tuples(st.integers(1, 8), st.lists(st.tuples(st.sampled_from(list(Reach)), PRICES), max_size=3).map(tuple), st.booleans()), max_size=40
)


def reached(reach: Reach, price: Decimal, bid: Decimal, ask: Decimal) -> bool:
    """What a heap is to find, said plainly."""
    return {Reach.BID_FALLS: bid <= price, Reach.BID_RISES: bid >= price, Reach.ASK_FALLS: ask <= price, Reach.ASK_RISES: ask >= price}[reach]


@given(OPERATIONS, st.lists(st.tuples(PRICES, st.integers(0, 3)), min_size=1, max_size=10))
def test_what_is_due_is_what_a_look_at_all_finds(
    operations: list[tuple[int, tuple[tuple[Reach, Decimal], ...], bool]], quotes: list[tuple[Decimal, int]]
) -> None:
    """After any puts and drops, and after each quote, ``due`` and ``bounds`` agree with a plain list."""
    triggers, plain = Triggers(), {}
    for n, wanted, urgent in operations:
        triggers.put(n, wanted, urgent=urgent)
        plain[n] = (wanted, urgent)
    for bid, spread in quotes:
        ask = bid + spread
        due = [n for n, (wanted, urgent) in sorted(plain.items()) if urgent or any(reached(*each, bid, ask) for each in wanted)]
        quiet = not any(reached(*each, bid, ask) for wanted, _ in plain.values() for each in wanted)
        bid_above, bid_below, ask_above, ask_below = triggers.bounds()
        assert (bid_above < bid < bid_below and ask_above < ask < ask_below) is quiet
        assert triggers.due(bid, ask) == due
        for n in due:
            triggers.put(n, plain[n][0], urgent=plain[n][1])


def test_nothing_waiting_means_no_bounds() -> None:
    assert Triggers().bounds() == (D("-Infinity"), D("Infinity"), D("-Infinity"), D("Infinity"))
    assert Triggers().due(D(1), D(2)) == []


def test_moving_a_price_for_ever_does_not_fill_the_memory() -> None:
    """A trailing stop that moves 100,000 times leaves no more than a sweep's worth of dead entries."""
    triggers = Triggers()
    for price in range(1, 100_000):
        triggers.put(1, ((Reach.BID_FALLS, D(price)),), urgent=False)
    assert sum(map(len, triggers._heaps)) < 300
    assert triggers.bounds()[0] == 99_999


@pytest.mark.parametrize("resting", [10, 100_000])
def test_a_quiet_quote_looks_at_no_order(resting: int) -> None:
    """With 10 or with 100,000 orders waiting, a quote between the best prices is settled by comparing the best prices: the heaps are not walked."""
    triggers = Triggers()
    for n in range(resting):
        triggers.put(n, ((Reach.ASK_FALLS, D(1) - D(n).scaleb(-7)), (Reach.BID_RISES, D(2) + D(n).scaleb(-7))), urgent=False)
    begun = thread_time()
    for _ in range(1000):
        assert triggers.due(D("1.5"), D("1.6")) == []
    assert thread_time() - begun < 0.5, "a walk over 100,000 orders takes a thousand times as long"
