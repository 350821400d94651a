"""The proxy killed again and again under a flood of events: the bus is a doorbell, so every subscriber ends with the owners' journals."""

import asyncio
import json
import os
import time
import uuid

import msgpack
import zmq
import zmq.asyncio

from tests.system.accounting.checker import findings, healed_p99_s, summary
from tests.system.accounting.collect import Run
from tests.system.stack import SEED_ORDER, Stack

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
SHORT = float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) < 120
SECONDS = 6 if SHORT else 60
SUBSCRIBERS = 20
ORDERS_PER_S = 250  # each is placed and commented on: 500 events
BATCH = 25
HEALED_P99_S_MAX = 10.0 if SHORT else 2.0  # the short form shares its machine with whatever else is tested


async def flood(stack: Stack, stop: asyncio.Event, *, orders_per_s: int = ORDERS_PER_S, batch: int = BATCH) -> int:
    """``orders_per_s`` into the owner's orders socket, ``batch`` in a message, as the gateway sends them; returns how many were accepted."""
    socket = zmq.asyncio.Context.instance().socket(zmq.REQ)
    socket.linger = 0
    socket.connect(f"ipc://{stack.home}/run/oanda-orders.sock")
    accepted, due = 0, time.monotonic()
    try:
        while not stop.is_set():
            requests = [
                {
                    "v": 1,
                    "id": uuid.uuid4().hex,
                    "op": "order.place",
                    "args": {**SEED_ORDER, "units": 1, "client_order_id": uuid.uuid4().hex},
                    "ttl_ms": 3000,
                    "sent_wall_ns": time.time_ns(),
                }
                for _ in range(batch)
            ]
            await socket.send(msgpack.packb(requests))
            async with asyncio.timeout(10):
                accepted += sum(1 for reply in msgpack.unpackb(await socket.recv()) if reply["ok"])
            due += batch / orders_per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    finally:
        socket.close()
    return accepted


async def test_twenty_subscribers_and_a_proxy_that_dies_under_a_flood() -> None:
    """500 events a second asked for, the proxy killed again and again: each subscriber saw each event once, in order, or was told."""
    async with Stack() as stack:
        async with Run(stack, seed=SEED, per_second=10, libraries=SUBSCRIBERS) as run:
            await stack.until(lambda: run.acknowledged >= 10, "the first orders")
            stop = asyncio.Event()
            flooding = asyncio.create_task(flood(stack, stop))
            began, kills = time.monotonic(), 0
            while time.monotonic() - began < SECONDS:
                since = time.monotonic()
                await stack.recovered("bus", stack.kill("bus"), since)
                kills += 1
                await asyncio.sleep(1.5)  # long enough for events to flow between two kills
            stop.set()
            accepted = await flooding
            took = time.monotonic() - began
            evidence = await run.finish()
        found = findings(evidence)
        print(summary("proxy", SEED, evidence, found))
        events = sum(len(journal) for journal in evidence.journals.values())
        line = {
            "check": "proxy flood",
            "seed": SEED,
            "kills": kills,
            "subscribers": SUBSCRIBERS,
            "orders": accepted,
            "events_per_s": round(events / took),
        }
        print(json.dumps({**line, "healed_p99": healed_p99_s(evidence), "pass": not any(found.values())}))
        assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed}
        assert kills >= 2
        # The owners were up all the time, so this is the healing alone.
        assert healed_p99_s(evidence) < HEALED_P99_S_MAX
