"""Coinbase's market-data websocket (Advanced Trade): what is subscribed to, and what its messages say. No key is needed.

Two channels on one connection: ``ticker``, the best bid and ask with their sizes after each trade, and ``heartbeats``, one a second, without which
a quiet connection is closed by the venue. ``sequence_num`` counts the messages of a connection over all channels from 0, so a hole means that
something was lost; the connection is then given up and the snapshot of the next one is whole (``on_gap`` "log" only counts it, should the venue ever
number otherwise). A ticker has no time of its own: the message's is when the venue sent it. It comes with a trade, so silence does not say that
the last one still stands (``coinbase_book`` asks). Source: Coinbase's websocket documentation and asyncapi file.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

from market_data.feeds.coinbase_book import QuietBooks
from market_data.feeds.stream_state import SILENCE_S_MAX
from market_data.feeds.venue_stream import (
    Gap,
    Garbage,
    Heartbeat,
    Message,
    Price,
    SequenceGap,
    Unreadable,
    VenueRefuses,
    decimal_of,
    is_here,
    text_of,
    time_of,
)
from runtime.exact_json import NotExactJson, loads
from runtime.outbound import Outbound, StreamRefused, WebSocket, venue_url
from runtime.program import CannotStart

VENUE = "coinbase"
STREAM = "wss://advanced-trade-ws.coinbase.com"
REST = "https://api.coinbase.com"

OnGap = Literal["reconnect", "log"]


def read_addresses(environ: Mapping[str, str]) -> tuple[str, str]:
    """Where the stream is and where to ask.

    Raises:
        CannotStart: an address that cannot be, or only one of them moved: a simulator's prices must not be mixed with the venue's.
    """
    stream, rest = venue_url(environ, "COINBASE_WS_URL", STREAM), venue_url(environ, "COINBASE_BASE_URL", REST)
    if (stream == STREAM) is not (rest == REST) or is_here(stream) is not is_here(rest):
        raise CannotStart(
            f"COINBASE_WS_URL is {stream} and COINBASE_BASE_URL is {rest}: set both or neither, and both on this machine or neither, so that all "
            "prices come from one place"
        )
    return stream, rest


class CoinbaseStream:
    """The prices of ``instruments``, named as the venue names its products."""

    venue = VENUE
    standing_prices = False

    def __init__(self, url: str, rest: str, instruments: Iterable[str], *, on_gap: OnGap = "reconnect", silence_s: float = SILENCE_S_MAX) -> None:
        self._url = url
        self._rest = rest
        self._silence_s = silence_s
        self._names = by_published_name(instruments)
        self._on_gap = on_gap

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncIterator[Sequence[Message]]]:
        async with Outbound(self._url, connections_max=1) as outbound, Outbound(self._rest, connections_max=1) as asking:
            try:
                async with outbound.websocket() as socket:
                    # One channel a message; heartbeats first, so that the connection is watched before there is anything to miss.
                    for channel in ("heartbeats", "ticker"):
                        await socket.send(json.dumps({"type": "subscribe", "channel": channel, "product_ids": sorted(self._names)}))
                    async with aclosing(self._messages(socket, QuietBooks(asking, self._names))) as messages:
                        yield messages
            except StreamRefused as refused:
                if refused.answer.status in {400, 401, 403, 404}:
                    raise VenueRefuses(
                        f"Coinbase refuses the connection ({refused.answer.status}): check COINBASE_WS_URL, and that this address may reach it"
                    ) from None
                raise

    async def _messages(self, socket: WebSocket, books: QuietBooks) -> AsyncGenerator[Sequence[Message], None]:
        reader = TickerReader(self._names, self._on_gap)
        while True:
            messages = reader.read(await socket.receive(self._silence_s))
            books.note(messages)
            yield messages
            for message in messages:
                if isinstance(message, Heartbeat) and (prices := await books.ask(message.time_ns)):
                    yield prices


class TickerReader:
    """Reads the messages of one connection, in order."""

    def __init__(self, names: Mapping[str, Sequence[str]], on_gap: OnGap) -> None:
        self._names = names
        self._on_gap = on_gap
        self._sequence: int | None = None

    def read(self, text: bytes) -> Sequence[Message]:
        """What one message says; nothing for a channel that is none of ours.

        Raises:
            SequenceGap: messages before this one were lost.
            VenueRefuses: the venue says that it will not serve this subscription.
        """
        try:
            message = loads(text)
            if isinstance(message, dict) and message.get("type") == "error":
                raise VenueRefuses(f"Coinbase refuses the subscription ({_said(message)}): check the coinbase instruments of conf/instruments.toml")
            channel = text_of(message, "channel")
            lost = self._count(message.get("sequence_num"))
            if channel == "heartbeats":
                return [*lost, Heartbeat(time_ns=time_of(message, "timestamp"))]
            return [*lost, *self._tickers(message)] if channel == "ticker" else lost
        except (NotExactJson, Unreadable) as error:
            return [Garbage(reason=str(error))]

    def _count(self, number: object) -> Sequence[Message]:
        if type(number) is not int:
            raise Unreadable("sequence_num is no whole number")
        expected = 0 if self._sequence is None else self._sequence + 1
        self._sequence = number
        if number == expected:
            return []
        if self._on_gap == "reconnect":
            raise SequenceGap(f"the venue's message {number} came where {expected} was due")
        return [Gap()]

    def _tickers(self, message: Mapping[str, Any]) -> Sequence[Message]:
        time_ns = time_of(message, "timestamp")
        events = message.get("events")
        if not isinstance(events, list):
            raise Unreadable("events is no list")
        found: list[Message] = []
        for event in events:
            tickers = event.get("tickers") if isinstance(event, dict) else None
            for ticker in tickers if isinstance(tickers, list) else [None]:
                try:
                    found.extend(self._prices(ticker, time_ns))
                except Unreadable as error:  # the others of the message are none the worse
                    found.append(Garbage(reason=str(error)))
        return found

    def _prices(self, ticker: object, time_ns: int) -> Sequence[Message]:
        product = text_of(ticker, "product_id")
        assert isinstance(ticker, dict)  # text_of has looked
        bid, ask = decimal_of(ticker.get("best_bid"), "best_bid"), decimal_of(ticker.get("best_ask"), "best_ask")
        sizes = [None if ticker.get(side) is None else decimal_of(ticker[side], side) for side in ("best_bid_quantity", "best_ask_quantity")]
        return [
            Price(instrument=name, bid=bid, ask=ask, bid_size=sizes[0], ask_size=sizes[1], time_ns=time_ns)
            for name in self._names.get(product, [product])
        ]


def by_published_name(instruments: Iterable[str]) -> dict[str, list[str]]:
    """Our names by the one their market data comes under: a book quoted in USDC is that of USD, and published as such."""
    names: dict[str, list[str]] = {}
    for name in instruments:
        names.setdefault(f"{name.removesuffix('-USDC')}-USD" if name.endswith("-USDC") else name, []).append(name)
    return names


def _said(message: Mapping[str, object]) -> str:
    return ascii(str(message.get("message", ""))[:200])
