"""Market data over HTTP: health, instruments, latest quotes, candles, a stream, metrics. Everything is read only; the read rule of S-B7 holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from aiohttp import web

from market_data.answers import (
    AgeAnswer,
    CandlesAnswer,
    HealthAnswer,
    InstrumentsAnswer,
    QuotesAnswer,
    candle_answer,
    feed_answer,
    feeds_answer,
    instrument_answer,
    quote_answer,
)
from market_data.book import QuoteBook
from market_data.candles import Granularity
from market_data.feeds.base import Feed
from market_data.metrics import MarketMetrics
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import Clock
from runtime.http import ApiError, Authenticator, Route, build_app, file_answer, json_answer, read_query
from runtime.http_guard import reads_are_open
from runtime.settings import Settings
from runtime.timestamps import from_text
from trading.instruments import Instruments

COUNT_DEFAULT = 500
COUNT_MAX = 5_000
_SECONDS = re.compile(r"[0-9]{1,11}")


class QuotesQuery(msgspec.Struct, forbid_unknown_fields=True):
    """``instruments``: names with commas between, all when absent."""

    instruments: str = ""


class CandlesQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """``from`` (included) and ``to`` (excluded): RFC 3339, or seconds since 1970. With ``from`` the first ``count`` after it, else the last ones."""

    instrument: str = ""
    granularity: Granularity = Granularity.M1
    count: int = COUNT_DEFAULT
    from_: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the server is made of, open and ready."""

    instruments: Instruments
    feeds: Sequence[Feed]
    book: QuoteBook
    recorder: Recorder
    stream: QuoteStream
    metrics: MarketMetrics
    clock: Clock


def market_app(settings: Settings, parts: Parts, authenticator: Authenticator | None) -> web.Application:
    """The application; ``runtime.http.serve`` listens for it."""
    api = MarketApi(parts, open_reads=reads_are_open(settings, settings.market_data.host))
    app = build_app(
        "market_data", settings, api.routes(), host=settings.market_data.host, authenticator=authenticator, title="RBOT Arena market data"
    )
    app.on_shutdown.append(parts.stream.close)
    return app


