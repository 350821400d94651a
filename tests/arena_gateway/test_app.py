"""The gateway as a process sees it: starting, stopping, and not starting."""

import asyncio
import dataclasses
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import zmq
import zmq.asyncio

from arena_gateway.app import main
from arena_gateway.users import open_users
from bus import sse
from runtime import http_server
from runtime.program import CannotStart
from runtime.settings import GatewaySettings, Settings
from tests.arena_gateway.fakes import SEED_ORDER, settings_at
from tests.ports import free_ports


@pytest.fixture
def settings() -> Iterator[Settings]:
    home = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    made = settings_at(home, gateway=GatewaySettings(port=free_ports(1)[0]))
    for directory in (made.run_dir, made.data_dir, made.keys_dir):
        directory.mkdir(mode=0o700)
    yield made
    shutil.rmtree(home)


async def until_up(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            try:
                async with http.get(url + "/health") as answer:
                    assert answer.status == 200
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


async def test_it_lives_without_bus_and_adapters_says_so_and_stops_at_once_with_a_stream_open(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "SHUTDOWN_S", 60)
    monkeypatch.setattr(sse, "SHUTDOWN_S", 60)
    stop = asyncio.Event()
    running = asyncio.create_task(main(settings, stop))
    url = f"http://127.0.0.1:{settings.gateway.port}"
    await until_up(url)
    async with aiohttp.ClientSession() as http:
        body = {"email": "trader@test", "password": "pass", "role": "trader"}
        async with http.post(url + "/auth/register", json=body) as answer:
            assert answer.status == 201
        async with http.post(url + "/auth/login", json=body | {"role": "x"}) as answer:
            assert answer.status == 400
        async with http.post(url + "/auth/login", json={"email": "trader@test", "password": "pass"}) as answer:
            token = (await answer.json())["access_token"]
        order = {"instrument": "EUR_USD", "side": "BUY", "units": 1, "entry_price": 1.1, "stop_loss_price": 1, "take_profit_price": 1.2}
        async with http.post(url + "/brokers/oanda/orders", json=order, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert (answer.status, (await answer.json())["code"]) == (503, "ADAPTER_DOWN")
        async with http.get(url + "/health/ready") as answer:
            assert answer.status == 503
        async with http.get(url + "/events") as stream:
            assert stream.status == 200
            stop.set()
            await asyncio.wait_for(running, 30)
    assert (settings.keys_dir / "jwt.key").stat().st_mode & 0o777 == 0o600
    assert (settings.data_dir / "users.db").stat().st_mode & 0o777 == 0o600


async def test_a_taken_port_is_one_sentence_that_names_the_setting(settings: Settings) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", settings.gateway.port))
        sock.listen()
        with pytest.raises(CannotStart, match="ARENA_GATEWAY__PORT"):
            await asyncio.wait_for(main(settings, asyncio.Event()), 30)


async def test_a_users_store_of_a_newer_version_or_one_that_is_damaged_refuses_to_start(settings: Settings) -> None:
    import sqlite3

    path = settings.data_dir / "users.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    path.chmod(0o600)
    with pytest.raises(CannotStart, match="newer arena"):
        await asyncio.wait_for(main(settings, asyncio.Event()), 30)
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(CannotStart, match="cannot be used"):
        await asyncio.wait_for(main(settings, asyncio.Event()), 30)


@pytest.mark.parametrize("more", [{}, {"X-Request-ID": "mine"}], ids=["quick", "long"])
async def test_an_order_that_a_stop_leaves_without_an_answer_is_written_down(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    """Live adapters have ten seconds for an order, and a stop waits for five."""
    monkeypatch.setattr(http_server, "SHUTDOWN_S", 0.1)
    live = dataclasses.replace(settings, execution_enabled=True)
    with open_users(live) as users:
        users.add("ann@desk", "a strong pass phrase", "trader", by="host")
    stop = asyncio.Event()
    url = f"http://127.0.0.1:{live.gateway.port}"
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as adapter:
        adapter.bind(live.orders_address("oanda"))
        running = asyncio.create_task(main(live, stop))
        await until_up(url)
        async with aiohttp.ClientSession() as http:
            async with http.post(url + "/auth/login", json={"email": "ann@desk", "password": "a strong pass phrase"}) as answer:
                headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}", **more}
            async with http.get(url + "/auth/me", headers=headers) as answer:  # the token is known from here on
                assert answer.status == 200
            order = asyncio.create_task(http.post(url + "/brokers/oanda/orders", json=SEED_ORDER, headers=headers))
            async with asyncio.timeout(30):
                while b"order.place" not in (await adapter.recv_multipart())[-1]:
                    pass
            stop.set()
            await asyncio.wait_for(running, 30)
            with pytest.raises(aiohttp.ClientError):
                await order
    with open_users(live) as users, users.store.read() as db:
        assert db.execute("SELECT outcome FROM audit WHERE action = 'order.place'").fetchall() == [("UNKNOWN",)]
