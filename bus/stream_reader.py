"""Bringing one reader of a stream from where it stands to the head of the ring, at its own speed.

A reader without a cursor begins a few frames back in the ring and gets the shared bytes. One with a cursor gets exactly what follows it: from the
ring where that reaches back far enough, else from the owners, page by page, each frame with an id of its own (where *this* reader stands in each
source). Once its position and the ring's are the same, it gets the shared bytes like everybody else.

What cannot be given is said: a cursor that means nothing to an owner is ``reset``, and that source goes on with its last events; what an owner no
longer has is a ``gap``. A source whose owner is silent is held: nothing newer of it is sent until what lies between can be read.
"""

import asyncio

from bus.cursor import Cursor, Position
from bus.envelope import Event
from bus.frames import RETRY, event_data, gap_fields, id_line, named, reset_fields
from bus.notices import Gap, Reset
from bus.pages import OwnerSilent, Pages
from bus.ring import Frame, Kind, Ring
from bus.stream_client import Client
from bus.stream_filter import NONE

SLICE_FRAMES = 128  # some 64 KiB of usual frames
LOOK_BACK_MAX = 10_000  # frames to look through for the last ones that pass a filter
HELD_RETRY_S = 2.0  # how often a silent owner is asked again for a reader that waits for it
LAG_S_MAX = 30.0  # a reader that the ring keeps overtaking for so long is cut


