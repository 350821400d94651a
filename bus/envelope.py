"""The envelope: what every message on the bus is wrapped in, and the chain that ties a journal's events together.

Body: one msgpack map ``{v: 1, source, type, payload, ts}``, and on journalled events also ``epoch``, ``seq`` and ``prev``, all three or none. The
journal keeps the body bytes; bus, replay and SSE are made from those bytes. ``prev`` is the hash of the event before, so that an event that was
altered, left out or put in shows at the next one. ``ts`` is for people and never for ordering: that is what ``seq`` is for.

Source: docs/protocol.md, sections 2 and 4.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal

import msgspec
from msgspec.structs import force_setattr

from bus.codec import BODY_BYTES_MAX, MalformedMessage, encode_payload, pack_plain
from bus.event_wire import SHORT_BYTES_MAX, Payload, Seq, read_slowly
from bus.topics import is_name
from runtime.timestamps import to_text

VERSION: Final = 1
GENESIS = "0" * 32  # prev of seq 1

_EPOCH = re.compile(r"[0-9a-f]{16}")
_is_hash = re.compile(r"[0-9a-f]{32}").fullmatch
_is_ts = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z").fullmatch


# A msgspec.Struct and not a dataclass: msgspec makes it from a body in one step, which every consumer does for every message of the bus.
class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message of the bus. ``epoch``, ``seq`` and ``prev`` are None on quotes and heartbeats, which may be lost; facts have all three.

    ``body`` is the bytes it was read from, empty where there are none; it is no field of theirs, and has a name there that nobody writes.
    """

    v: Literal[1]
    source: str
    type: str
    payload: Payload
    ts: str
    epoch: str | None = None
    seq: Seq | None = None
    prev: str | None = None
    body: bytes = msgspec.field(default=b"", name=" body")


_decode = msgspec.msgpack.Decoder(Event).decode


def encode_event(
    source: str,
    type: str,  # noqa: A002 (the envelope's own word)
    payload: Mapping[str, object],
    ts_ns: int,
    *,
    epoch: str | None = None,
    seq: int | None = None,
    prev: str | None = None,
) -> bytes:
    """The body bytes of one message; Decimals in ``payload`` become numbers.

    Args:
        ts_ns: nanoseconds since 1970, UTC.
        epoch, seq, prev: all three on a journalled event, else none.
    Raises:
        ValueError: a value that does not travel, or more than 64 KiB.
    """
    return make_event(source, type, payload, ts_ns, epoch=epoch, seq=seq, prev=prev).body


def make_event(
    source: str,
    type: str,  # noqa: A002 (the envelope's own field name)
    payload: Mapping[str, object],
    ts_ns: int,
    *,
    epoch: str | None = None,
    seq: int | None = None,
    prev: str | None = None,
) -> Event:
    """The same as an :class:`Event`, equal to what ``decode_event`` makes of its bytes."""
    if not (is_name(source) and is_name(type)):
        raise ValueError(f"{source!r} and {type!r} must be names: a-z, 0-9 and _, at most 32")
    plain = encode_payload(payload)
    ts = to_text(ts_ns)
    message: dict[str, object] = {"v": VERSION, "source": source, "type": type, "payload": plain, "ts": ts}
    if epoch is not None:
        message |= {"epoch": epoch, "seq": seq, "prev": prev}
    body = pack_plain(message)
    if len(body) > BODY_BYTES_MAX:
        raise ValueError(f"{source}.{type} has {len(body)} bytes and a message at most {BODY_BYTES_MAX}")
    return Event(v=VERSION, source=str(source), type=str(type), payload=plain, ts=ts, epoch=epoch, seq=seq, prev=prev, body=body)


def decode_event(body: bytes) -> Event:
    """The message in ``body``. Fields that this version does not know are left alone.

    Raises:
        MalformedMessage: not msgpack, over a limit, another version, or a field of the wrong shape.
    """
    event = read_event(body)
    epoch, seq, prev = event.epoch, event.seq, event.prev
    if not is_name(event.source):
        raise MalformedMessage("source must be a name")
    if epoch is None or seq is None or prev is None:
        if not (epoch is None and seq is None and prev is None):
            raise MalformedMessage("epoch, seq and prev go together")
    elif not is_epoch(epoch):
        raise MalformedMessage("epoch must be 16 lowercase hex digits")
    elif _is_hash(prev) is None:
        raise MalformedMessage("prev must be 32 lowercase hex digits")
    return event


def read_event(body: bytes) -> Event:
    """As :func:`decode_event`, without a look at what ``source``, ``epoch`` and ``prev`` hold: for who compares them with what they must be.

    Raises:
        MalformedMessage: all else that is wrong.
    """
    try:
        event = _decode(body) if len(body) <= SHORT_BYTES_MAX else read_slowly(body, Event)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: text that is not UTF-8
        event = read_slowly(body, Event)
    if not is_name(event.type):
        raise MalformedMessage("type must be a name")
    if _is_ts(event.ts) is None:
        raise MalformedMessage("ts must be RFC 3339 in UTC with microseconds")
    force_setattr(event, "body", body)
    return event


@lru_cache(256)  # the same few epochs come with every message
def is_epoch(text: str) -> bool:
    """Whether ``text`` is 16 lowercase hex digits."""
    return _EPOCH.fullmatch(text) is not None


def chain_hash(body: bytes) -> str:
    """BLAKE2b-128 of an event's body bytes as journalled, in hex: the ``prev`` of the event after it."""
    return blake2b(body, digest_size=16).hexdigest()
