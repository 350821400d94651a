"""Heartbeats: what each program says every second."""

import asyncio

import pytest

from bus.envelope import Event, decode_event
from bus.heartbeat import HeartbeatTask
from runtime.clock import ManualClock


class Recorder:
    """Stands where the publisher does; ``heard`` holds what was published, ``beats`` counts it down for a waiter."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Event]] = asyncio.Queue()

    def publish(self, topic: bytes, body: bytes) -> None:
        self.heard.put_nowait((topic, decode_event(body)))


def _task(recorder: Recorder, snapshot: dict[str, object] | None = None) -> HeartbeatTask:
    return HeartbeatTask("oanda", recorder, lambda: snapshot or {}, ManualClock(), 0.01)  # type: ignore[arg-type]


async def test_a_beat_says_what_the_program_is_and_how_far_its_journal_has_come() -> None:
    recorder = Recorder()
    task = _task(recorder, {"epoch": "0" * 16, "first_seq": 1, "last_seq": 7, "mode": "paper", "trading_state": "ACTIVE", "metrics": {"lag": 0}})
    task.beat()
    topic, event = recorder.heard.get_nowait()
    assert topic == b"oanda.heartbeat."
    assert event.payload == {
        "epoch": "0" * 16,
        "first_seq": 1,
        "last_seq": 7,
        "instance": task.instance,
        "mode": "paper",
        "trading_state": "ACTIVE",
        "status": "ok",
        "metrics": {"lag": 0},
    }
    assert (event.source, event.type, event.seq) == ("oanda", "heartbeat", None)


def test_a_program_without_a_journal_says_null() -> None:
    recorder = Recorder()
    _task(recorder).beat()
    payload = recorder.heard.get_nowait()[1].payload
    assert (payload["epoch"], payload["first_seq"], payload["last_seq"]) == (None, None, None)


def test_each_start_has_its_own_instance() -> None:
    assert _task(Recorder()).instance != _task(Recorder()).instance


async def test_it_beats_until_cancelled_and_then_says_that_it_stops() -> None:
    recorder = Recorder()
    running = asyncio.create_task(_task(recorder).run())
    for _ in range(3):
        assert (await asyncio.wait_for(recorder.heard.get(), 30))[1].payload["status"] == "ok"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    said = []
    while not recorder.heard.empty():
        said.append(recorder.heard.get_nowait()[1].payload["status"])
    assert said[-1] == "stopping"


async def test_a_bug_in_the_snapshot_comes_out() -> None:
    def broken() -> dict[str, object]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await HeartbeatTask("oanda", Recorder(), broken, ManualClock(), 0.01).run()  # type: ignore[arg-type]
