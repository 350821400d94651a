"""Figures as a trader reads them: prices, distances, money, R multiples, times.

Forex distances are in pips (0.0001, or 0.01 where the quote currency is counted in whole units, as the yen is), everything else in per cent of the
price it starts from. Money is in the instrument's quote currency: the story knows no conversion rate, because it reads one journal and nothing else.
"""

import re
from decimal import Decimal
from functools import lru_cache

# The currencies OANDA quotes forex in; a pair of two of them has pips, anything else (metals, indices, crypto) has per cent.
_FIAT = frozenset(
    [
        "AUD",
        "CAD",
        "CHF",
        "CNH",
        "CZK",
        "DKK",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "JPY",
        "MXN",
        "NOK",
        "NZD",
        "PLN",
        "SEK",
        "SGD",
        "THB",
        "TRY",
        "USD",
        "ZAR",
    ]
)
_WHOLE_UNIT_FIAT = frozenset({"JPY", "HUF", "THB"})
_IN_CENTS = _FIAT | {"USDC", "USDT", ""}
_INSTRUMENTS_MAX = 512  # whose names are remembered taken apart
_SEPARATORS = re.compile(r"[_-]")

# Past this a number is no price or size of ours; it is written short so that a comment stays a line.
_READABLE_MAX = Decimal(10) ** 15
_READABLE_MIN = Decimal("1e-10")
_CENT = Decimal("0.01")
_SHARE_MIN = Decimal("0.005")  # per cent; what is less would read 0.00
_THOUSANDS = tuple(f",.{places}f" for places in range(9))
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@lru_cache(_INSTRUMENTS_MAX)
def currencies(instrument: str) -> tuple[str, str]:
    """Base and quote currency; the quote is empty where the name has no separator."""
    parts = _SEPARATORS.split(instrument, maxsplit=1)
    return parts[0], parts[1] if len(parts) == 2 else ""


def plain(value: Decimal) -> str:
    """The number without trailing zeros and without an exponent, short where it is out of all proportion."""
    if value and not _READABLE_MIN <= abs(value) < _READABLE_MAX:
        return f"{value:.3e}"
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def fixed(value: Decimal, places: int) -> str:
    """The number with thousands separators and ``places`` decimals; never "-0.00"."""
    if abs(value) >= _READABLE_MAX:
        return f"{value:.3e}"
    text = format(value, _THOUSANDS[places] if places < len(_THOUSANDS) else f",.{places}f")
    return text.lstrip("-") if text[0] == "-" and not text.strip("-0.,") else text


def price(instrument: str, value: Decimal) -> str:
    """The price with the digits its market is used to, and more where it has more."""
    text = plain(value)
    if "e" in text:
        return text
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(_price_places(instrument), '0')}"


@lru_cache(_INSTRUMENTS_MAX)
def _price_places(instrument: str) -> int:
    pip = _pip(instrument)
    if pip is not None:
        return 3 if pip == Decimal("0.01") else 5
    return 2


@lru_cache(_INSTRUMENTS_MAX)
def _pip(instrument: str) -> Decimal | None:
    base, quote = currencies(instrument)
    if base not in _FIAT or quote not in _FIAT:
        return None
    return Decimal("0.01") if quote in _WHOLE_UNIT_FIAT else Decimal("0.0001")


def distance(instrument: str, start: Decimal, end: Decimal) -> str:
    """How far ``end`` is from ``start``, without a sign: "55.0 pips", "1.24%", or "2.77 USD" where per cent would say nothing."""
    gap = abs(end - start)
    pip = _pip(instrument)
    if pip is not None:
        return f"{fixed(gap / pip, 1)} pips"
    if start and (share := 100 * gap / start) >= _SHARE_MIN:
        return f"{fixed(share, 2)}%"
    return f"{plain(gap)} {currencies(instrument)[1]}".rstrip()


def is_forex(instrument: str) -> bool:
    """Whether it is a pair of two currencies, whose dealer is paid by the spread."""
    return _pip(instrument) is not None


def money(instrument: str, value: Decimal) -> str:
    """An amount of the instrument's quote currency without its sign: "0.55 USD", "5,500 JPY", or "less than 0.01 USD" where it rounds to nothing."""
    quote, places, smallest = _unit(instrument)
    size = abs(value)
    text = f"less than {smallest:f}" if 0 < size < smallest / 2 else fixed(size, places)
    if places == 8 and "." in text and not text.startswith("less"):
        text = text.rstrip("0").rstrip(".")
    return f"{text} {quote}".rstrip()


@lru_cache(_INSTRUMENTS_MAX)
def _unit(instrument: str) -> tuple[str, int, Decimal]:
    """The quote currency, how many decimals an amount of it has, and the smallest amount these can show."""
    quote = currencies(instrument)[1]
    places = 0 if quote in _WHOLE_UNIT_FIAT else 2 if quote in _IN_CENTS else 8
    return quote, places, Decimal(1).scaleb(-places)


def result(value: Decimal) -> str:
    """What was won or lost, in the account's currency (which no event names): "+0.45", "-12.30"; more digits below a cent."""
    if abs(value) >= _CENT or not value:
        return _signed(value, 2)
    text = _signed(value, 6).rstrip("0")
    return "0.00" if text.endswith(".") else text


def amount(value: Decimal) -> str:
    """A fee: an amount of the account's currency without a sign."""
    return result(abs(value)).lstrip("+")


def r_multiple(value: Decimal) -> str:
    """The result in units of what was risked: "+1.80R"."""
    return f"{_signed(value, 2)}R"


def _signed(value: Decimal, places: int) -> str:
    """With + or - in front, neither where it rounds to nil."""
    text = fixed(abs(value), places)
    return text if not text.strip("0.") else f"{'+' if value > 0 else '-'}{text}"


def span(seconds: Decimal) -> str:
    """A length of time in its two largest units: "45 s", "14 min", "3 h 5 min", "2 d 4 h"."""
    if not 0 <= seconds < 10**10:  # three centuries: no time one holds a position
        return "an odd length of time"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s" if whole else "less than a second"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours == 0:
        return f"{minutes} min"
    if days == 0:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def ordinal(count: int) -> str:
    """ "third" up to ten, then "11th"."""
    if count < len(_ORDINALS):
        return _ORDINALS[count]
    suffix = "th" if count % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(count % 10, "th")
    return f"{count}{suffix}"
