"""``GET /events/history``: what the owners' journals hold, page by page, in both directions. Always read from the owners, never from the ring."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bus.cursor import Cursor, MalformedCursor, Position
from bus.envelope import Event
from bus.frames import envelope, gap_fields, reset_fields
from bus.notices import Gap, Reset
from bus.pages import OwnerSilent, Pages
from bus.stream_filter import EVERYTHING, Filter
from trading.errors import InvalidRequest

LIMIT_DEFAULT = 100
LIMIT_MAX = 500
START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What one source gives to a page: ``items`` in order, those behind ``begin``; ``last`` is where its owner stands."""

    source: str
    begin: Position
    items: list[Event | Gap] = field(default_factory=list)
    first_seq: int
    last: Position


class EventHistory:
    """Pages over all ``sources``, merged by time; within a source always in order."""

    def __init__(self, pages: Pages, sources: Iterable[str]) -> None:
        self._pages = pages
        self._sources = tuple(sources)

    async def read(
        self, *, after: str | None = None, before: str | None = None, limit: int = LIMIT_DEFAULT, wanted: Filter = EVERYTHING
    ) -> dict[str, object]:
        """One page: ``{ok, events: [{id, source, type, …}], next, complete, notices, sources, unavailable}``.

        Args:
            after: a cursor: what follows it; ``start``: from every source's floor. A source that it does not name begins at its floor.
            before: a cursor: the newest events that it covers, itself included. Neither: the newest there are.
            limit: events of a page, at most 500. ``wanted`` holds some of them back; ``next`` is behind them all the same.

        ``id`` is the cursor behind an event; ``next`` that of the following page in the same direction; ``complete`` is true when nothing follows
        there now. ``notices`` tells of gaps and resets as the stream does, ``sources`` where each owner stands, ``unavailable`` names those that
        were silent.

        Raises:
            InvalidRequest: a cursor that cannot be read, or both.
        """
        if after is not None and before is not None:
            raise InvalidRequest("give after or before, not both", code="CURSOR_INVALID")
        limit = max(1, min(limit, LIMIT_MAX))
        sources = [source for source in self._sources if wanted.sources is None or source in wanted.sources]
        notices: list[dict[str, object]] = []
        if after is not None:
            begin = Cursor() if after == START else _read_cursor(after)
            read = [self._forwards(source, begin.get(source), limit, notices) for source in sources]
        else:
            begin = Cursor()
            end = None if before is None else _read_cursor(before)
            read = [self._backwards(source, end, limit, notices) for source in sources]
        found = await asyncio.gather(*read)
        parts = [part for part in found if part is not None]
        kept = _merge(parts, limit, newest=after is None)
        answer = _after(parts, kept, wanted, begin) if after is not None else _before(parts, kept, wanted)
        notices += [{"type": "gap", **gap_fields(item)} for _, item in kept if isinstance(item, Gap)]
        return answer | {
            "ok": True,
            "notices": notices,
            "sources": {part.source: {"epoch": part.last.epoch, "first_seq": part.first_seq, "last_seq": part.last.seq} for part in parts},
            "unavailable": [source for source, part in zip(sources, found, strict=True) if part is None],
            "complete": bool(answer["complete"]) and len(parts) == len(sources),
        }

    async def _forwards(self, source: str, position: Position | None, limit: int, notices: list[dict[str, object]]) -> _Part | None:
        try:
            page = await self._pages.after(source, position, limit)
            reset = page.items[0] if page.items and isinstance(page.items[0], Reset) else None
            if reset is not None:
                notices.append({"type": "reset", **reset_fields(reset)})
                position = page.end
                page = await self._pages.after(source, position, limit)
        except OwnerSilent:
            return None
        begin = position or Position(page.last.epoch, max(page.first_seq - 1, 0))
        items = [item for item in page.items if not isinstance(item, Reset)]
        return _Part(source=source, begin=begin, items=items, first_seq=page.first_seq, last=page.last)

    async def _backwards(self, source: str, cursor: Cursor | None, limit: int, notices: list[dict[str, object]]) -> _Part | None:
        try:
            now = await self._pages.after(source, None, 1)
            place = now.last
            if cursor is not None:
                if source not in cursor:
                    place = Position(now.last.epoch, now.first_seq - 1)  # a reader that knows nothing of it has nothing before
                elif cursor[source].epoch != place.epoch or cursor[source].seq > place.seq:
                    reason = "epoch" if cursor[source].epoch != place.epoch else "ahead"
                    notices.append({"type": "reset", **reset_fields(Reset(source=source, old=cursor[source], new=place, reason=reason))})
                else:
                    place = cursor[source]
            begin = end = Position(place.epoch, max(now.first_seq - 1, 0, place.seq - limit))
            items: list[Event | Gap] = []
            while end.seq < place.seq:  # a page of large events is short
                page = await self._pages.after(source, end, place.seq - end.seq)
                items += [item for item in page.items if not isinstance(item, Reset)]
                if page.end.epoch != end.epoch or page.end.seq <= end.seq:
                    break
                end = page.end
        except OwnerSilent:
            return None
        return _Part(source=source, begin=begin, items=items, first_seq=now.first_seq, last=now.last)


