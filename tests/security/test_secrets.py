"""Secrets planted and used for a session: none of them turns up in a log, an answer, an event, a command line, a database, a backup or an error."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import pytest_asyncio
import zmq
import zmq.asyncio

from tests.system.stack import SEED_ORDER, Stack

pytestmark = pytest.mark.system
PASSWORD = "planted-Password-7c1e9b"
OANDA_TOKEN = "planted-oanda-token-51d0c2"
COINBASE_SECRET = "planted-coinbase-secret-f00d77"


@pytest_asyncio.fixture(scope="module")
async def used(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, dict[str, bytes], list[bytes]]]:
    """An arena after a session of use; its secrets by name; and every answer it gave after they were known."""
    environ = {"OANDA_API_TOKEN": OANDA_TOKEN, "COINBASE_API_SECRET": COINBASE_SECRET}
    async with Stack(environ) as stack:
        answers: list[bytes] = []
        secrets: dict[str, bytes] = {"password": PASSWORD.encode(), "oanda token": OANDA_TOKEN.encode(), "coinbase": COINBASE_SECRET.encode()}
        async with asyncio.timeout(100):
            await _use(stack, secrets, answers)
            target = stack.home / "copy.db"
            with zmq.asyncio.Context.instance().socket(zmq.REQ) as asking:
                asking.setsockopt(zmq.LINGER, 0)
                asking.connect(f"ipc://{stack.home}/run/oanda-orders.sock")
                await asking.send(msgpack.packb({"v": 1, "id": "1", "op": "store.backup", "args": {"path": str(target)}}))
                assert msgpack.unpackb(await asking.recv())["ok"]
        secrets["signing key"] = (stack.home / "keys" / "jwt.key").read_bytes()
        yield stack, secrets, answers


async def _use(stack: Stack, secrets: dict[str, bytes], answers: list[bytes]) -> None:
    body = {"email": "planted@test", "password": PASSWORD}

    async def call(method: str, url: str, **more: Any) -> Any:
        async with stack.http.request(method, url, **more) as answer:
            raw = await answer.read()
            answers.append(raw + str(answer.headers).encode())
            return json.loads(raw) if answer.content_type == "application/json" else {}

    gateway, dashboard = stack.gateway, stack.dashboard
    await call("POST", f"{gateway}/auth/register", json={**body, "role": "trader"})
    login = await call("POST", f"{gateway}/auth/login", json=body)
    answers.clear()  # those are where a token is given to its owner
    headers = {"Authorization": f"Bearer {login['access_token']}"}
    secrets |= {"access token": login["access_token"].encode(), "refresh token": login["refresh_token"].encode()}
    made = await call("POST", f"{gateway}/auth/api-keys", json={"name": "bot", "scopes": ["paper", "read"]}, headers=headers)
    answers.clear()
    secrets["api key"] = made["secret"].encode()
    by_key = {"Authorization": f"Bearer {made['secret']}"}
    order = f"{gateway}/brokers/oanda/orders"
    for who in (headers, by_key):
        await call("POST", order, json=SEED_ORDER, headers=who)
    # Secrets where they do not belong: the wrong field, the wrong header, the path, the query, a body that does not parse.
    for secret in (PASSWORD, login["access_token"], login["refresh_token"], made["secret"]):
        await call("GET", f"{gateway}/auth/me", headers={"Authorization": f"Basic {secret}"})
        await call("GET", f"{gateway}/auth/me", headers={"Authorization": f"Bearer {secret}x"})
        await call("POST", f"{gateway}/auth/login", json={"email": "planted@test", "password": secret + "x"})
        await call("POST", f"{gateway}/auth/refresh", json={"refresh_token": secret + "x"})
        await call("GET", f"{stack.market_data}/quotes", headers={"Authorization": f"Bearer {secret}x"})
        await call("GET", f"{dashboard}/api/status", headers={"Cookie": f"arena_session_{stack.dashboard_port}={secret}"})
        await call("POST", f"{gateway}/auth/login", data=f'{{"email": "planted@test", "password": "{secret}'.encode())
    for url in (f"{gateway}/orders", f"{gateway}/metrics", f"{gateway}/health/ready", f"{gateway}/auth/api-keys", f"{gateway}/events/history"):
        await call("GET", url, headers=headers)
    for url in (f"{dashboard}/api/status", f"{dashboard}/api/export/narration.csv", f"{dashboard}/openapi.json", f"{gateway}/docs"):
        await call("GET", url)
    await call("POST", f"{gateway}/auth/refresh", json={"refresh_token": login["refresh_token"]})
    secrets["next pair"] = answers.pop()[:0] or secrets["refresh token"]
    for arguments, text in ((("user", "list"), None), (("user", "audit"), None), (("doctor",), None), (("login", "planted@test"), f"{PASSWORD}\n")):
        _, out, err = await stack.cli(*arguments, input_text=text)
        answers.append((out + err).encode())


def _found(secrets: dict[str, bytes], data: bytes) -> list[str]:
    return [name for name, secret in secrets.items() if secret in data]


def test_no_log_no_database_and_no_backup_holds_one(used: tuple[Stack, dict[str, bytes], list[bytes]]) -> None:
    """Every file of the arena but the two that are there to keep one: the signing key, and the CLI's own session."""
    stack, secrets, _ = used
    keepers = {stack.home / "keys" / "jwt.key"}
    looked = 0
    for path in sorted(stack.home.rglob("*")):
        if not path.is_file() or path in keepers or path.is_relative_to(stack.home / "keys"):
            continue
        looked += 1
        assert _found(secrets, path.read_bytes()) == [], path.relative_to(stack.home)
    assert looked > 12
    assert _found({name: secret for name, secret in secrets.items() if name != "signing key"}, stack.said) == []
    # The CLI keeps what it logged in with, for its owner alone; the password is not among it.
    for path in (stack.home / "keys").iterdir():
        if path.is_file() and path not in keepers:
            assert _found({"password": secrets["password"], "signing key": secrets["signing key"]}, path.read_bytes()) == []


