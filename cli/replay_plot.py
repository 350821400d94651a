"""The equity curve of a replay as points in a box: what the HTML and the PDF report draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from runtime.timestamps import to_text

if TYPE_CHECKING:
    from brokers.replay.summary import Summary

_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Points and labels in a box of ``width`` by ``height`` with y growing upwards; labels with the place they belong to."""

    width: float
    height: float
    line: Sequence[tuple[float, float]]
    money: Sequence[tuple[float, str]]
    times: Sequence[tuple[float, str]]
    start: float  # where the balance of the beginning lies


def plot(summary: "Summary", *, width: float, height: float) -> Plot:
    """Equity holds until its next point, so the line goes in steps where they are far apart; here it goes straight, as charts do."""
    points = list(summary.points)
    values = [value for _, value in points]
    low, high = min(values), max(values)
    margin = (high - low) / 20 or abs(high) / 1000 or Decimal(1)
    low, high = low - margin, high + margin
    first_ns = summary.first_ns
    span_ns = max(1, summary.last_ns - first_ns)

    def x(time_ns: int) -> float:
        return round((time_ns - first_ns) / span_ns * width, 2)

    def y(value: Decimal) -> float:
        return round(float((value - low) / (high - low)) * height, 2)

    step = _step((high - low) / _TICKS)
    first = (low / step).to_integral_value(rounding="ROUND_CEILING") * step
    ticks = [first + step * index for index in range(2 * _TICKS + 2) if first + step * index <= high]
    decimals = max(0, -step.normalize().as_tuple().exponent)  # type: ignore[operator]  # it is finite
    times = [first_ns + span_ns * index // (_TICKS - 1) for index in range(_TICKS)]
    is_long = span_ns > 2 * 86_400 * 1_000_000_000
    return Plot(
        width=width,
        height=height,
        line=[(x(time_ns), y(value)) for time_ns, value in points],
        money=[(y(tick), f"{tick:,.{decimals}f}") for tick in ticks],
        times=[(x(time_ns), to_text(time_ns)[:10] if is_long else to_text(time_ns)[11:19]) for time_ns in times],
        start=y(summary.balance_start),
    )


def _step(rough: Decimal) -> Decimal:
    """The next 1, 2 or 5 times a power of ten."""
    power = Decimal(1).scaleb(rough.adjusted())
    return next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
