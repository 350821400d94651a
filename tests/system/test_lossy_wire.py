"""The arena's users on another machine, behind a wire that loses, doubles and delays packets and goes dead again and again: nothing lost or doubled.

Traders and event streams reach the gateway and the dashboard over the wire, as through a reverse proxy at its near end; a tool listens to the bus
over it, on TCP with CURVE, and asks the gateway for what it missed.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.system.accounting.checker import findings, summary
from tests.system.accounting.collect import Run
from tests.system.accounting.evidence import Connection, Journalled, Notice, Shown
from tests.system.lossy_wire import HERE, inside
from tests.system.stack import ROOT, Stack
from tests.system.test_chaos_disk import call, needs_root
from tests.system.test_chaos_network import collect, relay

SEED = int(os.environ.get("ARENA_CHAOS_SEED", "1"))
SHORT = float(os.environ.get("ARENA_CHAOS_SECONDS", "0")) < 120
# Each loss with its black holes, in seconds; from six on the bus gives a silent connection up.
HOLES_S = {0.05: (0.5, 2.0)} if SHORT else {0.01: (0.5, 3, 12) * 3, 0.05: (0.5, 3, 12) * 3, 0.2: (0.5, 3, 12) * 3}
ORDER_ID = re.compile(rb'"client_order_id": "([0-9a-f]{32})"')


class Wire:
    """The program in ``lossy_wire``, to be told what to do; ``far`` is the namespace behind it."""

    def __init__(self, process: asyncio.subprocess.Process, far: str, network: str) -> None:
        self._process = process
        self.far = far
        self.near_address = f"{network}.1"

    async def tell(self, command: str) -> None:
        """Returns when it is so."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        assert await self._line() == "done"

    async def close(self) -> dict[str, int]:
        """How many packets it has carried, lost, doubled and delayed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        counts: dict[str, int] = json.loads(await self._line())
        await self._process.wait()
        return counts

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode().strip()

    @classmethod
    @contextlib.asynccontextmanager
    async def laid(cls, rng: random.Random) -> AsyncIterator["Wire"]:
        """A wire from here to a namespace of its own; both are gone at the end."""
        far, network = f"ar{secrets.token_hex(3)}", f"10.{rng.randrange(64, 250)}.{rng.randrange(250)}"
        await call("ip", "netns", "add", far)
        try:
            command = [sys.executable, "-m", "tests.system.lossy_wire", HERE, far, network, str(rng.getrandbits(32))]
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            wire = cls(process, far, network)
            try:
                assert await wire._line() == "up"
                yield wire
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        finally:
            await call("ip", "netns", "del", far)


class FarStack(Stack):
    """An arena whose users sit at the far end: every connection of theirs is made in the other namespace and comes in over the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        super().__init__({"ARENA_BUS__SUB_HOST": wire.near_address, "ARENA_HTTP__ALLOWED_HOSTS": wire.near_address})
        self.tool_keys = self.home / "tool.keys.json"

    @property
    def gateway(self) -> str:
        return f"http://localhost:{self.gateway_port}"  # a name, so that the resolver is asked; and one that anybody may register at

    @property
    def dashboard(self) -> str:
        return f"http://localhost:{self.dashboard_port}"

    def connector(self) -> aiohttp.TCPConnector:
        def at_the_far_end(info: Any) -> socket.socket:
            with inside(self._wire.far):
                return socket.socket(*info[:3])

        return aiohttp.TCPConnector(limit=0, resolver=NearEnd(self._wire.near_address), socket_factory=at_the_far_end)

    async def start(self) -> None:
        if not self.tool_keys.exists():
            code, _, said = await self.cli("keys", "add", "tool", "--out", str(self.tool_keys))
            assert code == 0, said
        await super().start()


