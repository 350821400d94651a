"""Epochs: when the numbers of a journal may be trusted to go on, and when they must start anew.

``seq`` counts within an epoch, a random 64-bit name. The count may only go on in the file that has seen every number given out; were an older copy
of it to go on, the same numbers would soon mean other events, and no reader could tell. So a new epoch begins when the journal is created, when a
backup was put back (``request_new_epoch``, what ``arena restore`` uses), and when the file is found to be behind the *high-water file* beside
it, which names the last seq that was published, a second old at most. A new epoch begins with ``source_reset`` as seq 1.

Counters of the owner (the n of order ids) follow the same fear: in a new epoch they continue 1000 above the highest value known, never lower.

Source: docs/protocol.md, section 4.
"""

import json
import logging
import os
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bus.envelope import GENESIS, Event, chain_hash, is_epoch, make_event
from runtime.clock import Clock
from runtime.program import CannotStart

COUNTER_LEAP = 1000  # more numbers than any second between two writes of the high-water file can have used up
SOURCE_RESET = "source_reset"

SCHEMA = """
CREATE TABLE journal (                -- one row: whose journal this is
    source      TEXT NOT NULL,
    instance_id TEXT NOT NULL         -- 16 hex, made once: part of what an order is called at a venue
) STRICT;
CREATE TABLE epochs (                 -- the last row is the current one
    n        INTEGER PRIMARY KEY,
    epoch    TEXT NOT NULL UNIQUE,    -- 16 hex
    last_seq INTEGER NOT NULL,        -- counted up in the transaction that writes the events
    reason   TEXT NOT NULL,
    began_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    epoch_n INTEGER NOT NULL REFERENCES epochs (n),
    seq     INTEGER NOT NULL,
    ts_ns   INTEGER NOT NULL,
    body    BLOB NOT NULL,            -- the bytes as published; the chain is over them
    PRIMARY KEY (epoch_n, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWater:
    """What the outside has seen last: the epoch, its last published seq, and the owner's counters."""

    epoch: str
    last_seq: int
    counters: Mapping[str, int] = field(default_factory=dict)


def read_high_water(database: Path) -> HighWater | None:
    """What the file beside ``database`` says; None when there is none or it cannot be read, which proves nothing either way."""
    path = database.with_suffix(".high-water")
    try:
        raw = json.loads(path.read_text())
        mark = HighWater(epoch=raw["epoch"], last_seq=raw["last_seq"], counters=raw["counters"])
        if not (is_epoch(mark.epoch) and type(mark.last_seq) is int and all(type(value) is int for value in mark.counters.values())):
            raise ValueError("a field of the wrong type")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _log.warning("the high-water file cannot be read and is left out", extra={"path": str(path), "reason": str(error)})
        return None
    return mark


