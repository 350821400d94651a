"""Events leave after the answers of their group, in order, and none is left behind."""

import asyncio
from pathlib import Path

from brokers.events_out import EventsOut
from bus.txn import Txn
from tests.bus.journals import open_journal


class Heard:
    """What left, in the order it did: answers by name, events by topic."""

    def __init__(self) -> None:
        self.order: list[str] = []

    def publish(self, topic: bytes, body: bytes) -> None:
        self.order.append(topic.decode())


def tell_twice(txn: Txn) -> int:
    txn.append("oco_placed", {"order_id": "a"})
    return txn.append("order_cancelled", {"order_id": "a"})


async def test_who_waits_is_answered_before_the_events_are_published(tmp_path: Path) -> None:
    heard = Heard()
    with EventsOut(heard) as out:
        async with await open_journal(tmp_path, on_events=out.take) as journal:
            async with asyncio.timeout(30):
                while not heard.order:  # that the journal began is an event too
                    await asyncio.sleep(0.001)
                await journal.run(tell_twice)
                heard.order.append("answered")
                while len(heard.order) < 4:
                    await asyncio.sleep(0.001)
    assert heard.order == ["oanda.source_reset.", "answered", "oanda.oco_placed.", "oanda.order_cancelled."]


async def test_what_is_still_to_go_at_the_end_is_sent(tmp_path: Path) -> None:
    heard = Heard()
    with EventsOut(heard) as out:
        async with await open_journal(tmp_path, on_events=out.take) as journal:
            await journal.run(tell_twice)
    assert heard.order == ["oanda.source_reset.", "oanda.oco_placed.", "oanda.order_cancelled."]
