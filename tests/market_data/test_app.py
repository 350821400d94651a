"""Market data over HTTP: what it answers, what it refuses, and who may ask."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from market_data.app import Parts, market_app
from market_data.book import QuoteBook
from market_data.candle_store import CandleStore
from market_data.candles import CandleBuilder
from market_data.feeds.base import FeedState, FeedStatus, ScriptedFeed
from market_data.metrics import MarketMetrics
from market_data.recorder import Recorder
from market_data.stream import QuoteStream
from runtime.clock import ManualClock
from runtime.http import ApiError, Principal, listening
from runtime.settings import AuthSettings, Settings
from tests.market_data.conftest import MONDAY_NS, PassingTime, S, quote
from trading.instruments import Instruments

MONDAY_S = MONDAY_NS // S


class OneToken:
    """An authenticator that knows the token ``good`` until it is told to forget it."""

    forgotten = False

    async def principal(self, request: web.Request) -> Principal | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        if header != "Bearer good" or self.forgotten:
            raise ApiError(401, "TOKEN_INVALID", "log in again")
        return Principal(user="trader@test", role="viewer")


class Server:
    """A running server with everything a test may turn."""

    def __init__(self, parts: Parts, builder: CandleBuilder, clock: ManualClock, feed: ScriptedFeed, tokens: OneToken) -> None:
        self.parts = parts
        self.builder = builder
        self.clock = clock
        self.feed = feed
        self.tokens = tokens
        self.url = ""

    def receive(self, *quotes: Any) -> None:
        for one in quotes:
            self.parts.book.receive(one, self.clock.boot_ns())
            self.builder.add(one)

    async def get(self, path: str, *, token: str | None = None) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session, session.get(self.url + path, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text, parse_float=Decimal) if answer.content_type == "application/json" else text


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, conf=tmp_path)


@pytest.fixture
async def server(settings: Settings, instruments: Instruments, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Server]:
    async for running in _serve(settings, instruments, clock, tmp_path):
        yield running


@pytest.fixture
async def guarded(settings: Settings, instruments: Instruments, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose reads need a token."""
    async for running in _serve(replace(settings, auth=AuthSettings(read="token")), instruments, clock, tmp_path):
        yield running


async def _serve(settings: Settings, instruments: Instruments, clock: ManualClock, directory: Path) -> AsyncIterator[Server]:
    feed = ScriptedFeed([])
    feed.status = FeedStatus(state=FeedState.RUNNING)
    tokens = OneToken()
    async with CandleStore(directory / "market_data.db", "scripted") as store:
        builder, book = CandleBuilder(), QuoteBook(Decimal(10))
        recorder = Recorder(store, builder, feed.snapshot)
        stream = QuoteStream(book, instruments, clock, files_max=1024, authenticator=tokens, sleep=PassingTime(clock))
        metrics = MarketMetrics(feeds=[feed], instruments=instruments, book=book, recorder=recorder, stream=stream, clock=clock)
        parts = Parts(instruments=instruments, feeds=[feed], book=book, recorder=recorder, stream=stream, metrics=metrics, clock=clock)
        running = Server(parts, builder, clock, feed, tokens)
        async with listening(market_app(settings, parts, tokens), "127.0.0.1", 0) as listener:
            running.url = listener.url
            yield running


# --- what it answers --------------------------------------------------------------------------------------------------------------------------


async def test_quotes_come_with_their_time_age_and_origin(server: Server):
    server.receive(quote(0))
    server.clock.advance(1.5)
    status, answer = await server.get("/quotes?instruments=EUR_USD,BTC-USD")
    assert status == 200
    assert answer == {
        "ok": True,
        "quotes": [
            {
                "instrument": "EUR_USD",
                "source": "oanda",
                "bid": Decimal("1.16694"),
                "ask": Decimal("1.16706"),
                "ts": "2025-11-24T14:00:00.000000Z",
                "age_ms": 1500,
                "stale": False,
                "synthetic": True,
                "feed": "simulated",
            }
        ],
        "unquoted": ["BTC-USD"],
    }


async def test_a_quote_that_grew_old_is_stale_and_the_program_degraded(server: Server):
    server.receive(quote(0))
    server.clock.advance(10.1)
    _, answer = await server.get("/quotes")
    assert answer["quotes"][0]["stale"] is True
    _, health = await server.get("/health")
    assert (health["ok"], health["status"], health["trouble"]) == (True, "degraded", "stale: EUR_USD")
    assert health["instruments"] == {"EUR_USD": {"age_ms": 10100, "stale": True}}


async def test_a_feed_that_ended_is_told_in_health(server: Server):
    server.receive(quote(0))
    server.feed.status = FeedStatus(state=FeedState.ENDED, detail="the recording ended")
    _, health = await server.get("/health")
    assert health["status"] == "degraded"
    assert health["feed"] == {"name": "scripted", "state": "ended", "detail": "the recording ended"}
    assert health["trouble"] == "no quotes come: the recording ended"


