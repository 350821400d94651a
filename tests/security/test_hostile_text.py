"""200 hostile texts on their way to log, CSV, PDF, answer and stream: shown as text, or refused, and never more. The page has tests/browser/."""

import csv
import io
import json
import logging
from collections.abc import Iterator

import pytest
from pypdf import PdfReader

from bus.frames import unnamed
from dashboard.csv_rows import csv_rows
from dashboard.pdf import Report
from runtime.logs import JsonFormatter, TextFormatter
from tests.arena_gateway.fakes import SEED_ORDER, Desk

_SCRIPTS = (
    "<script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    "<svg/onload=hacked()>",
    "'-hacked()-'",
    '"><iframe srcdoc=x>',
    "javascript:hacked()",
    "{{constructor.constructor('hacked()')()}}",
    "${hacked()}",
    "%3Cscript%3E",
    "&lt;script&gt;",
    "<!--",
    "]]>",
    "</title><script>",
    "<base href=//x>",
    "<a href='data:text/html,x'>",
    "<math><mtext></form>",
    "<style>@import'//x'</style>",
    "<meta http-equiv=refresh>",
    "<link rel=import>",
    "<object data=x>",
)
_FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x")',
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "=\u202e",
    "=IMPORTXML(1)",
    "=DDE(1)",
    "-2+3+cmd",
    "+cmd|x",
    "@x",
)
_FRAMES = (
    "a\r\nSet-Cookie: x=y",
    "a\n\ndata: evil",
    "a\revent: evil",
    "a\u2028id: 1",
    "a\u2029b",
    "a\x0bb",
    "a\x0cb",
    "a\x85b",
    "a\x00b",
    "\x1b[2J\x1b[31m",
    "\x1b]0;title\x07",
    "\x08\x08\x08",
    "a\x7fb",
    "\ufeffa",
    "\u202eevil",
    "\u2066evil",
    "\ud83d",
    "a\\u000ab",
    "%0d%0a",
    "a\r\n\r\n<html>",
)
_OTHERS = (
    "' OR 1=1 --",
    '"; DROP TABLE audit; --',
    "../../../../etc/passwd",
    "..\\..\\x",
    "file:///etc/passwd",
    "$(touch /tmp/x)",
    "`id`",
    "; id",
    "| id",
    "&& id",
    "%s%s%s%n",
    "{0}{1}",
    "{self.__class__}",
    "__proto__",
    "constructor",
    "null",
    "undefined",
    "NaN",
    "1e999",
    "0x41",
    "[bold red]x[/]",
    "\\",
    "'",
    '"',
    ",",
    ";",
    "x" * 5000,
    "\u0301" * 300,
    "﷽" * 50,
    "🏴\u200d☠️" * 20,
)
_ONE = (*_SCRIPTS, *_FORMULAS, *_FRAMES, *_OTHERS)
PAYLOADS = [*_ONE, *(f"EUR_USD{text}" for text in _ONE), *(text * 2 for text in _SCRIPTS)]
LOADABLE = [text for text in PAYLOADS if text.isprintable() or "\ud83d" not in text]


def test_there_are_two_hundred_of_them() -> None:
    assert len(set(PAYLOADS)) >= 200


@pytest.mark.parametrize("formatter", [JsonFormatter("test"), TextFormatter()], ids=["json", "text"])
def test_each_is_one_line_of_the_log(formatter: logging.Formatter) -> None:
    """In the message, in a field's name and value, and in a traceback; no control character reaches a terminal in JSON, where the log is kept."""
    for text in PAYLOADS:
        record = logging.makeLogRecord({"msg": text if isinstance(formatter, JsonFormatter) else "a line", "levelname": "INFO", "subject": text})
        line = formatter.format(record)
        if isinstance(formatter, JsonFormatter):
            assert line.isascii()
            assert line.isprintable()
            assert json.loads(line)["subject"] == text or "[redacted]" in line
        else:
            assert len(line.splitlines()) == 1, repr(text)
            assert "\x1b" not in line, repr(text)


def test_each_is_one_cell_that_no_spreadsheet_runs() -> None:
    for text in LOADABLE:
        written = csv_rows([["before", text, -1]])
        (row,) = csv.reader(io.StringIO(written, newline=""))
        assert len(row) == 3, repr(text)
        assert not row[1].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")), repr(text)
        assert all(char.isprintable() for char in row[1])
        assert row[2] == "-1", "a number stays one"


def test_each_is_text_on_a_page_of_paper() -> None:
    """No action, script, link or file in the document, whatever stands in it."""
    report = Report("hostile <script>", "\r\n".join(PAYLOADS[:20]).replace("\ud83d", "?"))
    for text in LOADABLE:
        report.down()
        report.paragraph(40, text)
    body = report.finish()
    for name in (b"/JavaScript", b"/JS ", b"/OpenAction", b"/Launch", b"/EmbeddedFile", b"/URI", b"/AA "):
        assert name not in body
    pages = PdfReader(io.BytesIO(body)).pages
    assert sum("hacked" in page.extract_text() for page in pages) >= 1
    assert not any(page.annotations for page in pages)


def test_each_is_one_line_of_a_stream() -> None:
    for text in PAYLOADS:
        frame = unnamed({"source": "oanda", "type": text, "payload": {text[:100]: text}, "ts": text})
        assert frame.isascii()
        assert frame.count(b"\n") == 2, repr(text)
        assert b"\r" not in frame
        assert frame.startswith(b"data: ")
        assert frame.endswith(b"\n\n")


def _fields() -> Iterator[tuple[str, str]]:
    for field in ("instrument", "product_id", "side", "client_order_id", "entry_type", "units", "entry_price", "quality_score", "ttl_min"):
        for text in PAYLOADS:
            yield field, text


async def test_in_an_orders_fields_each_is_refused_without_an_echo_that_could_run(desk: Desk) -> None:
    """9 fields x 200 texts: 4xx as JSON with nosniff, nothing sent to the adapter that is not in the field's alphabet, no header split."""
    await desk.token()
    cases = 0
    for field, text in _fields():
        cases += 1
        body = json.dumps({**SEED_ORDER, field: text})
        answer = await desk.call(
            "POST", "/brokers/oanda/orders", token=await desk.token(), data=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.status < 500, (field, text)
        assert answer.headers["Content-Type"].startswith("application/json"), (field, text)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers
        assert b"\n" not in answer.raw
        if field == "client_order_id" and answer.status < 300:
            assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), text
    assert cases >= 1800
