"""The two streams: one JSON object a line, a heartbeat every five seconds, nothing of what was before.

A stream that does not read is cut off at ``LINES_MAX``, so that one slow client holds nothing up. Prices are conflated as the venue does: at most one
an instrument in a quarter of a second, the newest. Faults of streams (mute, cut, twice, swapped) strike here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from brokers.paper.market import Standing
from tests.venues.common.faults import STREAM_KINDS, FaultScript, Kind
from tests.venues.oanda import views
from tests.venues.oanda.account import Account
from tests.venues.oanda.doors import REQUEST_ID, wants_unix
from tests.venues.oanda.routes import PREFIX, instruments_named
from tests.venues.oanda.wire import NS_PER_S, Doc, Stamp, encode

HEARTBEAT_S = 5.0
PRICE_WINDOW_S = 0.25
LINES_MAX = 100_000
STREAMS_MAX = 20

_CUTS = frozenset({Kind.STREAM_CUT, Kind.STREAM_CUT_MID_LINE})


class Streams:
    """Every stream that is open, and the faults that strike them."""

    def __init__(self, account: Account, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.account = account
        self.heartbeat_s = heartbeat_s
        self.open: set[asyncio.Queue[Doc | None]] = set()
        # What of the log goes out on the transaction stream; a planted defect keeps some of it back.
        self.is_told: Callable[[Doc], bool] = lambda _transaction: True
        account.faults.on_change(self._wake)

    def _wake(self) -> None:
        """A cut is to happen now, not with the next line."""
        for queue in self.open:
            queue.put_nowait(None)


STREAMS = web.AppKey("streams", Streams)


def add_streams(app: web.Application) -> None:
    """``/pricing/stream`` and ``/transactions/stream``."""
    app.router.add_get(f"{PREFIX}/pricing/stream", _pricing_stream)
    app.router.add_get(f"{PREFIX}/transactions/stream", _transaction_stream)


async def _transaction_stream(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    log = streams.account.log

    def beat() -> Doc:
        return {"type": "HEARTBEAT", "lastTransactionID": str(log.last_id), "time": Stamp(log.clock.now_ns())}

    async with _opened(request, streams) as queue:
        stop = log.listen(lambda transaction: queue.put_nowait(transaction) if streams.is_told(transaction) else None)
        try:
            return await _run(request, streams, queue, beat)
        finally:
            stop()


async def _pricing_stream(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    account = streams.account
    names = instruments_named(account, request.query)

    def beat() -> Doc:
        return {"type": "HEARTBEAT", "time": Stamp(account.clock.now_ns())}

    async with _opened(request, streams) as queue, asyncio.TaskGroup() as group:
        window = _Window(account, queue, names)
        account.board.on_quote(window.note)
        if request.query.get("snapshot", "true").lower() == "true":
            for name in names:
                window.send(name)
        sending = group.create_task(window.run())
        try:
            return await _run(request, streams, queue, beat)
        finally:
            account.board.forget(window.note)
            sending.cancel()


class _Window:
    """Conflation: what came within a window of the last price sent waits for its end, and only the newest goes."""

    def __init__(self, account: Account, queue: asyncio.Queue[Doc | None], names: list[str]) -> None:
        self._account = account
        self._queue = queue
        self._next_ns = dict.fromkeys(names, 0)
        self._waiting: dict[str, None] = {}
        self._came = asyncio.Event()

    def note(self, standing: Standing) -> None:
        name = standing.quote.instrument
        if name not in self._next_ns:
            return
        if self._account.clock.now_ns() >= self._next_ns[name]:
            self.send(name)
        else:
            self._waiting[name] = None
            self._came.set()

    def send(self, name: str) -> None:
        doc = views.price_doc(self._account, name)
        if doc is not None:
            self._queue.put_nowait(doc)
            self._next_ns[name] = self._account.clock.now_ns() + round(PRICE_WINDOW_S * NS_PER_S)

    async def run(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                name = min(self._waiting, key=lambda each: self._next_ns[each])
                await self._account.clock.sleep((self._next_ns[name] - self._account.clock.now_ns()) / NS_PER_S)
                del self._waiting[name]
                self.send(name)


@contextlib.asynccontextmanager
async def _opened(request: web.Request, streams: Streams) -> AsyncIterator[asyncio.Queue[Doc | None]]:
    if len(streams.open) >= STREAMS_MAX:
        raise web.HTTPTooManyRequests(reason="Too many open streams")
    queue: asyncio.Queue[Doc | None] = asyncio.Queue()
    streams.open.add(queue)
    try:
        yield queue
    finally:
        streams.open.discard(queue)


async def _run(request: web.Request, streams: Streams, queue: asyncio.Queue[Doc | None], beat: Callable[[], Doc]) -> web.StreamResponse:
    """Write lines until the client or a fault ends it."""
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "RequestID": request[REQUEST_ID]})
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    unix = wants_unix(request)
    writer = _Writer(request, answer, streams.account.faults)
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(_beat(streams, queue, beat))
        try:
            while queue.qsize() < LINES_MAX:
                doc = await queue.get()
                if not await writer.write(None if doc is None else encode(doc, unix=unix) + b"\n"):
                    break
        except ConnectionError:
            pass  # the client went away, as clients do
        finally:
            beating.cancel()
    return answer


async def _beat(streams: Streams, queue: asyncio.Queue[Doc | None], beat: Callable[[], Doc]) -> None:
    while True:
        await streams.account.clock.sleep(streams.heartbeat_s)
        queue.put_nowait(beat())


class _Writer:
    """Writes lines, and lets the script's faults strike them."""

    def __init__(self, request: web.Request, answer: web.StreamResponse, faults: FaultScript) -> None:
        self._request = request
        self._answer = answer
        self._faults = faults
        self._held: bytes | None = None

    async def write(self, line: bytes | None) -> bool:
        """Write a line (None: look only whether to cut now); False when the stream has ended."""
        path = self._request.path
        if self._faults.stands(Kind.STREAM_MUTE, path=path) is not None:
            return True
        if line is None:
            fault = self._faults.take(_CUTS, path=path)
            return True if fault is None else await self._cut(b'{"type":"ORDER_FI' if fault.kind is Kind.STREAM_CUT_MID_LINE else b"")
        fault = self._faults.take(STREAM_KINDS, path=path)
        match fault.kind if fault is not None else None:
            case Kind.STREAM_CUT:
                return await self._cut(b"")
            case Kind.STREAM_CUT_MID_LINE:
                return await self._cut(line[: len(line) // 2])
            case Kind.STREAM_GAP:
                return True
            case Kind.STREAM_SWAP if self._held is None:
                self._held = line
                return True
            case Kind.STREAM_TWICE:
                line += line
        held, self._held = self._held, None
        await self._answer.write(line + (held or b""))
        return True

    async def _cut(self, rest: bytes) -> bool:
        if rest:
            await self._answer.write(rest)
        if self._request.transport is not None:
            self._request.transport.close()
        return False
