"""Time that does not jump: boot time's pace under the wall clock's label."""

import pytest

from brokers.steady_clock import HOLD_S, SteadyClock
from runtime.clock import NS_PER_S, ManualClock


@pytest.mark.parametrize("step_s", [3600, -3600, 86_400, 2.5, -2.5])
def test_a_step_is_felt_when_it_is_followed_and_not_before(step_s: float) -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    clock.advance(10)
    before = steady.now_ns()
    clock.step_wall(step_s)
    assert steady.now_ns() == before
    step = steady.check()
    assert step is not None
    assert step.step_ns == round(step_s * NS_PER_S)
    assert steady.now_ns() == before
    steady.follow(step)
    steady.follow(step)
    assert steady.now_ns() == clock.wall_ns()
    assert steady.check() is None
    steady.take_back(step)
    assert steady.now_ns() == before
    assert steady.check() == step


@pytest.mark.parametrize("drift_s", [1.9, -1.9, 0.001, 2.0])
def test_a_small_correction_is_followed_without_a_word(drift_s: float) -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    clock.step_wall(drift_s)
    assert steady.check() is None
    assert steady.now_ns() == clock.wall_ns()
    assert not steady.expiries_held


def test_expiries_are_held_for_a_minute_after_a_step() -> None:
    clock = ManualClock()
    steady = SteadyClock(clock)
    clock.step_wall(3600)
    steady.check()
    assert steady.expiries_held
    clock.advance(HOLD_S - 0.001)
    assert steady.expiries_held
    clock.advance(0.001)
    assert not steady.expiries_held
