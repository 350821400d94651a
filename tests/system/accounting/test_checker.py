"""The checker finds what it must: each fault is planted in clean evidence, one at a time."""

import copy
import json
from collections.abc import Callable

import pytest

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.evidence import GENESIS, Connection, Evidence, Journalled, Notice, Sent, Shown


def clean() -> Evidence:
    """Three orders, acknowledged, journalled and shown to one watcher."""
    journal: list[Journalled] = []
    prev = GENESIS
    rows = [("source_reset", {}), *(("oco_placed", {"order_id": f"paper-oanda-{n}", "client_order_id": f"c{n}"}) for n in (1, 2, 3))]
    for seq, (kind, payload) in enumerate(rows, 1):
        event = Journalled(
            source="oanda", epoch="a" * 16, seq=seq, prev=prev, type=kind, payload=payload, ts_s=100.0 + seq, body=f"{seq}{kind}{payload}".encode()
        )
        journal.append(event)
        prev = event.digest
    sent = [
        Sent(source="oanda", client_order_id=f"c{n}", sent_wall_s=100.0 + n, ttl_s=3, answers=[(201, {"order_id": f"paper-oanda-{n}"})])
        for n in (1, 2, 3)
    ]
    shown: list[Shown | Notice] = [
        Shown(source=event.source, epoch=event.epoch, seq=event.seq, type=event.type, payload=event.payload, at_s=event.ts_s + 0.01)
        for event in journal
    ]
    statuses = {f"paper-oanda-{n}": "PENDING" for n in (1, 2, 3)}
    return Evidence(sent=sent, journals={"oanda": journal}, connections=[Connection(watcher="gateway", items=shown)], statuses=statuses)


def test_clean_evidence_has_no_finding_and_one_line() -> None:
    evidence = clean()
    found = findings(evidence)
    assert not any(found.values()), found
    line = json.loads(summary("clean", 1, evidence, found))
    counts = {"sent": 3, "acked": 3, "rejected": 0, "resolved": 0, "lost": 0, "dup": 0, "late": 0}
    assert line == {"check": "clean", "seed": 1, **counts, "healed_p99": 0.01, "pass": True}


def lose(evidence: Evidence) -> None:
    evidence.journals["oanda"].pop()  # type: ignore[attr-defined]  # a list, made above


def double(evidence: Evidence) -> None:
    last = evidence.journals["oanda"][-1]
    again = Journalled(
        source="oanda",
        epoch=last.epoch,
        seq=5,
        prev=last.digest,
        type="oco_placed",
        payload={**last.payload, "order_id": "paper-oanda-9"},
        ts_s=105,
        body=b"x",
    )
    evidence.journals["oanda"].append(again)  # type: ignore[attr-defined]


def tell_two(evidence: Evidence) -> None:
    evidence.sent[0].answers.append((200, {"order_id": "paper-oanda-2"}))


def be_late(evidence: Evidence) -> None:
    evidence.sent[0].sent_wall_s -= 10


def reorder(evidence: Evidence) -> None:
    items = evidence.connections[0].items
    items[1], items[2] = items[2], items[1]


def repeat(evidence: Evidence) -> None:
    evidence.connections[0].items.append(evidence.connections[0].items[-1])


def skip(evidence: Evidence) -> None:
    del evidence.connections[0].items[1]


def forge(evidence: Evidence) -> None:
    item = evidence.connections[0].items[2]
    assert isinstance(item, Shown)
    evidence.connections[0].items[2] = Shown(
        source=item.source, epoch=item.epoch, seq=item.seq, type=item.type, payload={"order_id": "other"}, at_s=item.at_s
    )


def alter_history(evidence: Evidence) -> None:
    event = evidence.journals["oanda"][1]
    changed = Journalled(**{**{name: getattr(event, name) for name in event.__dataclass_fields__}, "body": b"altered"})
    evidence.journals["oanda"][1] = changed  # type: ignore[index]


def wrong_state(evidence: Evidence) -> None:
    evidence.statuses["paper-oanda-1"] = "OPEN"  # type: ignore[index]


def never_decide(evidence: Evidence) -> None:
    evidence.sent[0].answers[:] = [(202, {"status": "UNKNOWN"})]


def refuse_what_stands(evidence: Evidence) -> None:
    evidence.sent[0].answers[:] = [(422, {"code": "PRICE_OFF_TICK"})]


PLANTED: list[tuple[Callable[[Evidence], None], str]] = [
    (lose, "lost"),
    (double, "dup"),
    (tell_two, "dup"),
    (be_late, "late"),
    (reorder, "watcher"),
    (repeat, "watcher"),
    (skip, "watcher"),
    (forge, "watcher"),
    (alter_history, "chain"),
    (wrong_state, "state"),
    (never_decide, "undecided"),
    (refuse_what_stands, "undecided"),
]


@pytest.mark.parametrize(("plant", "kind"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_fault_is_found(plant: Callable[[Evidence], None], kind: str) -> None:
    evidence = copy.deepcopy(clean())
    plant(evidence)
    assert findings(evidence)[kind]


def test_a_gap_that_is_said_is_no_finding() -> None:
    evidence = clean()
    items = evidence.connections[0].items
    items[1:3] = [Notice(kind="gap", source="oanda", epoch="a" * 16, first=2, last=3)]
    assert not findings(evidence)["watcher"]
