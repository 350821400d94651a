"""The shape of an event's body, checked while it is decoded.

Every consumer decodes every event, so this is the hottest path of the bus. ``codec.unpack`` decodes first and looks at each value afterwards, in
Python; here msgspec refuses what S-Z4 refuses as it reads: other types (binary, extensions, timestamps), NaN and infinities, long lists, deep
nesting. Two things keep it fast, and neither lets anything through:

* Texts have no limit in these types, as msgspec remembers a map's keys only where keys have none (measured: 0.85 beside 1.3 µs for an event). A body
  in which a text could be too long is read by ``read_slowly``.
* A key named twice counts once, the last one: an event's bytes were made from a dict by its owner, and the chain vouches for them.
"""

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from bus.codec import EVENT_LIMITS, MalformedMessage, unpack

SHORT_BYTES_MAX = EVENT_LIMITS.text_bytes  # no text in so short a body is over the limit of texts

_FLOAT_MAX = 1.7976931348623157e308
_INT_MAX = 2**63 - 1

_FAST_DEPTH = 4  # no event of ours is deeper; each level doubles what msgspec prepares

_Int = Annotated[int, Meta(ge=-_INT_MAX - 1, le=_INT_MAX)]
_Float = Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]
_Kind = TypeVar("_Kind", bound=msgspec.Struct)


def _values(depth: int) -> Any:
    """The type of a payload's values: plain ones, and lists and maps of the same down to ``depth``."""
    plain = str | _Int | _Float | bool | None
    inner: Any = plain
    for _ in range(depth):
        items = Annotated[list[inner], Meta(max_length=EVENT_LIMITS.array_items)]
        fields = Annotated[dict[str, inner], Meta(max_length=EVENT_LIMITS.map_keys)]
        inner = plain | items | fields
    return inner


Seq = Annotated[int, Meta(ge=1, le=_INT_MAX)]

if TYPE_CHECKING:
    Payload = dict[str, object]
else:
    Payload = Annotated[dict[str, _values(_FAST_DEPTH)], Meta(max_length=EVENT_LIMITS.map_keys)]


def read_slowly(body: bytes, kind: type[_Kind]) -> _Kind:
    """The fields in ``body``, value by value: for long bodies, for a payload that is nested deeper than the types, and for saying what is wrong.

    Raises:
        MalformedMessage: not msgpack, over a limit, or a field of the wrong type.
    """
    message = unpack(body, EVENT_LIMITS)
    payload = message.get("payload")
    if type(payload) is not dict:
        raise MalformedMessage("payload must be a map")
    fields = {name: message[name] for name in kind.__struct_fields__ if name in message}
    try:
        return msgspec.structs.replace(msgspec.convert({**fields, "payload": {}}, kind), payload=payload)
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"not an event: {str(error)[:200]}") from None
