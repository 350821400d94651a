"""Requests and replies as values and as bytes; no socket.

Request, one msgpack map ``{v: 1, id, op, args?, actor?}`` and, for what must not run late, the fields of a deadline; or an array of up to 64 of them.
Reply, ``{v: 1, id, ok: true, result, last_event}`` or ``{v: 1, id, ok: false, error: {kind, code, message, details}, last_event}``; an array is
answered by an array in the same order. Fields that are not listed are refused: a misspelt ``ttl_ms`` must not pass for none.

Source: docs/protocol.md, section 5.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack
import msgspec

from bus.codec import REPLY_BYTES_MAX, REQUEST_LIMITS, Limits, MalformedMessage, is_flat_and_plain, pack, pack_plain, unpack_value
from bus.deadline import DEADLINE_FIELDS, DEADLINE_OPS, DEADLINE_REQUIRED, Deadline, read_deadline
from trading.errors import KINDS, ArenaError, InvalidRequest, OutcomeUnknown

VERSION = 1
BATCH_MAX = 64
FRAMES_MAX = 8
ID_CHARS_MAX = 64

REPLY_TOO_LARGE = "REPLY_TOO_LARGE"
INTERNAL = "INTERNAL"

_OP = re.compile(r"[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}")
_FIELDS = frozenset({"v", "id", "op", "args", "actor", *DEADLINE_FIELDS})


class Request(msgspec.Struct, frozen=True):
    """One operation that somebody asks for. ``actor`` is as it came, None for somebody on this host; ``deadline`` is set where ``op`` needs one."""

    id: str
    op: str
    args: Mapping[str, object]
    actor: Mapping[str, object] | None
    deadline: Deadline | None
    received_boot_ns: int


class Reply(NamedTuple):
    """What an operation answered; ``last_event`` is ``{epoch, seq}``, up to which the journal stands, or None."""

    result: Any
    last_event: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A request that never reaches a handler: its place in the batch gets ``error``."""

    id: str | None
    error: ArenaError


def split_envelope(frames: Sequence[bytes]) -> tuple[list[bytes], bytes] | None:
    """``(envelope, body)`` of a delivery of a ROUTER: every frame up to and including the first empty one, and the one after it. None if it has not
    that form, or more than eight frames. REQ, REQ with correlation and DEALER differ only in what stands before the empty frame."""
    if len(frames) > FRAMES_MAX:
        return None
    for index in range(1, len(frames)):
        if not frames[index]:
            return (list(frames[: index + 1]), frames[index + 1]) if index == len(frames) - 2 else None
    return None


def read_slowly(body: bytes, *, received_boot_ns: int, batch_max: int = BATCH_MAX) -> tuple[list[Request | Refused], bool]:
    """What ``request_reading.read_requests`` returns and raises, value by value: for messages that are not as ours are, and to say what is wrong."""
    message = unpack_value(body, REQUEST_LIMITS)
    if type(message) is dict:
        return [_read_request(message, received_boot_ns)], False
    if type(message) is not list:
        raise MalformedMessage("a request is a map, or an array of maps")
    if not 1 <= len(message) <= batch_max:
        raise MalformedMessage(f"an array holds 1 to {batch_max} requests")
    return [_read_request(item, received_boot_ns) for item in message], True


def _read_request(message: object, received_boot_ns: int) -> Request | Refused:
    if type(message) is not dict:
        return Refused(id=None, error=MalformedMessage("a request is a map"))
    request_id = message.get("id")
    if type(request_id) is not str or not 1 <= len(request_id) <= ID_CHARS_MAX:
        return Refused(id=None, error=MalformedMessage(f"id must be text of 1 to {ID_CHARS_MAX} characters"))
    try:
        return _checked(message, request_id, received_boot_ns)
    except ArenaError as error:
        return Refused(id=request_id, error=error)


