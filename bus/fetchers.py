"""Where a consumer gets pages from: the owners' replay sockets where it may open them, else the gateway's ``/events/history``.

Both answer in the same shape. Pages of an owner are body bytes, so the chain is checked on them; the gateway's are JSON, whose events are taken as
they are, from a server the reader has chosen to trust.
"""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bus.codec import MalformedMessage
from bus.cursor import Cursor, MalformedCursor, Position
from bus.envelope import Event
from bus.fetch import Fetch, FetchedPage
from bus.replay import ReplayClient
from trading.errors import NotAllowed, Unavailable

if TYPE_CHECKING:
    import aiohttp

FETCH_S_MAX = 5.0  # an owner answers within milliseconds; a frozen one costs this long once and is then asked again
CONNECT_S_MAX = 0.1  # a socket file that is there answers within a few milliseconds; without the wait the very first page would be refused
HISTORY_BYTES_MAX = 32 * 1024 * 1024  # a page of 500 events in JSON, however large they are


class Fetcher(Protocol):
    """Asks for pages. One call at a time per source; calls for several sources may run together."""

    async def fetch(self, fetch: Fetch) -> FetchedPage:
        """The page asked for.

        Raises:
            ArenaError: no answer, or none that makes sense.
            TimeoutError: none in time.
        """

    async def close(self) -> None: ...


class OwnerFetcher:
    """Reads ``<run_dir>/<source>-replay.sock``; the connections are made when first needed and kept."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._clients: dict[str, ReplayClient] = {}
        self._open = AsyncExitStack()

    async def fetch(self, fetch: Fetch) -> FetchedPage:
        client = self._clients.get(fetch.source)
        if client is None:
            client = ReplayClient(f"ipc://{self._run_dir / f'{fetch.source}-replay.sock'}")
            self._clients[fetch.source] = client
            await self._open.enter_async_context(client)
            await client.wait_connected(CONNECT_S_MAX)
        page = await client.fetch(fetch.epoch, fetch.after, fetch.limit)
        return FetchedPage(epoch=page.epoch, first_seq=page.first_seq, last_seq=page.last_seq, events=page.events)

    async def close(self) -> None:
        await self._open.aclose()


class GatewayFetcher:
    """Reads ``GET /events/history`` of a gateway.

    Args:
        token: sent as a bearer token where given; a default install lets anyone on the machine read.
    """

    def __init__(self, gateway: str, token: str | None = None) -> None:
        self._url = gateway.rstrip("/") + "/events/history"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, fetch: Fetch) -> FetchedPage:
        import aiohttp  # noqa: PLC0415 - a tool that never needs the gateway should not wait for this import

        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=aiohttp.ClientTimeout(total=FETCH_S_MAX))
        query = {"sources": fetch.source, "limit": str(fetch.limit)}
        if fetch.epoch is not None:
            query["after"] = str(Cursor({fetch.source: Position(fetch.epoch, fetch.after)}))
        try:
            async with self._session.get(self._url, params=query, allow_redirects=False) as answer:
                if answer.status in {401, 403}:
                    raise NotAllowed(f"{self._url} wants a token that may read; got {answer.status}")
                if answer.status != 200:
                    raise Unavailable(f"{self._url} answers {answer.status}")
                body = bytearray()
                async for chunk in answer.content.iter_chunked(64 * 1024):
                    body += chunk
                    if len(body) > HISTORY_BYTES_MAX:
                        raise Unavailable(f"{self._url} answers with more than {HISTORY_BYTES_MAX} bytes")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{self._url} does not answer: {type(error).__name__}") from error
        return _page_of(fetch, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _page_of(fetch: Fetch, body: bytearray) -> FetchedPage:
    import json  # noqa: PLC0415 (only the form without sockets needs it)

    try:
        answer = json.loads(body)
        where = answer["sources"].get(fetch.source)
        if where is None or fetch.source in answer["unavailable"]:
            raise Unavailable(f"the gateway cannot reach {fetch.source}")
        epoch, first_seq, last_seq = where["epoch"], where["first_seq"], where["last_seq"]
        events = [_event_of(item) for item in answer["events"]] if fetch.epoch in {None, epoch} and fetch.after <= last_seq else []
    except (ValueError, KeyError, TypeError, AttributeError, MalformedCursor) as error:
        raise MalformedMessage(f"the gateway's history is not what it should be: {error!r}") from error
    return FetchedPage(epoch=epoch, first_seq=first_seq, last_seq=last_seq, events=events)


def _event_of(item: Mapping[str, object]) -> Event:
    source, kind, payload, ts, epoch, seq = (item[key] for key in ("source", "type", "payload", "ts", "epoch", "seq"))
    if not (isinstance(source, str) and isinstance(kind, str) and isinstance(payload, dict) and isinstance(ts, str)):
        raise ValueError("an event of the wrong shape")  # noqa: TRY004 - one kind of error for every shape that is wrong
    if not (isinstance(epoch, str) and isinstance(seq, int)):
        raise ValueError("an event without its place")  # noqa: TRY004 (every wrong value is refused the same way)
    return Event(v=1, source=source, type=kind, payload=payload, ts=ts, epoch=epoch, seq=seq, prev=None)


def open_fetcher(home: str | Path | None, gateway: str, token: str | None) -> tuple[Fetcher, bool]:
    """The fetcher for a consumer, and whether its pages carry hashes: the owners' sockets below ``home`` (or ARENA_HOME) where this user may open
    them, else the gateway."""
    place = home or os.environ.get("ARENA_HOME")
    if place is not None:
        run_dir = Path(place).absolute() / "run"
        if os.access(run_dir, os.X_OK):
            return OwnerFetcher(run_dir), True
    return GatewayFetcher(gateway, token), False
