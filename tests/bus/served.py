"""Servers of event streams for tests: real HTTP on a free port, the guards and limits of every server round it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import web

from bus.sse import EventStream
from bus.stream_filter import read_filter
from runtime.http import Route, build_app, json_answer, listening
from runtime.settings import Settings
from tests.bus.live import LiveOwner


class Served:
    def __init__(self, stream: EventStream, url: str) -> None:
        self.stream = stream
        self.base = url
        self.url = url + "/events"

    async def has(self, *owners: LiveOwner) -> None:
        """Return when the ring holds all that ``owners`` have published: it travels over the bus, and what was lost there comes a moment later."""
        async with asyncio.timeout(30):
            while any(self._last_of(owner.source) != owner.last_seq for owner in owners):
                await asyncio.sleep(0.002)

    def _last_of(self, source: str) -> int | None:
        track = self.stream._feed.ring.tracks.get(source)
        return None if track is None else track.last


@asynccontextmanager
async def serving(run_dir: Path, **options: object) -> AsyncIterator[Served]:
    """One server with an event stream of its own."""
    settings = Settings(home=run_dir.parent, conf=run_dir.parent / "arena.toml")
    async with EventStream(settings, "build-1", **options) as stream:  # type: ignore[arg-type]

        async def history(request: web.Request) -> web.StreamResponse:
            query = request.query
            page = await stream.history(
                after=query.get("after"), before=query.get("before"), limit=int(query.get("limit", "100")), wanted=read_filter(query)
            )
            return json_answer(page)

        routes = [
            Route(method="GET", path="/events", handler=stream.handle, summary="x", auth="public", stream=True),
            Route(method="GET", path="/events/history", handler=history, summary="x", auth="public", free_query=True),
        ]
        app = build_app("gateway", settings, routes)
        app.on_shutdown.append(stream.end_streams)
        async with listening(app, "127.0.0.1", 0) as listener:
            yield Served(stream, listener.url)


@asynccontextmanager
async def arena(run_dir: Path, *sources: str, servers: int = 1) -> AsyncIterator[tuple[list[LiveOwner], list[Served]]]:
    async with AsyncExitStack() as stack:
        owners = [await stack.enter_async_context(LiveOwner(source, run_dir)) for source in sources]
        yield owners, [await stack.enter_async_context(serving(run_dir)) for _ in range(servers)]
