"""CURVE on the bus: named clients come in on their own side, and nobody else comes in at all."""

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio
from zmq.utils import z85

from bus.curve import ClientKeys, KeyRefused, KeyRing, new_pair
from bus.doors import Doors
from bus.proxy import Proxy
from bus.publisher import Publisher
from bus.subscriber import Subscriber
from bus.zap import decide
from runtime.program import CannotStart
from tests.bus.live import LiveOwner

BOTH = Doors(subscribers=("127.0.0.1", 0), publishers=("127.0.0.1", 0), curve=True)


def keys_for(ring: KeyRing, name: str, *, publisher: bool = False) -> ClientKeys:
    public, secret = new_pair()
    ring.add("publishers" if publisher else "subscribers", name, public)
    return ClientKeys(server_public=ring.server_pair()[0], public=public, secret=secret)


@pytest.fixture
def ring(run_dir: Path) -> KeyRing:
    return KeyRing(run_dir.parent / "keys")


@asynccontextmanager
async def guarded(run_dir: Path, ring: KeyRing) -> AsyncIterator[tuple[Proxy, Publisher]]:
    """A proxy that speaks CURVE on both sides, and a publisher of the house."""
    async with Proxy(run_dir, BOTH, ring) as proxy:
        with Publisher(f"ipc://{run_dir}/bus-pub.sock") as publisher:
            yield proxy, publisher


Setup = Callable[["zmq.Socket[bytes]"], object]
VERDICTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
)


async def is_let_in(port: int | None, setup: Setup) -> bool:
    """Whether a SUB socket's handshake succeeds; a refusal is an event of its own."""
    return await asyncio.to_thread(_try_handshake, port, setup)


def _try_handshake(port: int | None, setup: Setup) -> bool:
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        with socket.get_monitor_socket(VERDICTS) as monitor:
            setup(socket)
            socket.connect(f"tcp://127.0.0.1:{port}")
            assert monitor.poll(10_000), "no verdict in ten seconds"
            verdict = int.from_bytes(monitor.recv_multipart()[0][:2], "little")
            socket.disable_monitor()
    return verdict == zmq.EVENT_HANDSHAKE_SUCCEEDED


async def test_a_listed_subscriber_hears_every_event_and_the_others_are_not_let_in(run_dir: Path, ring: KeyRing) -> None:
    good, writer = keys_for(ring, "tool"), keys_for(ring, "writer", publisher=True)
    stranger_public, stranger_secret = new_pair()
    server = good.server_public
    wrong_server = new_pair()[0]
    refused: dict[str, Setup] = {
        "no security": lambda socket: None,
        "PLAIN": lambda socket: (socket.setsockopt(zmq.PLAIN_USERNAME, b"tool"), socket.setsockopt(zmq.PLAIN_PASSWORD, good.public.encode())),
        "a stranger's keys": ClientKeys(server_public=server, public=stranger_public, secret=stranger_secret).apply,
        "a publisher's keys": writer.apply,
        "the public key of another": lambda socket: _mixed(socket, server, good.public, stranger_secret),
        "another bus's key": ClientKeys(server_public=wrong_server, public=good.public, secret=good.secret).apply,
    }
    async with guarded(run_dir, ring) as (proxy, publisher):
        assert await is_let_in(proxy.sub_port, good.apply)
        let_in = [name for name, setup in refused.items() if await is_let_in(proxy.sub_port, setup)]
        assert let_in == []
        with zmq.asyncio.Context.instance().socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            good.apply(socket)
            socket.connect(f"tcp://127.0.0.1:{proxy.sub_port}")
            async with asyncio.timeout(30):
                while not await socket.poll(10):
                    publisher.publish(b"oanda.order_filled.", b"body")
                assert await socket.recv_multipart() == [b"oanda.order_filled.", b"body"]


def _mixed(socket: zmq.Socket[bytes], server: str, public: str, secret: str) -> None:
    socket.setsockopt(zmq.CURVE_SERVERKEY, server.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, secret.encode())


async def test_only_a_listed_publisher_speaks_over_tcp(run_dir: Path, ring: KeyRing) -> None:
    """A subscriber's keys, no keys and a stranger's publish nothing; the house's own listeners on the ipc side see what the one on the list says."""
    writer, tool = keys_for(ring, "writer", publisher=True), keys_for(ring, "tool")
    stranger = ClientKeys(server_public=tool.server_public, public=new_pair()[0], secret=new_pair()[1])
    async with guarded(run_dir, ring) as (proxy, _):
        with zmq.asyncio.Context.instance().socket(zmq.SUB) as listener:
            listener.setsockopt(zmq.LINGER, 0)
            listener.setsockopt(zmq.SUBSCRIBE, b"")
            listener.connect(f"ipc://{run_dir}/bus-sub.sock")
            address = f"tcp://127.0.0.1:{proxy.pub_port}"
            with (
                Publisher(address) as plain,
                Publisher(address, keys=tool) as reader,
                Publisher(address, keys=stranger) as foreign,
                Publisher(address, keys=writer) as listed,
            ):
                heard = 0
                async with asyncio.timeout(30):
                    while heard < 20:
                        for who, publisher in ((b"plain", plain), (b"tool", reader), (b"foreign", foreign), (b"writer", listed)):
                            publisher.publish(b"oanda.order_filled.", who)
                        while await listener.poll(10):
                            assert (await listener.recv_multipart())[1] == b"writer"
                            heard += 1


