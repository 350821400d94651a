"""Two hosts: a bus in one network namespace, its clients in another, and a real wire between them.

Making namespaces takes root and iproute2; where they are not to be had the tests are skipped and say so.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.curve import ClientKeys, KeyRing, new_pair
from bus.publisher import Publisher
from runtime.program import prepare_home
from runtime.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
SERVER_IP, CLIENT_IP, PORT = "10.91.0.1", "10.91.0.2", 5571
pytestmark = pytest.mark.system

# What a tool on the other host is: one loop. It says that it is up, and each event's number.
LISTENER = """
import sys
import zmq
from bus.curve import ClientKeys

address, keys = sys.argv[1:]
context = zmq.Context()
socket = context.socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
if keys:
    ClientKeys.load(keys).apply(socket)
monitor = socket.get_monitor_socket()
socket.connect(address)
while True:
    event = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
    if event in (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_DISCONNECTED):
        break
print("in" if event == zmq.EVENT_HANDSHAKE_SUCCEEDED else "refused", flush=True)
if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
    print(socket.recv_multipart()[1].decode(), flush=True)
"""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """The names of two namespaces with a wire between them."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces take root and iproute2")
    server, client = f"ar{os.getpid()}s", f"ar{os.getpid()}c"
    with contextlib.ExitStack() as undo:
        try:
            for name in (server, client):
                _run("ip", "netns", "add", name)
                undo.callback(_run, "ip", "netns", "del", name)
            _run("ip", "-n", server, "link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", client)
            for name, link, address in ((server, "wire0", SERVER_IP), (client, "wire1", CLIENT_IP)):
                _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
                _run("ip", "-n", name, "link", "set", link, "up")
                _run("ip", "-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine makes no network namespaces: {error.stderr.decode(errors='replace').strip()}")
        yield server, client


@contextlib.contextmanager
def _bus(host: str, settings: Settings, **environ: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, "-m", "bus"],
        cwd=ROOT,
        env={**os.environ, "ARENA_HOME": str(settings.home), **environ},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _line_with(process: "subprocess.Popen[str]", *words: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if any(word in line for word in words):
            return line
    raise AssertionError(f"the bus ended without a word of {words}")


def _client(host: str, keys: Path | None) -> "subprocess.Popen[str]":
    command = ["ip", "netns", "exec", host, sys.executable, "-c", LISTENER, f"tcp://{SERVER_IP}:{PORT}", str(keys or "")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("live", ["false", "true"])
def test_over_the_wire_only_named_clients_listen(hosts: tuple[str, str], settings: Settings, tmp_path: Path, live: str) -> None:
    """The client with the key hears what the house publishes; one without a key, and one with a stranger's, are turned away."""
    ring = KeyRing(settings.keys_dir)
    server_public, _ = ring.server_pair()
    files = {}
    for name in ("tool", "stranger"):
        public, secret = new_pair()
        files[name] = tmp_path / f"{name}.json"
        ClientKeys(server_public=server_public, public=public, secret=secret).save(files[name])
        if name == "tool":
            ring.add("subscribers", name, public)
    server, client = hosts
    with _bus(server, settings, ARENA_BUS__SUB_HOST=SERVER_IP, EXECUTION_ENABLED=live) as bus:
        assert "bus is up" in _line_with(bus, "bus is up", "cannot start")
        for keys in (None, files["stranger"]):
            with _client(client, keys) as turned_away:
                assert turned_away.communicate(timeout=30)[0].split() == ["refused"]
        with _client(client, files["tool"]) as tool, Publisher(settings.bus_pub_address) as publisher:
            assert tool.stdout is not None
            assert tool.stdout.readline().strip() == "in"
            while tool.poll() is None:
                publisher.publish(b"oanda.order_filled.", b"over-the-wire")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    tool.wait(0.05)
            assert tool.stdout.read().strip() == "over-the-wire"


@pytest.mark.parametrize("live", ["false", "true"])
def test_without_a_client_on_the_list_the_wire_is_not_opened(hosts: tuple[str, str], settings: Settings, live: str) -> None:
    prepare_home(settings)
    with _bus(hosts[0], settings, ARENA_BUS__SUB_HOST=SERVER_IP, EXECUTION_ENABLED=live) as bus:
        assert "arena keys add" in _line_with(bus, "cannot start", "bus is up")
        assert bus.wait(20) == 3


def test_the_default_is_loopback_and_no_other_host_reaches_it(hosts: tuple[str, str], settings: Settings) -> None:
    default = load_settings({"ARENA_HOME": str(settings.home)})
    assert default.bus.sub_host == "127.0.0.1"
    with _bus(hosts[0], settings) as bus:
        assert "bus is up" in _line_with(bus, "bus is up", "cannot start")
        probe = f"import socket,sys; s=socket.socket(); s.settimeout(5); sys.exit(0 if s.connect_ex(('{SERVER_IP}', {PORT})) else 1)"
        _run("ip", "netns", "exec", hosts[1], sys.executable, "-c", probe)
