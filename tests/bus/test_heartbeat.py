"""Heartbeats: what each program says every second."""

import asyncio
from pathlib import Path

import pytest
import zmq

from bus.envelope import Event, decode_event
from bus.heartbeat import HeartbeatTask, StandIn
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


def test_a_stand_in_says_the_last_beat_again_as_degraded_and_nothing_of_the_journal() -> None:
    """A number of the journal that is heard after a newer one would look like a journal that went backwards."""
    own, other = Recorder(), Recorder()
    task = _task(own, {"epoch": "0" * 16, "first_seq": 1, "last_seq": 7, "mode": "paper", "metrics": {"lag": 0, "arena_degraded": 0}})
    task.beat_degraded(other)  # type: ignore[arg-type]  # a recorder, as above
    assert other.heard.empty(), "nothing has been said that could be said again"
    task.beat()
    task.beat_degraded(other)  # type: ignore[arg-type]
    payload, said = other.heard.get_nowait()[1].payload, own.heard.get_nowait()[1].payload
    degraded = {"epoch": None, "first_seq": None, "last_seq": None, "status": "degraded", "metrics": {"lag": 0, "arena_degraded": 1}}
    assert payload == {**said, **degraded}
    task.beat(status="stopping")
    task.beat_degraded(other)  # type: ignore[arg-type]
    assert other.heard.empty(), "who stops has said so"


def test_a_stand_in_has_a_connection_of_its_own(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/pub.sock"
    with zmq.Context() as context, context.socket(zmq.SUB) as reader, StandIn(address) as stand_in:
        reader.setsockopt(zmq.SUBSCRIBE, b"")
        reader.bind(address)
        stand_in.beat()  # for nobody yet
        task = _task(Recorder())
        task.beat()
        stand_in.heartbeat = task
        for _ in range(300):  # until the connection is there
            stand_in.beat()
            if reader.poll(100):
                break
        topic, body = reader.recv_multipart()
        assert (topic, decode_event(body).payload["status"]) == (b"oanda.heartbeat.", "degraded")
