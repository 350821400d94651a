"""Rounding, writing and grids of amounts."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trading.money import book, ceil_to, fits_wire, floor_to, is_on_grid, plain, significant_digits, travelling

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=8)
STEPS = st.sampled_from([Decimal("0.00001"), Decimal("0.001"), Decimal("0.01"), Decimal("0.00000001"), Decimal(1), Decimal("0.25")])


@pytest.mark.parametrize(
    ("amount", "booked"),
    [("0.0000005", "0"), ("0.0000015", "0.000002"), ("0.0000025", "0.000002"), ("-0.0000015", "-0.000002"), ("28.4299786", "28.429979")],
)
def test_booked_amounts_are_rounded_half_to_even_to_a_millionth(amount: str, booked: str) -> None:
    assert book(Decimal(amount)) == Decimal(booked)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.1600", "1.16"), ("1E+2", "100"), ("100.0", "100"), ("-0", "0"), ("0E-6", "0"), ("12300", "12300"), ("0.00001000", "0.00001")],
)
def test_plain_numbers_have_no_exponent_and_no_idle_zeros(value: str, text: str) -> None:
    assert str(plain(Decimal(value))) == text


@given(AMOUNTS)
def test_plain_is_the_same_number(value: Decimal) -> None:
    assert plain(value) == value
    assert plain(plain(value)).as_tuple() == plain(value).as_tuple()


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("123456789.012345", True),
        ("1234567890.012345", False),
        ("100000000000000", True),
        ("1000000000000000", False),
        ("0", True),
        ("NaN", False),
        ("-Infinity", False),
        ("1E-20", False),
        ("0.1000000000000000000", True),
    ],
)
def test_fifteen_significant_digits_fit_a_wire(value: str, fits: bool) -> None:
    assert fits_wire(Decimal(value)) is fits


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=3))
def test_what_fits_survives_as_a_float64(value: Decimal) -> None:
    """The promise behind the limit: the shortest text of the float is the same number."""
    if fits_wire(value):
        assert Decimal(repr(float(value))) == value


@given(st.one_of(st.decimals(), st.decimals(min_value=-(10**16), max_value=10**16, places=4), AMOUNTS))
@example(Decimal("NaN123"))
@example(Decimal("-0"))
@example(Decimal("1E+2"))
@example(Decimal("1.1600"))
def test_one_look_says_whether_a_number_travels_and_makes_it_plain(value: Decimal) -> None:
    assert str(travelling(value)) == str(plain(value) if fits_wire(value) else None)


def test_significant_digits_do_not_count_what_only_places_the_point() -> None:
    assert [significant_digits(Decimal(value)) for value in ("0.001200", "1.5", "1200", "0")] == [2, 2, 4, 1]


@given(st.decimals(min_value=0, max_value=10**6, places=8), STEPS)
def test_neighbours_on_a_grid_enclose_the_value(value: Decimal, step: Decimal) -> None:
    below, above = floor_to(value, step), ceil_to(value, step)
    assert below <= value <= above
    assert above - below in {0, step}
    assert is_on_grid(below, step)
    assert is_on_grid(above, step)
    assert (below == above) is is_on_grid(value, step)
