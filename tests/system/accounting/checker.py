"""The accounting: does what was promised hold in this evidence? Invariants I1 and I3 to I8 of docs/promises.md, each as one function.

A finding is a sentence that names the order or the seq. No finding means the run is clean; the checker's own tests plant a lost, a doubled, a
reordered, a late and a silently missing event and see each found.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.system.accounting.evidence import GENESIS, Connection, Evidence, Journalled, Notice, Sent, Shown

# A journal's own timestamp against the sender's clock, on one machine.
CLOCK_SLACK_S = 2.0
HEALED_S_MAX = 10.0


def findings(evidence: Evidence) -> dict[str, list[str]]:
    """What is wrong, by kind: lost, dup, late, chain, watcher, state, undecided. Every kind is present, empty when clean."""
    return {
        "lost": list(lost(evidence)),
        "dup": list(doubled(evidence)),
        "late": list(late(evidence)),
        "chain": list(broken_chains(evidence)),
        "watcher": list(wrong_watchers(evidence)),
        "state": list(wrong_states(evidence)),
        "undecided": list(undecided(evidence)),
    }


def summary(check: str, seed: int, evidence: Evidence, found: dict[str, list[str]]) -> str:
    """The run in one JSON line."""
    acked = sum(1 for sent in evidence.sent if sent.acknowledged_ids)
    rejected = sum(1 for sent in evidence.sent if sent.is_refused)
    line = {
        "check": check,
        "seed": seed,
        "sent": len(evidence.sent),
        "acked": acked,
        "rejected": rejected,
        "resolved": len(evidence.sent) - acked - rejected,
        "lost": len(found["lost"]),
        "dup": len(found["dup"]),
        "late": len(found["late"]),
        "healed_p99": healed_p99_s(evidence),
        "pass": not any(found.values()),
    }
    return json.dumps(line)


def lost(evidence: Evidence) -> Iterator[str]:
    """I1: an acknowledged order without its event in the owner's journal."""
    placed = {str(event.payload["order_id"]) for journal in evidence.journals.values() for event in journal if event.type == "oco_placed"}
    for sent in evidence.sent:
        for order_id in sent.acknowledged_ids - placed:
            yield f"{order_id} ({sent.client_order_id}) was acknowledged and is in no journal"


def doubled(evidence: Evidence) -> Iterator[str]:
    """I1, I2: a client id or an order id placed more than once, or one client told of two orders."""
    by_client: Counter[tuple[str, str]] = Counter()
    by_order: Counter[str] = Counter()
    for source, journal in evidence.journals.items():
        for event in journal:
            if event.type == "oco_placed":
                by_client[source, str(event.payload["client_order_id"])] += 1
                by_order[str(event.payload["order_id"])] += 1
    yield from (f"{client_id} was placed {count} times at {source}" for (source, client_id), count in by_client.items() if count > 1)
    yield from (f"{order_id} was placed {count} times" for order_id, count in by_order.items() if count > 1)
    yield from (f"{sent.client_order_id} was told of {sorted(sent.acknowledged_ids)}" for sent in evidence.sent if len(sent.acknowledged_ids) > 1)


def late(evidence: Evidence) -> Iterator[str]:
    """I7: placed after its deadline."""
    sent_by_id: dict[tuple[str, str], Sent] = {(sent.source, sent.client_order_id): sent for sent in evidence.sent}
    for source, journal in evidence.journals.items():
        for event in journal:
            sent = sent_by_id.get((source, str(event.payload.get("client_order_id")))) if event.type == "oco_placed" else None
            if sent and event.ts_s > sent.sent_wall_s + sent.ttl_s + CLOCK_SLACK_S:
                yield f"{sent.client_order_id} was placed {event.ts_s - sent.sent_wall_s:.1f} s after it was sent"


def broken_chains(evidence: Evidence) -> Iterator[str]:
    """I4: per source and epoch, seq is 1..N without a hole, and each event names the hash of the one before."""
    for source, journal in evidence.journals.items():
        before: Journalled | None = None
        for event in journal:
            if before is None or before.epoch != event.epoch:
                wanted_seq, wanted_prev = 1, GENESIS
            else:
                wanted_seq, wanted_prev = before.seq + 1, before.digest
            if event.seq != wanted_seq:
                yield f"{source}@{event.epoch}: {event.seq} follows {wanted_seq - 1}"
            elif event.prev != wanted_prev:
                yield f"{source}@{event.epoch}:{event.seq} does not name the hash of the event before it"
            before = event


