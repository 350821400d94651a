"""The proxy: messages go through, strangers do not, and two never share one place."""

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from bus.curve import KeyRing, new_pair
from bus.doors import Doors, doors
from bus.proxy import Proxy
from bus.publisher import Publisher
from runtime.program import CannotStart
from runtime.settings import AuthSettings, BusSettings, GatewaySettings, HttpSettings, Settings


async def _listener(address: str, topic: bytes = b"") -> zmq.asyncio.Socket:
    socket = zmq.asyncio.Context.instance().socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SUBSCRIBE, topic)
    socket.connect(address)
    return socket


async def _until_heard(publisher: Publisher, socket: zmq.asyncio.Socket) -> None:
    """Publish until the subscription has reached the publisher; the joins are asynchronous and nothing else tells."""
    while True:
        publisher.publish(b"test.ping.", b"")
        if await socket.poll(10):
            break
    while await socket.poll(50):
        await socket.recv_multipart()


@pytest.mark.parametrize("over", ["ipc", "tcp"])
async def test_a_published_message_reaches_a_subscriber(proxy: Proxy, run_dir: Path, over: str) -> None:
    address = f"ipc://{run_dir}/bus-sub.sock" if over == "ipc" else f"tcp://127.0.0.1:{proxy.sub_port}"
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher, await _listener(address) as socket:
        await _until_heard(publisher, socket)
        publisher.publish(b"oanda.order_filled.", b"body")
        assert await asyncio.wait_for(socket.recv_multipart(), 30) == [b"oanda.order_filled.", b"body"]


async def test_a_closing_publisher_hands_over_its_last_messages(proxy: Proxy, run_dir: Path) -> None:
    with await _listener(f"ipc://{run_dir}/bus-sub.sock", b"test.") as socket:
        with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:
            await _until_heard(publisher, socket)
            for number in range(100):
                publisher.publish(b"test.last.", b"%d" % number)
        received = [(await asyncio.wait_for(socket.recv_multipart(), 30))[1] for _ in range(100)]
        assert received == [b"%d" % number for number in range(100)]


