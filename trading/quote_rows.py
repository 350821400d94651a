"""Rows of quotes out of CSV text: which column holds what, and two readers of one meaning.

``Layout.columns`` reads a block whose rows are all alike (the shape recorded ticks have) with a handful of operations on whole columns;
``Layout.rows`` reads anything that is allowed, row by row, and says which line is wrong. The first gives None wherever it is not sure, and then the
second decides, so they cannot disagree on what is accepted; a test holds them to the same numbers.

Prices and sizes come back as integers times ``SCALE``, times as nanoseconds since 1970, UTC.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress
from operator import le

from trading.quote_times import times_of

DECIMALS_MAX = 8
SCALE = 10**DECIMALS_MAX

_NS_PER_S = 1_000_000_000
_DAY_NS = 86_400 * _NS_PER_S
_UNIX_NS_DIGITS_MAX = 19
_DIGITS_MAX = 15  # RULES S-H2: what a number on the wire can hold


class BadRow(Exception):
    """A row that breaks a rule; ``line`` is its place in the file, the header being line 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class BadHeader(Exception):
    """A header without the columns a quote needs; the message names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteBlock:
    """Neighbouring quotes as columns of equal length: nanoseconds, and prices and sizes times ``SCALE``; sizes are None where the file has none."""

    times_ns: list[int]
    bids: list[int]
    asks: list[int]
    bid_sizes: list[int] | None
    ask_sizes: list[int] | None

    def __len__(self) -> int:
        return len(self.times_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The places of the columns in a row of ``width`` cells; ``kind`` is None where every row is a quote, sizes where there are none."""

    width: int
    time: int
    time_is_ns: bool
    bid: int
    ask: int
    bid_size: int | None
    ask_size: int | None
    kind: int | None

    @classmethod
    def of_header(cls, header: str) -> "Layout":
        """Raises BadHeader when it does not name quotes."""
        names = [name.strip().strip('"').lower() for name in header.split(",")]
        place = {name: index for index, name in enumerate(names)}
        if len(place) != len(names):
            raise BadHeader("names a column twice")
        time_is_ns = "time_utc" not in place
        time = place.get("recv_unix_ns" if time_is_ns else "time_utc")
        bid, ask = (place.get(side, place.get(f"{side}_close")) for side in ("bid", "ask"))
        if time is None or bid is None or ask is None:
            bars = " (these look like bars of trades: a trade has no bid and no ask)" if {"open", "close"} <= set(place) else ""
            raise BadHeader(f"has no quotes: its header must name time_utc, bid, ask[, bid_size, ask_size] and names {', '.join(names)}{bars}")
        bid_size, ask_size = place.get("bid_size"), place.get("ask_size")
        if (bid_size is None) != (ask_size is None):
            raise BadHeader("names one of bid_size and ask_size: name both or neither")
        return cls(width=len(names), time=time, time_is_ns=time_is_ns, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, kind=place.get("kind"))

    def read(self, text: str, first_line: int, last_ns: int, memo: "Memo") -> QuoteBlock:
        """The quotes of ``text``, whole lines of which the first is line ``first_line``; none may be older than ``last_ns``.

        Raises:
            BadRow: the first row that breaks a rule.
        """
        return self.columns(text, last_ns, memo) or self.rows(text, first_line, last_ns, memo)

    def columns(self, text: str, last_ns: int, memo: "Memo") -> QuoteBlock | None:
        """The block read column by column, or None when a row is not of the usual shape, is not in order, or is wrong."""
        cells = text.replace("\n", ",").split(",")
        cells.pop()
        count, rest = divmod(len(cells), self.width)
        if rest or not count or count != text.count("\n"):
            return None

        def column(place: int) -> Sequence[str]:
            return list(compress(cells[place :: self.width], is_quote)) if is_quote else cells[place :: self.width]

        is_quote = None if self.kind is None else [kind == "Q" for kind in cells[self.kind :: self.width]]
        if is_quote and not any(is_quote):
            return None
        bid_sizes = ask_sizes = None
        number = memo.numbers.__getitem__
        try:
            times = _unix_times(column(self.time)) if self.time_is_ns else memo.iso_times(column(self.time))
            bids = list(map(number, column(self.bid)))
            asks = list(map(number, column(self.ask)))
            if self.bid_size is not None and self.ask_size is not None:
                bid_sizes = list(map(number, column(self.bid_size)))
                ask_sizes = list(map(number, column(self.ask_size)))
        except ValueError:
            return None
        if times[0] < last_ns or times != sorted(times) or min(bids) <= 0 or not all(map(le, bids, asks)):
            return None
        return QuoteBlock(times_ns=times, bids=bids, asks=asks, bid_sizes=bid_sizes, ask_sizes=ask_sizes)

    def rows(self, text: str, first_line: int, last_ns: int, memo: "Memo") -> QuoteBlock:
        """The block read row by row.

        Raises:
            BadRow: the first row that breaks a rule.
        """
        times: list[int] = []
        bids: list[int] = []
        asks: list[int] = []
        sized = self.bid_size is not None and self.ask_size is not None
        bid_sizes: list[int] = []
        ask_sizes: list[int] = []
        number = memo.numbers
        for line, row in enumerate((row.split(",") for row in text.split("\n")[:-1]), first_line):
            if len(row) != self.width:
                raise BadRow(line, f"has {len(row)} cells where the header names {self.width}" if row != [""] else "is empty")
            if self.kind is not None and row[self.kind] != "Q":
                continue
            try:
                time_ns = _unix_ns(row[self.time]) if self.time_is_ns else _iso_ns(row[self.time])
                bid, ask = number[row[self.bid]], number[row[self.ask]]
                if self.bid_size is not None and self.ask_size is not None:
                    bid_sizes.append(number[row[self.bid_size]])
                    ask_sizes.append(number[row[self.ask_size]])
            except ValueError as error:
                raise BadRow(line, str(error)) from None
            if time_ns < last_ns:
                raise BadRow(line, f"goes back in time: {row[self.time]} is older than the quote before it; sort the file by time")
            if not 0 < bid <= ask:
                raise BadRow(line, f"bid {row[self.bid]} must be above 0 and not above ask {row[self.ask]}")
            last_ns = time_ns
            times.append(time_ns)
            bids.append(bid)
            asks.append(ask)
        return QuoteBlock(times_ns=times, bids=bids, asks=asks, bid_sizes=bid_sizes if sized else None, ask_sizes=ask_sizes if sized else None)