async def test_health_before_the_first_quote_says_starting_and_after_it_ok(server: Server):
    server.feed.status = FeedStatus(state=FeedState.STARTING)
    assert (await server.get("/health"))[1]["status"] == "starting"
    server.feed.status = FeedStatus(state=FeedState.RUNNING)
    server.receive(quote(0))
    assert (await server.get("/health"))[1]["status"] == "ok"


async def test_instruments_come_with_the_precision_a_ticket_needs(server: Server):
    server.receive(quote(0))
    _, answer = await server.get("/instruments")
    by_name = {one["name"]: one for one in answer["instruments"]}
    assert list(by_name) == ["EUR_USD", "GBP_USD", "USD_JPY", "BTC-USD", "ETH-USD"]
    assert (by_name["EUR_USD"]["tick"], by_name["EUR_USD"]["price_decimals"], by_name["EUR_USD"]["quoted"]) == (Decimal("0.00001"), 5, True)
    assert (by_name["BTC-USD"]["venue"], by_name["BTC-USD"]["margin_rate"], by_name["BTC-USD"]["quoted"]) == ("coinbase", None, False)


async def test_candles_come_oldest_first_and_the_growing_one_says_so(server: Server):
    server.receive(quote(0, "1.10", "1.12"), quote(30, "1.20", "1.22"), quote(65, "1.15", "1.17"))
    status, answer = await server.get("/candles?instrument=EUR_USD&granularity=M1")
    assert status == 200
    assert (answer["instrument"], answer["granularity"], answer["feed"]) == ("EUR_USD", "M1", "scripted")
    first, second = answer["candles"]
    assert first == {
        "ts": "2025-11-24T14:00:00.000000Z",
        "time": MONDAY_S,
        "bid": {"open": Decimal("1.1"), "high": Decimal("1.2"), "low": Decimal("1.1"), "close": Decimal("1.2")},
        "ask": {"open": Decimal("1.12"), "high": Decimal("1.22"), "low": Decimal("1.12"), "close": Decimal("1.22")},
        "mid": {"open": Decimal("1.11"), "high": Decimal("1.21"), "low": Decimal("1.11"), "close": Decimal("1.21")},
        "count": 2,
        "complete": True,
    }
    assert (second["time"], second["count"], second["complete"]) == (MONDAY_S + 60, 1, False)