def write_high_water(database: Path, mark: HighWater) -> None:
    """Replace the file. Not synced: it must never be ahead of the database by a power cut, and being behind costs nothing."""
    path = database.with_suffix(".high-water")
    draft = path.with_suffix(".high-water.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps({"epoch": mark.epoch, "last_seq": mark.last_seq, "counters": dict(mark.counters)}).encode())
    finally:
        os.close(fd)
    draft.replace(path)


def request_new_epoch(database: Path) -> None:
    """Have the next start of the journal at ``database`` begin a new epoch. Durable on return; call it before the copy is put in place."""
    marker = database.with_suffix(".new-epoch")
    fd = os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    directory = os.open(marker.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@dataclass(slots=True, kw_only=True)
class JournalState:
    """Where a journal stands; ``reset`` is the ``source_reset`` that this start has written, if it has."""

    source: str
    instance_id: str
    epoch_n: int
    epoch: str
    first_seq: int
    last_seq: int
    last_hash: str
    counters: dict[str, int]
    reset: Event | None = None


def load_state(connection: sqlite3.Connection, database: Path, source: str, clock: Clock) -> JournalState:
    """Where the journal stands, in a new epoch if the old one cannot be continued.

    Raises:
        CannotStart: another source's journal, or its parts contradict each other.
    """
    state = _read_state(connection, database, source)
    mark = read_high_water(database)
    marker = database.with_suffix(".new-epoch")
    reason = _reason_for_new_epoch(connection, state, mark, restored=marker.exists())
    if reason is not None or state is None:
        state = _begin_epoch(connection, source, state, mark, reason=reason or "created", clock=clock)
        write_high_water(database, HighWater(epoch=state.epoch, last_seq=state.last_seq, counters=state.counters))
    marker.unlink(missing_ok=True)
    return state


def _read_state(connection: sqlite3.Connection, database: Path, source: str) -> JournalState | None:
    row = connection.execute("SELECT source, instance_id FROM journal").fetchone()
    if row is None:
        return None
    if row[0] != source:
        raise CannotStart(f"{database} is the journal of {row[0]}, not of {source}: put each back in its place")
    current = connection.execute("SELECT n, epoch, last_seq FROM epochs ORDER BY n DESC LIMIT 1").fetchone()
    span = bounds(connection, current[0]) if current else None
    if current is None or span is None or span[1] != current[2]:
        raise CannotStart(f"the counter and the events of {database} contradict each other: look at it with `arena doctor`, or restore a backup")
    (body,) = connection.execute("SELECT body FROM events WHERE epoch_n = ? AND seq = ?", (current[0], current[2])).fetchone()
    return JournalState(
        source=source,
        instance_id=row[1],
        epoch_n=current[0],
        epoch=current[1],
        first_seq=span[0],
        last_seq=current[2],
        last_hash=chain_hash(body),
        counters=dict(connection.execute("SELECT name, value FROM counters").fetchall()),
    )


def bounds(connection: sqlite3.Connection, epoch_n: int) -> tuple[int, int] | None:
    """The first and the last seq kept of an epoch; None when it has none. Two seeks: min() and max() in one query would read them all."""
    query = "SELECT seq FROM events WHERE epoch_n = ? ORDER BY seq {} LIMIT 1"
    first, last = (connection.execute(query.format(order), (epoch_n,)).fetchone() for order in ("ASC", "DESC"))
    return (first[0], last[0]) if first else None


def _reason_for_new_epoch(connection: sqlite3.Connection, state: JournalState | None, mark: HighWater | None, *, restored: bool) -> str | None:
    if restored:
        return "restored"
    if state is None:
        return "created" if mark is None else "rolled_back"  # with a mark there was a journal here that is gone
    if mark is None:
        return None
    if mark.epoch == state.epoch:
        return "rolled_back" if mark.last_seq > state.last_seq else None
    known = connection.execute("SELECT 1 FROM epochs WHERE epoch = ?", (mark.epoch,)).fetchone()
    return None if known else "rolled_back"


def _begin_epoch(
    connection: sqlite3.Connection, source: str, old: JournalState | None, mark: HighWater | None, *, reason: str, clock: Clock
) -> JournalState:
    """Write the new epoch, its ``source_reset`` and the counters in one transaction."""
    seen_last = mark or (HighWater(epoch=old.epoch, last_seq=old.last_seq) if old else None)
    now_ns = clock.wall_ns()
    state = JournalState(
        source=source,
        instance_id=old.instance_id if old else secrets.token_hex(8),
        epoch_n=old.epoch_n + 1 if old else 1,
        epoch=secrets.token_hex(8),
        first_seq=1,
        last_seq=1,
        last_hash=GENESIS,
        counters=_leap(old.counters if old else {}, mark.counters if mark else {}) if reason != "created" else {},
    )
    payload = {
        "old_epoch": seen_last.epoch if seen_last else None,
        "old_last": seen_last.last_seq if seen_last else None,
        "new_epoch": state.epoch,
        "reason": reason,
    }
    event = make_event(source, SOURCE_RESET, payload, now_ns, epoch=state.epoch, seq=1, prev=GENESIS)
    state.last_hash, state.reset = chain_hash(event.body), event
    connection.execute("BEGIN IMMEDIATE")
    try:
        if old is None:
            connection.execute("INSERT INTO journal (source, instance_id) VALUES (?, ?)", (source, state.instance_id))
        connection.execute("INSERT INTO epochs VALUES (?, ?, ?, ?, ?)", (state.epoch_n, state.epoch, 1, reason, now_ns))
        connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (state.epoch_n, 1, now_ns, event.body))
        connection.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", list(state.counters.items()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    _log.warning("a new epoch begins", extra={"source": source, **payload})
    return state


def _leap(stored: Mapping[str, int], seen: Mapping[str, int]) -> dict[str, int]:
    return {name: max(stored.get(name, 0), seen.get(name, 0)) + COUNTER_LEAP for name in stored.keys() | seen.keys()}
