"""What a message of requests asks for, for who serves them.

Nearly every message of a flood holds commands as ``RequestClient`` writes them: all fields in its order, with flat arguments. Those are decoded and
checked in one compiled step; whatever else comes is read value by value, and what is wrong with it is said there. A map that names a key twice, a
number written longer than it must be: two readers could take that for two things. What is encoded to the very same bytes again has none of it.
"""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from bus.codec import REQUEST_LIMITS
from bus.deadline import DEADLINE_OPS, TTL_MS_MAX, Deadline
from bus.request_messages import BATCH_MAX, ID_CHARS_MAX, Refused, Request, read_slowly

_FLOAT_MAX = 1.7976931348623157e308

if TYPE_CHECKING:
    _Op = str
    _Flat = dict[str, object]
else:
    _Op = Literal[tuple(sorted(DEADLINE_OPS))]
    _Finite = Annotated[float, Meta(ge=-_FLOAT_MAX, le=_FLOAT_MAX)]
    _Flat = Annotated[dict[str, str | int | _Finite | bool | None], Meta(max_length=REQUEST_LIMITS.map_keys)]

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Ns = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class _Command(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """In the order in which ``RequestClient`` writes."""

    v: Literal[1]
    id: Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
    op: _Op
    args: _Flat
    actor: _Flat
    ttl_ms: Annotated[int, Meta(ge=1, le=TTL_MS_MAX)]
    sent_wall_ns: _Ns
    boot_id: _Name
    sent_boottime_ns: _Ns


_decode = msgspec.msgpack.Decoder(list[_Command] | _Command).decode
_encode = msgspec.msgpack.Encoder().encode


def read_requests(body: bytes, *, received_boot_ns: int, batch_max: int = BATCH_MAX) -> tuple[list[Request | Refused], bool]:
    """The requests in ``body`` in order, and whether they came as an array. What is wrong with one of them is that one's alone.

    Raises:
        MalformedMessage: the whole of it cannot be read, or the array is empty or too long.
    """
    if len(body) <= REQUEST_LIMITS.text_bytes:  # nothing in so short a message is over a limit of texts
        try:
            found = _decode(body)
        except (msgspec.DecodeError, ValueError):  # ValueError: text that is not UTF-8
            pass
        else:
            commands = found if isinstance(found, list) else [found]
            if 1 <= len(commands) <= batch_max and _encode(found) == body:
                return [_request(command, received_boot_ns) for command in commands], found is commands
    return read_slowly(body, received_boot_ns=received_boot_ns, batch_max=batch_max)


def _request(command: _Command, received_boot_ns: int) -> Request:
    deadline = Deadline(command.ttl_ms, command.sent_wall_ns, command.boot_id, command.sent_boottime_ns)
    return Request(id=command.id, op=command.op, args=command.args, actor=command.actor, deadline=deadline, received_boot_ns=received_boot_ns)
