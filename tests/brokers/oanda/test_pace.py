"""Few new connections at a time, and none waited for that is not needed."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from brokers.live.throttle import Priority
from brokers.oanda.pace import ConnectionPace
from runtime.clock import ManualClock


async def test_what_is_free_is_used_again_at_once() -> None:
    pace = ConnectionPace(ManualClock(), new_per_s=0.001)
    for _ in range(5):
        async with pace.connection(Priority.READ):
            pass


async def test_a_second_connection_waits_for_the_first_or_for_its_time() -> None:
    clock = ManualClock()
    pace = ConnectionPace(clock, new_per_s=0.001)
    got: list[str] = []

    async def hold(name: str) -> None:
        async with pace.connection(Priority.READ):
            got.append(name)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pace.connection(Priority.READ))
        waiting = asyncio.create_task(hold("second"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert got == []
    await waiting
    assert got == ["second"]
    async with pace.connection(Priority.READ):
        clock.advance(1001)
        async with pace.connection(Priority.READ):
            assert pace._idle_since_ns == [], "its time had come"


async def test_a_connection_that_broke_or_idled_is_not_counted_on() -> None:
    clock = ManualClock()
    pace = ConnectionPace(clock, new_per_s=1.0)
    with pytest.raises(ConnectionError):
        async with pace.connection(Priority.READ):
            raise ConnectionError
    assert pace._idle_since_ns == []
    clock.advance(1)
    async with pace.connection(Priority.READ):
        pass
    assert len(pace._idle_since_ns) == 1
    clock.advance(16)
    async with pace.connection(Priority.READ):
        assert pace._may_open_ns > clock.boot_ns(), "it was a new one"


async def test_a_cancel_stands_behind_no_look_that_waits() -> None:
    """At a slow venue every look holds its connection for long; what takes risk off gets the next one, though it asked last."""
    pace = ConnectionPace(ManualClock(), new_per_s=0.001)
    got: list[Priority] = []

    async def ask(priority: Priority) -> None:
        async with pace.connection(priority):
            got.append(priority)

    asked = [*[Priority.READ] * 5, Priority.ORDER, Priority.CANCEL]
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks, pace.connection(Priority.READ):
        for priority in asked:
            tasks.create_task(ask(priority))
        await asyncio.sleep(0)
        assert got == []
    assert got == sorted(asked)


async def test_who_gives_up_waiting_takes_no_connection_along() -> None:
    pace = ConnectionPace(ManualClock(), new_per_s=0.001)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pace.connection(Priority.READ))
        given_up = asyncio.create_task(stack.enter_async_context(pace.connection(Priority.CANCEL)))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait({given_up})
    async with asyncio.timeout(30), pace.connection(Priority.READ):
        pass
