"""The report of a replay as a PDF of one page or a few. The same summary gives the same bytes."""

from io import BytesIO
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from cli.replay_plot import plot
from cli.replay_text import EXIT_COLUMNS, exits, figures, headline

if TYPE_CHECKING:
    from brokers.replay.summary import Summary

_WIDTH = A4[0] - 40 * mm
_LEFT, _BOTTOM = 58, 18
_LINE = colors.HexColor("#0969da")
_RULE = colors.HexColor("#d0d7de")
_FAINT = colors.HexColor("#6a737d")


def pdf_report(summary: "Summary") -> bytes:
    """The document."""
    out = BytesIO()
    style = getSampleStyleSheet()
    title = f"Replay of {summary.instrument}"
    document = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=20 * mm, rightMargin=20 * mm, topMargin=18 * mm, bottomMargin=18 * mm, title=title, invariant=1
    )

    def said(text: str, kind: str = "BodyText") -> Paragraph:
        # The fonts that every reader has know Latin 1 alone.
        return Paragraph(escape(text.replace("→", "to").replace("–", "-")), style[kind])

    story: list[Flowable] = [said(title, "Title"), said(headline(summary)), said(f"Equity, {summary.currency}", "Heading2"), _drawing(summary)]
    story += [
        said("What came of it", "Heading2"),
        _table([[said(name), said(value)] for name, value in figures(summary)], [46 * mm, _WIDTH - 46 * mm]),
    ]
    rows = exits(summary)
    if rows:
        cells = [[said(cell) for cell in row] for row in [EXIT_COLUMNS, *rows]]
        story += [said("By exit", "Heading2"), _table(cells, [_WIDTH / len(EXIT_COLUMNS)] * len(EXIT_COLUMNS))]
    story += [Spacer(1, 5 * mm), said("Paper fills on recorded quotes: nobody's order moved this market, and nothing was late.")]
    document.build(story)
    return out.getvalue()


def _table(cells: list[list[Paragraph]], widths: list[float]) -> Table:
    table = Table(cells, colWidths=widths)
    table.setStyle(
        TableStyle([("LINEBELOW", (0, 0), (-1, -1), 0.5, _RULE), ("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 1)])
    )
    return table


def _drawing(summary: "Summary") -> Drawing:
    drawn = plot(summary, width=_WIDTH - _LEFT - 24, height=58 * mm)
    drawing = Drawing(_WIDTH, drawn.height + _BOTTOM + 8)

    def across(y: float, **look: object) -> None:
        drawing.add(Line(_LEFT, _BOTTOM + y, _LEFT + drawn.width, _BOTTOM + y, **look))

    for y, label in drawn.money:
        across(y, strokeColor=_RULE, strokeWidth=0.5)
        drawing.add(String(_LEFT - 5, _BOTTOM + y - 3, label, fontSize=8, textAnchor="end", fillColor=_FAINT))
    across(drawn.start, strokeColor=_FAINT, strokeWidth=0.5, strokeDashArray=[3, 3])
    for x, label in drawn.times:
        drawing.add(String(_LEFT + x, 4, label, fontSize=8, textAnchor="middle", fillColor=_FAINT))
    points = [place for x, y in drawn.line for place in (_LEFT + x, _BOTTOM + y)]
    drawing.add(PolyLine(points, strokeColor=_LINE, strokeWidth=1))
    return drawing
