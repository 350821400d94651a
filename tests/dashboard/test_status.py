"""GET /api/status: the programs, with and without supervisord."""

import contextlib
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import pytest

from dashboard.status import PROGRAMS, Heard
from runtime import supervisor
from runtime.supervisor import SupervisorUnreachable, read_processes
from tests.dashboard.conftest import Desk

HEARTBEAT = {
    "status": "ok",
    "mode": "paper",
    "trading_state": "ACTIVE",
    "instance": "a" * 16,
    "epoch": "e" * 16,
    "first_seq": 1,
    "last_seq": 57,
    "metrics": {},
}


class _Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # there is none on a unix socket
    rpc_paths: ClassVar[Sequence[str]] = ("/", "/RPC2")  # type: ignore[misc]

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    daemon_threads = True
    logRequests = False  # noqa: N815 (the handler's name for it)

    def __init__(self, path: Path) -> None:
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, str(path), _Handler)


@contextlib.contextmanager
def fake_supervisor(path: Path, processes: list[dict[str, object]], logs: dict[str, str]) -> Iterator[list[str]]:
    """Answers as supervisord does; yields the calls it got."""
    calls: list[str] = []

    def get_all() -> list[dict[str, object]]:
        calls.append("getAllProcessInfo")
        return processes

    def tail(name: str, offset: int, length: int) -> list[object]:
        calls.append(f"tail {name}")
        return [logs[name][-length:], len(logs[name]), offset < len(logs[name])]

    server = _Server(path)
    server.register_function(get_all, "supervisor.getAllProcessInfo")
    server.register_function(tail, "supervisor.tailProcessStdoutLog")

    def multicall(calls: list[dict[str, list[object]]]) -> list[object]:
        """As supervisord's own: results as they are, not each in a list."""
        results: list[object] = []
        for call in calls:
            try:
                results.append(tail(*call["params"]))  # type: ignore[arg-type]
            except KeyError as error:
                results.append({"faultCode": 20, "faultString": f"NO_FILE: {error}"})
        return results

    server.register_function(multicall, "system.multicall")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def process(name: str, **changes: object) -> dict[str, object]:
    up = {"name": name, "group": name, "statename": "RUNNING", "pid": 4711, "start": 1000, "now": 1060, "stop": 0, "exitstatus": 0, "spawnerr": ""}
    return {**up, "description": "pid 4711, uptime 0:01:00", **changes}


async def test_the_seven_programs_are_always_named_in_order(desk: Desk) -> None:
    """Started by hand, without supervisord and before any heartbeat: all of them, and nothing made up."""
    status, body = await desk.get("/api/status")
    assert (status, body["supervisor"]) == (200, "absent")
    programs = body["programs"]
    assert isinstance(programs, list)
    assert [program["name"] for program in programs] == list(PROGRAMS)
    empty = {"state": None, "description": "", "pid": None, "uptime_s": None, "exit_status": None, "heartbeat": None, "lag": None, "log": []}
    assert all(program == {"name": program["name"], **empty} for program in programs)


async def test_heartbeats_show_their_age_and_how_far_behind_we_are(desk: Desk) -> None:
    """The narrator's heartbeat is that of its source, rick. Another epoch than ours: everything is still to come."""
    desk.heard["oanda"] = Heard(payload=HEARTBEAT, age_ms=400)
    desk.heard["rick"] = Heard(payload={**HEARTBEAT, "last_seq": 9}, age_ms=4_000)
    desk.heard["gateway"] = Heard(payload={**HEARTBEAT, "epoch": None, "last_seq": None}, age_ms=10)
    desk.seen.update({"oanda": ("e" * 16, 50), "rick": ("f" * 16, 9)})
    programs = {program["name"]: program for program in (await desk.get("/api/status"))[1]["programs"]}  # type: ignore[attr-defined]
    assert programs["oanda"]["heartbeat"] == {"age_ms": 400, "stale": False, **HEARTBEAT}
    assert programs["oanda"]["lag"] == 7
    assert programs["narrator"]["heartbeat"]["stale"] is True
    assert programs["narrator"]["lag"] == 9
    assert programs["gateway"]["lag"] is None


