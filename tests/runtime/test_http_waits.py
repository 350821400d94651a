"""The shared server under slow, many, and vanishing clients; its rights; its start and its end."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from runtime import http_body, http_server
from runtime.http import Listener, build_app, listening
from runtime.program import CannotStart
from runtime.settings import HttpSettings, Settings
from tests.runtime.http_example import OK_BODY, Example, head, refusal, serving
from tests.runtime.raw_http import exchange, is_closed, read_answer


async def test_a_slow_body_is_408_and_the_end_of_the_connection(server: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_body, "BODY_S_MAX", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head("POST", "/echo", server.port, {"Content-Length": "100", "Content-Type": "application/json"}) + b'{"units"')
    assert refusal(await read_answer(reader)) == (408, "BODY_TIMEOUT")
    assert await is_closed(reader, 5)
    writer.close()


async def test_a_head_that_trickles_in_and_a_silent_connection_are_closed(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEAD_S_MAX", 0.1)
    monkeypatch.setattr(http_server, "_SWEEP_S", 0.05)
    monkeypatch.setattr(http_server, "KEEPALIVE_S", 0.4)
    async with serving(example, tmp_path) as server:
        for first in (b"", b"GET /pa", head("GET", "/page", server.port) + b"GET /again HT"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(first)
            assert await is_closed(reader, 5), first
            writer.close()
        assert (await exchange(server.port, head("GET", "/page", server.port)))[0] == 200


async def test_a_request_that_is_being_worked_on_is_not_taken_for_a_slow_head(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEAD_S_MAX", 0.05)
    monkeypatch.setattr(http_server, "_SWEEP_S", 0.02)
    async with serving(example, tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head("GET", "/patient", server.port) + b"GET /pa")
        asyncio.get_running_loop().call_later(0.3, example.release.set)
        assert (await read_answer(reader))[0] == 200
        writer.close()


async def test_connections_beyond_the_cap_are_closed_and_streams_do_not_count(
    example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 3)
    async with serving(example, tmp_path) as server:
        streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        for reader, writer in streams:
            writer.write(head("GET", "/stream", server.port))
            await reader.readuntil(b"\r\n\r\n")
        idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await is_closed(reader, 5)
        writer.close()
        idle[0][1].close()
        await idle[0][1].wait_closed()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert (await exchange(server.port, head("GET", "/page", server.port)))[0] == 200
                    break
                except (ConnectionError, asyncio.IncompleteReadError):
                    continue
        for _, writer in [*streams, *idle]:
            writer.close()


async def test_rights_by_role_and_the_read_rule(example: Example, tmp_path: Path) -> None:
    """Rows: the token; columns: read, viewer, trader, admin; on loopback in paper, and in live."""
    paper = {
        None: (200, 401, 401, 401),
        "viewer": (200, 200, 403, 403),
        "trader": (200, 200, 200, 403),
        "admin": (200, 200, 200, 200),
        "x": (401,) * 4,
    }
    live = {**paper, None: (401, 401, 401, 401)}
    for table, is_live in ((paper, False), (live, True)):
        async with serving(example, tmp_path, execution_enabled=is_live) as server:
            for token, wanted in table.items():
                headers = {} if token is None else {"Authorization": f"Bearer {token}"}
                got = [(await exchange(server.port, head("GET", path, server.port, headers)))[0] for path in ("/read", "/viewer")]
                got += [(await exchange(server.port, head("POST", path, server.port, headers, OK_BODY)))[0] for path in ("/trader", "/admin")]
                assert tuple(got) == wanted, (token, is_live)


async def test_the_end_ends_streams_at_once_and_lets_open_requests_finish(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once is before the server would give up on them."""
    monkeypatch.setattr(http_server, "SHUTDOWN_S", 60)
    loop = asyncio.get_running_loop()
    async with serving(example, tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head("GET", "/stream", server.port))
        await reader.readuntil(b": hello\n\n")
        patient_reader, patient = await asyncio.open_connection("127.0.0.1", server.port)
        patient.write(head("GET", "/patient", server.port))
        await exchange(server.port, head("GET", "/page", server.port))
        started = loop.time()
    assert loop.time() - started < 30
    assert example.ended == ["stream"]
    assert (await read_answer(patient_reader))[0] == 200
    for each in (writer, patient):
        each.close()


async def test_a_taken_port_says_which_setting_to_change(server: Listener, tmp_path: Path) -> None:
    app = build_app("gateway", Settings(home=tmp_path, conf=tmp_path / "x"), [])
    with pytest.raises(CannotStart, match=rf"port {server.port} on 127.0.0.1 is taken.*ARENA_GATEWAY__PORT"):
        async with listening(app, "127.0.0.1", server.port):
            pass


@pytest.mark.parametrize(
    ("http", "said"),
    [
        (HttpSettings(), "ARENA_HTTP__ALLOW_REMOTE=true"),
        (HttpSettings(allow_remote=True), "ARENA_HTTP__TLS_CERT_FILE"),
        (HttpSettings(trusted_proxies=("10.0.0.1",)), "ARENA_HTTP__ALLOW_REMOTE=true"),
        (HttpSettings(allow_remote=True, tls_cert_file="/nowhere.pem"), "ARENA_HTTP__TLS_KEY_FILE"),
    ],
)
async def test_a_bind_beyond_loopback_refuses_to_start_unprotected(tmp_path: Path, http: HttpSettings, said: str) -> None:
    app = build_app("gateway", Settings(home=tmp_path, conf=tmp_path / "x", http=http), [], host="0.0.0.0")
    with pytest.raises(CannotStart, match=said):
        async with listening(app, "0.0.0.0", 0):
            pass


async def test_a_trusted_proxy_opens_the_bind_and_closes_open_reads(example: Example, tmp_path: Path) -> None:
    http = HttpSettings(allow_remote=True, trusted_proxies=("10.0.0.1",), allowed_hosts=("arena.example",))
    async with serving(example, tmp_path, host="0.0.0.0", http=http) as server:
        assert (await exchange(server.port, head("GET", "/read", server.port, {"Host": "arena.example"})))[0] == 401
        assert (await exchange(server.port, head("GET", "/page", server.port, {"Host": "arena.example:8443"})))[0] == 200
        assert (await exchange(server.port, head("GET", "/page", server.port, {"Host": "other.example"})))[0] == 421


async def test_keepalive_serves_many_requests_on_one_connection(server: Listener) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(20):
            async with http.get(server.url + "/page") as answer:
                assert answer.status == 200
        assert http.connector is not None
        assert len(http.connector._conns) == 1


async def test_a_client_that_resets_mid_request_disturbs_nobody(server: Listener) -> None:
    for _ in range(20):
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.sendall(head("POST", "/echo", server.port, {"Content-Length": "50", "Content-Type": "application/json"}) + b"{")
        sock.close()
    assert (await exchange(server.port, head("GET", "/page", server.port)))[0] == 200
