"""Deadlines: no order runs late.

A queue, a kernel buffer or a frozen process may hold a command long after its sender has given up on it; socket options can shorten that time but not
bound it (a stopped adapter ran all it had been sent when it was woken). So a command says when it was sent and how long it is good for, and its
*receiver* checks that right before it acts. Two readings in the same boot of the same kernel are compared by CLOCK_BOOTTIME, which never
steps; otherwise the wall clocks are, with two seconds of slack.

Source: docs/protocol.md, section 6.
"""

from collections.abc import Mapping

import msgspec

from runtime.clock import Clock
from trading.errors import DeadlinePassed, InvalidRequest

TTL_MS_MAX = 30_000
WALL_SLACK_NS = 2_000_000_000
NS_PER_MS = 1_000_000

# What must not run late, and is refused with the code DEADLINE_REQUIRED when it does not say by when.
DEADLINE_OPS = frozenset({"order.place", "order.modify", "order.cancel", "order.cancel_all", "position.close"})
DEADLINE_REQUIRED = "DEADLINE_REQUIRED"
DEADLINE_FIELDS = ("ttl_ms", "sent_wall_ns", "boot_id", "sent_boottime_ns")

_INT_MAX = 2**63 - 1


class Deadline(msgspec.Struct, frozen=True, gc=False):
    """When a command was sent and how long it is good for; ``boot_id`` and ``sent_boottime_ns`` are both there or both None."""

    ttl_ms: int
    sent_wall_ns: int
    boot_id: str | None = None
    sent_boottime_ns: int | None = None


def stamp(ttl_ms: int, clock: Clock, boot_id: str | None = None) -> dict[str, object]:
    """The fields of a command sent now. With ``boot_id`` (the kernel's, ``runtime.clock.boot_id()``) also the boot-time pair."""
    if not 1 <= ttl_ms <= TTL_MS_MAX:
        raise ValueError(f"ttl_ms must be 1 to {TTL_MS_MAX}")
    fields: dict[str, object] = {"ttl_ms": ttl_ms, "sent_wall_ns": clock.wall_ns()}
    if boot_id is not None:
        fields |= {"boot_id": boot_id, "sent_boottime_ns": clock.boot_ns()}
    return fields


def read_deadline(message: Mapping[str, object]) -> Deadline | None:
    """The deadline that ``message`` carries, or None when it carries none.

    Raises:
        InvalidRequest: half a deadline, or a field of the wrong shape.
    """
    ttl_ms, sent_wall_ns, boot_id, sent_boottime_ns = (message.get(name) for name in DEADLINE_FIELDS)
    if ttl_ms is None and sent_wall_ns is None and boot_id is None and sent_boottime_ns is None:
        return None
    if type(ttl_ms) is not int or not 1 <= ttl_ms <= TTL_MS_MAX:
        raise InvalidRequest(f"ttl_ms must be a whole number of 1 to {TTL_MS_MAX}", code=DEADLINE_REQUIRED)
    if type(sent_wall_ns) is not int or not 0 <= sent_wall_ns <= _INT_MAX:
        raise InvalidRequest("sent_wall_ns must be whole nanoseconds since 1970", code=DEADLINE_REQUIRED)
    if (boot_id is None) != (sent_boottime_ns is None):
        raise InvalidRequest("boot_id and sent_boottime_ns go together", code=DEADLINE_REQUIRED)
    if boot_id is not None and not (type(boot_id) is str and 1 <= len(boot_id) <= 64):
        raise InvalidRequest("boot_id must be the kernel's text", code=DEADLINE_REQUIRED)
    if sent_boottime_ns is not None and not (type(sent_boottime_ns) is int and 0 <= sent_boottime_ns <= _INT_MAX):
        raise InvalidRequest("sent_boottime_ns must be whole nanoseconds", code=DEADLINE_REQUIRED)
    return Deadline(ttl_ms=ttl_ms, sent_wall_ns=sent_wall_ns, boot_id=boot_id, sent_boottime_ns=sent_boottime_ns)


def is_late(deadline: Deadline, clock: Clock, boot_id: str) -> bool:
    """Whether the command must no longer run.

    A command from the future counts as late too: its clock is not ours, so nothing is known about its age.
    """
    ttl_ns = deadline.ttl_ms * NS_PER_MS
    if deadline.boot_id == boot_id and deadline.sent_boottime_ns is not None:
        return not 0 <= clock.boot_ns() - deadline.sent_boottime_ns <= ttl_ns
    return not -WALL_SLACK_NS <= clock.wall_ns() - deadline.sent_wall_ns <= ttl_ns + WALL_SLACK_NS


def refuse_if_late(deadline: Deadline, clock: Clock, boot_id: str) -> None:
    """Raise DeadlinePassed when it is. Call it in the transaction that would write the intent, right before writing it."""
    if is_late(deadline, clock, boot_id):
        raise DeadlinePassed("the request reached its receiver after its deadline and nothing was sent; send it again if it is still wanted")
