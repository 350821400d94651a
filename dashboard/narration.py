"""``POST /api/narration``: Rick's comments, newest page first, read from his own journal.

The narrator's replay socket is the truth; when it does not answer, the newest page that was read is shown as what it is: stale. It is a POST that
changes nothing, because the first version's was one; a foreign page is refused like at any POST.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec
from aiohttp import web

from bus.codec import MalformedMessage
from bus.cursor import Cursor, MalformedCursor, Position
from bus.envelope import Event, decode_event
from runtime.http import ApiError, Route, json_answer, read_json
from trading.errors import ArenaError

SOURCE = "rick"
LIMIT_MAX = 500
LIMIT_DEFAULT = 50
NOTHING_YET = "Nothing to narrate yet: no order has been placed."
# A page may come in parts of at most 1 MiB; 500 comments fit in one, so more rounds than this mean a journal that is being rewritten.
ROUNDS_MAX = 5

log = logging.getLogger(__name__)


class Page(Protocol):
    """What a replay answers (bus/replay.py)."""

    @property
    def epoch(self) -> str: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def events(self) -> Sequence[bytes]: ...


class Replay(Protocol):
    """The narrator's journal, by page."""

    async def fetch(self, epoch: str | None, after: int, limit: int) -> Page:
        """Events after ``after``; a negative one asks for the last ones, ``epoch`` None for the current one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrationQuery:
    """How many comments, and before which one (an ``id`` of an earlier answer)."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    before: Annotated[str, msgspec.Meta(max_length=256)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comments:
    """Comments in order, and the epoch and floor of the journal they are from."""

    epoch: str
    first_seq: int
    events: tuple[Event, ...]


class NarrationApi:
    """The call, over ``replay``."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._remembered: _Comments | None = None

    def routes(self) -> list[Route]:
        return [
            Route(
                method="POST",
                path="/api/narration",
                handler=self.post,
                summary="Rick's comments: the newest, or those before one",
                tag="narration",
                request=NarrationQuery,
                json_only=False,
                codes={400: ("INVALID_FIELD",), 503: ("NARRATOR_DOWN",)},
            )
        ]

    async def post(self, request: web.Request) -> web.StreamResponse:
        query = await read_json(request, NarrationQuery)
        before = _position(query.before) if query.before is not None else None
        stale = False
        try:
            found = await self._read(before, query.limit)
            if before is None:
                self._remembered = found
        except (ArenaError, MalformedMessage) as error:
            if before is not None or self._remembered is None:
                raise ApiError(503, "NARRATOR_DOWN", "the narrator does not answer; try again", headers={"Retry-After": "2"}) from error
            log.warning("the narrator does not answer", extra={"code": error.code})
            found, stale = self._remembered, True
        return json_answer(_answer(found, query.limit, stale=stale))

    async def _read(self, before: Position | None, limit: int) -> _Comments:
        """The last ``limit`` comments before ``before``, or of all."""
        if before is None:
            page = await self._replay.fetch(None, -limit, limit)
        else:
            page = await self._replay.fetch(before.epoch, max(0, before.seq - 1 - limit), limit)
        events = [decode_event(body) for body in page.events]
        end = page.last_seq if before is None else min(page.last_seq, before.seq - 1)
        for _ in range(ROUNDS_MAX):
            if not events or (events[-1].seq or 0) >= end:
                break
            more = await self._replay.fetch(page.epoch, events[-1].seq or 0, limit)
            if more.epoch != page.epoch or not more.events:
                break
            events += [decode_event(body) for body in more.events]
        kept = [event for event in events if event.type == "narration" and (event.seq or 0) <= end]
        return _Comments(epoch=page.epoch, first_seq=page.first_seq, events=tuple(kept[-limit:]))


def _position(text: str) -> Position:
    try:
        return Cursor.parse(text)[SOURCE]
    except (MalformedCursor, KeyError):
        raise ApiError(400, "INVALID_FIELD", "before is the id of a comment: rick@<epoch>:<seq>", {"path": "before"}) from None


def _answer(found: _Comments, limit: int, *, stale: bool) -> dict[str, object]:
    shown = found.events[-limit:]
    comments = [_comment(event) for event in shown]
    more = bool(shown) and (shown[0].seq or 0) > found.first_seq
    return {
        "ok": True,
        "text": comments[-1]["text"] if comments else NOTHING_YET,
        "narration": comments,
        "next": comments[0]["id"] if more else None,
        "stale": stale,
    }


def _comment(event: Event) -> Mapping[str, object]:
    payload = event.payload
    return {
        "id": f"{SOURCE}@{event.epoch}:{event.seq}",
        "ts": event.ts,
        "text": payload.get("text"),
        "tone": payload.get("tone"),
        "about": payload.get("about"),
    }
