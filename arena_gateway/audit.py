"""The audit log: who did what from where, in the users store, append-only (two triggers refuse changes).

Security events are written in the transaction they are about. Orders are many and are already in their adapter's journal under ``placed_by``; what
the log adds is the address they came from and what was refused, collected and written once a second. Newest first when read.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arena_gateway.store import Store
from runtime.timestamps import to_text

PAGE_MAX = 200
COLLECTED_MAX = 1_000
SUBJECTS_MAX = 20

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
        return (self.at_ns, _printable(self.actor), self.action, _printable(self.subject), self.outcome, self.address, details[:4000])


def _printable(text: str) -> str:
    """What strangers typed ends on somebody's terminal: without control characters, and not for ever."""
    return "".join(char if char.isprintable() else "?" for char in text[:256])


def record(db: sqlite3.Connection, entry: AuditEntry) -> None:
    """Write ``entry`` in the transaction that is open."""
    db.execute(_INSERT, entry.row())


def write(store: Store, entries: Sequence[AuditEntry]) -> None:
    """Write ``entries`` in a transaction of their own."""
    if entries:
        with store.write() as db:
            db.executemany(_INSERT, [entry.row() for entry in entries])


class Collected:
    """What is too frequent for an entry each: the same thing done from the same place within a second is one entry with its count.

    A few ids are kept in it; all of them are in the journal. A flood of different things beyond ``COLLECTED_MAX`` is counted as one more kind.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str, str, str], _Kind] = {}

    def add(self, now_ns: int, actor: str, action: str, *, subject: str, outcome: str, address: str) -> None:
        """``actor`` did ``action`` to ``subject``; written within a second or so."""
        key = (actor, action, outcome, address)
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= COLLECTED_MAX:
                key = ("(many)", action, outcome, "")
            kind = self._kinds.setdefault(key, _Kind(now_ns))
        kind.count += 1
        if len(kind.subjects) < SUBJECTS_MAX:
            kind.subjects.append(subject)

    def take(self) -> list[AuditEntry]:
        """What has come together, as entries; it is the caller's to write."""
        kinds, self._kinds = self._kinds, {}
        return [
            AuditEntry(
                at_ns=kind.at_ns,
                actor=actor,
                action=action,
                subject=kind.subjects[0],
                outcome=outcome,
                address=address,
                details={} if kind.count == 1 else {"count": kind.count, "subjects": kind.subjects},
            )
            for (actor, action, outcome, address), kind in kinds.items()
        ]


@dataclass(slots=True)
class _Kind:
    at_ns: int
    count: int = 0
    subjects: list[str] = field(default_factory=list)


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
