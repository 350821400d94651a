"""The audit log: who did what from where, in the users store, append-only (two triggers refuse changes).

Security events are written in the transaction they are about. Orders are many and are already in their adapter's journal under ``placed_by``; their
entries (with the address they came from) are collected and written a few times a second. Newest first when read.
"""

import json
import sqlite3
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from arena_gateway.store import Store
from runtime.timestamps import to_text

PAGE_MAX = 200
COLLECTED_MAX = 20_000

_INSERT = "INSERT INTO audit (at_ns, actor, action, subject, outcome, address, details) VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """``actor`` did ``action`` to ``subject`` from ``address``; ``outcome`` is ok or a refusal's code. Never a secret."""

    at_ns: int
    actor: str
    action: str
    subject: str = ""
    outcome: str = "ok"
    address: str = ""
    details: Mapping[str, object] | None = None

    def row(self) -> tuple[object, ...]:
        details = json.dumps(self.details or {}, default=str, sort_keys=True)
        return (self.at_ns, _printable(self.actor), self.action, _printable(self.subject), self.outcome, self.address, details[:2000])


def _printable(text: str) -> str:
    """What strangers typed ends on somebody's terminal: without control characters, and not for ever."""
    return "".join(char if char.isprintable() else "?" for char in text[:256])


def record(db: sqlite3.Connection, entry: AuditEntry) -> None:
    """Write ``entry`` in the transaction that is open."""
    db.execute(_INSERT, entry.row())


class Collected:
    """Entries waiting to be written together; a full queue drops the oldest and counts it (the journal still has the order)."""

    def __init__(self) -> None:
        self._entries: deque[AuditEntry] = deque(maxlen=COLLECTED_MAX)
        self.dropped = 0

    def add(self, entry: AuditEntry) -> None:
        if len(self._entries) == COLLECTED_MAX:
            self.dropped += 1
        self._entries.append(entry)

    def write(self, store: Store) -> int:
        """Write what has come together; how many entries that was."""
        rows = []
        while self._entries:
            rows.append(self._entries.popleft().row())
        if rows:
            with store.write() as db:
                db.executemany(_INSERT, rows)
        return len(rows)


def page(store: Store, *, before: int | None = None, limit: int = 50, actor: str | None = None, action: str | None = None) -> dict[str, object]:
    """``{entries, next}``: the newest entries with a number below ``before``; ``next`` is the ``before`` of the following page, or None."""
    limit = max(1, min(limit, PAGE_MAX))
    where, values = ["n < ?"], [before if before is not None else 2**62]
    conditions: list[tuple[str, str | None]] = [("actor = ?", actor), ("action = ?", action)]
    parameters: list[object] = [*values]
    for condition, value in conditions:
        if value is not None:
            where.append(condition)
            parameters.append(value)
    query = f"SELECT n, at_ns, actor, action, subject, outcome, address, details FROM audit WHERE {' AND '.join(where)} ORDER BY n DESC LIMIT ?"  # noqa: S608 - fixed words only
    with store.read() as db:
        rows = db.execute(query, (*parameters, limit + 1)).fetchall()
    entries = [
        {
            "n": n,
            "at": to_text(at_ns),
            "actor": who,
            "action": what,
            "subject": subject,
            "outcome": outcome,
            "address": address,
            "details": json.loads(details) if details.startswith("{") and details.endswith("}") else {},
        }
        for n, at_ns, who, what, subject, outcome, address, details in rows[:limit]
    ]
    return {"entries": entries, "next": rows[limit - 1][0] if len(rows) > limit else None}
