"""``GET /api/export/…``: the transcript and the closed trades as files, of the filter or of everything.

CSV is written as it is read, however long it gets. A PDF is made whole, so it holds the newest LINES_MAX and says what it leaves out. A journal that
does not answer to its end is named in the file: an export that looks complete is complete. At most two at a time, for orders go first.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from aiohttp import web

from bus.envelope import Event
from dashboard.csv_rows import BOM, Cell, csv_rows
from dashboard.narration import Replay
from dashboard.reports import trades_report, transcript_report
from dashboard.trades import HEADINGS, TRADE_TYPE, trade_of
from dashboard.transcript import Filter, Transcript, instrument_of, line_of, order_of
from runtime.clock import Clock
from runtime.http import ApiError, Route, file_answer, read_query
from runtime.routes import Handler
from runtime.timestamps import from_text, to_text

AT_ONCE_MAX = 2
PDF_LINES_MAX = 10_000
ROWS_A_CHUNK = 500
WRITE_S_MAX = 30.0  # a reader that takes nothing for this long is gone
TRANSCRIPT_HEADINGS = ("time", "source", "seq", "type", "instrument", "order_id", "tone", "text")

_LIST = Annotated[str, msgspec.Meta(max_length=500)]
_TIME = Annotated[str, msgspec.Meta(max_length=40)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportQuery:
    """The filter: comma lists, a text, RFC 3339 times; ``bom`` for spreadsheets that need it to see UTF-8."""

    types: _LIST = ""
    sources: _LIST = ""
    instruments: _LIST = ""
    text: Annotated[str, msgspec.Meta(max_length=200)] = ""
    since: _TIME = ""
    until: _TIME = ""
    bom: bool = False


class ExportApi:
    """The four files.

    Args:
        replays: source → its replay, in the order in which equal times are written.
    """

    def __init__(self, replays: Mapping[str, Replay], clock: Clock) -> None:
        self._replays = replays
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE_MAX)

    def routes(self) -> list[Route]:
        files: tuple[tuple[str, Handler, str, str], ...] = (
            ("narration.csv", self.narration_csv, "text/csv", "The transcript as CSV"),
            ("narration.pdf", self.narration_pdf, "application/pdf", "The transcript as PDF"),
            ("trades.csv", self.trades_csv, "text/csv", "The closed trades as CSV"),
            ("trades.pdf", self.trades_pdf, "application/pdf", "The closed trades as PDF"),
        )
        return [
            Route(
                method="GET",
                path=f"/api/export/{name}",
                handler=handler,
                summary=summary,
                tag="export",
                query=ExportQuery,
                content_type=content_type,
                timeout_s=None,
                codes={429: ("EXPORT_BUSY",)},
            )
            for name, handler, content_type, summary in files
        ]

    async def narration_csv(self, request: web.Request) -> web.StreamResponse:
        async with self._begun(request) as (query, transcript):
            return await self._csv(request, query, transcript, name="narration", headings=TRANSCRIPT_HEADINGS, row_of=_transcript_row)

    async def trades_csv(self, request: web.Request) -> web.StreamResponse:
        async with self._begun(request, types=TRADE_TYPE) as (query, transcript):
            return await self._csv(request, query, transcript, name="trades", headings=HEADINGS, row_of=lambda event: trade_of(event).row())

    async def narration_pdf(self, request: web.Request) -> web.StreamResponse:
        async with self._begun(request) as (_, transcript):
            kept, count = await _newest(transcript)
            subtitle = self._subtitle(transcript, kept=len(kept), count=count)
            body = await asyncio.to_thread(transcript_report, kept, subtitle=subtitle)
            return self._pdf("narration", body)

    async def trades_pdf(self, request: web.Request) -> web.StreamResponse:
        async with self._begun(request, types=TRADE_TYPE) as (_, transcript):
            kept, count = await _newest(transcript)
            subtitle = self._subtitle(transcript, kept=len(kept), count=count)
            body = await asyncio.to_thread(trades_report, [trade_of(event) for event in kept], subtitle=subtitle)
            return self._pdf("trades", body)

    @contextlib.asynccontextmanager
    async def _begun(self, request: web.Request, *, types: str = "") -> AsyncIterator[tuple[ExportQuery, Transcript]]:
        """The query and the reading, while there is a place for one more export."""
        query = read_query(request, ExportQuery)
        wanted = _filter(query, types)
        if self._places.locked():
            raise ApiError(429, "EXPORT_BUSY", "two exports are being made already; try again when one is done", headers={"Retry-After": "5"})
        async with self._places:
            yield query, Transcript(replays=self._replays, wanted=wanted)

    async def _csv(
        self,
        request: web.Request,
        query: ExportQuery,
        transcript: Transcript,
        *,
        name: str,
        headings: Sequence[str],
        row_of: Callable[[Event], Iterable[Cell]],
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8", **self._attachment(name, "csv")})
        await answer.prepare(request)
        await _write(answer, (BOM if query.bom else "") + csv_rows([headings]))
        rows: list[Iterable[Cell]] = []
        async for event in transcript.events():
            rows.append(row_of(event))
            if len(rows) >= ROWS_A_CHUNK:
                await _write(answer, csv_rows(rows))
                rows = []
        rows += [(f"INCOMPLETE: the journal of {source} did not answer to its end",) for source in transcript.unavailable]
        await _write(answer, csv_rows(rows))
        await answer.write_eof()
        return answer

    def _pdf(self, name: str, body: bytes) -> web.Response:
        return file_answer(body, "application/pdf", self._attachment(name, "pdf"))

    def _attachment(self, name: str, extension: str) -> dict[str, str]:
        day = to_text(self._clock.wall_ns())[:10]
        return {"Content-Disposition": f'attachment; filename="arena-{name}-{day}.{extension}"'}

    def _subtitle(self, transcript: Transcript, *, kept: int, count: int) -> str:
        parts = [f"Made {to_text(self._clock.wall_ns())[:19].replace('T', ' ')} UTC", str(transcript.wanted), f"{count} of them"]
        if kept < count:
            parts.append(f"the newest {kept} are shown, the CSV has all")
        parts += [f"INCOMPLETE: the journal of {source} did not answer to its end" for source in transcript.unavailable]
        return ". ".join(parts) + "."


async def _newest(transcript: Transcript) -> tuple[list[Event], int]:
    """The last PDF_LINES_MAX events, and how many there are."""
    kept: deque[Event] = deque(maxlen=PDF_LINES_MAX)
    count = 0
    async for event in transcript.events():
        kept.append(event)
        count += 1
    return list(kept), count


async def _write(answer: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_S_MAX):
        await answer.write(text.encode())


def _transcript_row(event: Event) -> tuple[Cell, ...]:
    tone = event.payload.get("tone")
    return (
        event.ts,
        event.source,
        event.seq,
        event.type,
        instrument_of(event),
        order_of(event),
        tone if isinstance(tone, str) else "",
        line_of(event),
    )


def _filter(query: ExportQuery, types: str) -> Filter:
    return Filter(
        types=_names(types or query.types),
        sources=_names(query.sources),
        instruments=_names(query.instruments),
        text=query.text,
        since=_time(query.since, "since"),
        until=_time(query.until, "until"),
    )


def _names(listed: str) -> frozenset[str]:
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def _time(text: str, name: str) -> str:
    """The time in the form events have, so that the two compare as text."""
    if not text:
        return ""
    try:
        return to_text(from_text(text.replace(" ", "+")))  # a + that the browser did not encode arrives as a space
    except (ValueError, OverflowError, OSError):
        raise ApiError(400, "INVALID_PARAMETER", f"{name} is a time as 2025-10-16T11:55:27Z", {"parameter": name}) from None
