"""The growth figures as pictures: one SVG for each of ``PLOTS``, drawn from ``results/*.json``; nothing is measured here.

    python -m benchmarks.plots

Both axes are logarithmic: what does not grow is a level line, what grows with its cause a slope. A point is a median.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.harness import RESULTS

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 62, 46
INK, GRID = "#444", "#ddd"
COLOURS = ("#1f6fb2", "#c2571a", "#5b8c2a")  # told apart in grey too, and the lines have names besides

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    title: str
    across: str
    up: str
    lines: Sequence[Line]


def svg(picture: Picture) -> str:
    """``picture`` as an SVG document of 640 by 340."""
    across = _Axis.over([x for line in picture.lines for x, _ in line.points], LEFT, WIDTH - RIGHT)
    up = _Axis.over([y for line in picture.lines for _, y in line.points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 20, picture.title, size=14),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, picture.across, anchor="middle"),
        _text(LEFT, TOP - 8, picture.up),
    ]
    for value in across.ticks:
        parts += [
            _rule(across.at(value), TOP, across.at(value), HEIGHT - BOTTOM),
            _text(across.at(value), HEIGHT - BOTTOM + 16, _short(value), anchor="middle"),
        ]
    for value in up.ticks:
        parts += [_rule(LEFT, up.at(value), WIDTH - RIGHT, up.at(value)), _text(LEFT - 6, up.at(value) + 4, _short(value), anchor="end")]
    for number, (line, colour) in enumerate(zip(picture.lines, COLOURS, strict=False)):
        places = [(across.at(x), up.at(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        beside = 18 if number else -8  # the first line's values stand above it, the other's below
        for (x, y), (_, value) in zip(places, line.points, strict=True):
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>',
                _text(x, y + beside, _short(value), anchor="middle", colour=colour),
            ]
        parts.append(_text(WIDTH - RIGHT, TOP - 22 + 14 * number, line.name, anchor="end", colour=colour))
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class _Axis:
    """Whole powers of ten from ``low`` to ``high``, laid from pixel ``start`` to ``end``."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> "_Axis":
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return cls(low, max(high, low + 1), start, end)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]

    def at(self, value: float) -> float:
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{GRID}"/>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def growth() -> Picture:
    stores = json.loads((RESULTS / "growth.json").read_text())["stores"]
    # An empty store has no place on a logarithmic axis; it holds what placing its first orders has put there.
    sizes = [max(1.0, store["orders"]) for store in stores]
    return Picture(
        title="Placing an order and starting, by the size of the journal",
        across="orders in the journal (1: it was empty)",
        up="milliseconds, median",
        lines=[
            Line(name="to place an order", points=[(size, store["place_ms"]) for size, store in zip(sizes, stores, strict=True)]),
            Line(name="to start", points=[(size, store["start_s"] * 1000) for size, store in zip(sizes, stores, strict=True)]),
        ],
    )


def fan_out() -> Picture:
    figures = [figure for figure in json.loads((RESULTS / "fan_out.json").read_text())["figures"] if figure["limit"]]
    readers = [float(figure["name"].split()[1].replace(",", "")) for figure in figures]
    return Picture(
        title="A delivery to a reader of the stream, by how many read (20,000 deliveries/s)",
        across="readers",
        up="µs of processor time a delivery, median",
        lines=[
            Line(name="the arena", points=[(count, _median(figure["product"])) for count, figure in zip(readers, figures, strict=True)]),
            Line(name="one write each, in C", points=[(count, _median(figure["limit"])) for count, figure in zip(readers, figures, strict=True)]),
        ],
    )


def replay() -> Picture:
    figures = json.loads((RESULTS / "replay.json").read_text())["figures"]
    resting = [max(1.0, float(figure["name"].split()[2].replace(",", ""))) for figure in figures]
    return Picture(
        title="arena replay, by how many brackets rest",
        across="resting brackets (1: none)",
        up="quotes a second, process start included, median",
        lines=[Line(name="the arena", points=[(count, _median(figure["product"])) for count, figure in zip(resting, figures, strict=True)])],
    )


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


PLOTS: dict[str, Callable[[], Picture]] = {"growth": growth, "fan_out": fan_out, "replay": replay}


def main() -> None:
    """Draw each whose figures are there."""
    for name, picture in PLOTS.items():
        if (RESULTS / f"{name}.json").exists():
            (RESULTS / f"{name}.svg").write_text(svg(picture()))


if __name__ == "__main__":
    main()
