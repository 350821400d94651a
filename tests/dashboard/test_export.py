"""Exports: the transcript and the closed trades as files, complete or said not to be, and safe to open."""

import asyncio
import base64
import csv
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from bus.envelope import Event
from bus.tail import Page
from dashboard import export
from dashboard.csv_rows import csv_rows
from dashboard.narration import Replay
from dashboard.trades import HEADINGS, totals, trade_of
from tests.dashboard.conftest import running_desk, said
from tests.dashboard.stories import EPOCH, ORDER, closed, filled, placed
from tests.dashboard.test_memory import events
from trading.errors import Unavailable

LIFE = [placed(), filled("entry", 1.1655, position=100), filled("take_profit", 1.17, position=0), closed(0.45, entry_price=1.1655, exit_price=1.17)]


class ListReplay:
    """A journal that is a list; ``breaks_at`` is where its owner stops answering."""

    def __init__(self, held: Sequence[Event], *, page_max: int = 3, breaks_at: int | None = None) -> None:
        self.held = held
        self.page_max = page_max
        self.breaks_at = breaks_at

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        if self.breaks_at is not None and after >= self.breaks_at:
            raise Unavailable("down")
        page = [event.body for event in self.held[after : after + min(limit, self.page_max)]]
        return Page(epoch=EPOCH, first_seq=1, last_seq=len(self.held), events=page)


def both(**kwargs: object) -> Mapping[str, Replay]:
    """Two brokers and Rick: eight events and four comments."""
    rick = [("narration", {"text": f"comment {n}", "tone": "plain", "about": {"source": "oanda", "order_id": "paper-oanda-1"}}) for n in range(4)]
    coinbase = [(kind, {**payload, "order_id": "paper-coinbase-1", "instrument": "BTC-USD"}) for kind, payload in LIFE]
    return {
        "oanda": ListReplay(events(LIFE), **kwargs),  # type: ignore[arg-type]
        "coinbase": ListReplay(events(coinbase, source="coinbase")),
        "rick": ListReplay(events(rick, source="rick")),
    }


def only(*drafts: tuple[str, Mapping[str, object]]) -> Mapping[str, Replay]:
    """One broker with these events, and nothing else."""
    return {"oanda": ListReplay(events(drafts)), "coinbase": ListReplay([]), "rick": ListReplay([])}


async def download(home: Path, name: str, replays: Mapping[str, Replay], query: str = "") -> tuple[dict[str, str], bytes]:
    async with running_desk(home, replays=replays) as desk, desk.browser.get(f"{desk.url}/api/export/{name}{query}") as answer:
        assert answer.status == 200, await answer.text()
        return dict(answer.headers), await answer.read()


def table(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def pdf_text(body: bytes) -> str:
    """What the pages of a PDF of ours say: their content streams, and of these the strings."""
    assert body.startswith(b"%PDF-")
    assert body.rstrip().endswith(b"%%EOF")
    pages = re.findall(rb"stream\r?\n(.*?)endstream", body, re.DOTALL)
    content = b"\n".join(zlib.decompress(base64.a85decode(page.strip().removesuffix(b"~>"))) for page in pages)
    strings = re.findall(rb"\(((?:\\.|[^\\)])*)\) Tj", content)
    return "\n".join(_unescaped(string) for string in strings)


def _unescaped(string: bytes) -> str:
    octal = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), string)
    return re.sub(rb"\\([()\\])", rb"\1", octal).decode("cp1252")


