"""Forged events and forked journals: none is delivered, and a fork rings."""

import msgpack
import pytest

from bus.asking import JITTER_NS_MAX
from bus.cursor import Position
from bus.envelope import Event, chain_hash, decode_event
from bus.fetch import FLOOR
from bus.notices import Alarm, Reset
from tests.bus.following import E1, E2, Desk, S, follow, forge, seqs
from tests.bus.owner import FakeOwner


def test_a_forged_next_event_with_a_wrong_hash_is_not_delivered() -> None:
    desk = follow(3)
    assert desk.hear(forge(4)) == []
    real = desk.owner.append()
    assert desk.hear(real) == [real]
    assert not [item for item in desk.heal() if isinstance(item, Alarm)]


def test_a_forged_event_far_ahead_asks_the_owner_once_and_is_forgotten() -> None:
    desk = follow(3)
    assert desk.hear(forge(1_000_000)) == []
    desk.wait(S)
    assert desk.settle() == []
    assert desk.follower.is_caught_up
    for _ in range(20):
        desk.wait(JITTER_NS_MAX)
        desk.beat()
        assert desk.asks() is None


def test_a_forged_heartbeat_from_the_past_is_put_to_the_owner_and_nothing_happens() -> None:
    desk = follow(3)
    desk.beat(last_seq=1)
    assert desk.heal() == []


def test_a_forged_epoch_on_the_bus_is_put_to_the_owner_and_nothing_happens() -> None:
    desk = follow(3)
    desk.hear(forge(4, epoch=E2))
    desk.beat(epoch=E2)
    assert desk.heal() == []
    assert seqs(desk.hear(desk.owner.append())) == [4]


def test_a_forgery_that_carries_the_right_hash_is_found_at_the_next_event_and_raises_the_fork_alarm() -> None:
    desk = follow(3)
    _, _, third = (decode_event(body) for body in desk.owner.bodies.values())
    assert seqs(desk.hear(forge(4, prev=chain_hash(third.body)))) == [4]
    out = desk.hear(desk.owner.append(), desk.owner.append())
    out += desk.heal()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 5)]
    assert [item.reason for item in out if isinstance(item, Reset)] == ["fork"]
    assert seqs(out) == [1, 2, 3, 4, 5]
    assert [item for item in out if isinstance(item, Event)][3].payload == {"n": 4}


def test_an_owner_that_has_lost_verified_events_raises_the_fork_alarm_and_is_read_again() -> None:
    desk = follow(5)
    desk.owner.roll_back(3)
    desk.beat()
    out = desk.heal()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 3)]
    assert Reset(source="oanda", old=Position(E1, 5), new=Position(E1, 0), reason="fork") in out
    assert seqs(out) == [1, 2, 3]


def test_an_answer_overtaken_by_the_bus_is_no_fork() -> None:
    """The owner's answer was made before the event that has come over the bus meanwhile."""
    desk = follow(3)
    desk.beat(last_seq=2)
    desk.wait(JITTER_NS_MAX)
    fetch = desk.asks()
    assert fetch is not None
    early = desk.owner.answer(fetch)
    desk.hear(desk.owner.append())
    desk.follower.page(fetch, early, desk.now_ns)
    assert not [item for item in desk.settle() if isinstance(item, Alarm)]


def test_a_journal_that_is_broken_inside_is_said_once_and_then_read_on() -> None:
    owner = FakeOwner()
    for _ in range(3):
        owner.append()
    owner.bodies[2] = forge(2, prev=decode_event(owner.bodies[2]).prev or "").body
    desk = Desk(owner, FLOOR)
    out = desk.settle()
    assert [(item.code, item.seq) for item in out if isinstance(item, Alarm)] == [("source_fork", 3)]
    assert seqs(out) == [1, 2, 1, 2, 3]
    assert desk.follower.is_caught_up


def test_two_instances_taking_turns_raise_an_alarm_and_a_restart_does_not() -> None:
    desk = follow(3)
    assert desk.beat(instance="a" * 16) == []
    assert desk.beat(instance="b" * 16) == []
    assert desk.beat(instance="b" * 16) == []
    assert [item.code for item in desk.beat(instance="a" * 16) if isinstance(item, Alarm)] == ["two_owners"]


@pytest.mark.parametrize(
    "change",
    [{"prev": None}, {"epoch": None}, {"seq": None}, {"seq": 5}, {"source": "coinbase"}, {"source": "Oanda"}, {"epoch": E2}, {"v": 2}, {"ts": "now"},
     {"type": "Order filled"}, {"payload": {"x": float("nan")}}],
    ids=str,
)  # fmt: skip
def test_a_next_event_with_one_thing_wrong_in_it_is_not_taken_for_the_next(change: dict[str, object]) -> None:
    """The hot path compares what other readers check; whatever is not exactly the next event goes the long way, and the events behind it too."""
    desk = follow(3)
    right = msgpack.unpackb(desk.owner.append().body)
    odd = msgpack.packb({**right, **change})
    behind = desk.owner.append().body
    bodies = iter([odd, behind])
    assert desk.follower.take_next(bodies) == odd
    assert desk.follower.take_next(bodies) == behind
    assert desk.follower.take() == []
    assert desk.follower.take_next(iter([msgpack.packb(right), behind])) is None
    assert seqs(desk.follower.take()) == [4, 5]


def test_before_the_owner_was_reached_nothing_is_taken_for_the_next() -> None:
    """An empty epoch and no hash are what a follower that has not begun would compare with."""
    body = msgpack.packb({**msgpack.unpackb(forge(1).body), "epoch": "", "prev": None})
    follower = Desk(FakeOwner(), FLOOR).follower
    assert follower.take_next(iter([body])) == body
    assert follower.take() == []