def _checked(message: dict[str, object], request_id: str, received_boot_ns: int) -> Request:
    version, op, args, actor = message.get("v"), message.get("op"), message.get("args", {}), message.get("actor")
    if version != VERSION or type(version) is not int:
        raise MalformedMessage(f"v must be {VERSION}")
    if not message.keys() <= _FIELDS:
        unknown = min(message.keys() - _FIELDS)
        raise InvalidRequest(f"there is no field {unknown[:64]}", code="UNKNOWN_FIELD", details={"field": unknown[:64], "known": sorted(_FIELDS)})
    if type(op) is not str or _OP.fullmatch(op) is None:
        raise MalformedMessage("op must be the name of an operation, like order.place")
    if type(args) is not dict:
        raise MalformedMessage("args must be a map")
    if actor is not None and type(actor) is not dict:
        raise MalformedMessage("actor must be a map")
    deadline = read_deadline(message)
    if deadline is None and op in DEADLINE_OPS:
        raise InvalidRequest(f"{op} must say when it was sent and how long it is good for: ttl_ms and sent_wall_ns", code=DEADLINE_REQUIRED)
    return Request(id=request_id, op=op, args=args, actor=actor, deadline=deadline, received_boot_ns=received_boot_ns)


def write_batch(bodies: Sequence[bytes]) -> bytes:
    """One array of messages that are packed already."""
    header: bytes = msgpack.Packer().pack_array_header(len(bodies))
    return header + b"".join(bodies)


def write_answer(request_id: str, answer: Mapping[str, object], bytes_max: int = REPLY_BYTES_MAX, *, is_command: bool = False) -> bytes:
    """The reply to a request that went well.

    Args:
        answer: ``result`` and perhaps ``last_event``, as a handler returns it.
        is_command: it has changed something, so an answer that is too large is no refusal: what was done must be looked up, not asked for again.
    Raises:
        ValueError: it holds what does not travel.
    """
    result, last_event = answer.get("result"), answer.get("last_event")
    write = pack_plain if is_flat_and_plain(result) and is_flat_and_plain(last_event) else pack
    body = write({"v": VERSION, "id": request_id, "ok": True, "result": result, "last_event": last_event})
    if len(body) > bytes_max and is_command:
        return write_error(request_id, OutcomeUnknown("done, and the answer does not fit into one message: look it up", code=REPLY_TOO_LARGE))
    if len(body) > bytes_max:
        return write_error(request_id, InvalidRequest("the answer does not fit into one message: ask for a smaller page", code=REPLY_TOO_LARGE))
    return body


def write_error(request_id: str | None, error: ArenaError) -> bytes:
    """The reply to a request that was refused; ``kind`` is the class in trading/errors.py, which says what to do next."""
    kind = next((base.__name__ for base in type(error).__mro__ if base.__name__ in KINDS), InvalidRequest.__name__)
    described = {"kind": kind, "code": error.code, "message": error.message, "details": error.details}
    head = {"v": VERSION, "id": request_id, "ok": False}
    try:
        return pack({**head, "error": described, "last_event": None})
    except ValueError:  # details that do not travel are not worth losing the answer
        return pack({**head, "error": {**described, "details": {}}, "last_event": None})


def read_replies(body: bytes, limits: Limits) -> list[dict[str, object]]:
    """The replies in ``body``.

    Raises:
        MalformedMessage: it cannot be read, or one of them is no map.
    """
    message = unpack_value(body, limits)
    items: list[object] = message if type(message) is list else [message]
    replies = [item for item in items if type(item) is dict]
    if len(replies) != len(items):
        raise MalformedMessage("a reply is a map")
    return replies


def outcome_of(reply: Mapping[str, Any]) -> Reply | ArenaError:
    """What ``reply`` says: the result, or the error to raise. An error of a kind that we do not know may mean anything, so it is OutcomeUnknown."""
    if reply.get("ok") is True:
        return Reply(result=reply.get("result"), last_event=reply.get("last_event"))
    error = reply.get("error")
    if not isinstance(error, dict):
        return OutcomeUnknown("the answer has no meaning; look the request up", code="UNREADABLE_REPLY")
    details = error.get("details")
    kind = KINDS.get(str(error.get("kind")), OutcomeUnknown)
    return kind(str(error.get("message")), code=str(error.get("code")), details=details if isinstance(details, dict) else {})
