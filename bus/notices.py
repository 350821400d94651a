"""What a consumer is told besides events: that something is missing, has begun anew, or is not to be trusted.

Nothing is passed over in silence: an event that cannot be delivered becomes a :class:`Gap`, a position that means nothing any more a
:class:`Reset`, and whatever must not happen at all an :class:`Alarm`.
"""

from typing import TypeAlias

import msgspec

from bus.cursor import Position
from bus.envelope import Event


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Events ``first`` to ``last``, both included, will not come: the owner no longer has them, or cannot read them."""

    source: str
    epoch: str
    first: int
    last: int


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """The position ``old`` means nothing any more; what follows comes after ``new``.

    ``reason``: ``epoch`` (the owner began a new journal), ``ahead`` (the cursor we were given is ahead of the owner), ``fork`` (the owner's journal
    is not the one we have followed), ``malformed`` (the cursor could not be read).
    """

    source: str
    old: Position | None
    new: Position | None
    reason: str


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """The owner was reached for the first time; the events after ``position`` follow."""

    source: str
    position: Position


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """No heartbeat for three seconds. The owner is asked directly until one is heard again."""

    source: str


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat again, after :class:`Stale`."""

    source: str


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person must look at.

    ``code``: ``source_fork`` (the owner contradicts what was verified before), ``two_owners`` (two processes speak for one source),
    ``bad_event`` (the owner's journal holds bytes that are no event).
    """

    source: str
    code: str
    epoch: str | None
    seq: int | None
    text: str


Delivery: TypeAlias = Event | Gap | Reset | Synced | Stale | Fresh | Alarm
