"""The equity curve of a replay: what the account is worth at every quote, and the deepest fall from a peak, exactly.

Between two things that happen, what is held stays the same and equity follows from bid and ask alone:

    equity = balance + (long_units * bid - long_cost + short_cost - short_units * ask) * rate

so a stretch of quotes costs a few operations on integers each, in ``EQUITY_SCALE``-ths of the account's currency. What an account holds besides
(the bitcoin a Coinbase account starts with) is left out: its price is no work of the plan.

Every quote counts for the drawdown; of the curve itself at most some thousand points are kept, the high and the low of each piece.
"""

from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from operator import sub

from trading.money import ZERO, book, plain
from trading.quote_rows import SCALE

# Units and prices both come times SCALE.
EQUITY_SCALE = SCALE * SCALE

# A piece of a stretch leaves two points; when there are too many, neighbours are merged.
_PIECE_QUOTES = 256
_POINTS_MAX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is held of the one instrument: units and costs times ``EQUITY_SCALE / SCALE`` and ``EQUITY_SCALE``; the costs in the quote currency.

    ``by_inverse``: the quote currency is converted by one over this instrument's own mid (USD_JPY in dollars); otherwise it is the account's own.
    """

    balance: int
    long_units: int
    short_units: int
    cost: int  # of the longs, less the proceeds of the shorts
    by_inverse: bool

    @property
    def is_flat(self) -> bool:
        return not (self.long_units or self.short_units)

    def equity(self, bid: int, ask: int) -> int:
        return self.series([bid], [ask])[0]

    def series(self, bids: list[int], asks: list[int]) -> list[int]:
        """Equity at each quote."""
        long, short, cost, balance = self.long_units, self.short_units, self.cost, self.balance
        if self.by_inverse:
            return [balance + (long * bid - short * ask - cost) * 2 * SCALE // (bid + ask) for bid, ask in zip(bids, asks, strict=True)]
        rest = balance - cost
        if not short:
            return [rest + long * bid for bid in bids]
        return [rest + long * bid - short * ask for bid, ask in zip(bids, asks, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall: money, as a share of the peak, and when the peak and the trough were."""

    money: Decimal
    share: Decimal
    peak: Decimal
    peak_ns: int
    trough_ns: int


class Curve:
    """Equity over time, beginning with ``balance`` at the first quote."""

    def __init__(self, balance: Decimal) -> None:
        self._peak = to_scaled(balance)
        self._peak_ns = 0
        self._deepest = 0
        self._deepest_peak = self._peak
        self._deepest_at = (0, 0)
        self._points: list[tuple[int, int]] = []

    def begin(self, time_ns: int) -> None:
        self._peak_ns = time_ns
        self._points.append((time_ns, self._peak))

    def at(self, time_ns: int, equity: int) -> None:
        """The account is worth ``equity`` at this moment."""
        if equity > self._peak:
            self._peak, self._peak_ns = equity, time_ns
        elif self._peak - equity > self._deepest:
            self._note(self._peak, self._peak_ns, equity, time_ns)
        self._keep(time_ns, equity)

    def over(self, holding: Holding, times_ns: list[int], bids: list[int], asks: list[int]) -> None:
        """A stretch of quotes on which nothing happens."""
        for start in range(0, len(times_ns), _PIECE_QUOTES):
            stop = start + _PIECE_QUOTES
            self._piece(times_ns[start:stop], holding.series(bids[start:stop], asks[start:stop]))

    @property
    def drawdown(self) -> Drawdown:
        peak = from_scaled(self._deepest_peak)
        money = from_scaled(self._deepest)
        share = (money / peak).quantize(_SHARE) if peak > 0 else ZERO
        return Drawdown(money=money, share=plain(share), peak=peak, peak_ns=self._deepest_at[0], trough_ns=self._deepest_at[1])

    def points(self) -> list[tuple[int, Decimal]]:
        """Times and equity for a plot."""
        return [(time_ns, from_scaled(equity)) for time_ns, equity in self._points]

    def _piece(self, times_ns: list[int], values: list[int]) -> None:
        lowest, highest = min(values), max(values)
        # No fall inside the piece can be deeper than from the highest peak so far to its lowest value.
        if max(self._peak, highest) - lowest > self._deepest:
            self._fall_inside(times_ns, values)
        if highest > self._peak:
            self._peak, self._peak_ns = highest, times_ns[values.index(highest)]
        low_at, high_at = values.index(lowest), values.index(highest)
        for index in sorted({low_at, high_at}):
            self._keep(times_ns[index], values[index])

    def _fall_inside(self, times_ns: list[int], values: list[int]) -> None:
        peaks = list(accumulate(values, max, initial=self._peak))[1:]
        falls = list(map(sub, peaks, values))
        deepest = max(falls)
        if deepest <= self._deepest:
            return
        trough = falls.index(deepest)
        peak = peaks[trough]
        peak_ns = times_ns[values.index(peak)] if peak > self._peak else self._peak_ns
        self._note(peak, peak_ns, values[trough], times_ns[trough])

    def _note(self, peak: int, peak_ns: int, trough: int, trough_ns: int) -> None:
        self._deepest = peak - trough
        self._deepest_peak = peak
        self._deepest_at = (peak_ns, trough_ns)

    def _keep(self, time_ns: int, equity: int) -> None:
        self._points.append((time_ns, equity))
        if len(self._points) > _POINTS_MAX:
            first, *points = self._points
            self._points = [first]
            for start in range(0, len(points), 4):
                four = points[start : start + 4]
                ends = {min(four, key=_value), max(four, key=_value)}
                self._points += [each for each in four if each in ends][:2]


_SHARE = Decimal("0.000001")


def _value(point: tuple[int, int]) -> int:
    return point[1]


def to_scaled(amount: Decimal) -> int:
    """``amount`` times ``EQUITY_SCALE``, exactly: no booked amount has more decimals than that."""
    return int(amount.scaleb(16))


def from_scaled(number: int) -> Decimal:
    """The money that ``number`` stands for, to a millionth."""
    return book(Decimal(number // (EQUITY_SCALE // 10**8)).scaleb(-8))
