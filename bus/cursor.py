"""Cursors: how far a reader has come, source by source.

``coinbase@00f1e2d3c4b5a697:12,oanda@89ab01234567cdef:57`` reads: of coinbase everything up to and including event 12 of that epoch, of
oanda up to 57. Sorted by source, ASCII, at most 1 KiB; it is an SSE ``id``, the ``Last-Event-ID`` a browser sends back, the content of a
cursor file, and the ``next`` of a page of history. A number alone would not do: after a restore the same number names another event, and the
epoch tells them apart.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Room for a dozen sources; what is longer was not made here, and headers have limits of their own.
CURSOR_BYTES_MAX = 1024
SEQ_MAX = 2**63 - 1  # SQLite's largest integer

_PART = re.compile(r"([a-z][a-z0-9_]{0,31})@([0-9a-f]{16}):(0|[1-9][0-9]{0,18})", re.ASCII)


class MalformedCursor(ValueError):
    """A text that is not a cursor."""


class Position(NamedTuple):
    """A place in one source's journal: everything up to and including ``seq`` of ``epoch`` is behind it. ``seq`` 0 is before the first event."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


class Cursor(Mapping[str, Position]):
    """The positions of a reader, by source. Immutable; a source that is not in it has no position yet."""

    __slots__ = ("_positions", "_text")

    def __init__(self, positions: Mapping[str, Position] | None = None) -> None:
        self._positions: dict[str, Position] = dict(sorted(positions.items())) if positions else {}
        self._text: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The cursor written in ``text``; parts may come in any order, the empty text is the empty cursor.

        Raises:
            MalformedCursor: too long, not ASCII, a part that is none, or a source named twice.
        """
        if len(text) > CURSOR_BYTES_MAX:
            raise MalformedCursor(f"a cursor has at most {CURSOR_BYTES_MAX} bytes")
        positions: dict[str, Position] = {}
        for part in text.split(",") if text else ():
            found = _PART.fullmatch(part)
            if found is None:
                raise MalformedCursor("a cursor is written source@epoch:seq,source@epoch:seq")
            source, epoch, seq = found[1], found[2], int(found[3])
            if source in positions or seq > SEQ_MAX:
                raise MalformedCursor(f"{source} is named twice, or its number is too large")
            positions[source] = Position(epoch, seq)
        return cls(positions)

    def moved(self, source: str, position: Position) -> "Cursor":
        """This cursor with ``source`` at ``position``."""
        return Cursor({**self._positions, source: position})

    def without(self, source: str) -> "Cursor":
        return Cursor({name: position for name, position in self._positions.items() if name != source})

    def maximum(self, other: "Cursor") -> "Cursor":
        """The later of both for each source. Epochs have no order: where they differ, ``other`` is taken to be the newer one."""
        merged = dict(self._positions)
        for source, theirs in other.items():
            mine = merged.get(source)
            merged[source] = mine if mine is not None and mine.epoch == theirs.epoch and mine.seq > theirs.seq else theirs
        return Cursor(merged)

    def covers(self, other: "Cursor") -> bool:
        """Whether a reader at ``other`` is nowhere ahead of this one."""
        for source, theirs in other.items():
            mine = self._positions.get(source)
            if mine is None or mine.epoch != theirs.epoch or mine.seq < theirs.seq:
                return False
        return True

    def __getitem__(self, source: str) -> Position:
        return self._positions[source]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cursor) and self._positions == other._positions

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        if self._text is None:
            self._text = ",".join(f"{source}@{epoch}:{seq}" for source, (epoch, seq) in self._positions.items())
        return self._text

    def __repr__(self) -> str:
        return f"Cursor({str(self)!r})"
