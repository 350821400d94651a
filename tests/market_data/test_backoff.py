"""Waits between connections: longer each time, never beyond the cap, never all at once, and short again after good times."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from market_data.feeds.backoff import Backoff


def test_waits_double_up_to_the_cap_and_begin_anew_after_a_reset():
    backoff = Backoff(1.0, 60.0, Random(1))
    waits = [backoff.next_s() for _ in range(10)]
    for wait, whole in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert whole / 2 <= wait <= whole
    backoff.reset()
    assert 0.5 <= backoff.next_s() <= 1.0


def test_two_that_lost_the_venue_together_do_not_come_back_together():
    one, other = Backoff(1.0, 60.0, Random(1)), Backoff(1.0, 60.0, Random(2))
    assert all(one.next_s() != other.next_s() for _ in range(20))


@given(st.integers(), st.integers(min_value=1, max_value=5_000))
def test_no_number_of_failures_makes_it_longer_than_the_cap(seed: int, failures: int):
    backoff = Backoff(1.0, 60.0, Random(seed))
    assert all(0.5 <= backoff.next_s() <= 60.0 for _ in range(failures))
