"""A whole arena on ports and in a directory of its own, started as a user starts it: ``arena up``.

Tests speak to it through what users have: HTTP, SSE, ZeroMQ, supervisord and the CLI. Nothing here imports the product.
"""

import asyncio
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgpack
import zmq
import zmq.asyncio

from tests.ports import free_ports
from tests.system.wires import UnixTransport, sse_frames

ROOT = Path(__file__).parent.parent.parent
PROGRAMS = ("bus", "oanda", "coinbase", "narrator", "market_data", "gateway", "dashboard")
READY_S_MAX = 60

SEED_ORDER = {
    "instrument": "EUR_USD",
    "side": "BUY",
    "units": 100,
    "entry_price": 1.1655,
    "stop_loss_price": 1.1600,
    "take_profit_price": 1.1700,
    "quality_score": 75,
}


class Stack:
    """One arena. ``async with Stack() as stack`` starts it, waits until it is ready, and leaves no process behind."""

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, home: Path | None = None, steppable: bool = False, prefix: Sequence[str] = ()
    ) -> None:
        # Below /tmp and short: a Unix socket path has at most 107 bytes.
        self.home = home or Path(tempfile.mkdtemp(prefix="arena-", dir="/tmp"))
        self._keep_home = home is not None
        self.gateway_port, self.dashboard_port, self.market_port, self.bus_port = free_ports(4)
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "OANDA_", "COINBASE_", "EXECUTION_"))},
            "ARENA_HOME": str(self.home),
            "ARENA_GATEWAY__PORT": str(self.gateway_port),
            "ARENA_DASHBOARD__PORT": str(self.dashboard_port),
            "ARENA_MARKET_DATA__PORT": str(self.market_port),
            "ARENA_BUS__SUB_PORT": str(self.bus_port),
            **({"ARENA_TEST__CLOCK_OFFSET_FILE": str(self.home / "clock-offset")} if steppable else {}),
            **(environ or {}),
        }
        self.prefix = prefix  # put before every command: what makes it run as another user
        self.up: asyncio.subprocess.Process | None = None
        self.said = bytearray()
        self._reading: asyncio.Task[None] | None = None
        self._http: aiohttp.ClientSession | None = None
        self._tokens: dict[str, str] = {}
        self.recovered_s: list[tuple[str, float]] = []  # each program that was put down, and how long until it answered again
        self.clock_stepped_s = -math.inf  # monotonic
        self.clock_offset_s = 0  # what the wall clock of this arena was last stepped to, against the machine's

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.dashboard_port}"

    @property
    def market_data(self) -> str:
        return f"http://127.0.0.1:{self.market_port}"

    @property
    def http(self) -> aiohttp.ClientSession:
        assert self._http is not None, "the stack is not open"
        return self._http

    def connector(self) -> aiohttp.TCPConnector:
        """How its users reach it."""
        return aiohttp.TCPConnector(limit=0)

    async def __aenter__(self) -> "Stack":
        self._http = aiohttp.ClientSession(connector=self.connector())
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self.http.close()
        if not self._keep_home:
            shutil.rmtree(self.home, ignore_errors=True)

    async def start(self) -> None:
        """Start and wait for the greeting, which comes when every program answers."""
        await self.launch()
        await self.until(lambda: b"RBOT Arena is up" in self.said, "the greeting of arena up", seconds=READY_S_MAX)

    async def launch(self) -> None:
        """Start ``arena up`` and do not wait."""
        self.said.clear()
        self.up = await asyncio.create_subprocess_exec(
            *self.prefix, sys.executable, "-m", "cli.app", "up", cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.up is not None
        assert self.up.stdout is not None
        while chunk := await self.up.stdout.read(65536):
            self.said += chunk

    async def stop(self, number: signal.Signals = signal.SIGINT) -> int | None:
        """Stop as Ctrl-C does; returns the exit code of ``arena up``."""
        if self.up is None:
            return None
        if self.up.returncode is None:
            self.up.send_signal(number)
        async with asyncio.timeout(60):
            code = await self.up.wait()
        if self._reading is not None:
            await self._reading
        self.up = None
        return code

    async def until(self, true: Callable[[], object], what: str, *, seconds: float = 30) -> None:
        """Look every 20 ms until ``true()``; on time-out say what was waited for and what the programs said."""
        try:
            async with asyncio.timeout(seconds):
                while not true():
                    if self.up is not None and self.up.returncode is not None and self._reading is not None and self._reading.done():
                        raise AssertionError(f"arena up ended ({self.up.returncode}) before {what}\n{self.story()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waited {seconds} s for {what}\n{self.story()}") from None

    async def eventually(self, true: Callable[[], Awaitable[bool]], what: str, *, seconds: float = 15) -> None:
        """As :meth:`until`, for a question that has to be asked over the network."""
        try:
            async with asyncio.timeout(seconds):
                while not await true():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"waited {seconds} s for {what}\n{self.story()}") from None

    def story(self) -> str:
        """What ``arena up`` and the programs' logs said, for the message of a failed test."""
        parts = [f"--- arena up\n{self.said.decode(errors='replace')}"]
        parts += [f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in sorted((self.home / "log").glob("*.log"))]
        return "\n".join(parts)

    async def call(self, method: str, url: str, *, token: str | None = None, **arguments: Any) -> tuple[int, Any, Mapping[str, str]]:
        """``(status, JSON body, headers)``."""
        headers = dict(arguments.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, url, headers=headers, **arguments) as response:
            text = await response.text()
            return response.status, json.loads(text) if text[:1] in {"{", "["} else text, response.headers

    async def token(self, email: str = "trader@test", role: str = "trader") -> str:
        """An access token of ``email``, registered on first use."""
        if email not in self._tokens:
            body = {"email": email, "password": "pass"}
            await self.call("POST", f"{self.gateway}/auth/register", json={**body, "role": role})
            status, answer, _ = await self.call("POST", f"{self.gateway}/auth/login", json=body)
            assert status == 200, answer
            self._tokens[email] = answer["access_token"]
        return self._tokens[email]

    async def place(self, broker: str = "oanda", order: Mapping[str, object] = SEED_ORDER, **more: object) -> tuple[int, Any]:
        status, answer, _ = await self.call("POST", f"{self.gateway}/brokers/{broker}/orders", token=await self.token(), json={**order, **more})
        return status, answer

    @contextlib.asynccontextmanager
    async def events(self, url: str | None = None, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The frames of an event stream: ``{"event": name or None, "id": …, "data": …}``."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
        async with self.http.get(url or f"{self.gateway}/events", headers=headers, timeout=timeout) as response:
            assert response.status == 200, await response.text()
            yield sse_frames(response)

    def supervisor(self, call: str, *arguments: object) -> Any:
        """One XML-RPC call to supervisord, as ``supervisorctl`` makes it: ``supervisor("stopProcess", "coinbase")``."""
        with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.home / "run" / "supervisor.sock")) as proxy:
            return getattr(proxy.supervisor, call)(*arguments)

    def pid(self, program: str) -> int:
        """The process id under supervisord; 0 when it does not run."""
        return int(self.supervisor("getProcessInfo", program)["pid"])

    def kill(self, program: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send ``number`` to ``program`` and return the process id it had."""
        pid = self.pid(program)
        assert pid, f"{program} does not run"
        os.kill(pid, number)
        return pid

    async def restarted(self, program: str, old_pid: int) -> None:
        """Wait until ``program`` runs again under another process id."""

        def runs_anew() -> bool:
            info = self.supervisor("getProcessInfo", program)
            return bool(info["statename"] in {"RUNNING", "STARTING"} and info["pid"] not in {0, old_pid})

        await self.until(runs_anew, f"{program} to be started again", seconds=30)

    async def answers(self, program: str) -> bool:
        """Whether ``program`` itself serves now: HTTP, the owner's replay socket, or the bus's port."""
        ports = {"gateway": self.gateway_port, "dashboard": self.dashboard_port, "market_data": self.market_port}
        if program in ports:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                status, _, _ = await self.call("GET", f"http://127.0.0.1:{ports[program]}/health", timeout=aiohttp.ClientTimeout(total=0.5))
                return status == 200
            return False
        if program == "bus":
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(0.5):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.bus_port)
                    writer.close()
                return True
            return False
        return await self._owner_answers("rick" if program == "narrator" else program)

    async def _owner_answers(self, source: str) -> bool:
        socket_ = zmq.asyncio.Context.instance().socket(zmq.REQ)
        socket_.linger = 0
        try:
            socket_.connect(f"ipc://{self.home}/run/{source}-replay.sock")
            async with asyncio.timeout(0.5):
                await socket_.send(msgpack.packb({"v": 1, "id": "probe", "op": "events.since", "args": {"epoch": None, "after": -1, "limit": 1}}))
                return bool(msgpack.unpackb(await socket_.recv())["ok"])
        except TimeoutError:
            return False
        finally:
            socket_.close()

    async def recovered(self, program: str, old_pid: int, since: float | None) -> None:
        """Wait until a new ``program`` serves; note how many seconds after ``since`` (monotonic) that was, if there is one."""
        await self.restarted(program, old_pid)
        await self.eventually(lambda: self.answers(program), f"{program} to answer again", seconds=30)
        if since is not None:
            self.recovered_s.append((program, time.monotonic() - since))

    def step_clock(self, seconds: int) -> None:
        """Set this arena's wall clock ``seconds`` off the machine's; it was made with ``steppable``."""
        path = Path(self.environ["ARENA_TEST__CLOCK_OFFSET_FILE"])
        draft = path.with_suffix(".new")
        draft.write_text(str(seconds))
        draft.replace(path)
        self.clock_offset_s, self.clock_stepped_s = seconds, time.monotonic()

    async def ready(self) -> None:
        """Wait until the gateway says that every component is well."""
        async with asyncio.timeout(READY_S_MAX):
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    status, _, _ = await self.call("GET", f"{self.gateway}/health/ready", timeout=aiohttp.ClientTimeout(total=2))
                    if status == 200:
                        return
                await asyncio.sleep(0.05)

    def processes(self) -> list[int]:
        """Every living process that has this arena's home in its environment."""
        wanted = f"ARENA_HOME={self.home}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0") and " Z " not in (entry / "stat").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    async def cli(self, *arguments: str, input_text: str | None = None) -> tuple[int, str, str]:
        """``(exit code, stdout, stderr)`` of one ``arena`` command."""
        process = await asyncio.create_subprocess_exec(
            *self.prefix,
            sys.executable,
            "-m",
            "cli.app",
            *arguments,
            cwd=ROOT,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate(input_text.encode() if input_text else None)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def shell(self, script: str, *, seconds: float = 30) -> tuple[int, str]:
        """``(exit code, output)`` of a bash script, in which GATEWAY, DASHBOARD and MARKET hold the addresses."""
        environ = {**self.environ, "GATEWAY": self.gateway, "DASHBOARD": self.dashboard, "MARKET": self.market_data}
        process = await asyncio.create_subprocess_exec("bash", "-c", script, env=environ, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()
