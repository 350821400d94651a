"""A small arena for the page alone: it serves the built page under the real one's headers, and an event stream and answers that a test writes.

What it lets a test do is what the real servers do only by accident: refuse the stream with 503, cut it, fall silent, leave a gap, change its build,
send what no honest server would. Cursors and frames are those of DESIGN section 7. Answers to ``/api/…`` are in ``answers`` and may be replaced.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.browser import fake_answers

STATIC = Path(__file__).parents[2] / "dashboard" / "static"

# S-W6, as the real dashboard sends it: a page that breaks it fails here too.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types arena"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".md": "text/plain"}

Answer = Callable[[web.Request], Awaitable[web.Response]]


class FakeArena:
    """One arena; ``url`` is where its page is."""

    def __init__(self) -> None:
        self.url = ""
        self.build = "aaaaaaaaaaaaaaaa"
        self.epochs = {"oanda": "0a" * 8, "coinbase": "0c" * 8, "rick": "0f" * 8}
        self.journal: list[dict[str, Any]] = []
        self.answers: dict[tuple[str, str], Any] = fake_answers.defaults()
        self.requests: list[tuple[str, str, Any]] = []
        # While set, every request (or only the stream) is answered with this status.
        self.broken: int | None = None
        self.stream_broken: int | None = None
        self.busy = False
        self.opened = 0
        self.queries: list[dict[str, str]] = []
        self._streams: set[asyncio.Queue[bytes | None]] = set()
        self.stream_opened = asyncio.Event()

    # What tests do to it.

    def emit(self, source: str, event_type: str, payload: dict[str, Any], /, *, ts: str | None = None, **envelope: Any) -> dict[str, Any]:
        """Journal an event and send it to every stream."""
        seq = 1 + sum(1 for event in self.journal if event["source"] == source and event["epoch"] == self.epochs[source])
        event = {
            "source": source,
            "type": event_type,
            "payload": payload,
            "ts": ts or datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "epoch": self.epochs[source],
            "seq": seq,
            **envelope,
        }
        self.journal.append(event)
        self.send(self._frame(event, len(self.journal)))
        return event

    def send(self, frame: bytes) -> None:
        """Put raw bytes on every open stream."""
        for queue in self._streams:
            queue.put_nowait(frame)

    def named(self, name: str, data: object, *, event_id: str | None = None) -> None:
        head = f"id: {event_id}\n" if event_id else ""
        self.send(f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def quote(self, instrument: str, bid: float, ask: float, **more: Any) -> None:
        payload = {"instrument": instrument, "bid": bid, "ask": ask, "synthetic": True, "feed": "simulated", **more}
        self.named("quote", {"source": "oanda", "type": "quote", "payload": payload, "ts": "2025-10-16T11:55:27.021050Z"})

    def heartbeat(self, **programs: Any) -> None:
        self.send(f"data: {json.dumps(fake_answers.heartbeat(**programs))}\n\n".encode())

    def cut(self) -> None:
        """End every stream, as a killed server does."""
        for queue in self._streams:
            queue.put_nowait(None)

    @property
    def streams(self) -> int:
        return len(self._streams)

    # The server.

    def _cursor(self, upto: int) -> str:
        last = dict.fromkeys(self.epochs, 0)
        for event in self.journal[:upto]:
            if event["epoch"] == self.epochs.get(event["source"]):
                last[event["source"]] = event["seq"]
        return ",".join(f"{source}@{self.epochs[source]}:{last[source]}" for source in sorted(last))

    def _frame(self, event: dict[str, Any], place: int) -> bytes:
        return f"id: {self._cursor(place)}\ndata: {json.dumps(event)}\n\n".encode()

    def _replayed(self, request: web.Request) -> tuple[list[bytes], bool]:
        presented = request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or ""
        if presented:
            known = {part.partition("@")[0]: part.partition("@")[2] for part in presented.split(",")}
            after = {source: int(place.partition(":")[2]) for source, place in known.items() if place.startswith(self.epochs.get(source, "-"))}
            frames = [
                self._frame(event, place + 1)
                for place, event in enumerate(self.journal)
                if event["epoch"] == self.epochs[event["source"]] and event["seq"] > after.get(event["source"], 0)
            ]
            return frames, True
        count = int(request.query.get("replay", "50"))
        first = max(0, len(self.journal) - count)
        return [self._frame(event, first + place + 1) for place, event in enumerate(self.journal[first:])], False

    async def stream(self, request: web.Request) -> web.StreamResponse:
        self.opened += 1
        self.queries.append(dict(request.query))
        if self.stream_broken:
            return web.json_response({"ok": False, "code": "NOT_NOW", "message": "not now"}, status=self.stream_broken)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        if self.busy:
            await response.write(b"retry: 30000\nevent: busy\ndata: {}\n\n")
            return response
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        frames, resumed = self._replayed(request)
        ready = {
            "cursor": self._cursor(len(self.journal)),
            "resumed": resumed,
            "replayed": len(frames),
            "build": self.build,
            "sources": sorted(self.epochs),
        }
        await response.write(b"retry: 2000\n\n" + b"".join(frames))
        self._streams.add(queue)
        try:
            await response.write(f"id: {ready['cursor']}\nevent: ready\ndata: {json.dumps(ready)}\n\n".encode())
            await response.write(f"data: {json.dumps(fake_answers.heartbeat())}\n\n".encode())
            self.stream_opened.set()
            while (frame := await queue.get()) is not None:
                await response.write(frame)
        except ConnectionResetError:
            pass
        finally:
            self._streams.discard(queue)
        return response

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.requests.append((request.method, request.path_qs, json.loads(body) if body else None))
        found = self.answers.get((request.method, request.path)) or self._order(request) or self._history(request)
        if found is None:
            return web.json_response({"ok": False, "code": "NOT_FOUND", "message": "there is no such thing"}, status=404)
        if callable(found):
            found = found(request, json.loads(body) if body else None)
        status, data = found if isinstance(found, tuple) else (200, found)
        return web.json_response(data, status=status)

    def _order(self, request: web.Request) -> dict[str, Any] | None:
        """An order that the journal knows, with its events, as ``GET …/orders/{order_id}`` tells it."""
        order_id = request.path.rpartition("/orders/")[2]
        events = [event for event in self.journal if event["payload"].get("order_id") == order_id]
        if request.method != "GET" or not events:
            return None
        return {"ok": True, "order": {**fake_answers.order(order_id), "events": [{**event, "id": "-"} for event in events]}}

    def _history(self, request: web.Request) -> dict[str, Any] | None:
        """A page of the journal in either direction, as ``GET /events/history`` gives it."""
        if request.path != "/api/arena/events/history":
            return None
        query, count = request.query, len(self.journal)
        limit = int(query["limit"])
        covered = next(place for place in range(count + 1) if self._cursor(place) == (query.get("before") or query["after"]))
        first, last = (max(0, covered - limit), covered) if "before" in query else (covered, min(count, covered + limit))
        events = [{"id": self._cursor(first + place + 1), **event} for place, event in enumerate(self.journal[first:last])]
        place, complete = (first, first == 0) if "before" in query else (last, last == count)
        sources = {name: {"epoch": epoch, "first_seq": 1} for name, epoch in self.epochs.items()}
        answer = {"events": events, "next": self._cursor(place), "complete": complete, "sources": sources}
        return {"ok": True, "notices": [], "unavailable": [], **answer}

    async def file(self, request: web.Request) -> web.Response:
        name = request.path.lstrip("/") or "index.html"
        path = STATIC / name
        if not path.resolve().is_relative_to(STATIC) or not path.is_file():
            raise web.HTTPNotFound
        return web.Response(body=path.read_bytes(), content_type=TYPES.get(path.suffix, "application/octet-stream"), charset="utf-8")

    def app(self) -> web.Application:
        @web.middleware
        async def dress(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
            if self.broken:
                return web.Response(status=self.broken)
            return await handler(request)

        async def on_prepare(_request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(HEADERS)

        app = web.Application(middlewares=[dress])
        app.on_response_prepare.append(on_prepare)
        app.router.add_get("/arena/events", self.stream)
        app.router.add_route("*", "/api/{path:.*}", self.answer)
        app.router.add_get("/{name:.*}", self.file)
        return app


@asynccontextmanager
async def running(arena: FakeArena, port: int = 0) -> AsyncIterator[FakeArena]:
    """Serve ``arena`` on loopback; ``port`` 0 takes a free one. Its streams end with it."""
    runner = web.AppRunner(arena.app(), shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, taken = runner.addresses[0][:2]
    arena.url = f"http://{host}:{taken}"
    try:
        yield arena
    finally:
        arena.cut()
        await runner.cleanup()