async def test_the_transcript_holds_every_event_of_every_source_in_order(home: Path) -> None:
    headers, body = await download(home, "narration.csv", both())
    rows = table(body)
    assert len(rows) == 12
    for source in ("oanda", "coinbase", "rick"):
        assert [row["seq"] for row in rows if row["source"] == source] == ["1", "2", "3", "4"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="arena-narration-\d{4}-\d\d-\d\d\.csv"', headers["Content-Disposition"])
    first = next(row for row in rows if row["source"] == "oanda")
    assert first["text"] == "OCO Placed EUR_USD BUY 100 units | SL: 1.16, TP: 1.17 | Mode: paper | Status: PENDING"
    assert {row["order_id"] for row in rows if row["source"] == "rick"} == {"paper-oanda-1"}


async def test_the_transcript_says_which_exit_filled_and_what_it_brought(home: Path) -> None:
    """A fill without its leg and its result says less than the line of the feed; an entry's line is the first version's, to the letter."""
    out = {"instrument": "BTC-USD", "units": 0.05, "fill_units": 0.05, "price": 61701, "leg": "take_profit", "realized_pnl": 0.3345, "fee": 12.3402}
    done = {"instrument": "BTC-USD", "realized_pnl": 0.3345, "fees": 30.85, "r_multiple": -8.93}
    drafts = [("order_filled", {**out, "leg": "entry"}), ("order_filled", out), ("bracket_closed", done)]
    rows = table((await download(home, "narration.csv", only(*drafts)))[1])
    assert [row["text"] for row in rows] == [
        "Order Filled BTC-USD 0.05 @ 61701",
        "Order Filled BTC-USD 0.05 @ 61701 | leg: take_profit | realized_pnl: 0.3345 | fee: 12.3402",
        "Bracket closed BTC-USD | realized_pnl: 0.3345 | fees: 30.85 | r_multiple: -8.93",
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?sources=oanda", 4),
        ("?types=oco_placed,narration", 6),
        ("?instruments=BTC-USD", 4),
        ("?text=COMMENT%202", 1),
        ("?types=oco_placed&sources=oanda&instruments=EUR_USD&text=pending", 1),
        ("?since=2025-10-16T17:55:27.023050Z", 9),
        ("?until=2025-10-16T17:55:27.023050Z", 6),
        ("?since=2030-01-01T00:00:00Z", 0),
    ],
)
async def test_a_filter_leaves_out_what_it_does_not_name(home: Path, query: str, count: int) -> None:
    assert len(table((await download(home, "narration.csv", both(), query))[1])) == count


async def test_the_trades_are_numbers_a_spreadsheet_can_add(home: Path) -> None:
    rows = table((await download(home, "trades.csv", both()))[1])
    assert list(rows[0]) == list(HEADINGS)
    trade = next(row for row in rows if row["broker"] == "oanda")
    shown = [trade[key] for key in ("instrument", "side", "units", "entry_price", "exit_price", "net_pnl", "r_multiple")]
    assert shown == ["EUR_USD", "BUY", "100", "1.1655", "1.17", "0.45", "0.82"]


async def test_a_negative_result_stays_a_number_and_a_formula_becomes_text(home: Path) -> None:
    """Whoever names an order chooses the text: it must not run in somebody's spreadsheet."""
    evil = closed(-0.55, client_order_id="=HYPERLINK(0)", placed_by="+1", instrument="@x")
    body = (await download(home, "trades.csv", only(evil)))[1]
    (row,) = table(body)
    assert row["net_pnl"] == "-0.55"
    assert (row["client_order_id"], row["placed_by"], row["instrument"]) == ("'=HYPERLINK(0)", "'+1", "'@x")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r", "\n", " =", "＝"])
def test_every_start_that_a_spreadsheet_runs_is_disarmed(start: str) -> None:
    (cell,) = next(csv.reader(io.StringIO(csv_rows([[f"{start}cmd|' /C calc'!A0"]]))))
    assert cell.startswith("'")


def test_cells_survive_the_way_through_csv() -> None:
    """Quotes, commas and letters of any script come back as they were; line ends become spaces; numbers are exact."""
    row = ['say "hi", she said', "naïve ✓ 汉字", "two\nlines", Decimal("1E-7"), Decimal("-0.10"), 5, None, 1.5]
    (read,) = csv.reader(io.StringIO(csv_rows([row])))
    assert read == ['say "hi", she said', "naïve ✓ 汉字", "two lines", "0.0000001", "-0.10", "5", "", "1.5"]


async def test_a_mark_for_spreadsheets_comes_when_asked_for(home: Path) -> None:
    assert (await download(home, "narration.csv", both(), "?bom=true"))[1].startswith(b"\xef\xbb\xbf")
    assert not (await download(home, "narration.csv", both()))[1].startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("breaks_at", [0, 3])
async def test_a_journal_that_does_not_answer_to_its_end_is_named(home: Path, breaks_at: int) -> None:
    """At once or half way: the rest is there, and the file says that it is not all."""
    body = (await download(home, "narration.csv", both(breaks_at=breaks_at)))[1].decode()
    assert body.splitlines()[-1] == "INCOMPLETE: the journal of oanda did not answer to its end"
    assert body.count("\r\n") == 1 + 8 + breaks_at + 1
    text = pdf_text((await download(home, "narration.pdf", both(breaks_at=breaks_at)))[1])
    assert "INCOMPLETE: the journal of oanda" in text