class NearEnd(AbstractResolver):
    """Every name is the near end of the wire."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@contextlib.asynccontextmanager
async def proxied(stack: Stack, address: str) -> AsyncIterator[dict[str, float]]:
    """The gateway and the dashboard, which listen on loopback alone, at the near end of the wire too; when each order last came out of it, by its id.

    An order's time to be placed in begins when the gateway has it: what the wire held back before is not the arena's.
    """
    carried: set[asyncio.Task[None]] = set()
    arrived_s: dict[str, float] = {}

    def heard(chunk: bytes) -> None:
        for found in ORDER_ID.finditer(chunk):
            arrived_s[found[1].decode()] = time.time()

    async def listen(port: int) -> asyncio.Server:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(relay(reader, writer, port, heard))
            carried.add(task)
            task.add_done_callback(carried.discard)

        return await asyncio.start_server(accept, address, port)

    servers = [await listen(port) for port in (stack.gateway_port, stack.dashboard_port)]
    try:
        yield arrived_s
    finally:
        for server in servers:
            server.close()
        for task in list(carried):
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)


@contextlib.asynccontextmanager
async def tool(stack: FarStack, wire: Wire) -> AsyncIterator[Connection]:
    """What a tool at the far end of the wire is shown of the bus, from the first event on."""
    connections: list[Connection] = []
    command = [
        *("ip", "netns", "exec", wire.far, sys.executable, "-m", "tests.system.netns_subscriber"),
        *(f"tcp://{wire.near_address}:{stack.bus_port}", f"http://{wire.near_address}:{stack.gateway_port}", str(stack.tool_keys)),
    ]
    environ = {name: value for name, value in stack.environ.items() if not name.startswith("ARENA_")}
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, limit=1 << 20)
    assert process.stdout is not None
    reading = asyncio.create_task(collect(process.stdout, connections))
    try:
        await stack.until(lambda: connections, "the tool to start")
        yield connections[0]
        assert process.returncode is None, "the tool ended"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


def is_complete(connection: Connection, journals: Mapping[str, Sequence[Journalled]]) -> bool:
    """Whether the last event of every journal has been shown."""
    last = {(source, journal[-1].epoch, journal[-1].seq) for source, journal in journals.items()}
    return last <= {(item.source, item.epoch, item.seq) for item in connection.items if isinstance(item, Shown)}


@needs_root("ip")
@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="needs /dev/net/tun")
@pytest.mark.parametrize("loss", HOLES_S)
async def test_a_wire_that_loses_packets_and_goes_dead_costs_nobody_an_order_or_an_event(loss: float) -> None:
    """Fifty orders a second, two event streams and a tool on the bus, all over the wire: each order once, each event once and in order, no gap."""
    async with Wire.laid(random.Random(SEED)) as wire:
        stack = FarStack(wire)
        async with stack, proxied(stack, wire.near_address) as arrived_s, tool(stack, wire) as listener:
            async with Run(stack, seed=SEED, libraries=0) as run:
                await wire.tell(f"faults {loss} {loss / 2} {loss}")
                for hole_s in HOLES_S[loss]:
                    acknowledged, seen = run.acknowledged, len(listener.items)

                    def flowed(acknowledged: int = acknowledged, seen: int = seen) -> bool:
                        return run.acknowledged >= acknowledged + 50 and len(listener.items) > seen

                    await stack.until(flowed, "orders and events over the wire", seconds=120)
                    await wire.tell("cut")
                    await asyncio.sleep(hole_s)
                    await wire.tell("mend")
                acknowledged = run.acknowledged
                await stack.until(lambda: run.acknowledged >= acknowledged + 50, "orders after the last black hole", seconds=120)
                await wire.tell("faults 0 0 0")  # what is missing by now comes by itself, or is found missing
                evidence = await run.finish()
            await stack.until(lambda: is_complete(listener, evidence.journals), "the tool to catch up", seconds=60)
            packets = await wire.close()
    for sent in evidence.sent:
        sent.sent_wall_s = arrived_s.get(sent.client_order_id, sent.sent_wall_s)
    evidence.connections = [*evidence.connections, listener]
    found = findings(evidence)
    print(summary(f"wire, {loss:.0%} lost", SEED, evidence, found))
    told = [item for connection in evidence.connections for item in connection.items if isinstance(item, Notice)]
    line = {"check": "wire", "seed": SEED, "loss": loss, "holes_s": HOLES_S[loss], "packets": packets, "tool": len(listener.items), "told": len(told)}
    print(json.dumps({**line, "connections": len(evidence.connections), "pass": not any(found.values()) and not told}))
    assert not any(found.values()), {kind: listed[:5] for kind, listed in found.items() if listed}
    assert not told, "nothing was out of reach: a gap or a reset had no reason"
    assert min(packets["lost"], packets["doubled"], packets["late"]) > 0, packets
