"""The way to the gateway and to market data: what passes, what does not, and what is said when an answer is lost."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from dashboard import upstreams
from runtime.settings import HttpSettings
from tests.dashboard.conftest import Desk, running_desk, said

ORDERS = "/api/arena/brokers/oanda/orders"
ORDER = {"instrument": "EUR_USD", "side": "BUY", "client_order_id": "c-1"}


def last(desk: Desk) -> tuple[str, str, dict[str, str], bytes]:
    return desk.gateway.requests[-1]


async def test_a_login_becomes_a_bearer_token(desk: Desk) -> None:
    """The gateway sees the token and neither cookie nor any other header of the browser's."""
    await desk.log_in()
    status, body = await desk.get(f"{ORDERS}?status=OPEN&after=x", headers={"X-Evil": "1", "Referer": "http://x"})
    assert (status, body["path"]) == (200, "/brokers/oanda/orders?status=OPEN&after=x")
    headers = last(desk)[2]
    assert headers["Authorization"].removeprefix("Bearer ") in desk.gateway.access
    assert not {"Cookie", "X-Evil", "Referer", "X-CSRF-Token", "X-Forwarded-For"} & set(headers)


async def test_a_change_passes_with_its_body_and_its_idempotency_key(desk: Desk) -> None:
    """Body bytes, type and key arrive as sent; status, type, Location and the replay mark come back."""
    desk.gateway.order_answer = web.Response(
        body=b'{"ok":true,"price":1.16550}',
        status=201,
        headers={"Location": "/brokers/oanda/orders/paper-oanda-1", "Idempotent-Replayed": "true", "Set-Cookie": "x=y", "X-Other": "1"},
        content_type="application/json",
    )
    await desk.log_in()
    sent = json.dumps(ORDER).encode()
    headers = {**desk.headers, "Content-Type": "application/json", "Idempotency-Key": "c-1"}
    async with desk.browser.post(desk.url + ORDERS, data=sent, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (201, b'{"ok":true,"price":1.16550}')
        assert answer.headers["Location"] == f"{ORDERS}/paper-oanda-1"
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert not {"Set-Cookie", "X-Other"} & set(answer.headers)
        assert answer.headers["Content-Security-Policy"]
    method, path, got, body = last(desk)
    assert (method, path, body) == ("POST", "/brokers/oanda/orders", sent)
    assert (got["Idempotency-Key"], got["Content-Type"]) == ("c-1", "application/json")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_a_change_needs_a_login(desk: Desk, method: str) -> None:
    status, body = await desk.ask(method, f"{ORDERS}/1", headers={"Origin": desk.url})
    assert (status, said(body)) == (401, "LOGIN_REQUIRED")
    assert desk.gateway.requests == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-CSRF-Token": ""}, 403, "CSRF_TOKEN_WRONG"),
        ({"X-CSRF-Token": "wrong"}, 403, "CSRF_TOKEN_WRONG"),
        ({"Origin": "http://evil.example"}, 403, "ORIGIN_NOT_ALLOWED"),
        ({"Origin": "null"}, 403, "ORIGIN_NOT_ALLOWED"),
        ({"Origin": "http://127.0.0.1:1"}, 403, "ORIGIN_NOT_ALLOWED"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "CROSS_SITE"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "CROSS_SITE"),
        ({"Host": "rebound.example"}, 421, "HOST_NOT_ALLOWED"),
    ],
)
async def test_a_change_from_another_page_is_refused(desk: Desk, method: str, headers: dict[str, str], status: int, code: str) -> None:
    """With the cookies of a good login, as a browser would send them: nothing reaches the gateway."""
    await desk.log_in()
    before = len(desk.gateway.requests)
    answered, body = await desk.ask(method, f"{ORDERS}/1", headers={**desk.headers, **headers})
    assert (answered, said(body)) == (status, code)
    assert len(desk.gateway.requests) == before


async def test_a_change_without_an_origin_is_refused(desk: Desk) -> None:
    """A browser always sends one; a program has a token of its own to send."""
    await desk.log_in()
    status, body = await desk.ask("POST", ORDERS, json=ORDER, headers={"X-CSRF-Token": desk.csrf})
    assert (status, said(body)) == (403, "ORIGIN_NOT_ALLOWED")