class Reader:
    """One client's way to the head of the ring. ``begin`` or ``resume`` first, then ``catch_up`` as often as there is something new."""

    __slots__ = (
        "_beyond",
        "_has_cursor",
        "_held",
        "_is_first",
        "_overtaken_s",
        "_pages",
        "_ring",
        "_settled_s",
        "_sources",
        "_told",
        "client",
        "is_aligned",
        "sent_events",
    )

    def __init__(self, client: Client, ring: Ring, pages: Pages, sources: frozenset[str]) -> None:
        self.client = client
        self.sent_events = 0
        self.is_aligned = False  # whether this client's position is the ring's own at that place
        self._ring = ring
        self._pages = pages
        self._sources = sources
        self._has_cursor = False
        self._is_first = True
        self._held = NONE
        self._beyond = NONE  # sources of which this reader has verifiably more than the ring
        self._told: str | None = None  # the last id this client was sent
        self._settled_s = 0.0
        self._overtaken_s: float | None = None  # since when the ring is ahead of this reader by more than it holds

    @property
    def may_go_live(self) -> bool:
        """Whether the shared bytes of what comes next are right for this reader. True only at the head."""
        client = self.client
        return self.is_aligned and client.index == self._ring.head and not client.is_full and not client.is_closed

    @property
    def is_held(self) -> bool:
        """Whether a source waits for its owner."""
        return bool(self._held)

    def begin(self) -> None:
        """Without a cursor: the last ``replay`` frames that pass the filter."""
        client, ring = self.client, self._ring
        index, found = ring.head, 0
        lowest = max(ring.base, ring.head - LOOK_BACK_MAX)
        while index > lowest and found < client.replay:
            index -= 1
            found += client.filter.admits(ring.peek(index))
        client.index, client.position = index, ring.cursor_at(index)
        self.is_aligned = True

    def resume(self, cursor: Cursor) -> bool:
        """Behind ``cursor``; False when it names none of our sources, and there is nothing to resume."""
        client = self.client
        client.position = cursor
        for source in cursor:
            if source not in self._sources:
                client.position = client.position.without(source)
                self._send_reset(Reset(source=source, old=cursor[source], new=None, reason="unknown"))
        if not client.position:
            return False
        self._has_cursor = True
        client.awaits = self._sources - client.position.keys() - self._ring.tracks.keys() or NONE
        return True

    def refuse_cursor(self) -> None:
        """Say that the cursor could not be read."""
        self._send_reset(Reset(source="*", old=None, new=None, reason="malformed"))

    async def catch_up(self) -> None:
        """Send what there is until the head of the ring is reached, or the client is gone."""
        client, ring = self.client, self._ring
        while not client.is_closed:
            if client.index is None or client.index < ring.base:
                if client.index is not None and self._is_hopeless():
                    client.cut()
                    return
                await self._settle()
                continue
            frames = ring.slice(client.index, SLICE_FRAMES)
            if not frames:
                self._overtaken_s = None
                return
            client.index += len(frames)
            data = self._render(frames)
            if data:
                await client.write(data)

    def _is_hopeless(self) -> bool:
        now_s = asyncio.get_running_loop().time()
        if self._overtaken_s is None:
            self._overtaken_s = now_s
        return now_s - self._overtaken_s > LAG_S_MAX

    async def retry_held(self) -> None:
        """Ask once more for what is held, when it is time."""
        now_s = asyncio.get_running_loop().time()
        if self.is_held and now_s - self._settled_s >= HELD_RETRY_S:
            self.client.index = None
            await self.catch_up()

    def tell_place(self) -> None:
        """An id alone, where the filter has held back everything since the last one."""
        text = str(self.client.position)
        if text != self._told and text:
            self._told = text
            self.client.send(id_line(text) + b"\n")

    def send_ready(self, fields: dict[str, object]) -> None:
        self._told = str(self.client.position)
        self.client.send(self._first() + self._id() + named("ready", fields))

    # -- from the ring ---------------------------------------------------------------------------------------------------------------------

    def _render(self, frames: list[Frame]) -> bytes:
        client = self.client
        admits = client.filter.admits
        parts = [self._first()] if self._is_first else []
        start = 0
        if not self.is_aligned:
            for frame in frames:
                start += 1
                if self._pass(frame):
                    head = self._id()
                    if admits(frame):
                        parts.append(head + frame.wire[frame.head :])
                        self.sent_events += frame.kind is Kind.EVENT
                    if head == frame.wire[: frame.head]:
                        self.is_aligned = True
                        break
        if self.is_aligned:
            wanted = [frame for frame in frames[start:] if admits(frame)]
            parts += [frame.wire for frame in wanted]
            self.sent_events += sum(frame.kind is Kind.EVENT for frame in wanted)
            assert client.index is not None
            client.position = self._ring.cursor_at(client.index)
        if len(parts) == 1 and parts[0] == RETRY:
            self._is_first = True  # nothing to send yet
            return b""
        if parts:
            self._told = None
        return b"".join(parts)

    def _pass(self, frame: Frame) -> bool:
        """Move past ``frame``; whether it is news to this reader."""
        place = Position(frame.epoch, frame.seq)
        if frame.source in self._held:
            return False
        mine = self.client.position.get(frame.source)
        if mine is not None:
            if frame.kind is Kind.RESET:
                if mine.epoch == frame.epoch and not frame.forked:
                    return False
            elif mine.epoch != frame.epoch or frame.seq <= mine.seq:
                return False
        self.client.position = self.client.position.moved(frame.source, place)
        return True

    # -- from the owners -------------------------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Bring each source to where the ring has all that follows, then find the place there."""
        client, ring = self.client, self._ring
        self.is_aligned = False
        self._settled_s = asyncio.get_running_loop().time()
        self._held = NONE
        self._beyond = NONE
        while not client.is_closed:
            missing = [source for source in ring.tracks if not (source in self._held or source in self._beyond or self._ring_follows(source))]
            if not missing:
                break
            for source in missing:
                await self._reach(source)
        places = [ring.head]
        for source, track in ring.tracks.items():
            position = client.position.get(source)
            if position is not None and position.epoch == track.epoch and source not in self._held:
                index = track.index_after(position.seq)
                places += [index] if index is not None else []
        client.index = min(places)
        client.awaits = client.awaits - ring.tracks.keys() or NONE
        self.is_aligned = client.index == ring.head and client.position == ring.cursor

    def _ring_follows(self, source: str) -> bool:
        """Whether the ring has everything behind this reader's position."""
        position, track = self.client.position.get(source), self._ring.tracks[source]
        if position is None and not self._has_cursor:
            self._move(source, Position(track.epoch, track.before))
            return True
        return position is not None and position.epoch == track.epoch and track.before <= position.seq <= track.last

    async def _reach(self, source: str) -> None:
        """Read one page of ``source``, from its floor where the reader's cursor did not name it."""
        client, track = self.client, self._ring.tracks[source]
        position = client.position.get(source)
        try:
            page = await self._pages.after(source, position)
        except OwnerSilent:
            if position is None or (position.epoch == track.epoch and position.seq < track.before):
                self._held |= {source}
            else:  # a cursor that nobody can vouch for
                self._reset(source, position, "ahead" if position.epoch == track.epoch else "epoch")
            return
        parts = [self._first()] if self._is_first and page.items else []
        for item in page.items:
            if isinstance(item, Reset):
                self._reset(source, item.old, item.reason, floor=page.end)
                return
            parts.append(self._take(item))
        self._move(source, page.end)
        if parts:
            await client.write(b"".join(parts))
        if not page.items and not self._ring_follows(source):
            self._beyond |= {source}  # the owner has no more, and the ring has less: it will come

    def _take(self, item: Event | Gap) -> bytes:
        """The frame for ``item`` from a page, empty when the filter holds it back."""
        wanted = self.client.filter
        self._told = None
        if isinstance(item, Gap):
            self._move(item.source, Position(item.epoch, item.last))
            return self._id() + named("gap", gap_fields(item)) if wanted.sources is None or item.source in wanted.sources else b""
        assert item.epoch is not None
        assert item.seq is not None
        self._move(item.source, Position(item.epoch, item.seq))
        if wanted.sources is not None and item.source not in wanted.sources:
            return b""
        if not wanted.admits_event(item.type, item.payload.get("instrument")):
            return b""
        self.sent_events += 1
        return self._id() + event_data(item)

    def _reset(self, source: str, old: Position | None, reason: str, *, floor: Position | None = None) -> None:
        """Tell that ``old`` means nothing, and go on with the last events as if no cursor had come; from the floor in an epoch new to the ring."""
        track = self._ring.tracks[source]
        new = Position(track.epoch, track.back(self.client.replay)) if floor is None or floor.epoch == track.epoch else floor
        self._move(source, new)
        self._send_reset(Reset(source=source, old=old, new=new, reason=reason))

    def _send_reset(self, reset: Reset) -> None:
        wanted = self.client.filter.sources
        if wanted is None or reset.source in wanted or reset.source == "*":
            self.client.send(self._first() + self._id() + named("reset", reset_fields(reset)))

    # -- small things ----------------------------------------------------------------------------------------------------------------------

    def _move(self, source: str, position: Position) -> None:
        self.client.position = self.client.position.moved(source, position)

    def _id(self) -> bytes:
        """This reader's place. None at all before any source is known: an empty id would wipe out the one a browser holds."""
        return id_line(self.client.position) if self.client.position else b""

    def _first(self) -> bytes:
        """The line that only the first frame carries."""
        first, self._is_first = self._is_first, False
        return RETRY if first else b""
