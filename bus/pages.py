"""Pages of the owners for readers of a stream: what the ring no longer has. At most two pages of one owner are asked for at a time (R25)."""

import asyncio
from collections.abc import Iterable

import msgspec

from bus.codec import MalformedMessage
from bus.cursor import Position
from bus.envelope import Event, decode_event
from bus.fetch import PAGE_EVENTS_MAX, Fetch
from bus.fetchers import Fetcher
from bus.notices import Gap, Reset
from trading.errors import ArenaError

OUTSTANDING_MAX = 2
FETCH_S_MAX = 5.0


class OwnerSilent(Exception):
    """The owner of a source did not answer; what it holds can be had later."""


class SourcePage(msgspec.Struct, frozen=True, kw_only=True):
    """What follows a position at one source, told in order. ``end`` is the position behind it, ``last`` the owner's own."""

    items: list[Event | Gap | Reset]
    end: Position
    first_seq: int
    last: Position


class Pages:
    """Reads pages through ``fetcher``."""

    def __init__(self, fetcher: Fetcher, sources: Iterable[str]) -> None:
        self._fetcher = fetcher
        self._turns = {source: asyncio.Semaphore(OUTSTANDING_MAX) for source in sources}
        self.read = 0

    async def after(self, source: str, position: Position | None, limit: int = PAGE_EVENTS_MAX) -> SourcePage:
        """The events behind ``position`` (None: from the owner's floor), and what is missing between. A position that means nothing to the owner
        gives one ``Reset`` whose ``new`` is before the floor.

        Raises:
            OwnerSilent: no answer.
        """
        after = position.seq if position else 0
        fetch = Fetch(source=source, epoch=position.epoch if position else None, after=after, limit=limit)
        try:
            async with self._turns[source]:
                async with asyncio.timeout(FETCH_S_MAX):
                    page = await self._fetcher.fetch(fetch)
        except (ArenaError, TimeoutError) as error:
            raise OwnerSilent(source) from error
        self.read += 1
        floor = Position(page.epoch, max(page.first_seq - 1, 0))
        last = Position(page.epoch, page.last_seq)
        if position is not None and (page.epoch != position.epoch or page.last_seq < after):
            reason = "epoch" if page.epoch != position.epoch else "ahead"
            reset = Reset(source=source, old=position, new=floor, reason=reason)
            return SourcePage(items=[reset], end=floor, first_seq=page.first_seq, last=last)
        items: list[Event | Gap | Reset] = []
        seq = after if position is not None else floor.seq
        if floor.seq > seq:
            items.append(Gap(source=source, epoch=page.epoch, first=seq + 1, last=floor.seq))
            seq = floor.seq
        for body in page.events:
            seq += 1
            items.append(_item(body, source, page.epoch, seq))
        return SourcePage(items=items, end=Position(page.epoch, seq), first_seq=page.first_seq, last=last)


def _item(body: bytes | Event, source: str, epoch: str, seq: int) -> Event | Gap:
    """The event in ``body``, or a gap of one where the owner's bytes are no event."""
    try:
        event = body if isinstance(body, Event) else decode_event(body)
    except MalformedMessage:
        return Gap(source=source, epoch=epoch, first=seq, last=seq)
    return event if (event.source, event.epoch, event.seq) == (source, epoch, seq) else Gap(source=source, epoch=epoch, first=seq, last=seq)