async def test_a_program_with_a_token_of_its_own_needs_no_page(desk: Desk) -> None:
    token = str(desk.gateway.issue()["access_token"])
    status, _ = await desk.ask("POST", ORDERS, json=ORDER, headers={"Authorization": f"Bearer {token}"})
    assert status == 200
    assert last(desk)[2]["Authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    "path",
    [
        "auth/register",
        "auth/login",
        "auth/refresh",
        "auth/introspect",
        "auth/logout",
        "events",
        "metrics",
        "docs",
        "openapi.json",
        "brokers/oanda/../../auth/register",
        "brokers/oanda/%2e%2e/%2e%2e/auth/register",
        "brokers/oanda/..%2fauth",
        "brokers//oanda",
        "brokers/oanda/orders/",
        "brokers/oanda/orders/a%20b",
        "brokers/OANDA/orders",
        "brokers/oanda/orders/" + "x" * 600,
        "@evil.example/",
    ],
)
async def test_what_is_not_listed_does_not_pass(desk: Desk, path: str) -> None:
    """404 before anything is sent, logged in or not."""
    await desk.log_in()
    before = len(desk.gateway.requests)
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(f"GET /api/arena/{path} HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.read()).split(b"\r\n", 1)[0]
    writer.close()
    await writer.wait_closed()
    assert head.split()[1] in {b"404", b"400"}, head
    assert len(desk.gateway.requests) == before


@pytest.mark.parametrize(("method", "path"), [("POST", "orders"), ("DELETE", "events/history"), ("PATCH", "auth/me")])
async def test_a_path_passes_with_its_methods_only(desk: Desk, method: str, path: str) -> None:
    await desk.log_in()
    status, body = await desk.ask(method, f"/api/arena/{path}", headers=desk.headers)
    assert (status, said(body)) == (405, "METHOD_NOT_ALLOWED")


async def test_market_data_is_read_and_never_changed(desk: Desk) -> None:
    await desk.log_in()
    assert (await desk.get("/api/market/candles?instrument=EUR_USD&granularity=M1"))[1]["path"] == "/candles?instrument=EUR_USD&granularity=M1"
    assert (await desk.get("/api/market/stream"))[0] == 404
    assert (await desk.ask("POST", "/api/market/candles", headers=desk.headers))[0] == 405


async def test_a_body_over_64_kib_is_refused(desk: Desk) -> None:
    await desk.log_in()
    before = len(desk.gateway.requests)
    status, body = await desk.ask("POST", ORDERS, data=b"x" * 65_537, headers=desk.headers)
    assert (status, said(body)) == (413, "BODY_TOO_LARGE")
    assert len(desk.gateway.requests) == before


async def test_an_answer_over_the_limit_is_not_passed_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its length is announced or it comes in chunks."""
    monkeypatch.setattr(upstreams, "ANSWER_BYTES_MAX", 1000)
    await desk.log_in()
    desk.gateway.order_answer = web.Response(body=b"x" * 1001)
    status, body = await desk.get(ORDERS)
    assert (status, said(body)) == (502, "UPSTREAM_ANSWER_TOO_LARGE")
    chunked = web.Response(body=b"x" * 1001)
    chunked.enable_chunked_encoding()
    desk.gateway.order_answer = chunked
    assert (await desk.get(ORDERS))[0] == 502


async def test_a_redirect_is_not_followed_and_not_shown(desk: Desk) -> None:
    """An answer that points elsewhere loses its Location."""
    for target in ("http://evil.example/", "//evil.example/"):
        desk.gateway.order_answer = web.Response(status=302, headers={"Location": target})
        await desk.log_in()
        async with desk.browser.get(desk.url + ORDERS, allow_redirects=False) as answer:
            assert answer.status == 302
            assert "Location" not in answer.headers


async def test_a_gateway_that_is_down_is_503_and_nothing_was_sent(desk: Desk) -> None:
    """For a change as for a read."""
    await desk.log_in()
    assert desk.gateway.stop is not None
    await desk.gateway.stop()
    for method in ("GET", "POST"):
        async with desk.browser.request(method, desk.url + ORDERS, headers=desk.headers) as answer:
            assert (answer.status, said(await answer.json()), answer.headers["Retry-After"]) == (503, "GATEWAY_DOWN", "1")


@pytest.mark.parametrize(
    ("method", "path", "safe"), [("POST", ORDERS, True), ("DELETE", f"{ORDERS}/1", False), ("POST", "/api/arena/admin/trading-state", False)]
)
async def test_a_change_whose_answer_is_lost_is_unknown(home: Path, monkeypatch: pytest.MonkeyPatch, method: str, path: str, *, safe: bool) -> None:
    """202, never a failure; safe to send again only where an id makes it the same order. It was sent once."""
    monkeypatch.setattr(upstreams, "ANSWER_S_MAX", 0.2)
    async with running_desk(home) as desk:
        await desk.log_in()
        desk.gateway.hang = asyncio.Event()
        before = len(desk.gateway.requests)
        async with desk.browser.request(method, desk.url + path, json=ORDER, headers=desk.headers) as answer:
            body = await answer.json()
            assert (answer.status, body["ok"], body["status"], body["retry_safe"]) == (202, False, "UNKNOWN", safe)
            assert answer.headers.get("Location") == (f"{ORDERS}?client_order_id=c-1" if safe else None)
        assert body.get("client_order_id") == ("c-1" if safe else None)
        status, refusal = await desk.get(ORDERS)
        assert (status, said(refusal)) == (504, "UPSTREAM_TIMEOUT")
        desk.gateway.hang.set()
        assert len(desk.gateway.requests) == before + 2


async def test_an_order_without_an_id_is_not_called_safe_to_repeat(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "ANSWER_S_MAX", 0.2)
    async with running_desk(home) as desk:
        await desk.log_in()
        desk.gateway.hang = asyncio.Event()
        for body in (b"{}", b"not json", b'{"client_order_id": 5}', b'{"client_order_id": "a b"}'):
            status, answer = await desk.ask("POST", ORDERS, data=body, headers=desk.headers)
            assert (status, answer["retry_safe"], "client_order_id" in answer) == (202, False, False)
        desk.gateway.hang.set()


async def test_a_delete_is_never_sent_twice_when_its_connection_breaks() -> None:
    """aiohttp repeats a DELETE by itself, on a kept-alive connection and on a new one; closing half a position twice would close three quarters."""
    asked: list[bytes] = []

    async def cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            asked.append(head)
            if head != b"GET":
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
        writer.close()

    async def _head(reader: asyncio.StreamReader) -> bytes:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).split()[0]
        except asyncio.IncompleteReadError:
            return b""

    server = await asyncio.start_server(cut_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with upstreams.Upstream("gateway", f"http://127.0.0.1:{port}", HttpSettings()) as upstream:
        await upstream.call("GET", "/brokers/oanda/orders")
        with pytest.raises(upstreams.NoAnswer):
            await upstream.call("DELETE", "/brokers/oanda/positions/EUR_USD?percent=50")
    server.close()
    await server.wait_closed()
    assert asked == [b"GET", b"DELETE"]


async def test_a_token_revoked_early_is_renewed_and_the_change_goes_once(desk: Desk) -> None:
    """401 from the gateway means that nothing was done, so the same goes again with a fresh token, and the browser gets it."""
    await desk.log_in()
    desk.gateway.access.clear()
    status, _ = await desk.ask("POST", ORDERS, json=ORDER, headers=desk.headers)
    assert status == 200
    assert desk.gateway.refreshes == 1
    assert (await desk.ask("POST", ORDERS, json=ORDER, headers=desk.headers))[0] == 200
    assert desk.gateway.refreshes == 1


async def test_a_login_that_ended_is_401_and_the_cookies_go(desk: Desk) -> None:
    await desk.log_in()
    desk.gateway.access.clear()
    desk.gateway.refresh = {}
    status, body = await desk.ask("POST", ORDERS, json=ORDER, headers=desk.headers)
    assert (status, said(body)) == (401, "LOGIN_REQUIRED")
    assert len(desk.browser.cookie_jar) == 0


async def test_the_request_id_is_the_same_on_both_sides(desk: Desk) -> None:
    """So that one id finds the lines of both logs."""
    await desk.log_in()
    async with desk.browser.get(desk.url + ORDERS, headers={"X-Request-ID": "page-7"}) as answer:
        assert answer.headers["X-Request-ID"] == "page-7"
    assert last(desk)[2]["X-Request-ID"] == "page-7"


async def test_a_query_with_odd_bytes_is_refused(desk: Desk) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    writer.write(f'GET {ORDERS}?a="<>{{}} HTTP/1.1\r\nHost: 127.0.0.1:{desk.port}\r\nConnection: close\r\n\r\n'.encode())
    head = (await reader.read()).split(b"\r\n", 1)[0]
    writer.close()
    await writer.wait_closed()
    assert head.split()[1] == b"400"
    assert desk.gateway.requests == []
