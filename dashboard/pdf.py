"""Pages of a PDF: headings, lines and wrapped paragraphs from top to bottom, numbered at the foot.

Drawn on reportlab's canvas with the fonts every PDF reader has; no markup is made from anybody's text, so none can be injected. Those fonts hold
Latin letters: what they cannot show is printed as "?".
"""

import io

from reportlab.lib.pagesizes import A4, landscape
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

MARGIN = 40.0
SIZE = 8.0
LEADING = 11.0
FONT, BOLD, MONO = "Helvetica", "Helvetica-Bold", "Courier"

Colour = tuple[float, float, float]
INK: Colour = (0.1, 0.1, 0.12)
MUTED: Colour = (0.45, 0.45, 0.5)
GOOD: Colour = (0.05, 0.45, 0.25)
BAD: Colour = (0.7, 0.15, 0.15)
_RULE: Colour = (0.8, 0.8, 0.83)


def latin(text: str) -> str:
    """``text`` in the letters the built-in fonts have, on one line."""
    return "".join(char if char.isprintable() else " " for char in text).encode("cp1252", "replace").decode("cp1252")


class Report:
    """Pages of one document: a heading, then lines from top to bottom, numbered at the foot."""

    def __init__(self, title: str, subtitle: str, *, wide: bool = False) -> None:
        self._out = io.BytesIO()
        self._size = landscape(A4) if wide else A4
        # Without the time of making, the same trades give the same file.
        self._canvas = Canvas(self._out, pagesize=self._size, invariant=1)
        self._canvas.setTitle(latin(title))
        self._canvas.setAuthor("RBOT Arena")
        self._title = latin(title)
        self._page = 0
        self._y = 0.0
        self._new_page()
        self._canvas.setFont(BOLD, 16)
        self.text(MARGIN, self._title, size=16, font=BOLD)
        self._y -= 6
        for line in self._wrapped(latin(subtitle), self.width, SIZE):
            self.down()
            self.text(MARGIN, line, colour=MUTED)
        self.down(1.5)

    @property
    def width(self) -> float:
        return float(self._size[0]) - 2 * MARGIN

    def _new_page(self) -> None:
        if self._page:
            self._canvas.showPage()
        self._page += 1
        self._y = float(self._size[1]) - MARGIN - 10
        self._canvas.setFillColorRGB(*MUTED)
        self._canvas.setFont(FONT, 7)
        self._canvas.drawString(MARGIN, MARGIN / 2, self._title)
        self._canvas.drawRightString(self._size[0] - MARGIN, MARGIN / 2, f"page {self._page}")

    def down(self, lines: float = 1.0) -> bool:
        """Move to the next line; True when that is on a new page."""
        self._y -= LEADING * lines
        if self._y < MARGIN:
            self._new_page()
            return True
        return False

    def text(self, x: float, text: str, *, size: float = SIZE, font: str = FONT, colour: Colour = INK, right: bool = False) -> None:
        """Write on the current line; ``x`` is the right end where ``right``."""
        self._canvas.setFillColorRGB(*colour)
        self._canvas.setFont(font, size)
        (self._canvas.drawRightString if right else self._canvas.drawString)(x, self._y, text)

    def rule(self) -> None:
        self._canvas.setStrokeColorRGB(*_RULE)
        self._canvas.line(MARGIN, self._y - 3, self._size[0] - MARGIN, self._y - 3)

    def paragraph(self, x: float, text: str, *, colour: Colour = INK, font: str = FONT) -> None:
        """Wrapped text from ``x`` to the margin, going down as needed."""
        for number, line in enumerate(self._wrapped(latin(text), MARGIN + self.width - x, SIZE, font)):
            if number:
                self.down()
            self.text(x, line, colour=colour, font=font)

    @staticmethod
    def _wrapped(text: str, width: float, size: float, font: str = FONT) -> list[str]:
        lines: list[str] = []
        line = ""
        for word in text.split(" "):
            rest = word
            while stringWidth(rest, font, size) > width:  # a word wider than the page is cut where it fills it
                cut = max(1, int(len(rest) * width / stringWidth(rest, font, size)))
                lines, line, rest = [*lines, *([line] if line else []), rest[:cut]], "", rest[cut:]
            longer = f"{line} {rest}" if line else rest
            if stringWidth(longer, font, size) > width:
                lines.append(line)
                longer = rest
            line = longer
        return [*lines, line]

    def finish(self) -> bytes:
        self._canvas.save()
        return self._out.getvalue()
