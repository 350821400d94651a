"""A whole arena for a benchmark: its own home and ports, users enough for the rate, limits out of the way."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import ROOT

ORDER = {
    "instrument": "EUR_USD",
    "side": "BUY",
    "units": 100,
    "entry_price": 1.0655,
    "stop_loss_price": 1.0600,
    "take_profit_price": 1.2700,
    "quality_score": 75,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    home: Path
    gateway_port: int
    dashboard_port: int
    bus_port: int
    token: str

    @property
    def processes(self) -> dict[str, int]:
        """Each program's process id."""
        wanted = f"ARENA_HOME={self.home}".encode()
        found: dict[str, int] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().decode().split("\0")
                    if "-m" in words:
                        name = " ".join(words[words.index("-m") + 1 : -1])
                        found[name.removeprefix("brokers ")] = int(entry.name)
        return found

    def cpu_s(self) -> dict[str, float]:
        """Processor seconds that each program has used so far."""
        return {name: cpu_s(pid) for name, pid in self.processes.items()}

    def plan(self) -> str:
        """A file for benchmarks.http_load: the order and the token."""
        path = self.home / "plan.json"
        path.write_text(json.dumps({"bodies": [json.dumps(ORDER)], "tokens": [self.token]}))
        return str(path)


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.asynccontextmanager
async def running_arena(**settings: str) -> AsyncIterator[Arena]:
    """A default install with the order rates raised; stopped and removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="arena-", dir="/tmp"))
    gateway, dashboard, market, bus = free_ports(4)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ARENA_")},
        "ARENA_HOME": str(home),
        "ARENA_GATEWAY__PORT": str(gateway),
        "ARENA_DASHBOARD__PORT": str(dashboard),
        "ARENA_MARKET_DATA__PORT": str(market),
        "ARENA_BUS__SUB_PORT": str(bus),
        "ARENA_AUTH__ORDERS_PER_S_MAX": "100000",
        "ARENA_AUTH__ORDERS_BURST_MAX": "100000",
        "ARENA_RISK__ORDERS_PER_MINUTE_MAX": "100000000",
        "ARENA_RISK__OPEN_ORDERS_MAX": "100000000",
        **settings,
    }
    up = await asyncio.create_subprocess_exec(sys.executable, "-m", "cli.app", "up", cwd=ROOT, env=environ, stdout=subprocess.PIPE)
    assert up.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"Ctrl-C" not in await up.stdout.readline():
                pass
        token = await asyncio.to_thread(_trader, gateway)
        yield Arena(home=home, gateway_port=gateway, dashboard_port=dashboard, bus_port=bus, token=token)
    finally:
        if up.returncode is None:
            up.send_signal(signal.SIGINT)
        await up.wait()
        shutil.rmtree(home, ignore_errors=True)


def _trader(port: int) -> str:
    credentials = {"email": "bench@test", "password": "pass"}
    _post(port, "/auth/register", {**credentials, "role": "trader"})
    return str(_post(port, "/auth/login", credentials)["access_token"])


def _post(port: int, path: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, object] = json.load(response)
        return answer
