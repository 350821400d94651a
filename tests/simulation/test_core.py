"""Thousands of schedules of the core against a store, a network and a clock that lie: nothing lost, doubled, late or silently missing.

`ARENA_SIMULATION=20000 ARENA_SIMULATION_SEED=1` runs that many from that seed on; a failing seed is in the message and replays alone.
"""

import json
import os

import pytest

from bus.cursor import Position
from bus.envelope import GENESIS, Event, chain_hash
from bus.notices import Alarm, Gap, Reset, Synced
from tests.simulation.world import World

SCHEDULES = int(os.environ.get("ARENA_SIMULATION", "150"))
FIRST_SEED = int(os.environ.get("ARENA_SIMULATION_SEED", "1"))
STEPS = 120
# 1678: an id was called void because of a write that was then taken back, and could still be placed.
FOUND = (1678,)


def played(seed: int) -> World:
    """The world at the end of the schedule of ``seed``."""
    world = World(seed)
    try:
        for _ in range(STEPS):
            world.step()
        world.calm()
    except BaseException:
        world.close()
        raise
    return world


def check(world: World) -> None:
    rows = world.connection.real.execute("SELECT client_order_id, n, void_reason FROM client_ids").fetchall()
    by_client = {client_order_id: (n, void) for client_order_id, n, void in rows}
    assert len(by_client) == len(rows)
    stored = {f"paper-oanda-{n}" for (n,) in world.connection.real.execute("SELECT n FROM orders")}
    assert not world.executed_late
    for client_order_id, told in world.told.items():
        ids = {order_id for kind, order_id in told.replies if kind == "ok"}
        if not world.restores:  # what came after the backup is gone, and its clients are told by the reset
            assert len(ids) <= 1, f"{client_order_id} was told of {ids}"
            assert ids <= stored, f"{ids} was acknowledged and is lost"
            assert not (ids and ("void", "") in told.replies), f"{client_order_id} was placed and void"
    assert set(by_client) == set(world.known), "something was never decided"
    check_journal(world)
    check_reader(world)


def check_journal(world: World) -> None:
    """The chain holds in every epoch, the current one has no hole, and each order in it has exactly one event of its placing."""
    query = "SELECT e.seq, e.body, p.epoch FROM events e JOIN epochs p ON p.n = e.epoch_n WHERE e.epoch_n = ? ORDER BY e.seq"
    bodies = world.connection.real.execute(query, (world.state.epoch_n,)).fetchall()
    assert [seq for seq, _, _ in bodies] == list(range(1, world.state.last_seq + 1))
    before = GENESIS
    placed = []
    for seq, body, _ in bodies:
        event = decode(body)
        assert (event.prev, event.seq) == (before, seq)
        before = chain_hash(body)
        if event.type == "oco_placed":
            placed.append(str(event.payload["order_id"]))
    assert len(placed) == len(set(placed))


def check_reader(world: World) -> None:
    """What was delivered is the journal, in order and once; everything else was said."""
    bodies = {
        (epoch, seq): body
        for seq, body, epoch in world.connection.real.execute("SELECT e.seq, e.body, p.epoch FROM events e JOIN epochs p ON p.n = e.epoch_n")
    }
    place: Position | None = None
    for item in world.deliveries:
        match item:
            case Synced():
                place = item.position
            case Reset():
                assert item.reason == "epoch", item
                place = item.new
            case Gap():
                raise AssertionError(f"nothing was thrown away, and yet: {item}")
            case Event():
                assert place is not None
                assert (item.epoch, item.seq) == (place.epoch, place.seq + 1)
                if not world.restores:
                    assert item.body == bodies[place.epoch, place.seq + 1]
                place = Position(place.epoch, place.seq + 1)
            case Alarm():
                raise AssertionError(f"no fork was made, and yet: {item}")
    assert place == Position(world.state.epoch, world.state.last_seq)


def decode(body: bytes) -> Event:
    from bus.envelope import decode_event

    return decode_event(body)


@pytest.mark.timeout(0 if SCHEDULES > 1000 else 120)
def test_every_schedule_ends_in_order() -> None:
    """Each seed: what was acknowledged stands once, what is void was never placed, nothing ran late, and the reader has the journal."""
    deaths = restores = orders = events = 0
    for seed in range(FIRST_SEED, FIRST_SEED + SCHEDULES):
        world = played(seed)
        try:
            check(world)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: ARENA_SIMULATION=1 ARENA_SIMULATION_SEED={seed} replays it: {error}") from error
        finally:
            deaths, restores = deaths + world.deaths, restores + world.restores
            orders, events = orders + world.orders, events + world.state.last_seq
            world.close()
    print(
        json.dumps(
            {
                "check": "simulation",
                "seeds": [FIRST_SEED, FIRST_SEED + SCHEDULES - 1],
                "deaths": deaths,
                "restores": restores,
                "orders": orders,
                "events": events,
                "pass": True,
            }
        )
    )
    assert SCHEDULES < 100 or (deaths and restores), "the schedules left the faults out"


@pytest.mark.parametrize("seed", FOUND)
def test_a_schedule_that_once_failed_passes(seed: int) -> None:
    world = played(seed)
    try:
        check(world)
    finally:
        world.close()


def test_a_seed_replays_to_the_byte() -> None:
    """The same seed gives the same replies and the same deliveries; only the random names of epochs differ."""
    first, second = played(FIRST_SEED), played(FIRST_SEED)
    try:
        assert first.told == second.told
        assert [type(item) for item in first.deliveries] == [type(item) for item in second.deliveries]
        assert first.state.last_seq == second.state.last_seq
    finally:
        first.close()
        second.close()