def test_no_answer_repeats_one(used: tuple[Stack, dict[str, bytes], list[bytes]]) -> None:
    _, secrets, answers = used
    assert len(answers) > 30
    for answer in answers:
        assert _found(secrets, answer) == [], answer[:300]


def test_no_process_shows_one_in_its_command_line(used: tuple[Stack, dict[str, bytes], list[bytes]]) -> None:
    stack, secrets, _ = used
    processes = stack.processes()
    assert len(processes) >= 8
    for pid in processes:
        assert _found(secrets, Path(f"/proc/{pid}/cmdline").read_bytes()) == []


async def test_no_event_carries_one(used: tuple[Stack, dict[str, bytes], list[bytes]]) -> None:
    stack, secrets, _ = used
    seen = b""
    for source in ("oanda", "coinbase", "rick"):
        with zmq.asyncio.Context.instance().socket(zmq.REQ) as asking:
            asking.setsockopt(zmq.LINGER, 0)
            asking.connect(f"ipc://{stack.home}/run/{source}-replay.sock")
            async with asyncio.timeout(30):
                await asking.send(msgpack.packb({"v": 1, "id": "1", "op": "events.since", "args": {"epoch": None, "after": 0}}))
                seen += await asking.recv()
    assert b"oco_placed" in seen
    assert _found(secrets, seen) == []


def test_every_file_and_folder_is_for_its_owner_alone(used: tuple[Stack, dict[str, bytes], list[bytes]]) -> None:
    """0700 and 0600 (0700 for sockets at most), whatever the umask of who started it."""
    stack, _, _ = used
    open_to_others = [
        str(path.relative_to(stack.home))
        for path in (stack.home, *stack.home.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077 and path.name != "clock-offset"
    ]
    assert open_to_others == []
