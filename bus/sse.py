"""Event streams over HTTP: ``/events`` and ``/arena/events``, the same stream from the same code. DESIGN section 7.

    async with EventStream(settings, build, authorize=authenticator.principal) as stream:
        app.router.add_get("/events", stream.handle)
        app.on_shutdown.append(stream.end_streams)

A reader gets the last fifty events (or what follows its cursor), ``ready``, and then what happens. The parts: ``ring`` keeps and encodes,
``stream_feed`` sends to those who are up to date, ``stream_reader`` brings the others there, ``stream_client`` bounds what a connection costs.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web

from bus.consumer import JOURNALLED_SOURCES, Consumer, Heartbeat
from bus.cursor import Cursor, MalformedCursor, Position
from bus.event_history import LIMIT_DEFAULT, EventHistory
from bus.fetch import Last
from bus.fetchers import OwnerFetcher
from bus.frames import BUSY_RETRY, COMMENT, named, unnamed
from bus.pages import Pages
from bus.ring import RING_FRAMES_MAX, Ring
from bus.stream_client import Client, Slots, new_response, open_stream
from bus.stream_feed import WARM_EVENTS, Feed
from bus.stream_filter import ARENA, EVERYTHING, NONE, Filter, read_stream_query
from bus.stream_quotes import QuoteBoard
from bus.stream_reader import HELD_RETRY_S, Reader
from bus.topics import HEARTBEAT, heartbeat_topic
from runtime.clock import NS_PER_S, Clock, SystemClock
from runtime.http import ApiError, client_address
from runtime.http_guard import is_loopback
from runtime.routes import Principal
from runtime.settings import Settings
from runtime.timestamps import to_text
from trading.errors import InvalidRequest

PROGRAMS = ("dashboard", "gateway", "market_data")  # what has heartbeats and no journal
STREAMS_MAX = 6_000
FILES_KEPT = 500  # descriptors for everything else
TURN_S = 1.0
HEARTBEAT_S = 5  # also how often filtered readers are told their place
COMMENT_S = 15
AUTHORIZE_S = 30  # an expired or revoked token ends its streams within twice that
RESYNC_EVENTS = 10_000  # after a fork or a long absence: this much again, and a reset that says from where
SHUTDOWN_S = 2.0

Authorize = Callable[[web.Request], Awaitable[Principal | None]]


class EventStream:
    """All of it for one server; an async context manager. An error inside, which is a bug, cancels the task that entered it and comes out there.

    Args:
        build: what ``ready`` tells a page, which reloads when it was built otherwise.
        authorize: asked when a stream opens and every 30 s; what it raises refuses or ends the stream. None from it is a reader without a name.
        quotes: whether readers may ask for quotes.
    """

    def __init__(
        self,
        settings: Settings,
        build: str,
        authorize: Authorize | None = None,
        *,
        quotes: bool = False,
        sources: tuple[str, ...] = JOURNALLED_SOURCES,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._build = build
        self._authorize = authorize
        self._with_quotes = quotes
        self._sources = frozenset(sources)
        self._clock = clock or SystemClock()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._slots = Slots(max(1, min(STREAMS_MAX, soft - FILES_KEPT)))
        self._is_ending = False
        self._quotes: QuoteBoard | None = None
        self._consumer: Consumer
        self._feed: Feed
        self._pages: Pages
        self._history: EventHistory
        self._tasks: asyncio.TaskGroup
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        fetcher = OwnerFetcher(self._settings.run_dir)
        starts = dict.fromkeys(sorted(self._sources), Last(WARM_EVENTS))
        also = [heartbeat_topic(program) for program in PROGRAMS if program not in self._sources]
        self._consumer = Consumer(self._settings.bus_sub_address, starts, fetcher, resync=Last(RESYNC_EVENTS), also=also, clock=self._clock)
        self._pages = Pages(fetcher, self._sources)
        self._history = EventHistory(self._pages, sorted(self._sources))
        self._feed = Feed(self._consumer, Ring(frames_max=RING_FRAMES_MAX), sorted(self._sources))
        works = [self._feed.run(), self._feed.warm_up(), self._keep_time()]
        if self._with_quotes:
            self._quotes = QuoteBoard(self._settings.bus_sub_address, self._feed.clients)
            works.append(self._quotes.run())
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._running = [self._tasks.create_task(work) for work in works]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.end_streams()
        for task in self._running:
            task.cancel()
        try:
            # Only a cancellation may be the group's own doing; what the body raised goes on as it is, not wrapped into a group.
            is_cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
            await self._tasks.__aexit__(*((kind, error, trace) if is_cancelled else (None, None, None)))
        finally:
            await self._consumer.__aexit__(None, None, None)

    # -- what servers ask ------------------------------------------------------------------------------------------------------------------

    def heartbeats(self) -> Mapping[str, Heartbeat]:
        """The latest heartbeat of each program, with when it came (CLOCK_BOOTTIME)."""
        return self._consumer.heartbeats

    def cursor(self) -> Cursor:
        """How far this server has come in each source."""
        return self._feed.ring.cursor

    def metrics(self) -> dict[str, int]:
        """Flat, and numbers only."""
        followers = self._consumer.followers.values()
        return {
            "arena_sse_clients": self._slots.used,
            "arena_gaps_healed_total": sum(follower.healed for follower in followers),
            "arena_replays_total": sum(follower.pages for follower in followers) + self._pages.read,
            "arena_dropped_total": self._consumer.malformed,
        }

    async def history(
        self, *, after: str | None = None, before: str | None = None, limit: int = LIMIT_DEFAULT, wanted: Filter = EVERYTHING
    ) -> dict[str, object]:
        """A page of events for ``GET /events/history``; see EventHistory.read."""
        return await self._history.read(after=after, before=before, limit=limit, wanted=wanted)

    async def end_streams(self, _: object = None) -> None:
        """End every stream now and return when their handlers have; for ``on_shutdown``."""
        self._is_ending = True
        for client in tuple(self._feed.clients):
            if client.transport.get_write_buffer_size():
                client.cut()
            else:
                client.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_S):
                await self._feed.is_empty.wait()

    # -- one stream ------------------------------------------------------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The stream for ``request``, until either side ends it.

        Raises:
            ApiError: 403 for a page of another site, 400 for a parameter that is none, and what ``authorize`` raises.
        """
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise ApiError(403, "CROSS_SITE", "a page of another site may not open a stream here")
        try:
            query = read_stream_query(request.query, request.headers.get("Last-Event-ID"))
        except InvalidRequest as error:
            raise ApiError(400, error.code, error.message) from error
        principal = await self._authorize(request) if self._authorize is not None else None
        user = principal.user if principal is not None else None
        address = client_address(request, self._settings)
        counted = None if is_loopback(address) else address
        response = new_response()
        reason = "the server is stopping" if self._is_ending else self._slots.full(user, counted)
        if reason is not None:
            await open_stream(response, request)
            await response.write(BUSY_RETRY + named("busy", {"reason": reason}))
            return response
        self._slots.take(user, counted)
        try:
            writer = await open_stream(response, request)
            client = Client(request, writer, query.filter, replay=query.replay, quotes=query.quotes if self._with_quotes else NONE)
            client.user_expires_ns = principal.expires_ns if principal is not None else None
            response.headers.clear()  # they are sent; a stream may live for days
            self._feed.enter(client)
            try:
                await self._feed.is_warm.wait()
                await self._serve(client, query.last_event_id)
            finally:
                client.close()
                self._feed.leave(client)
        finally:
            self._slots.give_back(user, counted)
        return response

    async def _serve(self, client: Client, last_event_id: str | None) -> None:
        feed = self._feed
        reader = Reader(client, feed.ring, self._pages, self._sources)
        resumed = _begin(reader, last_event_id)
        await reader.catch_up()
        if client.is_closed:
            return
        reader.send_ready(
            {
                "cursor": str(client.position),
                "resumed": resumed,
                "replayed": reader.sent_events,
                "build": self._build,
                "sources": self._where_owners_stand(),
            }
        )
        client.is_ready = True
        if client.quotes and self._quotes is not None:
            self._quotes.show_all(client)
        while not client.is_closed:
            if reader.may_go_live:
                feed.go_live(client)
                await client.wait()
            else:
                feed.follow(client)
                await client.wait(HELD_RETRY_S if reader.is_held or client.is_full else None)
                await reader.retry_held()
            await reader.catch_up()
            if not client.filter.is_open and not client.is_closed:
                reader.tell_place()

    def _where_owners_stand(self) -> dict[str, object]:
        stands: dict[str, object] = {}
        for source, follower in self._consumer.followers.items():
            place = follower.position or Position("", 0)
            stands[source] = {
                "epoch": place.epoch or None,
                "first_seq": follower.first_seq,
                "last_seq": max(place.seq, follower.last_seq or 0) if place.epoch else None,
                "state": "unknown" if not place.epoch else "stale" if follower.is_stale else "ok",
            }
        return stands

    # -- time ------------------------------------------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        """Once a second: what has a rhythm, for all streams together."""
        turn = 0
        while True:
            await asyncio.sleep(TURN_S)
            turn += 1
            for client in tuple(self._feed.clients):
                if client.transport.is_closing():
                    client.close()
            if turn % HEARTBEAT_S == 0:
                self._feed.tell_places()
                await self._feed.send_all(self._heartbeat(), lambda client: client.filter.admits_heartbeats)
            if turn % COMMENT_S == 0:
                await self._feed.send_all(COMMENT, lambda _: True)
            if turn % AUTHORIZE_S == 0 and self._authorize is not None:
                await self._authorize_again(self._authorize)

    def _heartbeat(self) -> bytes:
        """What all programs said last, and how long ago; source ``arena``, without an id."""
        now_ns = self._clock.boot_ns()
        silence_ns = int(self._settings.bus.silence_s_max * NS_PER_S)
        programs: dict[str, object] = {}
        for name, beat in sorted(self._consumer.heartbeats.items()):
            age_ns = now_ns - beat.received_ns
            said = {key: beat.payload.get(key) for key in ("status", "mode", "trading_state", "last_seq")}
            programs[name] = said | {"age_ms": age_ns // 1_000_000, "stale": age_ns > silence_ns}
        for name in (*PROGRAMS, *self._sources):
            programs.setdefault(name, {"status": "silent", "mode": None, "trading_state": None, "last_seq": None, "age_ms": None, "stale": True})
        return unnamed({"source": ARENA, "type": HEARTBEAT, "payload": {"programs": programs}, "ts": to_text(self._clock.wall_ns())})

    async def _authorize_again(self, authorize: Authorize) -> None:
        """End the streams of those who may no longer read. When that cannot be found out (503), a token that has not expired goes on."""
        for client in tuple(self._feed.clients):
            try:
                await authorize(client.request)
            except ApiError as error:
                expired = client.user_expires_ns is not None and client.user_expires_ns <= self._clock.wall_ns()
                if error.status < 500 or expired:
                    client.close()


def _begin(reader: Reader, text: str | None) -> bool:
    """Put ``reader`` where its cursor says, or a few events back; whether there was a cursor to resume from."""
    if text:
        try:
            if reader.resume(Cursor.parse(text)):
                return True
        except MalformedCursor:
            reader.begin()
            reader.refuse_cursor()
            return False
    reader.begin()
    return False
