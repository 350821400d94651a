"""A lossy wire: carries IP packets between two network namespaces and loses, doubles and delays a seeded share of them. Run as a program, as root.

    python -m tests.system.lossy_wire NEAR FAR 10.7.7 SEED

NEAR and FAR are names of namespaces, ``-`` is the one it is started in. It owns a tun in each (10.7.7.1 near, 10.7.7.2 far), says ``up``, and obeys
lines on its input: ``faults LOSS DOUBLE LATE`` (shares of all packets; what is late is overtaken by what follows), ``cut`` and ``mend`` (a hole:
nobody is told). When its input ends it says in one JSON line what it has done, and both devices are gone. It is what netem is, for kernels without.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
CLONE_NEWNET = 0x40000000
PACKET_BYTES_MAX = 65536
LATE_S = (0.002, 0.04)  # more than what follows takes, less than what TCP gives up on
HERE = "-"


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What this thread opens meanwhile, it opens in ``namespace``; a socket stays where it was opened."""
    if namespace == HERE:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, Path("/run/netns", namespace).open() as away:
        if libc.setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET):
                os._exit(70)  # a thread lost in a namespace must do nothing more


def open_end(namespace: str, device: str, address: str, peer: str) -> int:
    """The descriptor of a new tun in ``namespace`` that is up and has ``address``; each read and write is one packet."""
    with inside(namespace):
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
        for command in (["addr", "add", address, "peer", peer, "dev", device], ["link", "set", device, "up"]):
            subprocess.run(["ip", *command], check=True)
    return handle


class Wire:
    """Both directions between two descriptors, on the running loop."""

    def __init__(self, ends: tuple[int, int], seed: int) -> None:
        self._rng = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._loss = self._double = self._late = 0.0
        self._is_cut = False
        self.counts = {"carried": 0, "lost": 0, "doubled": 0, "late": 0}
        for here, there in (ends, ends[::-1]):
            self._loop.add_reader(here, self._read, here, there)

    def obey(self, line: str) -> None:
        match line.split():
            case ["faults", loss, double, late]:
                self._loss, self._double, self._late = float(loss), float(double), float(late)
            case ["cut"]:
                self._is_cut = True
            case ["mend"]:
                self._is_cut = False
            case _:
                raise ValueError(f"no command of a wire: {line!r}")

    def _read(self, here: int, there: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._carry(os.read(here, PACKET_BYTES_MAX), there)

    def _carry(self, packet: bytes, there: int) -> None:
        self.counts["carried"] += 1
        if self._is_cut or self._rng.random() < self._loss:
            self.counts["lost"] += 1
            return
        is_double = self._rng.random() < self._double
        self.counts["doubled"] += is_double
        for _ in range(1 + is_double):
            if self._rng.random() < self._late:
                self.counts["late"] += 1
                self._loop.call_later(self._rng.uniform(*LATE_S), _put, there, packet)
            else:
                _put(there, packet)


def _put(there: int, packet: bytes) -> None:
    with contextlib.suppress(OSError):  # a queue that is full loses packets, as any wire does
        os.write(there, packet)


async def main(near: str, far: str, network: str, seed: int) -> None:
    device, addresses = f"wire{os.getpid()}", (f"{network}.1", f"{network}.2")
    wire = Wire((open_end(near, device, *addresses), open_end(far, device, *addresses[::-1])), seed)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print("up", flush=True)
    async for line in lines:
        wire.obey(line.decode())
        print("done", flush=True)
    print(json.dumps(wire.counts), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
