"""One signed, paced request, and lists read page by page.

A request waits for its turn, is signed at the moment it leaves, and what changes anything leaves once; what only reads is repeated a little. Whatever
is not a whole answer of status 200 in exact JSON is doubt (``AnswerUnusable`` with the status where one came); a 429 besides holds everybody back for
a moment. Half a list is no list.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote, urlencode

from yarl import URL

from brokers.coinbase.answers import Json, Malformed, items, optional_text
from brokers.coinbase.auth import ApiKey
from brokers.coinbase.venue_clock import VenueClock
from brokers.live.throttle import Priority, Throttle
from brokers.live.venue import NotSent
from runtime import outbound
from runtime.outbound import AnswerUnusable, InDoubt, Outbound

PREFIX = "/api/v3/brokerage"

# After a 429 nobody asks for this long. The venue counts by the second, and we stay below its rate ourselves.
HOLD_S = 0.2

# What changes something gets more time: its doubt costs a look-up.
WRITE_S_MAX = 2.5
# A read that has had no answer by then is asked again, with more patience each time; a command that waits for several has eight seconds in all.
READ_S_MAX = (1.0, 1.5, 2.0)
# The pauses before each try of a read.
READ_PAUSES_S = (0.0, 0.1, 0.3)

PAGE = 250
# A list that has not ended after so many pages is not believed; 50,000 orders is more than an account keeps.
PAGES_MAX = 200

_OK, _NOT_FOUND, _TOO_MANY = 200, 404, 429

ValueT = TypeVar("ValueT")


class Missing(Exception):
    """The venue has nothing by that id. Of something that was sent a moment ago this is no proof that it never will."""


class Rest:
    """The account's signed requests. Tokens are made by the venue's time: it compares them with its own."""

    def __init__(self, way_out: Outbound, key: ApiKey, time: VenueClock, throttle: Throttle) -> None:
        self._way_out = way_out
        self._key = key
        self._time = time
        self._throttle = throttle
        url = URL(way_out.base_url)
        self._host = str(url.host) if url.is_default_port() else f"{url.host}:{url.port}"
        self._base_path = url.path.rstrip("/")

    async def get(
        self, path: str, read: Callable[[Json], ValueT], query: Sequence[tuple[str, str]] = (), *, priority: Priority = Priority.READ
    ) -> ValueT:
        """What ``read`` makes of the object that a GET answers; asked for up to three times.

        Raises:
            Missing, NotSent, InDoubt: no answer, or none that ``read`` could make sense of.
        """
        encoded = urlencode(query)
        return await _repeat(lambda seconds: self._send("GET", path, query=encoded, priority=priority, timeout_s=seconds), read, path)

    async def ask(self, path: str, fields: Mapping[str, object], read: Callable[[Json], ValueT], *, priority: Priority = Priority.ORDER) -> ValueT:
        """The same of a POST that changes nothing."""
        return await _repeat(lambda seconds: self.post(path, fields, priority=priority, timeout_s=seconds), read, path)

    async def post(
        self,
        path: str,
        fields: Mapping[str, object] | bytes,
        *,
        priority: Priority,
        deadline_boot_ns: int | None = None,
        timeout_s: float = WRITE_S_MAX,
    ) -> Json:
        """The object that a POST answers; bytes are sent as they are.

        Raises:
            Missing, NotSent, InDoubt. NotSent ``EXPIRED`` when ``deadline_boot_ns`` came before its turn.
        """
        body = fields if isinstance(fields, bytes) else json.dumps(fields, separators=(",", ":")).encode()
        return await self._send("POST", path, body=body, priority=priority, deadline_boot_ns=deadline_boot_ns, timeout_s=timeout_s)

    async def list(
        self,
        path: str,
        name: str,
        read: Callable[[object], ValueT],
        query: Sequence[tuple[str, str]] = (),
        *,
        priority: Priority = Priority.READ,
    ) -> list[ValueT]:
        """Every element of the list ``name``, of all its pages. Pages may overlap while things change.

        Raises:
            Missing, NotSent, InDoubt: one page or one element could not be read, and it may be the one that matters.
        """
        found: list[ValueT] = []
        cursor = ""
        for _ in range(PAGES_MAX):
            asked = [("limit", str(PAGE)), *query, *([("cursor", cursor)] if cursor else [])]
            page, following = await self.get(
                path, lambda answer: ([read(one) for one in items(answer, name)], _following(answer, name)), asked, priority=priority
            )
            found += page
            if not following:
                return found
            if following == cursor:
                raise AnswerUnusable(f"{path} leads back to the same page", _OK)
            cursor = following
        raise AnswerUnusable(f"{path} does not end", _OK)

    @property
    def is_short(self) -> bool:
        """Whether the venue's limit is nearly used up."""
        return self._throttle.is_short

    def stream_token(self) -> str:
        """What a websocket subscription is signed with."""
        return self._key.token(self._time.now_ns())

    async def _send(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        priority: Priority,
        deadline_boot_ns: int | None = None,
        timeout_s: float,
    ) -> Json:
        await self._throttle.take(priority, deadline_boot_ns=deadline_boot_ns)
        token = self._key.token(self._time.now_ns(), method=method, host=self._host, path=self._base_path + PREFIX + path)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        target = f"{PREFIX}{path}?{query}" if query else PREFIX + path
        try:
            answer = await self._way_out.request(method, target, headers=headers, body=body, timeout_s=timeout_s)
        except outbound.NotSent as error:
            raise NotSent(message=str(error)) from error
        if answer.status == _OK:
            return answer.json_object()
        if answer.status == _NOT_FOUND:
            raise Missing(path)
        if answer.status == _TOO_MANY:
            self._throttle.pause(HOLD_S)
        raise AnswerUnusable(f"the venue answered {method} {path} with status {answer.status}", answer.status)


async def _repeat(ask: Callable[[float], Awaitable[Json]], read: Callable[[Json], ValueT], what: str) -> ValueT:
    trouble: Exception | None = None
    for pause_s, seconds in zip(READ_PAUSES_S, READ_S_MAX, strict=True):
        await asyncio.sleep(pause_s)
        try:
            return read_or_doubt(read, await ask(seconds), what)
        except (InDoubt, NotSent) as error:
            trouble = error
    assert trouble is not None
    raise trouble


def read_or_doubt(read: Callable[[Json], ValueT], answer: Json, what: str) -> ValueT:
    """What ``read`` makes of an answer; one that it cannot make sense of is doubt.

    Raises:
        AnswerUnusable
    """
    try:
        return read(answer)
    except Malformed as error:
        raise AnswerUnusable(f"{what} cannot be read: {error}", _OK) from error


def _following(page: Json, name: str) -> str:
    """The cursor of the next page, empty after the last. Where ``has_next`` is absent (fills), the cursor alone says whether anything follows."""
    cursor = optional_text(page, "cursor")
    if page.get("has_next", bool(cursor)) is not True:
        return ""
    if not cursor:
        raise Malformed(f"{name} has a next page and does not say where")
    return cursor


def in_path(name: str) -> str:
    """``name`` as one segment of a path: an id that the venue made up cannot lead anywhere else."""
    return quote(name, safe="")