def _read_cursor(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except MalformedCursor as error:
        raise InvalidRequest(f"this is no cursor: take one from an id, or write start ({error})", code="CURSOR_INVALID") from error


def _seq(item: Event | Gap) -> int:
    return item.last if isinstance(item, Gap) else item.seq or 0


def _merge(parts: list[_Part], limit: int, *, newest: bool) -> list[tuple[str, Event | Gap]]:
    """``(source, item)`` by time, never before what precedes it at its source; the first ``limit``, or the last."""
    dated: list[tuple[str, str, Event | Gap]] = []
    for part in parts:
        ts = ""
        for item in part.items:
            ts = max(ts, item.ts) if isinstance(item, Event) else ts
            dated.append((ts, part.source, item))
    dated.sort(key=lambda triple: triple[0])
    kept = dated[-limit:] if newest else dated[:limit]
    return [(source, item) for _, source, item in kept]


def _after(parts: list[_Part], kept: list[tuple[str, Event | Gap]], wanted: Filter, cursor: Cursor) -> dict[str, object]:
    """The answer going forwards: ids count up from where the reader stood."""
    places = {source: position for source, position in cursor.items() if source not in {part.source for part in parts}}
    places |= {part.source: part.begin for part in parts}
    events, places = _tell(kept, places, wanted)
    complete = all(places[part.source] == part.last for part in parts)
    return {"events": events, "next": str(Cursor(places)), "complete": complete}


def _before(parts: list[_Part], kept: list[tuple[str, Event | Gap]], wanted: Filter) -> dict[str, object]:
    """The answer going backwards: what was not kept lies before the page, and is the next one's."""
    behind: dict[str, Position] = {}
    for part in parts:
        left_out = len(part.items) - sum(source == part.source for source, _ in kept)
        behind[part.source] = Position(part.begin.epoch, _seq(part.items[left_out - 1])) if left_out else part.begin
    events, _ = _tell(kept, behind, wanted)
    complete = all(behind[part.source].seq <= max(part.first_seq - 1, 0) for part in parts)
    return {"events": events, "next": str(Cursor(behind)), "complete": complete}


def _tell(kept: list[tuple[str, Event | Gap]], begin: Mapping[str, Position], wanted: Filter) -> tuple[list[dict[str, object]], dict[str, Position]]:
    places = dict(begin)
    events = []
    for source, item in kept:
        places[source] = Position(item.epoch or "", _seq(item))
        if isinstance(item, Event) and wanted.admits_event(item.type, item.payload.get("instrument")):
            events.append({"id": str(Cursor(places)), **envelope(item)})
    return events, places
