"""bus/gathering.py: a stream gathers longer in a flood, and a flood is a rate."""

import pytest

from bus.gathering import FLOOD_EVENTS_PER_S, FLOOD_GATHER_S, GATHER_S, WINDOW_S, Gathering


def gathered(gathering: Gathering, begin_s: float, seconds: float, every_s: float, events: int) -> list[float]:
    """What ``gathering`` says to batches of ``events``, one each ``every_s``, for so many seconds."""
    return [gathering.after(events, begin_s + number * every_s) for number in range(1, round(seconds / every_s) + 1)]


@pytest.mark.parametrize(
    ("per_s", "every_s", "expected"),
    [
        (FLOOD_EVENTS_PER_S // 2, 0.001, GATHER_S),
        (FLOOD_EVENTS_PER_S // 2, 0.05, GATHER_S),  # the same by the dozen, as Rick's comments come
        (FLOOD_EVENTS_PER_S * 2, 0.001, FLOOD_GATHER_S),
        (FLOOD_EVENTS_PER_S * 2, 0.05, FLOOD_GATHER_S),
    ],
)
def test_how_long_says_the_rate_and_not_the_size_of_a_batch(per_s: int, every_s: float, expected: float) -> None:
    said = gathered(Gathering(0.0), 0.0, 1.0, every_s, round(per_s * every_s))
    assert set(said[round(WINDOW_S / every_s) + 1 :]) == {expected}


def test_a_flood_is_noticed_within_two_windows_and_over_after_two() -> None:
    gathering = Gathering(0.0)
    gathered(gathering, 0.0, 1.0, 0.01, 1)
    flooded = gathered(gathering, 1.0, 1.0, 0.01, FLOOD_EVENTS_PER_S // 50)
    assert flooded[round(2 * WINDOW_S / 0.01) :] == [FLOOD_GATHER_S] * (100 - round(2 * WINDOW_S / 0.01))
    after = gathered(gathering, 2.0, 1.0, 0.01, 1)
    assert after[round(2 * WINDOW_S / 0.01) :] == [GATHER_S] * (100 - round(2 * WINDOW_S / 0.01))


def test_after_a_silence_one_large_batch_is_no_flood() -> None:
    gathering = Gathering(0.0)
    gathered(gathering, 0.0, 1.0, 0.001, FLOOD_EVENTS_PER_S // 500)
    assert gathering.after(128, 60.0) == GATHER_S
    assert gathering.after(1, 60.002) == GATHER_S
