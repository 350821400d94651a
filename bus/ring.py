"""The ring: the newest frames of all sources, each encoded once, that every reader of a stream shares.

A frame that nobody waits for is laid in as the journal's bytes, and becomes a line of JSON when somebody comes to read it: of two servers that
stream, one or both have no reader most of the time, and in a flood that line was a third of what an event cost them.

Frames lie in order of arrival under a growing index. Each carries the id of its place: the position of every source after it. Per source the ring is
without a hole (a ``gap`` or ``reset`` frame lies where something is missing), so a reader whose position is at or above a source's ``before`` finds
all that follows here; one below it has to ask the owner first.
"""

from array import array
from bisect import bisect_left, bisect_right
from enum import Enum

import msgspec

from bus.cursor import Cursor, Position
from bus.envelope import Event, decode_event
from bus.frames import event_data, gap_fields, id_line, named, reset_fields
from bus.notices import Gap, Reset

# At 100 events/s about a quarter of an hour: longer than any reload. Usual frames have 500 bytes, so the second limit holds where events are large.
RING_FRAMES_MAX = 100_000
RING_BYTES_MAX = 64 * 1024 * 1024
_SLACK = 16  # one part in sixteen is cut at a time: deleting from the front of a list moves all the rest


class Kind(Enum):
    EVENT = 0
    GAP = 1
    RESET = 2


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame as all readers get it: ``wire`` is the bytes, whose first ``head`` are the id line. ``epoch`` and ``seq`` are the place behind it.

    Before it was written, ``wire`` is the event's body, ``head`` 0, and ``places`` the parts of the id.
    """

    kind: Kind
    source: str
    epoch: str
    seq: int
    type: str
    instrument: str | None
    wire: bytes
    head: int
    forked: bool = False
    places: tuple[str, ...] = ()

    @property
    def cursor(self) -> Cursor:
        """The position of every source after this frame."""
        return Cursor.parse(self.wire[4 : self.head - 1].decode("ascii") if self.head else ",".join(self.places))

    def written(self) -> "Frame":
        """This frame with the bytes that readers get."""
        head = id_line(",".join(self.places))
        wire = head + event_data(decode_event(self.wire))
        return Frame(self.kind, self.source, self.epoch, self.seq, self.type, self.instrument, wire, len(head), self.forked)


class Track:
    """One source in the ring: which numbers lie where."""

    __slots__ = ("before", "epoch", "indexes", "seqs")

    def __init__(self, position: Position) -> None:
        self.epoch = position.epoch
        self.before = position.seq  # everything after it is in the ring
        self.seqs = array("q")
        self.indexes = array("q")

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else self.before

    def add(self, seq: int, index: int) -> None:
        self.seqs.append(seq)
        self.indexes.append(index)

    def index_after(self, seq: int) -> int | None:
        """Where the first frame behind ``seq`` lies; None when it has not come yet."""
        place = bisect_right(self.seqs, seq)
        return self.indexes[place] if place < len(self.seqs) else None

    def back(self, count: int) -> int:
        """The seq behind which the last ``count`` frames lie."""
        return self.seqs[-count - 1] if len(self.seqs) > count else self.before

    def forget(self, base: int) -> None:
        """The frames below index ``base`` are gone."""
        gone = bisect_left(self.indexes, base)
        if gone:
            self.before = self.seqs[gone - 1]
            del self.seqs[:gone]
            del self.indexes[:gone]


class Ring:
    """The newest frames. ``base`` is the index of the oldest, ``head`` that of the next."""

    def __init__(self, *, frames_max: int = RING_FRAMES_MAX, bytes_max: int = RING_BYTES_MAX) -> None:
        self.base = 0
        self.tracks: dict[str, Track] = {}
        self._frames: list[Frame] = []
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._floor = Cursor()  # the positions before the oldest frame
        self._joined: dict[str, Position] = {}
        self._cursor: Cursor | None = None
        self._parts: dict[str, str] = {}

    @property
    def id_text(self) -> str:
        """The position of every source now, as an id."""
        return ",".join(self._parts.values())

    @property
    def head(self) -> int:
        return self.base + len(self._frames)

    @property
    def cursor(self) -> Cursor:
        """The position of every source now; one object for all who ask at the same place."""
        if self._cursor is None or str(self._cursor) != self.id_text:
            self._cursor = Cursor({source: Position(track.epoch, track.last) for source, track in self.tracks.items()})
        return self._cursor

    def join(self, source: str, position: Position) -> None:
        """A source was reached for the first time; its events after ``position`` follow."""
        self.tracks[source] = Track(position)
        self._joined[source] = position
        self._parts[source] = f"{source}@{position}"
        self._parts = dict(sorted(self._parts.items()))

    def append(self, item: Event | Gap | Reset) -> Frame:
        """Encode what follows at its source, and keep it."""
        if isinstance(item, Event):
            return self._event(item, is_read=True)
        if isinstance(item, Gap):
            return self._notice(Kind.GAP, item.source, Position(item.epoch, item.last), named("gap", gap_fields(item)))
        assert item.new is not None
        self.tracks[item.source] = Track(item.new)
        return self._notice(Kind.RESET, item.source, item.new, named("reset", reset_fields(item)), forked=item.reason == "fork")

    def append_unread(self, event: Event) -> None:
        """Keep what follows at its source, to be encoded when somebody reads it; the event has its body."""
        self._event(event, is_read=False)

    def _event(self, event: Event, *, is_read: bool) -> Frame:
        source, epoch, seq = event.source, event.epoch, event.seq
        assert epoch is not None
        assert seq is not None
        about = event.payload.get("instrument")
        instrument = about if isinstance(about, str) else None
        self._parts[source] = f"{source}@{epoch}:{seq}"
        if is_read:
            head = id_line(self.id_text)
            frame = Frame(Kind.EVENT, source, epoch, seq, event.type, instrument, head + event_data(event), len(head))
        else:
            frame = Frame(Kind.EVENT, source, epoch, seq, event.type, instrument, event.body, 0, False, tuple(self._parts.values()))
        self.tracks[source].add(seq, self.head)
        return self._keep(frame)

    def _notice(self, kind: Kind, source: str, place: Position, lines: bytes, *, forked: bool = False) -> Frame:
        self._parts[source] = f"{source}@{place}"
        head = id_line(self.id_text)
        if kind is Kind.GAP:
            self.tracks[source].add(place.seq, self.head)
        return self._keep(Frame(kind, source, place.epoch, place.seq, kind.name.lower(), None, head + lines, len(head), forked))

    def _keep(self, frame: Frame) -> Frame:
        self._frames.append(frame)
        self._bytes += len(frame.wire)
        if len(self._frames) > self._frames_max + self._frames_max // _SLACK or self._bytes > self._bytes_max + self._bytes_max // _SLACK:
            self._cut()
        return frame

    def _cut(self) -> None:
        gone = max(0, len(self._frames) - self._frames_max)
        self._bytes -= sum(len(frame.wire) for frame in self._frames[:gone])
        while self._bytes > self._bytes_max and gone < len(self._frames) - 1:
            self._bytes -= len(self._frames[gone].wire)
            gone += 1
        if gone == 0:
            return
        self._floor = self._frames[gone - 1].cursor
        del self._frames[:gone]
        self.base += gone
        for track in self.tracks.values():
            track.forget(self.base)

    def slice(self, index: int, count: int) -> list[Frame]:
        """Up to ``count`` frames from ``index`` on, which must not be below ``base``, as their readers get them."""
        start = index - self.base
        frames = self._frames[start : start + count]
        if all(frame.head for frame in frames):
            return frames
        before = sum(len(frame.wire) for frame in frames)
        frames = [frame if frame.head else frame.written() for frame in frames]
        self._frames[start : start + count] = frames
        self._bytes += sum(len(frame.wire) for frame in frames) - before  # what is too much goes with the next frame, not under a reader's feet
        return frames

    def peek(self, index: int) -> Frame:
        """The frame at ``index``, which must be there; perhaps unwritten."""
        return self._frames[index - self.base]

    def cursor_at(self, index: int) -> Cursor:
        """The position of every source before the frame at ``index``."""
        if index >= self.head:
            return self.cursor
        cursor = self._frames[index - self.base - 1].cursor if index > self.base else self._floor
        for source, position in self._joined.items():
            if source not in cursor:  # it joined later: all it has brought lies behind
                cursor = cursor.moved(source, position)
        return cursor
