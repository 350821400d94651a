"""Replay: an owner's journal over a socket, a page at a time; what makes the bus a mere doorbell.

``events.since {epoch, after, limit}`` answers ``{epoch, first_seq, last_seq, events: [body bytes, …]}``, always with where the source stands now.
Another epoch, or an ``after`` beyond ``last_seq``, gets no events: the reader must reset. Below the floor the page begins at ``first_seq``, and the
reader tells the gap. ``epoch`` null is the current one, a negative ``after`` the last so many. The socket is another one than the orders', and pages
are made one at a time: fifty readers that heal at once must not hold up an order.

Source: docs/protocol.md, section 7; RULES R25.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from bus.codec import BODY_BYTES_MAX, REPLAY_LIMITS
from bus.envelope import is_epoch
from bus.request_client import RequestClient
from bus.request_messages import Request
from bus.request_server import RequestServer
from bus.tail import PAGE_EVENTS_MAX, Page
from trading.errors import InvalidRequest, NotFound, OutcomeUnknown, Unavailable

EVENTS_SINCE = "events.since"
IN_FLIGHT_MAX = 256  # readers that wait for their page; each may have two outstanding

_SEQ_MAX = 2**62
_ARGS = frozenset({"epoch", "after", "limit"})


class Pages(Protocol):
    """What can be replayed: a Journal, or a fake of one."""

    async def events_since(self, epoch: str | None, after: int, limit: int) -> Page: ...


class ReplayServer:
    """Serves ``pages`` at ``address`` from entering to leaving; see RequestServer for what it raises."""

    def __init__(self, address: str, pages: Pages, *, name: str = "replay") -> None:
        self._pages = pages
        self._turn = asyncio.Lock()
        # One request a message: 64 pages would not fit into one reply.
        self._server = RequestServer(address, self._answer, name=name, batch_max=1, in_flight_max=IN_FLIGHT_MAX)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._server.__aexit__(kind, error, traceback)

    def metrics(self) -> dict[str, int]:
        """For a heartbeat: flat, and numbers only."""
        return self._server.metrics()

    async def _answer(self, request: Request) -> Mapping[str, object]:
        if request.op != EVENTS_SINCE:
            raise NotFound(f"there is no operation {request.op} here: this socket answers {EVENTS_SINCE}", code="UNKNOWN_OP")
        epoch, after, limit = _read_args(request.args)
        async with self._turn:
            await asyncio.sleep(0)  # one page a turn of the loop
            page = await self._pages.events_since(epoch, after, limit)
        return {"result": {"epoch": page.epoch, "first_seq": page.first_seq, "last_seq": page.last_seq, "events": list(page.events)}}


def _read_args(args: Mapping[str, object]) -> tuple[str | None, int, int]:
    epoch, after, limit = args.get("epoch"), args.get("after"), args.get("limit", PAGE_EVENTS_MAX)
    if not args.keys() <= _ARGS:
        raise InvalidRequest(f"{EVENTS_SINCE} takes epoch, after and limit, not {min(args.keys() - _ARGS)[:64]}", code="UNKNOWN_FIELD")
    if epoch is not None and not (type(epoch) is str and is_epoch(epoch)):
        raise InvalidRequest("epoch is 16 lowercase hex digits, or null for the current one", code="INVALID_FIELD")
    if type(after) is not int or abs(after) > _SEQ_MAX:
        raise InvalidRequest("after is the last seq you have, 0 for none, or negative for the last so many", code="INVALID_FIELD")
    if type(limit) is not int or limit < 1:
        raise InvalidRequest("limit is a whole number from 1; more than 500 is taken for 500", code="INVALID_FIELD")
    return epoch, after, limit


class ReplayClient:
    """Fetches pages from one owner.

    Args:
        address: the owner's replay socket, ``settings.replay_address(source)``.
    """

    def __init__(self, address: str) -> None:
        self._client = RequestClient(address, limits=REPLAY_LIMITS)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, traceback)

    async def wait_connected(self, timeout_s: float) -> bool:
        """Whether the owner was there within ``timeout_s``."""
        return await self._client.wait_connected(timeout_s)

    async def fetch(self, epoch: str | None, after: int, limit: int = PAGE_EVENTS_MAX, *, timeout_s: float = 2.0) -> Page:
        """One page; see ``Journal.events_since``.

        Raises:
            Unavailable: the owner is not there, does not answer, or answers what is no page. Reading changes nothing: ask again.
            InvalidRequest: arguments that make no sense.
        """
        try:
            reply = await self._client.call(EVENTS_SINCE, {"epoch": epoch, "after": after, "limit": limit}, timeout_s=timeout_s)
        except OutcomeUnknown as error:
            raise Unavailable("the owner of the journal does not answer: ask again", code="OWNER_SLOW") from error
        page = _page_in(reply.result)
        if page is None:
            raise Unavailable("the owner of the journal answers what is no page", code="BAD_PAGE")
        return page


def _page_in(result: Any) -> Page | None:
    if not isinstance(result, dict):
        return None
    epoch, first_seq, last_seq, events = (result.get(name) for name in ("epoch", "first_seq", "last_seq", "events"))
    if type(epoch) is not str or not is_epoch(epoch) or type(first_seq) is not int or type(last_seq) is not int or type(events) is not list:
        return None
    if len(events) > PAGE_EVENTS_MAX or not all(type(body) is bytes and len(body) <= BODY_BYTES_MAX for body in events):
        return None
    return Page(epoch=epoch, first_seq=first_seq, last_seq=last_seq, events=events)
