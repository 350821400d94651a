"""The shape of an event's body, checked while it is decoded.

Every consumer decodes every event, so this is the hottest path of the bus. ``codec.unpack`` decodes first and looks at each value afterwards, in
Python; here msgspec refuses what S-Z4 refuses as it reads: other types (binary, extensions, timestamps), NaN and infinities, long texts and lists,
deep nesting. Measured: half the time for an event. A key named twice counts once, the last one: an event's bytes were made from a dict by its owner,
and the chain vouches for them.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from bus.codec import EVENT_LIMITS, MalformedMessage, unpack

_FLOAT_MAX = 1.7976931348623157e308
_INT_MAX = 2**63 - 1

_FAST_DEPTH = 4  # no event of ours is deeper; each level doubles what msgspec prepares

_Text = Annotated[str, Meta(max_length=EVENT_LIMITS.text_bytes)]  # counts characters; the bytes of all of them are bounded by the body's
_Int = Annotated[int, Meta(ge=-_INT_MAX - 1, le=_INT_MAX)]
_Float = Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]


def _values(depth: int) -> Any:
    """The type of a payload's values: plain ones, and lists and maps of the same down to ``depth``."""
    plain = _Text | _Int | _Float | bool | None
    inner: Any = plain
    for _ in range(depth):
        items = Annotated[list[inner], Meta(max_length=EVENT_LIMITS.array_items)]
        fields = Annotated[dict[_Text, inner], Meta(max_length=EVENT_LIMITS.map_keys)]
        inner = plain | items | fields
    return inner


class EventWire(msgspec.Struct, frozen=True, gc=False):
    """A body's fields, right in type; what their texts may be is the envelope's to say. ``float`` keeps 1.0 from passing for 1."""

    v: int | float
    source: str
    type: str
    payload: Annotated[dict[_Text, _values(_FAST_DEPTH)], Meta(max_length=EVENT_LIMITS.map_keys)]  # type: ignore[valid-type]  # made by a call
    ts: str
    epoch: str | None = None
    seq: int | float | None = None
    prev: str | None = None


_decode = msgspec.msgpack.Decoder(EventWire).decode


def decode_wire(body: bytes) -> EventWire:
    """The fields in ``body``.

    Raises:
        MalformedMessage: not msgpack, over a limit, or a field of the wrong type.
    """
    if len(body) > EVENT_LIMITS.body_bytes:
        raise MalformedMessage(f"a message has at most {EVENT_LIMITS.body_bytes} bytes, this one has {len(body)}")
    try:
        return _decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: text that is not UTF-8
        return _decode_deep(body)


def _decode_deep(body: bytes) -> EventWire:
    """As :func:`decode_wire`, value by value: for a payload that is nested deeper than the types, and for saying what is wrong."""
    message = unpack(body, EVENT_LIMITS)
    payload = message.get("payload")
    if type(payload) is not dict:
        raise MalformedMessage("payload must be a map")
    try:
        return msgspec.structs.replace(msgspec.convert({**message, "payload": {}}, EventWire), payload=payload)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"not an event: {str(error)[:200]}") from None
