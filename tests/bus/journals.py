"""What the tests of the journal share: opening one that reports its failures, and reading everything that it holds."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bus.envelope import GENESIS, Event, chain_hash, decode_event
from bus.jobs import StoreFailed
from bus.journal import Journal
from bus.txn import Txn
from runtime.clock import Clock, ManualClock
from runtime.settings import StoreSettings
from trading.errors import OrderDenied

TABLES = ("CREATE TABLE orders (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT",)


def _unexpected(error: StoreFailed) -> None:
    raise error


async def open_journal(
    directory: Path,
    source: str = "oanda",
    *,
    migrations: Sequence[str] = TABLES,
    clock: Clock | None = None,
    settings: StoreSettings | None = None,
    on_failure: Callable[[StoreFailed], None] = _unexpected,
    **options: Any,
) -> Journal:
    return await Journal.open(
        directory / f"{source}.db",
        source,
        migrations=migrations,
        clock=clock or ManualClock(),
        settings=settings or StoreSettings(free_mb_min=1),
        on_failure=on_failure,
        **options,
    )


class Gate:
    """A work that holds the writer until it is opened, so that what is queued meanwhile shares the next groups."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._open = threading.Event()

    def __call__(self, txn: Txn) -> None:
        self._entered.set()
        assert self._open.wait(20)
        time.sleep(0.005)  # longer than a group is kept open, so that what waits comes in groups of its own

    async def entered(self) -> None:
        assert await asyncio.to_thread(self._entered.wait, 20)

    def open(self) -> None:
        self._open.set()


def place(order_id: str, body: str = "x") -> Callable[[Txn], int]:
    """A work: one row and one event."""

    def work(txn: Txn) -> int:
        txn.execute("INSERT INTO orders VALUES (?, ?)", (order_id, body))
        return txn.append("oco_placed", {"order_id": order_id})

    return work


def deny_after_writing(order_id: str) -> Callable[[Txn], int]:
    def work(txn: Txn) -> int:
        place(order_id)(txn)
        raise OrderDenied("too late to say no")

    return work


async def all_events(journal: Journal) -> list[Event]:
    """Everything in the current epoch, page by page, checked: no hole, and the chain holds."""
    events: list[Event] = []
    while True:
        page = await journal.events_since(None, events[-1].seq or 0 if events else 0)
        if not page.events:
            check_chain(events)
            return events
        events += [decode_event(body) for body in page.events]


def check_chain(events: Sequence[Event]) -> None:
    prev = GENESIS
    for seq, event in enumerate(events, 1):
        assert (event.seq, event.prev) == (seq, prev)
        prev = chain_hash(event.body)


def order_ids(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT id FROM orders")}


async def stored_orders(journal: Journal) -> set[str]:
    return await journal.read(order_ids)
