"""The HTTP server of market data with everything a test may turn, and a reader of its stream."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
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
from runtime.settings import Settings
from tests.market_data.passing_time import PassingTime
from trading.instruments import Instruments


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


@asynccontextmanager
async def serving(settings: Settings, instruments: Instruments, clock: ManualClock, directory: Path) -> AsyncIterator[Server]:
    """A server on port 0, its store in ``directory``."""
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
