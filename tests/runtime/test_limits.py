"""Token buckets: bursts, the long run, and what is given back."""

import pytest

from runtime import limits
from runtime.limits import TokenBuckets


def test_a_burst_then_the_rate_and_one_key_is_not_another() -> None:
    now = [100.0]
    buckets = TokenBuckets(20, 40, lambda: now[0])
    assert [buckets.take("a") for _ in range(40)] == [0] * 40
    assert buckets.take("a") == 1
    assert buckets.take("b") == 0
    now[0] += 0.06
    assert (buckets.take("a"), buckets.take("a")) == (0, 1)
    now[0] += 1000
    assert [buckets.take("a") for _ in range(41)] == [0] * 40 + [1], "never more than the burst"


def test_the_wait_is_whole_seconds_until_there_is_one() -> None:
    buckets = TokenBuckets(0.1, 1, lambda: 0.0)
    assert (buckets.take("a"), buckets.take("a")) == (0, 10)


def test_what_is_given_back_can_be_taken_again_and_never_overflows() -> None:
    buckets = TokenBuckets(1, 2, lambda: 0.0)
    buckets.take("a")
    for _ in range(5):
        buckets.give_back("a")
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1]
    buckets.give_back("nobody")


def test_the_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUCKETS_MAX", 5)
    buckets = TokenBuckets(1, 1, lambda: 0.0)
    for n in range(20):
        buckets.take(str(n))
    assert len(buckets._buckets) == 5