class MarketApi:
    """The handlers.

    Args:
        open_reads: whether anyone may read here; else ``/health`` tells strangers that the program lives and no more (S-O3).
    """

    def __init__(self, parts: Parts, *, open_reads: bool) -> None:
        self._parts = parts
        self._open_reads = open_reads

    def routes(self) -> Sequence[Route]:
        unknown = {404: ("UNKNOWN_INSTRUMENT",)}
        return (
            Route(method="GET", path="/health", handler=self.health, summary="Alive?", auth="public", response=HealthAnswer),
            Route(method="GET", path="/instruments", handler=self.list_instruments, summary="What can be traded", response=InstrumentsAnswer),
            Route(
                method="GET", path="/quotes", handler=self.quotes, summary="Latest quotes", query=QuotesQuery, response=QuotesAnswer, codes=unknown
            ),
            Route(
                method="GET",
                path="/candles",
                handler=self.candles,
                summary="Candles, oldest first",
                query=CandlesQuery,
                response=CandlesAnswer,
                codes={**unknown, 400: ("INVALID_PARAMETER",)},
            ),
            Route(
                method="GET",
                path="/stream",
                handler=self.quote_stream,
                summary="Quotes as they come (SSE), at most four a second for each instrument",
                query=QuotesQuery,
                codes=unknown,
                content_type="text/event-stream",
                stream=True,
            ),
            Route(method="GET", path="/metrics", handler=self.prometheus, summary="Metrics for Prometheus", content_type="text/plain"),
        )

    async def health(self, _: web.Request) -> web.StreamResponse:
        parts = self._parts
        if not self._open_reads:
            return json_answer(HealthAnswer(ok=True, program="market_data"))
        now_ns = parts.clock.boot_ns()
        return json_answer(
            HealthAnswer(
                ok=True,
                program="market_data",
                status=parts.metrics.status(),
                feed=feeds_answer(parts.feeds),
                feeds=[feed_answer(feed) for feed in parts.feeds],
                instruments={
                    name: AgeAnswer(
                        age_ms=standing.age_ms(now_ns), stale=parts.book.is_stale(standing, now_ns), closed=parts.metrics.is_closed(standing, now_ns)
                    )
                    for name, standing in parts.book.latest.items()
                },
                trouble=parts.metrics.trouble() or None,
            )
        )

    async def list_instruments(self, _: web.Request) -> web.StreamResponse:
        latest = self._parts.book.latest
        return json_answer(InstrumentsAnswer(ok=True, instruments=[instrument_answer(one, latest) for one in self._parts.instruments.values()]))

    async def quotes(self, request: web.Request) -> web.StreamResponse:
        parts = self._parts
        names = self._names(read_query(request, QuotesQuery).instruments)
        now_ns = parts.clock.boot_ns()
        latest = parts.book.latest
        found = [quote_answer(latest[name], parts.instruments[name].venue, parts.book, now_ns) for name in names if name in latest]
        return json_answer(QuotesAnswer(ok=True, quotes=found, unquoted=[name for name in names if name not in latest]))

    async def candles(self, request: web.Request) -> web.StreamResponse:
        query = read_query(request, CandlesQuery)
        instrument = query.instrument
        if not instrument or "," in instrument:
            raise _invalid("instrument", "instrument must name one instrument")
        self._names(instrument)
        if not 1 <= query.count <= COUNT_MAX:
            raise _invalid("count", f"count must be 1 to {COUNT_MAX}")
        from_s, to_s = _seconds("from", query.from_), _seconds("to", query.to)
        if from_s is not None and to_s is not None and from_s >= to_s:
            raise _invalid("to", "to must be later than from")
        found = await self._parts.recorder.candles(instrument, query.granularity, count=query.count, from_s=from_s, to_s=to_s)
        standing = self._parts.book.latest.get(instrument)
        latest_ns = None if standing is None else standing.quote.time_ns
        return json_answer(
            CandlesAnswer(
                ok=True,
                instrument=instrument,
                granularity=query.granularity.value,
                feed=self._feed_of(instrument),
                candles=[candle_answer(candle, latest_ns) for candle in found],
            )
        )

    async def quote_stream(self, request: web.Request) -> web.StreamResponse:
        return await self._parts.stream.serve(request, self._names(read_query(request, QuotesQuery).instruments))

    async def prometheus(self, _: web.Request) -> web.StreamResponse:
        return file_answer(self._parts.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    def _feed_of(self, instrument: str) -> str:
        """The name of the feed that quotes ``instrument``: its venue's, where feeds are venues."""
        names = [feed.name for feed in self._parts.feeds]
        venue = self._parts.instruments[instrument].venue
        return venue if venue in names else names[0]

    def _names(self, text: str) -> list[str]:
        """The instruments that ``text`` names, each once; all of them when it names none."""
        known = self._parts.instruments
        names = list(dict.fromkeys(name.strip() for name in text.split(","))) if text else list(known)
        for name in names:
            if name not in known:
                raise ApiError(404, "UNKNOWN_INSTRUMENT", f"{name[:40]} is not traded here; /instruments lists what is", {"known": list(known)})
        return names


def _seconds(name: str, text: str) -> int | None:
    """Whole seconds since 1970 of ``text``, rounded up: a candle starts on a whole second."""
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return int(text)
    try:
        return -(-from_text(text) // 1_000_000_000)
    except (ValueError, OverflowError):
        raise _invalid(name, f"{name} must be a time like 2014-05-02T12:30:00Z, or seconds since 1970") from None


def _invalid(name: str, message: str) -> ApiError:
    return ApiError(400, "INVALID_PARAMETER", message, {"parameter": name})
