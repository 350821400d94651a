"""Rick's own tables, beside his journal's, and the one transaction that writes both.

An order is a row, so that a batch writes the orders it touched and not the whole memory. Writing a plan twice is writing it once: rows are replaced
by the same rows, and a comment whose event has one already is left out; so a commit of which nobody knows whether it happened may be done again.
"""

import json
import sqlite3
from collections.abc import Callable

import msgspec

from bus.txn import Txn
from dashboard.narrator.memory import Followed, Memory, Plan
from dashboard.narrator.state import ORDERS_MAX, Story, order_from_json, order_to_json

MIGRATIONS = (
    """
    CREATE TABLE followed (
        source   TEXT PRIMARY KEY,
        epoch    TEXT NOT NULL,
        seq      INTEGER NOT NULL,
        narrated INTEGER NOT NULL,
        streak   INTEGER NOT NULL,
        wins     INTEGER NOT NULL,
        losses   INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE story_orders (
        source   TEXT NOT NULL,
        order_id TEXT NOT NULL,
        body     TEXT NOT NULL,
        PRIMARY KEY (source, order_id)
    ) STRICT;
    """,
)


def load(connection: sqlite3.Connection) -> Memory:
    """The memory as it was committed last."""
    stories: dict[str, list[dict[str, object]]] = {}
    for source, body in connection.execute("SELECT source, body FROM story_orders"):
        stories.setdefault(source, []).append(json.loads(body))
    memory = {}
    for source, epoch, seq, narrated, streak, wins, losses in connection.execute(
        "SELECT source, epoch, seq, narrated, streak, wins, losses FROM followed"
    ):
        read = sorted(map(order_from_json, stories.get(source, [])), key=lambda order: order.placed_seq)
        story = Story(orders={order.order_id: order for order in read[-ORDERS_MAX:]}, streak=streak, wins=wins, losses=losses)
        memory[source] = Followed(epoch=epoch, seq=seq, narrated=narrated, story=story)
    return memory


def commit(before: Memory, plan: Plan) -> Callable[[Txn], int]:
    """The work that journals the plan's comments and writes its memory over ``before``; it returns how many comments it wrote."""

    def work(txn: Txn) -> int:
        narrated = {(source, epoch): seq for source, epoch, seq in txn.execute("SELECT source, epoch, narrated FROM followed").fetchall()}
        written = 0
        for comment, ts_ns in plan.comments:
            about = comment.about
            if about.seq > narrated.get((about.source, about.epoch), 0):
                txn.append("narration", comment.payload(), ts_ns)
                written += 1
        for source, followed in plan.memory.items():
            if followed is not before.get(source):
                _write(txn, source, before.get(source), followed)
        for source in before.keys() - plan.memory.keys():
            txn.execute("DELETE FROM story_orders WHERE source = ?", (source,))
            txn.execute("DELETE FROM followed WHERE source = ?", (source,))
        return written

    return work


def _write(txn: Txn, source: str, before: Followed | None, after: Followed) -> None:
    story, old = after.story, before.story.orders if before is not None else {}
    txn.execute(
        "INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?, ?, ?, ?)",
        (source, after.epoch, after.seq, after.narrated, story.streak, story.wins, story.losses),
    )
    gone = old.keys() - story.orders.keys()
    txn.executemany("DELETE FROM story_orders WHERE source = ? AND order_id = ?", [(source, order_id) for order_id in gone])
    changed = [order for order_id, order in story.orders.items() if order is not old.get(order_id)]
    txn.executemany(
        "INSERT OR REPLACE INTO story_orders VALUES (?, ?, ?)",
        [(source, order.order_id, msgspec.json.encode(order_to_json(order)).decode()) for order in changed],
    )