def wrong_watchers(evidence: Evidence) -> Iterator[str]:
    """I5: each connection shows what the journal has, in order, without a double, and says what it leaves out."""
    truth = {(event.source, event.epoch, event.seq): event for journal in evidence.journals.values() for event in journal}
    for connection in evidence.connections:
        yield from _wrong_connection(connection, truth)


def _wrong_connection(connection: Connection, truth: dict[tuple[str, str, int], Journalled]) -> Iterator[str]:
    place: dict[str, tuple[str, int]] = {}
    for item in connection.items:
        if isinstance(item, Notice):
            place = _after_notice(place, item)
            continue
        event = truth.get((item.source, item.epoch, item.seq))
        if event is None:
            yield f"{connection.watcher} was shown {item.source}@{item.epoch}:{item.seq}, which is in no journal"
        elif (event.type, event.payload) != (item.type, item.payload):
            yield f"{connection.watcher} was shown another {item.source}@{item.epoch}:{item.seq} than the journal has"
        epoch, seq = place.get(item.source, (item.epoch, item.seq - 1))
        if epoch != item.epoch:
            yield f"{connection.watcher} went from {item.source}@{epoch} to @{item.epoch} without a reset"
        elif item.seq <= seq:
            yield f"{connection.watcher} was shown {item.source}:{item.seq} after {seq}"
        elif item.seq != seq + 1:
            yield f"{connection.watcher} jumped from {item.source}:{seq} to {item.seq} without a gap"
        place[item.source] = (item.epoch, item.seq)


def _after_notice(place: dict[str, tuple[str, int]], notice: Notice) -> dict[str, tuple[str, int]]:
    if notice.kind == "gap" and notice.epoch is not None:
        return {**place, notice.source: (notice.epoch, notice.last)}
    if notice.source == "*":
        return {}
    return {source: at for source, at in place.items() if source != notice.source}


STATUS_AFTER = {
    ("oco_placed", None): "PENDING",
    ("order_partially_filled", "entry"): "PARTIALLY_FILLED",
    ("order_filled", "entry"): "OPEN",
    ("bracket_closed", None): "CLOSED",
    ("order_cancelled", "entry"): "CANCELLED",
}


def wrong_states(evidence: Evidence) -> Iterator[str]:
    """I6: an order's status is that of its last event."""
    told: dict[str, str] = {}
    for journal in evidence.journals.values():
        for event in journal:
            leg = event.payload.get("leg") if event.type.startswith("order_") else None
            status = STATUS_AFTER.get((event.type, str(leg) if leg else None))
            if status == "CANCELLED" and event.payload.get("reason") == "ttl_expired":
                status = "EXPIRED"
            if status and isinstance(event.payload.get("order_id"), str):
                told[str(event.payload["order_id"])] = status
    for order_id, status in evidence.statuses.items():
        if order_id in told and told[order_id] != status:
            yield f"{order_id} is {status}, and its last event says {told[order_id]}"


def undecided(evidence: Evidence) -> Iterator[str]:
    """I3: what was sent is acknowledged, refused or resolved; nothing refused is in a journal; nothing stays unknown."""
    placed = {
        (source, str(event.payload["client_order_id"]))
        for source, journal in evidence.journals.items()
        for event in journal
        if event.type == "oco_placed"
    }
    for sent in evidence.sent:
        key = (sent.source, sent.client_order_id)
        # A refusal of a repeat (void, late) after a first try that went unanswered may stand beside an order; a lone refusal may not.
        if sent.is_refused and key in placed and all(status in {400, 403, 422} for status, _ in sent.answers):
            yield f"{sent.client_order_id} was refused, and is in the journal"
        if not sent.acknowledged_ids and not sent.is_refused and sent.client_order_id not in evidence.resolved:
            yield f"{sent.client_order_id} was never decided"
    yield from (f"{order_id} stays UNKNOWN" for order_id, status in evidence.statuses.items() if status in {"UNKNOWN", "SUBMITTING"})


def healed_p99_s(evidence: Evidence) -> float:
    """Seconds from an event's own time to its showing, the 99th percentile over what was shown live; 0 when nothing was."""
    truth = {(event.source, event.epoch, event.seq): event.ts_s for journal in evidence.journals.values() for event in journal}
    waits: dict[str, list[float]] = defaultdict(list)
    for connection in evidence.connections:
        for item in connection.items:
            if isinstance(item, Shown) and (item.source, item.epoch, item.seq) in truth:
                waits[connection.watcher].append(item.at_s - truth[item.source, item.epoch, item.seq])
    every = sorted(wait for listed in waits.values() for wait in listed)
    return round(every[min(len(every) - 1, int(len(every) * 0.99))], 3) if every else 0.0