async def test_the_report_of_the_transcript_reads_as_the_feed(home: Path) -> None:
    """Letters that the built-in fonts do not have become question marks, and nothing in a text is markup."""
    odd = placed(instrument="<b>EUR</b>")
    comment = ("narration", {"text": "✓ (a) \\ 汉字 é", "tone": "plain", "about": {}})
    replays = {"oanda": ListReplay(events([odd])), "coinbase": ListReplay([]), "rick": ListReplay(events([comment], source="rick"))}
    headers, body = await download(home, "narration.pdf", replays)
    text = pdf_text(body)
    assert headers["Content-Type"] == "application/pdf"
    assert "OCO Placed <b>EUR</b> BUY 100 units" in text
    assert "? (a) \\ ?? é" in text
    assert "2025-10-16" in text
    assert "17:55:27" in text


async def test_the_report_of_the_trades_adds_up(home: Path) -> None:
    drafts = [closed(0.45, fees=0.05), closed(-1, instrument="GBP_USD"), closed(2)]
    text = pdf_text((await download(home, "trades.pdf", only(*drafts)))[1])
    lines = text.splitlines()
    start = lines.index("all")
    assert lines[start : start + 9] == ["all", "3", "2", "1", "1.40", "0.05", "0.82", "2.00", "-1.00"]
    assert "GBP_USD" in lines


async def test_a_report_holds_the_newest_and_says_what_it_leaves_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PDF_LINES_MAX", 5)
    text = pdf_text((await download(home, "narration.pdf", both()))[1])
    assert "the newest 5 are shown, the CSV has all" in " ".join(text.splitlines())


async def test_a_long_report_has_numbered_pages_and_wraps_what_is_too_wide(home: Path) -> None:
    drafts = [("order_rejected", {**ORDER, "code": "X" * 40, "reason": "word " * 60 + "Q" * 400})] * 60
    text = pdf_text((await download(home, "narration.pdf", only(*drafts)))[1])
    assert "page 2" in text
    assert text.count("Q") == 60 * 400


async def test_nothing_to_export_is_an_empty_table_and_a_page_that_says_so(home: Path) -> None:
    nothing: Mapping[str, Replay] = {name: ListReplay([]) for name in ("oanda", "coinbase", "rick")}
    assert (await download(home, "trades.csv", nothing))[1] == (",".join(HEADINGS) + "\r\n").encode()
    assert "No bracket has been closed." in pdf_text((await download(home, "trades.pdf", nothing))[1])
    assert "Nothing happened." in pdf_text((await download(home, "narration.pdf", nothing))[1])


@pytest.mark.parametrize("query", ["?since=yesterday", "?until=2025-10-16", "?colour=red", "?bom=perhaps", "?types=a&types=b", f"?text={'x' * 300}"])
async def test_a_query_that_makes_no_sense_is_refused(home: Path, query: str) -> None:
    async with running_desk(home, replays=both()) as desk:
        status, body = await desk.get(f"/api/export/narration.csv{query}")
    assert status == 400
    assert str(said(body)).endswith("PARAMETER")


class HeldReplay(ListReplay):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__([])
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        self.asked.set()
        await self.go.wait()
        return await super().fetch(epoch, after, limit)


async def test_a_third_export_at_once_waits_its_turn(home: Path) -> None:
    held = [HeldReplay(), HeldReplay()]

    class Both:
        async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
            return await next(one for one in held if not one.asked.is_set() or one.go.is_set()).fetch(epoch, after, limit)

    async with running_desk(home, replays={"oanda": Both(), "coinbase": ListReplay([]), "rick": ListReplay([])}) as desk:
        running = [asyncio.create_task(desk.browser.get(f"{desk.url}/api/export/trades.pdf")) for _ in held]
        await asyncio.gather(*(asyncio.wait_for(one.asked.wait(), 30) for one in held))
        status, body = await desk.get("/api/export/trades.csv")
        assert (status, said(body)) == (429, "EXPORT_BUSY")
        for one in held:
            one.go.set()
        for answer in await asyncio.gather(*running):
            assert answer.status == 200
            answer.release()


def test_totals_of_no_trades_are_nil() -> None:
    nothing = totals([])
    assert (nothing.count, nothing.net, nothing.average_r) == (0, Decimal(0), None)


def test_a_trade_that_says_little_has_empty_cells() -> None:
    (event,) = events([("bracket_closed", {"realized_pnl": "not a number", "instrument": 5})])
    assert trade_of(event).net is None
    assert set(trade_of(event).row()) == {event.ts, "oanda", "", None}
