"""Loss and black holes between a reader in a network namespace of its own and the gateway: it ends with the owners' journal, each event once.

The gateway listens on loopback, so a relay in this process carries the bytes from the namespace's cable to it, as a reverse proxy would. Where the
kernel has netem the cable loses packets at random; everywhere it is cut and mended again and again, which for TCP is a black hole.
"""

import asyncio
import contextlib
import json
import os
import random
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.collect import Run
from tests.system.accounting.evidence import Connection, Notice, Shown
from tests.system.stack import Stack
from tests.system.test_chaos_disk import call, needs_root

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
CUTS = 4 if float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) < 120 else 40
READER = Path(__file__).with_name("netns_reader.py")


@contextlib.asynccontextmanager
async def namespace(rng: random.Random) -> AsyncIterator[tuple[str, str, str]]:
    """``(namespace, our end of the cable, our address)``; all gone at the end."""
    name = f"ar{secrets.token_hex(3)}"
    inside, outside, network = f"{name}i", f"{name}o", f"10.{rng.randrange(64, 250)}.{rng.randrange(250)}"
    try:
        await call("ip", "netns", "add", name)
        await call("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        await call("ip", "addr", "add", f"{network}.1/30", "dev", outside)
        await call("ip", "link", "set", outside, "up")
        await call("ip", "-n", name, "addr", "add", f"{network}.2/30", "dev", inside)
        await call("ip", "-n", name, "link", "set", inside, "up")
        yield name, outside, f"{network}.1"
    finally:
        with contextlib.suppress(RuntimeError):
            await call("ip", "link", "del", outside)
        with contextlib.suppress(RuntimeError):
            await call("ip", "netns", "del", name)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, heard: Callable[[bytes], None] | None = None) -> None:
    """Both ways between a client and the gateway until either end closes; ``heard`` is told what the client says."""
    try:
        their_reader, their_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(4096):
                if source is reader and heard is not None:
                    heard(chunk)
                target.write(chunk)
                await target.drain()

    try:
        async with asyncio.TaskGroup() as tasks:
            ways = [tasks.create_task(carry(reader, their_writer)), tasks.create_task(carry(their_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    finally:
        writer.transport.abort()
        their_writer.transport.abort()


async def collect(lines: asyncio.StreamReader, connections: list[Connection]) -> None:
    """What the reader prints, as the checker takes it; what it saw before a cut and after it are two connections."""
    async for line in lines:
        said = json.loads(line)
        if "connected" in said:
            assert said["connected"] == 200, said
            connections.append(Connection(watcher="namespace"))
        elif said["event"] in {"gap", "reset"}:
            connections[-1].items.append(Notice(kind=said["event"], source=said["data"]["source"]))
        elif said["event"] is None and "seq" in said["data"]:
            data = said["data"]
            shown = Shown(source=data["source"], epoch=data["epoch"], seq=data["seq"], type=data["type"], payload=data["payload"], at_s=0.0)
            connections[-1].items.append(shown)


@needs_root("ip")
async def test_a_reader_behind_a_bad_network_misses_nothing() -> None:
    """The cable cut for up to eight seconds, again and again, under load: every event arrives once, in order, across the reader's connections."""
    rng = random.Random(SEED)
    connections: list[Connection] = []
    async with Stack() as stack, namespace(rng) as (name, cable, address):
        with contextlib.suppress(RuntimeError):  # a kernel without netem: only cuts then
            await call("tc", "qdisc", "add", "dev", cable, "root", "netem", "loss", "10%", "delay", "20ms", "10ms")
        handlers: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(relay(reader, writer, stack.gateway_port))
            handlers.add(task)
            task.add_done_callback(handlers.discard)

        server = await asyncio.start_server(accept, address, 0)
        port = server.sockets[0].getsockname()[1]
        command = ["ip", "netns", "exec", name, sys.executable, str(READER), address, str(port), f"127.0.0.1:{stack.gateway_port}"]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, limit=1 << 20)
        assert process.stdout is not None
        reading = asyncio.create_task(collect(process.stdout, connections))
        try:
            await stack.until(lambda: connections, "the reader to connect")
            async with Run(stack, seed=SEED, per_second=30) as run:
                for _ in range(CUTS):
                    seen = sum(len(connection.items) for connection in connections)
                    await stack.until(
                        lambda seen=seen: sum(len(each.items) for each in connections) > seen + 20, "events through the cable", seconds=60
                    )
                    await call("ip", "link", "set", cable, "down")
                    await asyncio.sleep(rng.choice([0.2, 1.0, 4.0, 8.0]))
                    await call("ip", "link", "set", cable, "up")
                evidence = await run.finish()
            last = {(source, journal[-1].seq) for source, journal in evidence.journals.items()}

            def complete() -> bool:
                return last <= {(item.source, item.seq) for each in connections for item in each.items if isinstance(item, Shown)}

            await stack.until(complete, "the reader to catch up", seconds=60)
        finally:
            process.kill()
            await process.wait()
            await reading
            server.close()
            for task in list(handlers):
                task.cancel()
            await asyncio.gather(*handlers, return_exceptions=True)
    found = findings(evidence)
    print(summary("network", SEED, evidence, found))
    whole = [(item.source, item.seq) for each in connections for item in each.items if isinstance(item, Shown)]
    notices = [item for each in connections for item in each.items if isinstance(item, Notice)]
    print(json.dumps({"check": "network reader", "seed": SEED, "cuts": CUTS, "connections": len(connections), "events": len(whole)}))
    assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed}
    assert not notices, notices
    for source, _ in last:
        seqs = [seq for name_, seq in whole if name_ == source]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), f"{source}: not each event once and in order"
    assert len(connections) > 1, "no cut was long enough to break a connection"
