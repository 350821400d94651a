"""What the event streams send: SSE frames as bytes, and the HTTP chunks round them. Pure.

A frame is ``id``, ``event`` and ``data`` lines and an empty one. ``data`` is one line of JSON in ASCII (U+2028 and the like escaped); ids and names
come from fixed alphabets; so nothing in an event can end a line or begin a frame (S-W7).
"""

import json
from collections.abc import Mapping

import msgspec

from bus.cursor import Cursor
from bus.envelope import Event
from bus.notices import Gap, Reset

RETRY = b"retry: 2000\n"
BUSY_RETRY = b"retry: 30000\n"
COMMENT = b": still here\n\n"

_encode_fast = msgspec.json.Encoder().encode
_encode_escaped = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode


def _encode(data: Mapping[str, object]) -> bytes:
    """One line of JSON in ASCII; msgspec takes a seventh of the time, and what it leaves unescaped is hardly ever there."""
    try:
        line = _encode_fast(data)
    except UnicodeEncodeError:  # half a surrogate pair, which only the escaped form can write
        return _encode_escaped(data).encode("ascii")
    if line.isascii() and b"\x7f" not in line:
        return line
    return _encode_escaped(data).encode("ascii")


def id_line(cursor: Cursor | str) -> bytes:
    return b"id: %b\n" % str(cursor).encode("ascii")


def event_data(event: Event) -> bytes:
    """The ``data`` line of an event and the end of its frame; unnamed, so that ``onmessage`` gets it."""
    return b"data: %b\n\n" % _encode(envelope(event))


def event_line(event: Event) -> bytes:
    """An event as one line of a file: what ``data`` holds."""
    return _encode(envelope(event)) + b"\n"


def envelope(event: Event) -> dict[str, object]:
    """An event as streams and histories show it."""
    shown: dict[str, object] = {"source": event.source, "type": event.type, "payload": event.payload, "ts": event.ts}
    if event.seq is not None:
        shown |= {"epoch": event.epoch, "seq": event.seq}
    return shown


def named(name: str, data: Mapping[str, object]) -> bytes:
    """The lines of a named frame but its id."""
    return b"event: %b\ndata: %b\n\n" % (name.encode("ascii"), _encode(data))


def unnamed(data: Mapping[str, object]) -> bytes:
    return b"data: %b\n\n" % _encode(data)


def gap_fields(gap: Gap) -> dict[str, object]:
    return {"source": gap.source, "epoch": gap.epoch, "from": gap.first, "to": gap.last}


def reset_fields(reset: Reset) -> dict[str, object]:
    """``old`` and ``new`` are positions, ``epoch:seq``, or null where there is none."""
    return {"source": reset.source, "old": reset.old and str(reset.old), "new": reset.new and str(reset.new), "reason": reset.reason}


def http_chunk(data: bytes) -> bytes:
    """``data`` as one chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
