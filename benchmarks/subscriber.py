"""What ``bus.Subscriber`` costs: a backlog of real events drained through it, and through a bare socket that only unpacks them.

    python -m benchmarks.subscriber

The proxy, libzmq's own loop, lies between publisher and reader on both sides. A backlog is published while nobody reads, and then timed: what is
measured is the reader alone, at its fastest; by the clock, and by its thread's processor time, which other programs leave alone.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgpack
import zmq

from benchmarks.harness import Figure, pairs, write_results
from bus import Subscriber
from bus.doors import Doors
from bus.envelope import GENESIS, chain_hash, encode_event
from bus.proxy import Proxy
from bus.publisher import Publisher
from bus.replay import ReplayServer
from bus.sockets import subscriber as subscriber_socket
from bus.tail import Page
from bus.topics import HEARTBEAT, event_topic, heartbeat_topic

BACKLOG = 4_000  # the queues on the way hold 10,000 (bus.sockets), and learn only after half of them that there is room again
ROUNDS = 5
EPOCH = "00000000000000b1"
PAYLOAD = {
    "order_id": "paper-oanda-1", "client_order_id": "0123456789abcdef", "placed_by": "bench@test", "instrument": "EUR_USD", "side": "BUY",
    "units": 100, "mode": "paper", "price": Decimal("1.16550"), "leg": "entry", "fee": 0, "remaining_units": 0, "position_units": 100,
}  # fmt: skip


class Owner:
    """A journal in memory: what a replay server asks, and the newest event's hash for the next one."""

    def __init__(self) -> None:
        self.epoch, self.first_seq, self.last_seq = EPOCH, 1, 0
        self.bodies: list[bytes] = []
        self._hash = GENESIS

    def make(self, count: int) -> list[bytes]:
        """The next ``count`` bodies."""
        made = []
        for _ in range(count):
            self.last_seq += 1
            body = encode_event("oanda", "order_filled", PAYLOAD, time.time_ns(), epoch=EPOCH, seq=self.last_seq, prev=self._hash)
            self._hash = chain_hash(body)
            made.append(body)
        self.bodies += made
        return made

    def heartbeat(self) -> bytes:
        """Where the owner stands, as its heartbeats say it: without them a reader asks the owner itself."""
        payload = {"epoch": EPOCH, "first_seq": 1, "last_seq": self.last_seq, "instance": "1" * 16}
        return encode_event("oanda", HEARTBEAT, payload, time.time_ns())

    async def events_since(self, epoch: str | None, after: int, limit: int = 500) -> Page:
        start = max(0, self.last_seq + after) if after < 0 else after
        events = self.bodies[start : start + limit] if epoch in {None, EPOCH} else []
        return Page(epoch=EPOCH, first_seq=1, last_seq=self.last_seq, events=events)


async def timed(owner: Owner, publisher: Publisher, drain: Callable[[int], Awaitable[None]]) -> tuple[float, float]:
    """Events a second, and a second of processor time, that ``drain(count)`` takes in, over several backlogs."""
    topic, seconds, cpu_seconds = event_topic("oanda", "order_filled"), 0.0, 0.0
    await asyncio.sleep(0.3)  # the subscription travels to the publisher
    for _ in range(ROUNDS):
        for body in owner.make(BACKLOG):
            publisher.publish(topic, body)
        publisher.publish(heartbeat_topic("oanda"), owner.heartbeat())
        await asyncio.sleep(0.5)  # until it lies in the reader's queue
        began, cpu_began = time.perf_counter(), time.thread_time()
        await drain(BACKLOG)
        seconds += time.perf_counter() - began
        cpu_seconds += time.thread_time() - cpu_began
    return ROUNDS * BACKLOG / seconds, ROUNDS * BACKLOG / cpu_seconds


async def main() -> list[Figure]:
    home = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    run_dir = home / "run"
    run_dir.mkdir(mode=0o700)
    address = f"ipc://{run_dir}/bus-sub.sock"
    name, limit_is, reach = "bus.Subscriber, sequence and chain checked", "recv + msgpack", "≥ 0.7 of the limit"
    by_clock = Figure(name=name, unit="events/s", limit_is=limit_is, reach=reach)
    by_cpu = Figure(name=f"{name}, processor time", unit="events/s", limit_is=limit_is, reach=reach)
    owner = Owner()
    try:
        async with Proxy(run_dir, Doors()), ReplayServer(f"ipc://{run_dir}/oanda-replay.sock", owner):
            with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:

                async def product() -> float:
                    owner.make(1)
                    reader = aiter(Subscriber(address, {"oanda"}, home=home, cursor=f"oanda@{EPOCH}:{owner.last_seq - 1}"))
                    await anext(reader)  # from the owner: it knows its place now

                    async def drain(count: int) -> None:
                        async for _ in reader:
                            count -= 1
                            if count == 0:
                                break

                    try:
                        clock, cpu = await timed(owner, publisher, drain)
                        by_cpu.product.append(cpu)
                        return clock
                    finally:
                        await reader.aclose()

                async def limit() -> float:
                    socket = subscriber_socket(zmq.Context.instance(), address, [b"oanda."])
                    socket.setsockopt(zmq.RCVTIMEO, 3_000)  # a message that was lost ends the run
                    while not socket.poll(100):  # until the subscription has reached the publisher
                        publisher.publish(b"oanda.ring.", b"")
                    while socket.poll(200):
                        socket.recv_multipart()

                    async def drain(count: int) -> None:
                        for _ in range(count + 1):  # and the heartbeat
                            socket.recv()
                            msgpack.unpackb(socket.recv())

                    try:
                        clock, cpu = await timed(owner, publisher, drain)
                        by_cpu.limit.append(cpu)
                        return clock
                    finally:
                        socket.close()

                await pairs(by_clock, product, limit)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for figure in (by_clock, by_cpu):
        figure.reached = (figure.ratio or 0) >= 0.7
    return [by_clock, by_cpu]


if __name__ == "__main__":
    write_results("subscriber", asyncio.run(main()))