async def test_a_key_taken_off_the_list_lets_nobody_in_from_then_on(run_dir: Path, ring: KeyRing) -> None:
    keys = keys_for(ring, "tool")
    async with guarded(run_dir, ring) as (proxy, _):
        assert await is_let_in(proxy.sub_port, keys.apply)
        assert ring.remove("tool") == "subscribers"
        assert not await is_let_in(proxy.sub_port, keys.apply)
        ring.add("subscribers", "tool", keys.public)
        assert await is_let_in(proxy.sub_port, keys.apply)


async def test_http_posts_of_200_lengths_deliver_nothing_to_either_side(run_dir: Path, ring: KeyRing) -> None:
    writer = keys_for(ring, "writer", publisher=True)
    async with guarded(run_dir, ring) as (proxy, _):
        with zmq.asyncio.Context.instance().socket(zmq.SUB) as listener:
            listener.setsockopt(zmq.LINGER, 0)
            listener.setsockopt(zmq.SUBSCRIBE, b"")
            listener.connect(f"ipc://{run_dir}/bus-sub.sock")
            for length in range(1, 201):
                for port in (proxy.sub_port, proxy.pub_port):
                    _, sending = await asyncio.open_connection("127.0.0.1", port)
                    sending.write(b"POST /%b HTTP/1.1\r\nContent-Length: 2000\r\n\r\n" % (b"x" * length) + b"\x00\x02\x01a" * 500)
                    sending.close()
            with Publisher(f"tcp://127.0.0.1:{proxy.pub_port}", keys=writer) as publisher:
                async with asyncio.timeout(30):
                    while not await listener.poll(10):
                        publisher.publish(b"after.", b"")
                    assert (await listener.recv_multipart())[0] == b"after."


async def test_the_library_takes_the_file_of_keys_and_heals_as_ever(run_dir: Path, ring: KeyRing, tmp_path: Path) -> None:
    keys = keys_for(ring, "tool")
    keys.save(tmp_path / "tool.keys.json")
    async with guarded(run_dir, ring) as (proxy, _), LiveOwner("oanda", run_dir) as owner:
        await owner.append(3)
        address = f"tcp://127.0.0.1:{proxy.sub_port}"
        subscriber = Subscriber(address, {"oanda"}, home=run_dir.parent, cursor="", keys=tmp_path / "tool.keys.json")
        seen = []
        async with asyncio.timeout(30):
            async for event in subscriber:
                if event.type != "order_filled":
                    continue
                seen.append(event.payload["n"])
                if len(seen) == 3:
                    await owner.append(2)
                if len(seen) == 5:
                    break
        assert seen == [0, 1, 2, 0, 1]


async def test_a_store_of_keys_that_others_can_read_refuses_to_start(run_dir: Path, ring: KeyRing) -> None:
    keys_for(ring, "tool")
    (run_dir.parent / "keys" / "bus" / "server.key").chmod(0o644)
    with pytest.raises(CannotStart, match="chmod 600"):
        async with Proxy(run_dir, BOTH, ring):
            pass


def test_key_files_are_for_their_owner_alone_and_say_no_secret(run_dir: Path, ring: KeyRing, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        keys = keys_for(ring, "tool")
        keys.save(tmp_path / "k.json")
    finally:
        os.umask(before)
    for path in (*(run_dir.parent / "keys" / "bus").rglob("*"), tmp_path / "k.json"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    assert keys.secret not in repr(keys)
    assert not any(keys.secret in path.read_text() for path in (run_dir.parent / "keys").rglob("*") if path.is_file())
    assert ClientKeys.load(tmp_path / "k.json") == keys
    with pytest.raises(FileExistsError):
        keys.save(tmp_path / "k.json")
    (tmp_path / "k.json").chmod(0o640)
    with pytest.raises(KeyRefused, match="chmod 600"):
        ClientKeys.load(tmp_path / "k.json")


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", json.dumps({"server_public": "x", "public": "y", "secret": "z"}), '{"a":'])
def test_another_file_is_no_file_of_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyRefused):
        ClientKeys.load(path)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 64, "a b", "a\n", "-x"])
def test_a_name_is_no_path(ring: KeyRing, name: str) -> None:
    for act in (lambda: ring.add("subscribers", name, new_pair()[0]), lambda: ring.remove(name)):
        with pytest.raises(KeyRefused):
            act()


def test_one_client_one_key_on_one_list(ring: KeyRing) -> None:
    public, _ = new_pair()
    ring.add("subscribers", "tool", public)
    for which, name, key in (("subscribers", "tool", new_pair()[0]), ("publishers", "tool", new_pair()[0]), ("publishers", "x", public)):
        with pytest.raises(KeyRefused):
            ring.add(which, name, key)
    with pytest.raises(KeyRefused):
        ring.add("subscribers", "bad", "no key")
    assert ring.remove("nobody") is None


def test_zap_refuses_whatever_is_not_exactly_right(ring: KeyRing) -> None:
    """Each frame of a good request bent in turn: version, domain, mechanism, key, and how many frames there are."""
    public, _ = new_pair()
    ring.add("subscribers", "tool", public)
    good = [b"1.0", b"1", b"arena.subscribers", b"127.0.0.1", b"", b"CURVE", z85.decode(public)]
    assert decide(good, ring) == (b"200", "OK", "tool")
    bent = [
        [b"1.1", *good[1:]],
        [*good[:2], b"arena.publishers", *good[3:]],
        [*good[:2], b"", *good[3:]],
        [*good[:2], b"arena", *good[3:]],
        [*good[:5], b"NULL"],
        [*good[:5], b"NULL", good[6]],
        [*good[:5], b"PLAIN", b"tool", b"password"],
        [*good[:6], good[6][:-1]],
        [*good[:6], bytes(32)],
        [*good[:6], good[6] + b"x"],
        good[:6],
        [*good, b""],
        [],
    ]
    assert {decide(frames, ring)[0] for frames in bent} == {b"400"}
