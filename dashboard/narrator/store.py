"""Rick's own tables, beside his journal's, and the one transaction that writes both.

Comments are written with how far they go (``narrated``), always. The story beside them is kept every REREAD_EVENTS events: from there the events are
read again at a start, and tell the same story, without comments this time. So a flood costs a row an event, its comment, and not two more for an
order that is remembered and one that is forgotten.

Writing a plan twice is writing it once: rows are replaced by the same rows, and a comment whose event has one already is left out; so a commit of
which nobody knows whether it happened may be done again.
"""

import sqlite3
from collections.abc import Callable

from bus.txn import Txn
from dashboard.narrator.memory import Followed, Memory, Plan
from dashboard.narrator.state import ORDERS_MAX, KnownOrder, Story, order_from_json, order_to_json

REREAD_EVENTS = 1_000  # two pages of the owner's, a fraction of a second; it keeps a million events, and at least thirty days

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
    """The memory as it was kept last."""
    stories: dict[str, list[KnownOrder]] = {}
    for source, body in connection.execute("SELECT source, body FROM story_orders"):
        stories.setdefault(source, []).append(order_from_json(body))
    memory = {}
    for source, epoch, seq, narrated, streak, wins, losses in connection.execute(
        "SELECT source, epoch, seq, narrated, streak, wins, losses FROM followed"
    ):
        orders = sorted(stories.get(source, []), key=lambda order: order.placed_seq)
        story = Story(orders[-ORDERS_MAX:], streak=streak, wins=wins, losses=losses)
        memory[source] = Followed(epoch=epoch, seq=seq, narrated=narrated, story=story)
    return memory


def to_keep(kept: Memory, plan: Plan) -> Memory:
    """What the store is to hold after ``plan``: a source as it is ``kept`` while that is recent, else as it is now."""
    return {
        source: kept[source] if source in kept and source not in plan.begun and now.seq < kept[source].seq + REREAD_EVENTS else now
        for source, now in plan.memory.items()
    }


def commit(kept: Memory, plan: Plan) -> Callable[[Txn], int]:
    """The work that journals the plan's comments and brings the store from ``kept`` to what is ``to_keep``; it returns how many comments it wrote."""
    keep = to_keep(kept, plan)

    def work(txn: Txn) -> int:
        narrated = {(source, epoch): seq for source, epoch, seq in txn.execute("SELECT source, epoch, narrated FROM followed").fetchall()}
        written = 0
        for comment, ts_ns in plan.comments:
            about = comment.about
            if about.seq > narrated.get((about.source, about.epoch), 0):
                txn.append("narration", comment.payload(), ts_ns)
                written += 1
        for source, now in plan.memory.items():
            if keep[source] is now:
                if now is not kept.get(source):
                    _write(txn, source, kept.get(source), now)
            elif now.narrated > narrated.get((source, now.epoch), 0):
                txn.execute("UPDATE followed SET narrated = ? WHERE source = ?", (now.narrated, source))
        for source in kept.keys() - plan.memory.keys():
            txn.execute("DELETE FROM story_orders WHERE source = ?", (source,))
            txn.execute("DELETE FROM followed WHERE source = ?", (source,))
        return written

    return work


def _write(txn: Txn, source: str, kept: Followed | None, now: Followed) -> None:
    story, old = now.story, kept.story.orders if kept is not None else {}
    txn.execute(
        "INSERT OR REPLACE INTO followed VALUES (?, ?, ?, ?, ?, ?, ?)",
        (source, now.epoch, now.seq, now.narrated, story.streak, story.wins, story.losses),
    )
    gone = old.keys() - story.orders.keys()
    txn.executemany("DELETE FROM story_orders WHERE source = ? AND order_id = ?", [(source, order_id) for order_id in gone])
    changed = [order for order_id, order in story.orders.items() if order is not old.get(order_id)]
    txn.executemany("INSERT OR REPLACE INTO story_orders VALUES (?, ?, ?)", [(source, order.order_id, order_to_json(order)) for order in changed])