# --- cell by cell ----------------------------------------------------------------------------------------------------------------------------


def _unix_ns(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _UNIX_NS_DIGITS_MAX):
        raise ValueError(f"{text!r} is not a time in nanoseconds since 1970")
    return int(text)


def _iso_ns(text: str) -> int:
    """Nanoseconds of an ISO 8601 time; up to nine decimals of a second, which ``datetime`` alone would cut to six. Without a zone it is UTC."""
    whole, dot, rest = text.partition(".")
    digits = rest.rstrip("Z")
    zone = rest[len(digits) :]
    for sign in "+-":
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    try:
        moment = datetime.fromisoformat(whole + zone)
    except ValueError:
        raise ValueError(f"{text!r} is not a time like 2014-05-02T12:30:01.535Z") from None
    if dot and not (digits.isascii() and digits.isdecimal() and len(digits) <= 9):
        raise ValueError(f"{text!r} is not a time like 2014-05-02T12:30:01.535Z")
    seconds = round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    if seconds < 0:
        raise ValueError(f"{text!r} is before 1970")
    return seconds * _NS_PER_S + int(digits.ljust(9, "0") if dot else 0)


def scaled(text: str) -> int:
    """``text``, a plain decimal number not below zero, times ``SCALE``.

    Raises:
        ValueError: it is no such number, or has more than 8 decimals or 15 digits.
    """
    whole, dot, decimals = text.partition(".")
    digits = whole + decimals
    if not (digits.isascii() and digits.isdecimal() and whole) or (dot and not decimals):
        raise ValueError(f"{text!r} is not a plain decimal number" if text else "a number is missing")
    if len(decimals) > DECIMALS_MAX or len(digits.lstrip("0")) > _DIGITS_MAX:
        raise ValueError(f"{text} has more than {DECIMALS_MAX} decimals or {_DIGITS_MAX} digits")
    return int(digits.ljust(len(whole) + DECIMALS_MAX, "0"))


# --- column by column ------------------------------------------------------------------------------------------------------------------------


class _Kept(dict[str, int]):
    """Answers by the text they were read from, forgotten all at once when there are too many."""

    _KEPT_MAX = 200_000

    def keep(self, text: str, answer: int) -> int:
        if len(self) >= self._KEPT_MAX:
            self.clear()
        self[text] = answer
        return answer


class _Numbers(_Kept):
    def __missing__(self, text: str) -> int:
        return self.keep(text, scaled(text))


class _Minutes(_Kept):
    """Nanoseconds since 1970 of ``2014-05-02T12:30:``."""

    def __missing__(self, text: str) -> int:
        return self.keep(text, _iso_ns(text + "00Z"))


class _Seconds(_Kept):
    """Nanoseconds of ``01.535Z``: what a time has beyond its minute, its zone included."""

    def __missing__(self, text: str) -> int:
        return self.keep(text, _iso_ns("1970-01-02T00:00:" + text) - _DAY_NS)


class Memo:
    """What one file's texts were read as. Neighbouring quotes share most of theirs, and looking one up costs a tenth of reading it anew."""

    def __init__(self) -> None:
        self.numbers = _Numbers()
        self._minutes = _Minutes()
        self._seconds = _Seconds()

    def iso_times(self, texts: Sequence[str]) -> list[int]:
        """Raises ValueError where a text is no time, or one written without its first 17 characters as in ``2014-05-02T12:30:``."""
        times = times_of(texts, _iso_ns)
        if times is not None:
            return times
        minutes, seconds = self._minutes, self._seconds
        return [minutes[text[:17]] + seconds[text[17:]] for text in texts]


def _unix_times(texts: Sequence[str]) -> list[int]:
    digits = "".join(texts)
    if not (digits.isascii() and digits.isdecimal()) or max(map(len, texts)) > _UNIX_NS_DIGITS_MAX or min(map(len, texts)) == 0:
        raise ValueError
    return list(map(int, texts))
