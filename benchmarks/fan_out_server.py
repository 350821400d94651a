"""The product's side of the fan-out: the event stream that gateway and dashboard serve, in a process of its own, fed by a journal's real events.

It prints its port, waits for lines ``<events a second> <seconds> <bytes>`` on its standard input,
publishes that often, and prints what processor time
that took. The proxy's thread is in the figure: it is the same process.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.subscriber import EPOCH, Owner
from bus.doors import Doors
from bus.envelope import encode_event
from bus.proxy import Proxy
from bus.publisher import Publisher
from bus.replay import ReplayServer
from bus.sse import EventStream
from bus.topics import HEARTBEAT, event_topic, heartbeat_topic
from runtime.http import Route, build_app, listening
from runtime.program import loop_factory, raise_file_limit
from runtime.settings import Settings

TOPIC = event_topic("oanda", "order_filled")


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def beat(owner: Owner, publisher: Publisher) -> None:
    while True:
        payload = {"epoch": EPOCH, "first_seq": 1, "last_seq": owner.last_seq, "instance": "1" * 16}
        publisher.publish(heartbeat_topic("oanda"), encode_event("oanda", HEARTBEAT, payload, time.time_ns()))
        await asyncio.sleep(1)


async def burst(owner: Owner, publisher: Publisher, rate: float, seconds: float) -> dict[str, float]:
    bodies = owner.make(int(rate * seconds))
    began, used = time.perf_counter(), cpu_s()
    for number, body in enumerate(bodies):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        publisher.publish(TOPIC, body)
    return {"events": len(bodies), "cpu_s": cpu_s() - used, "seconds": time.perf_counter() - began}


async def main() -> None:
    raise_file_limit()
    loop = asyncio.get_running_loop()
    owner = Owner()
    owner.make(1)
    with tempfile.TemporaryDirectory(prefix="ar", dir="/tmp") as home:
        run_dir = Path(home) / "run"
        run_dir.mkdir(mode=0o700)
        settings = Settings(home=Path(home), conf=Path(home) / "arena.toml")
        async with Proxy(run_dir, Doors()), ReplayServer(f"ipc://{run_dir}/oanda-replay.sock", owner):
            with Publisher(settings.bus_pub_address) as publisher:
                beating = asyncio.create_task(beat(owner, publisher))
                async with EventStream(settings, "bench", sources=("oanda",)) as stream:
                    app = build_app(
                        "gateway", settings, [Route(method="GET", path="/events", handler=stream.handle, summary="x", auth="public", stream=True)]
                    )
                    app.on_shutdown.append(stream.end_streams)
                    async with listening(app, "127.0.0.1", 0) as listener:
                        print(listener.url.rpartition(":")[2].strip("/"), flush=True)
                        while line := await loop.run_in_executor(None, sys.stdin.readline):
                            rate, seconds, _ = line.split()
                            print(json.dumps(await burst(owner, publisher, float(rate), float(seconds))), flush=True)
                beating.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
