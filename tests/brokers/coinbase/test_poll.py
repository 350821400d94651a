"""Executions that are asked for without a word from the channel, while other things are told."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from unittest.mock import patch

from brokers.coinbase.answers import VenueFill
from brokers.coinbase.stream import _Line
from brokers.live.venue import Fact, LegGone, Unplaced
from tests.brokers.coinbase.kit import WAIT_S, Pair
from trading.orders import Leg

BEFORE, MEANWHILE, NEW = Unplaced(text="told before"), Unplaced(text="the stream was opened again"), LegGone(order_ref="one", leg=Leg.CLOSE)


async def test_what_is_told_while_executions_are_asked_for_is_neither_lost_nor_told_again(at: Pair) -> None:
    """What stands after a break was lost, and that the account has to be compared; what had stood before was told again after it was off."""
    asked, gate, wake = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slowly(_since_ns: int) -> Sequence[VenueFill]:
        asked.set()
        await gate.wait()
        return []

    line = _Line(down_since_ns=0, heard_ns=0, facts=[BEFORE])
    telling = SimpleNamespace(polled_ns=0, due_fills=lambda _: [NEW])
    with patch.object(at.venue._context.guard, "traded_since", slowly):
        poll = asyncio.create_task(at.venue._stream._poll(line, telling, wake, asyncio.Event(), 0))
        async with asyncio.timeout(WAIT_S):
            await asked.wait()
            told: list[Fact] = []
            told, line.facts = line.facts, []
            line.facts.append(MEANWHILE)
            gate.set()
            await wake.wait()
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    assert (told, line.facts) == ([BEFORE], [MEANWHILE, NEW])
