"""Few new connections at a time, and none waited for that is not needed."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from brokers.oanda.pace import ConnectionPace
from runtime.clock import ManualClock


async def test_what_is_free_is_used_again_at_once() -> None:
    pace = ConnectionPace(ManualClock(), new_per_s=0.001)
    for _ in range(5):
        async with pace.connection():
            pass


async def test_a_second_connection_waits_for_the_first_or_for_its_time() -> None:
    clock = ManualClock()
    pace = ConnectionPace(clock, new_per_s=0.001)
    got: list[str] = []

    async def hold(name: str) -> None:
        async with pace.connection():
            got.append(name)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pace.connection())
        waiting = asyncio.create_task(hold("second"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert got == []
    await waiting
    assert got == ["second"]
    async with pace.connection():
        clock.advance(1001)
        async with pace.connection():
            assert pace._idle_since_ns == [], "its time had come"


async def test_a_connection_that_broke_or_idled_is_not_counted_on() -> None:
    clock = ManualClock()
    pace = ConnectionPace(clock, new_per_s=1.0)
    with pytest.raises(ConnectionError):
        async with pace.connection():
            raise ConnectionError
    assert pace._idle_since_ns == []
    clock.advance(1)
    async with pace.connection():
        pass
    assert len(pace._idle_since_ns) == 1
    clock.advance(16)
    async with pace.connection():
        assert pace._may_open_ns > clock.boot_ns(), "it was a new one"
