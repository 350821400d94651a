"""One connection of an HTTP server: aiohttp's, with what the arena adds to it, and the one that also knows the quick way.

``Connection`` counts itself in and out, notes when a head began to arrive, and refuses what cannot be parsed in the arena's one error shape.
``QuickConnection`` answers plain requests past aiohttp's own loop over requests (runtime/http_quick.py). For that it leans on a dozen fields that
aiohttp does not publish and may change at any time; so it is used only with versions for which its tests were green, and with any other every
request goes the ordinary way, which the log says at the start.
"""

import asyncio
import logging
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from runtime.http_answers import ApiError, error_answer
from runtime.http_quick import QuickLane, QuickRoutes

# To add one: install it, and have tests/arena_gateway/test_quick_*.py and test_plain_orders.py green.
TRIED_AIOHTTP = frozenset({"3.14.5"})

log = logging.getLogger(__name__)


def fits_aiohttp() -> bool:
    """Whether the quick way may be used with the aiohttp that is installed; said in the log where it may not."""
    fits = aiohttp.__version__ in TRIED_AIOHTTP
    if not fits:
        log.warning(
            "every order goes the ordinary way, which takes longer: the quick way was not tried with this aiohttp",
            extra={"installed": aiohttp.__version__, "tried": sorted(TRIED_AIOHTTP)},
        )
    return fits


class Doors(Protocol):
    """Counts connections in and out."""

    def admit(self, connection: "Connection") -> bool: ...

    def release(self, connection: "Connection") -> None: ...


class Connection(web.RequestHandler):
    """One client connection of ``manager``, admitted by ``doors``."""

    __slots__ = ("_doors", "address", "counted", "head_since")

    def __init__(self, manager: web.Server, doors: Doors, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._doors = doors
        self.address = ""
        self.counted = False
        self.head_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        if not self._doors.admit(self):
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.leave_slot()
        super().connection_lost(exc)

    def leave_slot(self) -> None:
        """No longer count among the connections: it has ended, or become a stream."""
        self._doors.release(self)

    def data_received(self, data: bytes) -> None:
        requests = self._request_count
        super().data_received(data)
        if data:  # without any, aiohttp looks again at what it has
            self._note_head(begun=self._request_count != requests)

    def _note_head(self, *, begun: bool) -> None:
        """``begun``: a whole head has come since the last look; else what has come is part of one, unless it belongs to a request."""
        if begun:
            self.head_since = None
        elif not self._is_busy and self.head_since is None:
            self.head_since = self._loop.time()

    @property
    def _is_busy(self) -> bool:
        return self._current_request is not None

    def head_is_late(self, now: float, seconds_max: float) -> bool:
        """Whether a head began to arrive and did not end in time."""
        return self.head_since is not None and not self._is_busy and now - self.head_since > seconds_max

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What aiohttp itself refuses: a head it cannot parse (400), or an error nobody caught (500)."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun when its handler failed")
        if status == web.HTTPInternalServerError.status_code:
            log.error("a request failed", exc_info=exc)
            return error_answer(ApiError(500, "INTERNAL", "this is a fault of ours; the log has more under the request id", close=True), "-")
        if "version" in (message or "").lower():
            return error_answer(ApiError(505, "HTTP_VERSION_NOT_SUPPORTED", "only HTTP/1.0 and HTTP/1.1 are spoken here", close=True), "-")
        return error_answer(ApiError(status, "HTTP_MALFORMED", "the request's head is not HTTP, or too large", close=True), "-")


class QuickConnection(Connection):
    """One that answers plain requests by ``routes`` while nothing else goes on on it."""

    __slots__ = ("_held", "_lane", "_routes")

    def __init__(self, manager: web.Server, doors: Doors, routes: QuickRoutes, **kwargs: Any) -> None:
        super().__init__(manager, doors, **kwargs)
        self._routes = routes
        self._lane: QuickLane | None = None
        # What aiohttp's own loop over requests waits on, out of its sight while a request is answered the quick way.
        self._held: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.counted:
            self._lane = QuickLane(self._routes, self.address, self._answer_quickly)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lane = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not data:
            super().data_received(data)
            return
        lane = self._free_lane()
        if lane is not None and lane.begin_again(data):
            self._hold()
            return
        if self._lane is not None:
            self._lane.forget()
        waiter, self._waiter = self._waiter, None  # so that it is not woken before it is clear which way the request goes
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if self._messages and waiter is not None and not waiter.done():
            if lane is not None and len(self._messages) == 1 and lane.begin(data, *self._messages[0]):
                self._messages.popleft()
                if self._parser is not None:
                    self._parser.message_consumed()
                self._hold()
            else:
                waiter.set_result(None)  # aiohttp takes it from here

    def _free_lane(self) -> QuickLane | None:
        """The quick way (runtime/http_quick.py), while nothing of this connection is being read, worked on or sent."""
        waiter, transport = self._waiter, self.transport
        ends = self._close or self._force_close
        if ends or waiter is None or waiter.done() or self._messages or transport is None or transport.get_write_buffer_size():
            return None
        return self._lane

    def _hold(self) -> None:
        """From now on a request is answered the quick way: aiohttp's loop over requests is not to be woken."""
        self._held, self._waiter = self._waiter, None
        self._request_in_progress = True

    def _answer_quickly(self, answer: bytes) -> None:
        if self.transport is not None:
            self.transport.write(answer)
        self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():  # the server is stopping and has waited for this answer
            self._handler_waiter.set_result(None)
        self._let_go()
        if self._close:
            self.force_close()
        elif self._messages and self._waiter is not None and not self._waiter.done():  # what came meanwhile
            self._waiter.set_result(None)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None and not self._force_close:
            self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def _let_go(self) -> None:
        """Let aiohttp see what it waits on."""
        if self._held is not None:
            self._waiter, self._held = self._held, None

    def force_close(self) -> None:
        self._let_go()
        super().force_close()

    @property
    def _is_busy(self) -> bool:
        return self._held is not None or self._current_request is not None
