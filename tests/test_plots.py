"""benchmarks/plots.py: a picture is well-formed, and every point of it lies inside."""

from xml.etree import ElementTree as ET

import pytest

from benchmarks.plots import HEIGHT, WIDTH, Line, Picture, svg


@pytest.mark.parametrize("values", [(1.2, 1.3, 1.25), (0.004, 40.0, 900_000.0), (10.0, 10.0, 10.0)])
def test_every_point_lies_inside_the_picture_with_its_value(values: tuple[float, ...]) -> None:
    line = Line(name="<the arena>", points=[(10.0 ** (3 * place), value) for place, value in enumerate(values)])
    drawn = ET.fromstring(svg(Picture(title="a & b", across="x", up="y", lines=[line, line])))
    circles = drawn.findall("{*}circle")
    assert len(circles) == 6
    assert all(0 < float(circle.get("cx", "")) < WIDTH and 0 < float(circle.get("cy", "")) < HEIGHT for circle in circles)
    assert "<the arena>" in {text.text for text in drawn.findall("{*}text")}
