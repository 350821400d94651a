"""What the commands print: tables on a terminal, one JSON document with ``--json``, errors on stderr with a documented exit code."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any, NoReturn

import typer

from cli import exit_codes

PIPED_COLUMNS = 200

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Broker = Annotated[str, typer.Argument(help="oanda or coinbase")]
BrokerOrBoth = Annotated[str | None, typer.Argument(help="oanda or coinbase; both when left out")]


def print_json(value: object) -> None:
    """One JSON document on stdout; a Decimal as the number that was on the wire."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False) + "\n")


def tell(sentence: str, *, as_json: bool, **data: object) -> None:
    """What a command did: a sentence for people, ``{"ok": true, …}`` with ``data`` for programs."""
    if as_json:
        print_json({"ok": True, **data})
    else:
        print(sentence)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else json.loads(str(value))
    raise TypeError(f"{type(value).__name__} is not JSON")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table with a header, or the sentence ``empty`` when there is no row. What looks like a number stands to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    listed = [[_cell(value) for value in row] for row in rows]
    # Piped into a file or another program, nothing is cut to the width of a terminal that isn't there.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS)
    if not listed:
        console.print(Text(empty))
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = all(_is_number(row[index]) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric or index == 0)
    for row in listed:
        table.add_row(*(Text(value) for value in row))  # Text, not markup: a venue's words are shown, never interpreted
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)


def _is_number(text: str) -> bool:
    return text == "–" or text.lstrip("+-").replace(".", "", 1).isdigit()


def fail(message: str, code: int = exit_codes.FAILED) -> NoReturn:
    """Say why on stderr and end with ``code``."""
    sys.stderr.write(message.rstrip() + "\n")
    raise typer.Exit(code)


def pick(source: Mapping[str, Any], *names: str) -> list[object]:
    """The values of ``names`` in that order; None where one is absent."""
    return [source.get(name) for name in names]


def unavailable_in(body: Mapping[str, Any]) -> None:
    """End with PARTLY and say whose part is missing, where a list of all brokers lacks one's."""
    if missing := body.get("unavailable"):
        names = ", ".join(str(item.get("broker", item)) if isinstance(item, dict) else str(item) for item in missing)
        fail(f"not asked, down: {names}", exit_codes.PARTLY)
