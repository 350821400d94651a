"""Ports for servers under test."""

import contextlib
import os
import random
import socket


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, below those the kernel gives to who connects, and other ones in each worker of a parallel run."""
    first = 12_000 + 2_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    free: list[int] = []
    for port in random.sample(range(first, first + 2_000), 2_000):
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise RuntimeError(f"fewer than {count} ports are free from {first} on")
