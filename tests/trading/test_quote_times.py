"""Times read all at once are what reading each of them gives, and whatever is not surely such a time is left to that."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.quote_rows import _iso_ns
from trading.quote_times import same_day_times, times_of

GOOD = "2014-05-02T12:30:01.535Z"


@given(
    st.dates(date(1971, 1, 1), date(2260, 1, 1)),
    st.lists(st.tuples(st.integers(0, 86_399), st.integers(0, 10**9 - 1)), min_size=1, max_size=40),
    st.integers(0, 9),
)
def test_any_times_of_one_day(day: date, clocks: list[tuple[int, int]], decimals: int) -> None:
    """From midnight to the last nanosecond, with any number of decimals, in any order."""
    texts = []
    for second, ns in clocks:
        clock = datetime.fromtimestamp(second, UTC).strftime("%H:%M:%S")
        fraction = f".{ns:09d}"[: decimals + 1] if decimals else ""
        texts.append(f"{day:%Y-%m-%d}T{clock}{fraction}Z")
    assert same_day_times(texts, _iso_ns) == [_iso_ns(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "2014-05-03T12:30:01.535Z", "2015-05-02T12:30:01.535Z", "2014-05-02T24:00:00.000Z", "2014-05-02T29:00:00.000Z", "2014-05-02T12:60:01.535Z",
        "2014-05-02T12:30:60.535Z", "2014-05-02 12:30:01.535Z", "2014-05-02T12:30:01.535z", "2014-05-02T12:30:01.5350", "2014-05-02T12:30:01.53Z",
        "2014-05-02T12:30:01.5355Z", "2014-05-02T12:30:01,535Z", "2014-05-02T12:30:01.53５Z", "2014-05-02T12:30:01+00:00", "", "Z",
        "2014-05-02T12.30:01:535Z", "-014-05-02T12:30:010535Z", "2014-05-02T1:230:01.535Z",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_does_not_belong_leaves_the_whole_block_to_the_careful_reader(text: str, place: int) -> None:
    """Another day, another shape, an hour or a minute that is none: first, in the middle or last."""
    texts = [GOOD] * 2
    texts.insert(place, text)
    assert same_day_times(texts, _iso_ns) is None


@pytest.mark.parametrize(
    ("texts", "is_taken"),
    [
        (["2014-05-02T23:59:59.999Z", "2014-05-03T00:00:00.000Z"], True),
        (["2014-05-02T23:59:59.999Z", "2014-05-02T23:59:59.999Z", "2014-05-04T00:00:00.000Z"], True),
        (["2014-05-02T23:59:59.999Z", "2014-05-03T12:00:00.000Z", "2014-05-04T00:00:00.000Z"], False),
        (["2014-05-03T00:00:00.000Z", "2014-05-02T23:59:59.999Z"], False),
        (["2014-05-03T00:00:00.000Z", "2014-05-02T23:59:59.999Z", "2014-05-04T00:00:00.000Z"], False),
        (["2014-05-02T23:59:59.999Z", ""], False),
        (["", "2014-05-02T23:59:59.999Z"], False),
    ],
)
def test_a_block_over_midnight_is_read_in_two(texts: list[str], is_taken: bool) -> None:
    """Over more than one midnight, or out of order, it is left to the careful reader."""
    assert times_of(texts, _iso_ns) == ([_iso_ns(text) for text in texts] if is_taken else None)


def test_texts_that_only_look_right_when_run_together_are_not_taken() -> None:
    """Where one text ends and the next begins is part of what they say."""
    run_together = GOOD * 2
    for cut in (10, 23, 25):
        assert same_day_times([run_together[:cut], run_together[cut:]], _iso_ns) is None


def test_the_first_days_of_1970_are_left_to_the_careful_reader_too() -> None:
    """A lane has no room for what is below zero on the way."""
    assert same_day_times(["1970-01-01T00:00:00.000Z"], _iso_ns) is None


def test_a_day_that_is_none_is_an_error_as_everywhere() -> None:
    with pytest.raises(ValueError, match="is not a time"):
        same_day_times(["2014-02-30T12:30:01.535Z"], _iso_ns)