async def test_processes_show_state_uptime_and_their_last_lines(desk: Desk, home: Path) -> None:
    processes = [
        process("gateway"),
        process("oanda", statename="BACKOFF", pid=0, stop=1050, exitstatus=3, spawnerr="Exited too quickly"),
        process("someone_else"),
    ]
    logs = {"gateway": "\n".join(f"line {n}" for n in range(40)) + "\n", "oanda": "cannot start\n"}
    with fake_supervisor(home / "run" / "supervisor.sock", processes, logs) as calls:
        body = (await desk.get("/api/status"))[1]
        again = (await desk.get("/api/status"))[1]
    programs = {program["name"]: program for program in body["programs"]}  # type: ignore[attr-defined]
    assert body["supervisor"] == "up"
    gateway, oanda = programs["gateway"], programs["oanda"]
    assert (gateway["state"], gateway["pid"], gateway["uptime_s"], gateway["exit_status"], gateway["description"]) == ("RUNNING", 4711, 60, None, "")
    assert gateway["log"] == [f"line {n}" for n in range(30, 40)]
    assert (oanda["state"], oanda["pid"], oanda["uptime_s"], oanda["exit_status"]) == ("BACKOFF", None, None, 3)
    assert oanda["description"] == "Exited too quickly"
    assert oanda["log"] == ["cannot start"]
    assert programs["bus"]["state"] is None
    assert again["supervisor"] == "up"
    assert calls.count("getAllProcessInfo") == 1  # asked at most once a second


async def test_a_supervisor_that_does_not_answer_is_said_to_be_unreachable(desk: Desk, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen one, and a socket that nobody listens on any more: the rest of the answer is there."""
    monkeypatch.setattr(supervisor, "CALL_S_MAX", 0.2)
    desk.heard["oanda"] = Heard(payload=HEARTBEAT, age_ms=1)
    path = home / "run" / "supervisor.sock"
    server = socketserver.UnixStreamServer(str(path), socketserver.BaseRequestHandler)  # listens, and never accepts
    status, body = await desk.get("/api/status")
    server.server_close()
    assert (status, body["supervisor"]) == (200, "unreachable")
    assert any(program["heartbeat"] for program in body["programs"])  # type: ignore[attr-defined]
    with pytest.raises(SupervisorUnreachable):
        read_processes(path)


def test_a_log_cut_in_the_middle_of_a_line_starts_with_a_whole_one(home: Path) -> None:
    """And a very long line is cut."""
    path = home / "run" / "supervisor.sock"
    with fake_supervisor(path, [process("bus")], {"bus": "x" * 9_000 + "\nwhole\n" + "y" * 3_000 + "\n"}):
        found = read_processes(path)
    assert found is not None
    assert found["bus"].log == ("whole", "y" * supervisor.LINE_CHARS_MAX)


def test_a_program_without_a_log_has_no_lines(home: Path) -> None:
    """supervisord answers such a call with a fault, the others all the same."""
    path = home / "run" / "supervisor.sock"
    with fake_supervisor(path, [process("bus"), process("oanda")], {"oanda": "hello\n"}):
        found = read_processes(path)
    assert found is not None
    assert (found["bus"].log, found["oanda"].log) == ((), ("hello",))


def test_a_log_with_bytes_that_no_xml_carries_hides_nothing_else(home: Path) -> None:
    path = home / "run" / "supervisor.sock"
    with fake_supervisor(path, [process("bus")], {"bus": "colour \x1b[31m\n"}):
        found = read_processes(path)
    assert found is not None
    assert (found["bus"].state, found["bus"].log) == ("RUNNING", ())


@pytest.mark.system
def test_a_real_supervisord_is_understood(home: Path) -> None:
    """One program that runs and writes, one that fails at once."""
    conf, path = home / "s.conf", home / "run" / "supervisor.sock"
    conf.write_text(
        f"[supervisord]\nnodaemon=true\nsilent=true\nlogfile={home}/s.log\npidfile={home}/s.pid\n"
        f"[unix_http_server]\nfile={path}\nchmod=0700\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[program:gateway]\ncommand=/bin/sh -c 'echo hello; exec sleep 60'\nstartsecs=0\nstdout_logfile={home}/gateway.log\n"
        f"[program:oanda]\ncommand=/no/such/program\nstartretries=0\nstdout_logfile={home}/oanda.log\n"
    )
    daemon = subprocess.Popen([sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)])
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                found = read_processes(path)
            except SupervisorUnreachable:
                found = None
            if found and found["gateway"].log and found["oanda"].state == "FATAL":
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
    finally:
        daemon.terminate()
        daemon.wait(20)
    assert found["gateway"].state == "RUNNING"
    assert found["gateway"].log == ("hello",)
    assert (found["gateway"].uptime_s or 0) < 60
    assert "no/such/program" in found["oanda"].description
    assert found["oanda"].pid is None
