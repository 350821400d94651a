"""What a run leaves behind for the checker: every request and its answers, every journal, and what each watcher was shown.

Only public interfaces fill these: HTTP answers, SSE frames, the subscriber library, the owners' replay sockets.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GENESIS = "0" * 32


@dataclass(kw_only=True)
class Sent:
    """One order as its sender lived it: each answer as ``(status, body)``; no answer at all is no entry."""

    source: str
    client_order_id: str
    sent_wall_s: float
    ttl_s: float
    answers: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def acknowledged_ids(self) -> set[str]:
        """Order ids this client was told about."""
        return {str(body["order_id"]) for status, body in self.answers if status in {200, 201}}

    @property
    def is_refused(self) -> bool:
        """Told that nothing was placed, and never told otherwise."""
        return not self.acknowledged_ids and any(status >= 400 for status, _ in self.answers)


@dataclass(frozen=True, kw_only=True)
class Journalled:
    """One event of an owner's journal, with the bytes it was journalled as."""

    source: str
    epoch: str
    seq: int
    prev: str
    type: str
    payload: Mapping[str, Any]
    ts_s: float
    body: bytes

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.body, digest_size=16).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One event as a watcher was shown it; ``content`` is what identifies it (source, type, payload), ``at_s`` when."""

    source: str
    epoch: str
    seq: int
    type: str
    payload: Mapping[str, Any]
    at_s: float


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A watcher was told that something is missing: ``gap`` (from, to) or ``reset``."""

    kind: str
    source: str
    epoch: str | None = None
    first: int = 0
    last: int = 0


@dataclass(kw_only=True)
class Connection:
    """One unbroken stretch of watching: what was shown, in order."""

    watcher: str
    items: list[Shown | Notice] = field(default_factory=list)


@dataclass(kw_only=True)
class Evidence:
    sent: Sequence[Sent]
    journals: Mapping[str, Sequence[Journalled]]
    connections: Sequence[Connection]
    statuses: Mapping[str, str]
    resolved: Mapping[str, str] = field(default_factory=dict)  # client_order_id → what the look-up said at the end