async def test_an_http_post_to_the_subscriber_port_delivers_nothing(proxy: Proxy, run_dir: Path) -> None:
    """F1: without ZAP_DOMAIN libzmq reads the request's bytes as frames of ZMTP 1.0 (the path's length decides how they fall) and the proxy
    hands them to the publishers, two or three frames a request."""
    assert proxy.sub_port is not None
    with zmq.asyncio.Context.instance().socket(zmq.XPUB) as publisher, await _listener(f"ipc://{run_dir}/bus-sub.sock", b"mine.") as mine:
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.setsockopt(zmq.XPUB_VERBOSE, 1)
        publisher.connect(f"ipc://{run_dir}/bus-pub.sock")
        assert await asyncio.wait_for(publisher.recv(), 30) == b"\x01mine."
        for length in range(1, 60):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.sub_port)
            writer.write(b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n" % (b"x" * length) + b"\x00\x02\x01a" * 500)
            with contextlib.suppress(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 30)
            writer.close()
        mine.setsockopt(zmq.SUBSCRIBE, b"after.")
        assert await asyncio.wait_for(publisher.recv(), 30) == b"\x01after."


async def test_an_http_post_is_disconnected_at_once(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.sub_port)
    writer.write(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nbody")
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 30)
    writer.close()


async def test_the_sockets_are_for_their_owner_alone(proxy: Proxy, run_dir: Path) -> None:
    for name in ("bus-pub.sock", "bus-sub.sock", "bus.lock"):
        assert stat.S_IMODE((run_dir / name).stat().st_mode) == 0o600


async def test_a_second_proxy_in_the_same_place_is_refused_and_the_first_goes_on(proxy: Proxy, run_dir: Path) -> None:
    with pytest.raises(CannotStart, match="another bus runs"):
        async with Proxy(run_dir, Doors()):
            pass
    with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher, await _listener(f"ipc://{run_dir}/bus-sub.sock") as socket:
        await _until_heard(publisher, socket)


async def test_a_socket_that_a_stranger_listens_on_is_not_stolen(run_dir: Path) -> None:
    stranger = await asyncio.start_unix_server(lambda reader, writer: writer.close(), run_dir / "bus-pub.sock")
    with pytest.raises(CannotStart, match="another process listens"):
        async with Proxy(run_dir, Doors()):
            pass
    stranger.close()
    await stranger.wait_closed()


async def test_a_socket_file_left_by_a_killed_proxy_is_taken_over(run_dir: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(run_dir / "bus-sub.sock"))
    assert (run_dir / "bus-sub.sock").exists()
    async with Proxy(run_dir, Doors()):
        with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher, await _listener(f"ipc://{run_dir}/bus-sub.sock") as listener:
            await _until_heard(publisher, listener)


async def test_a_taken_port_is_refused_with_the_setting_to_change(proxy: Proxy, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert proxy.sub_port is not None
    with pytest.raises(CannotStart, match=f"port {proxy.sub_port} .* ARENA_BUS__SUB_PORT"):
        async with Proxy(tmp_path, Doors(subscribers=("127.0.0.1", proxy.sub_port))):
            pass


async def test_a_directory_that_others_may_enter_is_refused(run_dir: Path) -> None:
    run_dir.chmod(0o755)
    with pytest.raises(CannotStart, match="chmod 700"):
        async with Proxy(run_dir, Doors()):
            pass


async def test_a_proxy_can_be_started_again_in_the_same_place(run_dir: Path) -> None:
    for _ in range(2):
        async with Proxy(run_dir, Doors()) as running:
            pass
        await running.wait()


def _settings(tmp_path: Path, **values: object) -> Settings:
    return Settings(home=tmp_path, conf=tmp_path / "arena.toml", **values)  # type: ignore[arg-type]


def _doors(home: Path, *clients: str, **values: object) -> Doors:
    ring = KeyRing(home / "keys")
    for name in clients:
        ring.add("publishers" if name == "writer" else "subscribers", name, new_pair()[0])
    return doors(_settings(home, **values), ring)


def test_the_plain_port_is_open_on_loopback_in_paper(tmp_path: Path) -> None:
    assert _doors(tmp_path) == Doors(subscribers=("127.0.0.1", 5571))
    assert _doors(tmp_path, "tool") == Doors(subscribers=("127.0.0.1", 5571))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "arena.example"])
def test_an_address_beyond_loopback_is_opened_with_curve_or_not_at_all(tmp_path: Path, host: str) -> None:
    with pytest.raises(CannotStart, match="arena keys add"):
        _doors(tmp_path, bus=BusSettings(sub_host=host))
    with pytest.raises(CannotStart, match="arena keys add"):
        _doors(tmp_path, "writer", bus=BusSettings(sub_host=host))
    assert _doors(tmp_path, "tool", bus=BusSettings(sub_host=host)) == Doors(subscribers=(host, 5571), curve=True)


@pytest.mark.parametrize(
    "values",
    [
        {"execution_enabled": True},
        {"auth": AuthSettings(read="token")},
        {"gateway": GatewaySettings(host="0.0.0.0")},
        {"http": HttpSettings(trusted_proxies=("10.0.0.9",))},
    ],
    ids=["live", "reads need a token", "reads from other machines", "behind a proxy"],
)
def test_where_reads_need_a_token_the_port_speaks_curve_to_named_clients_or_is_closed(tmp_path: Path, values: dict[str, object]) -> None:
    assert _doors(tmp_path, **values).subscribers is None
    assert _doors(tmp_path, "writer", **values).subscribers is None
    assert _doors(tmp_path, "tool", **values) == Doors(subscribers=("127.0.0.1", 5571), curve=True)


def test_a_port_for_publishers_needs_a_publishers_key(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="--publisher"):
        _doors(tmp_path, "tool", bus=BusSettings(pub_port=5570))
    assert _doors(tmp_path, "writer", bus=BusSettings(pub_port=5570)).publishers == ("127.0.0.1", 5570)
