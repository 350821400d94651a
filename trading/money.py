"""Money: how amounts are rounded, written and kept on their grids.

Every amount that is booked (cost of a fill, fee, realised P&L) is quantised once, when it is booked, to a millionth of its currency and half to even;
every total is a plain sum of booked amounts. So totals add up to the last digit, and no total is ever computed a second way. A millionth is exact for
forex (five decimals, whole units) and leaves nine digits before the point within the fifteen significant ones a wire number may have.

Products are exact: fifteen digits of units by eight of price stay inside the 28 digits of Decimal's default context.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

# One millionth of the currency: see the module's docstring.
BOOK_QUANTUM = Decimal("0.000001")

# A JSON or msgpack number is a float64 on the other side: fifteen significant digits survive the trip both ways.
SIGNIFICANT_DIGITS_MAX = 15

ZERO = Decimal(0)

_TRAVELLING = Context(prec=SIGNIFICANT_DIGITS_MAX, rounding=ROUND_HALF_EVEN)
_LAST_DIGITS = frozenset("123456789")


def book(amount: Decimal) -> Decimal:
    """``amount`` as it enters the books: rounded half to even to a millionth."""
    return plain(amount.quantize(BOOK_QUANTUM, rounding=ROUND_HALF_EVEN))


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent: ``1.1600`` is ``1.16``, ``1E+2`` is ``100``, ``-0`` is ``0``."""
    if not value:
        return ZERO
    text = str(value)
    if len(text) <= SIGNIFICANT_DIGITS_MAX and "E" not in text and (text[-1] in _LAST_DIGITS or (text[-1] == "0" and "." not in text)):
        return value  # nearly all: it is written that way already, and its text shows it
    short = value.normalize()
    return short.quantize(Decimal(1)) if short.adjusted() >= 0 and short == short.to_integral_value() else short


def travelling(value: Decimal) -> Decimal | None:
    """``plain(value)`` where ``fits_wire(value)``, else None: for nearly all, both show in one look at the text."""
    if value.is_finite() and value:
        text = str(value)
        if len(text) <= SIGNIFICANT_DIGITS_MAX and "E" not in text and (text[-1] in _LAST_DIGITS or "." not in text):
            return value
    return plain(value) if fits_wire(value) else None


def significant_digits(value: Decimal) -> int:
    """How many digits it takes to write ``value``, leading and trailing zeros not counted, but the zeros of a whole number."""
    return len(plain(value).as_tuple().digits)


def nearest(value: Decimal) -> Decimal:
    """The finite ``value`` as near as a number that travels comes to it: an average, or a venue's balance, may have more digits than that."""
    if fits_wire(value):
        return value
    rounded = plain(_TRAVELLING.plus(value))
    return rounded if fits_wire(rounded) else ZERO


def fits_wire(value: Decimal) -> bool:
    """Whether ``value`` can travel as a JSON number and come back the same."""
    if not value.is_finite():
        return False
    text = str(value)
    if len(text) <= SIGNIFICANT_DIGITS_MAX and "E" not in text:
        return True  # nearly all: no more than fifteen digits, whatever they are
    return not value or (-SIGNIFICANT_DIGITS_MAX <= value.adjusted() < SIGNIFICANT_DIGITS_MAX and significant_digits(value) <= SIGNIFICANT_DIGITS_MAX)


def is_on_grid(value: Decimal, step: Decimal) -> bool:
    """Whether ``value`` is a whole multiple of ``step``."""
    return not value % step


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The greatest multiple of ``step`` that is not above ``value``."""
    return plain((value / step).to_integral_value(rounding=ROUND_FLOOR) * step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The least multiple of ``step`` that is not below ``value``."""
    return plain((value / step).to_integral_value(rounding=ROUND_CEILING) * step)
