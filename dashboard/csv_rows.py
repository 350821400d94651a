"""CSV that a spreadsheet may open: RFC 4180, and no cell that it would run.

A text cell that begins with ``= + - @``, a tab or a line end is taken for a formula by spreadsheets, and can send the sheet elsewhere; such a cell
gets an apostrophe in front. Numbers stay numbers, negative ones too. Line ends inside a cell become spaces.
"""

import csv
import io
from collections.abc import Iterable
from decimal import Decimal

BOM = "\ufeff"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | float | Decimal | None


def csv_rows(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as text, each ended by CR LF."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"{value:f}" if isinstance(value, Decimal) else repr(value)
    return f"'{_one_line(value)}" if value.lstrip(" ").startswith(_FORMULA_STARTS) else _one_line(value)


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