@pytest.mark.parametrize(
    ("window", "minutes"),
    [
        ("count=2", [3, 4]),
        ("from=2025-11-24T14:01:00Z", [1, 2, 3, 4]),
        ("from=2025-11-24T14:00:30Z&count=2", [1, 2]),
        ("to=2025-11-24T14:02:00Z", [0, 1]),
        (f"from={MONDAY_S + 60}&to={MONDAY_S + 180}", [1, 2]),
        ("from=2025-11-24T15:02:00%2B01:00", [2, 3, 4]),
        ("from=2099-01-01T00:00:00Z", []),
    ],
)
async def test_a_window_of_candles_is_cut_where_it_was_asked(server: Server, window: str, minutes: list[int]):
    server.receive(*(quote(60 * minute) for minute in range(5)))
    _, answer = await server.get(f"/candles?instrument=EUR_USD&{window}")
    assert [(one["time"] - MONDAY_S) // 60 for one in answer["candles"]] == minutes


async def test_metrics_are_what_prometheus_reads(server: Server):
    server.receive(quote(0), quote(1))
    server.clock.advance(2)
    _, text = await server.get("/metrics")
    lines = text.splitlines()
    assert "arena_quotes_total 2.0" in lines
    assert 'arena_instrument_quote_age_seconds{instrument="EUR_USD"} 2.0' in lines
    assert "arena_degraded 0.0" in lines


async def test_every_route_is_in_the_openapi_document_and_the_docs_page(server: Server):
    _, document = await server.get("/openapi.json")
    assert {"/health", "/instruments", "/quotes", "/candles", "/stream", "/metrics"} <= set(document["paths"])
    status, page = await server.get("/docs")
    assert status == 200
    assert "/candles" in page


# --- what it refuses --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/quotes?instruments=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/quotes?instruments=EUR_USD,", 404, "UNKNOWN_INSTRUMENT"),
        ("/quotes?instrument=EUR_USD", 400, "UNKNOWN_PARAMETER"),
        ("/quotes?instruments=EUR_USD&instruments=GBP_USD", 400, "INVALID_PARAMETER"),
        ("/candles", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD,GBP_USD", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/candles?instrument=EUR_USD&granularity=M2", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=0", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=5001", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&count=ten", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=yesterday", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=2025-11-24T14:00:00", 400, "INVALID_PARAMETER"),
        ("/candles?instrument=EUR_USD&from=20&to=10", 400, "INVALID_PARAMETER"),
        ("/stream?instruments=EUR_SEK", 404, "UNKNOWN_INSTRUMENT"),
        ("/nothing", 404, "ROUTE_NOT_FOUND"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_name(server: Server, path: str, status: int, code: str):
    got, answer = await server.get(path)
    assert (got, answer["ok"], answer["code"]) == (status, False, code)
    assert answer["message"]
    assert answer["request_id"]


async def test_a_foreign_host_header_is_refused(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/quotes", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421


@pytest.mark.parametrize("path", ["/quotes", "/instruments", "/candles?instrument=EUR_USD", "/stream", "/metrics"])
async def test_where_reads_need_a_token_there_is_no_answer_without_one(guarded: Server, path: str):
    assert (await guarded.get(path))[0] == 401
    assert (await guarded.get(path, token="forged"))[0] == 401
    if path != "/stream":
        assert (await guarded.get(path, token="good"))[0] == 200


async def test_strangers_learn_that_the_program_lives_and_no_more(guarded: Server):
    assert await guarded.get("/health") == (200, {"ok": True, "program": "market_data"})


# --- the stream -------------------------------------------------------------------------------------------------------------------------------


class Reader:
    """Reads named events off a stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content

    async def next(self) -> tuple[str, Any]:
        """The next event's name and data; a comment is ``:``."""
        frame = (await self._content.readuntil(b"\n\n")).decode()
        if frame.startswith(":"):
            return ":", frame
        fields = dict(line.split(": ", 1) for line in frame.strip().split("\n"))
        return fields["event"], json.loads(fields["data"], parse_float=Decimal)


async def test_a_stream_begins_with_what_stands_and_goes_on_with_what_is_new(server: Server):
    server.receive(quote(0), quote(0, instrument="GBP_USD"))
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream?instruments=EUR_USD") as answer:
        assert answer.content_type == "text/event-stream"
        reader = Reader(answer)
        assert await reader.next() == ("ready", {"instruments": ["EUR_USD"]})
        name, data = await reader.next()
        assert (name, data["instrument"], data["bid"]) == ("quote", "EUR_USD", Decimal("1.16694"))
        server.receive(quote(1, "1.2", "1.3", instrument="GBP_USD"))
        server.receive(quote(1, "1.16700", "1.16712"))
        while (name := (got := await reader.next())[0]) == ":":
            pass
        assert (name, got[1]["instrument"], got[1]["bid"]) == ("quote", "EUR_USD", Decimal("1.167"))


async def test_quotes_that_come_together_are_conflated_to_the_latest(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream?instruments=EUR_USD") as answer:
        reader = Reader(answer)
        assert (await reader.next())[0] == "ready"
        server.receive(*(quote(at, f"1.{at + 100}", "1.9") for at in range(100)))
        while (got := await reader.next())[0] == ":":
            pass
        assert got[1]["bid"] == Decimal("1.199")


async def test_a_quiet_stream_says_that_it_lives(server: Server):
    """A comment each 15 s of the server's clock."""
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream") as answer:
        reader = Reader(answer)
        assert (await reader.next())[0] == "ready"
        before_ns = server.clock.boot_ns()
        assert (await reader.next())[0] == ":"
        assert server.clock.boot_ns() - before_ns >= 14 * S


async def test_a_stream_ends_within_a_minute_of_its_tokens_end(guarded: Server):
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession() as session, session.get(guarded.url + "/stream", headers=headers) as answer:
        await Reader(answer).next()
        guarded.tokens.forgotten = True
        forgotten_ns = guarded.clock.boot_ns()
        await answer.read()
        assert guarded.clock.boot_ns() - forgotten_ns < 60 * S


async def test_a_page_of_another_site_may_not_open_a_stream(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403


async def test_beyond_the_slots_a_client_is_told_to_come_back_later(guarded: Server):
    """A user holds at most 20 streams; EventSource would never come back after a 503, so it is an event."""
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        answers = [await session.get(guarded.url + "/stream", headers=headers) for _ in range(20)]
        for answer in answers:
            assert (await Reader(answer).next())[0] == "ready"
        async with session.get(guarded.url + "/stream", headers=headers) as one_too_many:
            assert one_too_many.status == 200
            assert (await one_too_many.text()).startswith("event: busy\n")
        for answer in answers:
            answer.close()


async def test_shutting_down_ends_every_stream_at_once(settings: Settings, instruments: Instruments, clock: ManualClock, tmp_path: Path):
    serving = _serve(settings, instruments, clock, tmp_path)
    server = await anext(serving)
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream") as answer:
        await Reader(answer).next()
        assert server.parts.stream.clients == 1
        await serving.aclose()
        assert server.parts.stream.clients == 0
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            assert b"event: quote" not in await answer.read()


async def test_a_client_that_leaves_gives_its_slot_back(server: Server):
    async with aiohttp.ClientSession() as session, session.get(server.url + "/stream") as answer:
        await Reader(answer).next()
    while server.parts.stream.clients:
        await server.get("/health")
    assert server.parts.stream.clients == 0
