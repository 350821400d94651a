"""What a message of replies says, for who waits for them.

Nearly every reply of a flood is a short one that went well and whose result is flat, as a placement's is. Those are decoded and checked in one
compiled step; whatever else comes is read value by value. A key named twice counts once here, the last one: a reply was made from a dict by
the server that we chose to ask.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from bus.codec import REPLY_LIMITS, Limits
from bus.request_messages import Reply, outcome_of, read_replies
from trading.errors import ArenaError

_FLOAT_MAX = 1.7976931348623157e308

if TYPE_CHECKING:
    _Flat = Mapping[str, object]
else:
    _Finite = Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]
    _Flat = Annotated[dict[str, str | int | _Finite | bool | None], Meta(max_length=REPLY_LIMITS.map_keys)]


class _FlatReply(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    v: int
    id: str
    ok: bool
    result: _Flat
    last_event: _Flat | None = None


_DECODER = msgspec.msgpack.Decoder(list[_FlatReply] | _FlatReply)


def read_outcomes(body: bytes, limits: Limits) -> list[tuple[object, Reply | ArenaError]]:
    """Of each reply in ``body`` the id of its request, whatever that is, and what came of it.

    Raises:
        MalformedMessage: it cannot be read, or one of them is no map.
    """
    if len(body) <= limits.text_bytes:  # nothing in so short a message is over a limit of texts or lists
        try:
            found = _DECODER.decode(body)
        except (msgspec.DecodeError, ValueError):  # ValueError: text that is not UTF-8
            pass
        else:
            replies = found if isinstance(found, list) else [found]
            if all(reply.ok for reply in replies):
                return [(reply.id, Reply(result=reply.result, last_event=reply.last_event)) for reply in replies]
    return [(reply.get("id"), outcome_of(reply)) for reply in read_replies(body, limits)]
