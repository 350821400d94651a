"""bus/draining.py: no message is left lying because its signal was swallowed, and no flood of rubbish becomes a flood of log lines."""

import asyncio
import logging
import time
from collections.abc import Iterator

import pytest
import zmq

from bus.draining import BURST_MESSAGES_MAX, Complaints, Drain, Socket

Pair = tuple[Socket, Socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two connected sockets, ours and theirs; what theirs sends is in our queue when ``send`` returns."""
    with zmq.Context() as context, context.socket(zmq.PAIR) as ours, context.socket(zmq.PAIR) as theirs:
        ours.linger = theirs.linger = 0
        ours.bind("inproc://pair")
        theirs.connect("inproc://pair")
        yield ours, theirs


class Inbox:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._came = asyncio.Event()

    def __call__(self, frames: list[bytes]) -> None:
        self.messages.append(frames[0])
        self._came.set()
        if frames[0] == b"poison":
            raise ValueError("poison")

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < count:
                self._came.clear()
                await self._came.wait()


async def test_more_messages_than_one_burst_are_all_read(pair: Pair) -> None:
    """Their one signal is spent by the first burst."""
    ours, theirs = pair
    for number in range(3 * BURST_MESSAGES_MAX + 1):
        theirs.send(b"%d" % number)
    inbox = Inbox()
    drain = Drain(ours, inbox)
    await inbox.wait_for(3 * BURST_MESSAGES_MAX + 1)
    assert inbox.messages[-1] == b"300"
    drain.close()


async def test_other_work_of_the_loop_gets_its_turn_between_bursts(pair: Pair) -> None:
    ours, theirs = pair
    for _ in range(9 * BURST_MESSAGES_MAX):
        theirs.send(b"x")
    inbox = Inbox()
    drain = Drain(ours, inbox)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert 0 < len(inbox.messages) < 9 * BURST_MESSAGES_MAX
    await inbox.wait_for(9 * BURST_MESSAGES_MAX)
    drain.close()


async def test_a_message_whose_signal_a_send_has_swallowed_is_read_after_a_look(pair: Pair) -> None:
    ours, theirs = pair
    inbox = Inbox()
    drain = Drain(ours, inbox)
    theirs.send(b"first")
    await inbox.wait_for(1)
    theirs.send(b"second")
    time.sleep(0.01)  # libzmq looks at its signals in a send only when it has not done so for some milliseconds
    ours.send(b"swallows the signal")
    await asyncio.sleep(0.05)
    assert inbox.messages == [b"first"]  # nothing tells us: that is what look() is for
    drain.look()
    await inbox.wait_for(2)
    drain.close()


async def test_a_message_that_cannot_be_handled_does_not_end_the_reading(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = pair
    inbox = Inbox()
    drain = Drain(ours, inbox)
    for message in (b"poison", b"fine"):
        theirs.send(message)
    await inbox.wait_for(2)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == ["a message could not be handled"]
    drain.close()


async def test_nothing_is_read_after_closing(pair: Pair) -> None:
    ours, theirs = pair
    inbox = Inbox()
    drain = Drain(ours, inbox)
    drain.close()
    drain.close()
    drain.look()
    theirs.send(b"late")
    await asyncio.sleep(0.02)
    assert not inbox.messages


def test_complaints_are_all_counted_and_said_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    complaints = Complaints("rubbish came", clock=lambda: now[0])
    for _ in range(1000):
        complaints.add("x" * 1000)
    now[0] += 1.0
    complaints.add("again")
    said = [record for record in caplog.records if record.message == "rubbish came"]
    assert complaints.count == 1001
    assert [(record.times, len(record.reason)) for record in said] == [(1, 200), (1000, 5)]  # type: ignore[attr-defined]
