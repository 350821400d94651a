"""The token bucket: no more than the venue allows, cancels first, and nothing late."""

import asyncio

import pytest

from brokers.live.throttle import ORDER_S_MAX, Priority, Throttle
from brokers.live.venue import NotSent
from runtime.clock import NS_PER_S
from tests.brokers.live.virtual import VirtualClock, run_virtually


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    async def story() -> None:
        throttle, loop = Throttle(10, 3, VirtualClock()), asyncio.get_running_loop()
        begun, at = loop.time(), []
        for _ in range(8):
            await throttle.take(Priority.ORDER)
            at.append(round(loop.time() - begun, 2))
        assert at == [0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5]

    run_virtually(story)


def test_a_cancel_goes_before_everything_that_waits() -> None:
    async def story() -> None:
        throttle, done = Throttle(10, 1, VirtualClock()), []

        async def ask(name: str, priority: Priority) -> None:
            await throttle.take(priority)
            done.append(name)

        await throttle.take(Priority.READ)
        waiting = [asyncio.create_task(ask(f"read{n}", Priority.READ)) for n in range(2)]
        waiting += [asyncio.create_task(ask("order", Priority.ORDER))]
        await asyncio.sleep(0.01)
        waiting += [asyncio.create_task(ask("cancel", Priority.CANCEL))]
        await asyncio.gather(*waiting)
        assert done == ["cancel", "order", "read0", "read1"]

    run_virtually(story)


def test_what_waited_past_its_deadline_is_not_sent() -> None:
    async def story() -> None:
        clock = VirtualClock()
        throttle = Throttle(1, 1, clock)
        await throttle.take(Priority.ORDER)
        with pytest.raises(NotSent) as refusal:
            await throttle.take(Priority.ORDER, deadline_boot_ns=clock.boot_ns() + NS_PER_S // 2)
        assert refusal.value.code == "EXPIRED"

    run_virtually(story)


@pytest.mark.parametrize("priority", [Priority.ORDER, Priority.READ])
def test_who_would_wait_behind_too_many_is_refused_at_once(priority: Priority) -> None:
    async def story() -> None:
        throttle = Throttle(1, 1, VirtualClock(), waiting_max=2)
        await throttle.take(Priority.ORDER)
        waiting = [asyncio.create_task(throttle.take(Priority.ORDER)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(NotSent):
            await throttle.take(priority)
        await asyncio.gather(*waiting)

    run_virtually(story)


@pytest.mark.parametrize("priority", [Priority.CANCEL, Priority.GUARD])
def test_no_number_of_orders_keeps_a_stop_from_its_turn(priority: Priority) -> None:
    async def story() -> None:
        throttle, loop = Throttle(1, 1, VirtualClock(), waiting_max=2), asyncio.get_running_loop()
        await throttle.take(Priority.ORDER)
        begun_s = loop.time()
        waiting = [asyncio.create_task(throttle.take(Priority.ORDER)) for _ in range(2)]
        await asyncio.sleep(0)
        await throttle.take(priority)
        assert round(loop.time() - begun_s, 2) == 1.0
        await asyncio.gather(*waiting)

    run_virtually(story)


def test_who_has_given_up_counts_for_nobody_who_waits() -> None:
    async def story() -> None:
        throttle = Throttle(0.1, 1, VirtualClock(), waiting_max=2)
        await throttle.take(Priority.ORDER)
        for _ in range(5):
            late = await asyncio.gather(*(throttle.take(Priority.ORDER) for _ in range(2)), return_exceptions=True)
            assert all(each is None or "longer than 4 s" in str(each) for each in late), late
        assert len(throttle._queue) <= 2

    run_virtually(story)


def test_who_gives_up_waiting_takes_no_turn() -> None:
    async def story() -> None:
        throttle, loop = Throttle(10, 1, VirtualClock()), asyncio.get_running_loop()
        await throttle.take(Priority.ORDER)
        quitter = asyncio.create_task(throttle.take(Priority.ORDER))
        await asyncio.sleep(0.01)
        quitter.cancel()
        begun = loop.time()
        await throttle.take(Priority.ORDER)
        assert loop.time() - begun < 0.1

    run_virtually(story)


def test_a_venue_that_says_too_much_is_left_alone_for_a_while() -> None:
    async def story() -> None:
        throttle, loop = Throttle(10, 5, VirtualClock()), asyncio.get_running_loop()
        throttle.pause(3)
        begun = loop.time()
        await throttle.take(Priority.CANCEL)
        assert loop.time() - begun == pytest.approx(3, abs=0.2)

    run_virtually(story)


@pytest.mark.parametrize(
    ("deadline_s", "waits_s", "code"), [(None, ORDER_S_MAX, "VENUE_UNREACHABLE"), (30.0, ORDER_S_MAX, "VENUE_UNREACHABLE"), (0.5, 0.5, "EXPIRED")]
)
def test_an_order_is_told_that_it_was_not_sent_as_soon_as_that_is_clear(deadline_s: float | None, waits_s: float, code: str) -> None:
    """It waited for its turn until the call was given up, and whether it was sent was not known then."""

    async def story() -> None:
        clock = VirtualClock()
        throttle, loop = Throttle(0.01, 1, clock), asyncio.get_running_loop()
        await throttle.take(Priority.ORDER)
        begun_s = loop.time()
        with pytest.raises(NotSent) as refusal:
            await throttle.take(Priority.ORDER, deadline_boot_ns=None if deadline_s is None else clock.boot_ns() + round(deadline_s * NS_PER_S))
        assert (refusal.value.code, round(loop.time() - begun_s, 2)) == (code, waits_s)

    run_virtually(story)


def test_who_gave_up_takes_no_turn_from_those_behind() -> None:
    async def story() -> None:
        throttle, loop = Throttle(0.2, 1, VirtualClock()), asyncio.get_running_loop()
        await throttle.take(Priority.ORDER)
        begun_s = loop.time()
        order = asyncio.create_task(throttle.take(Priority.ORDER))
        read = asyncio.create_task(throttle.take(Priority.READ))
        with pytest.raises(NotSent):
            await order
        await read
        assert round(loop.time() - begun_s, 2) == 5.0

    run_virtually(story)
