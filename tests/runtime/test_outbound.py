"""The way out to the venues: what was sent is known, nothing goes out twice, and no answer is too large or leads elsewhere."""

import asyncio
import datetime as dt
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime import outbound
from runtime.outbound import ANSWER_BYTES_MAX, Answer, AnswerUnusable, InDoubt, NotSent, Outbound, StreamEnded, StreamRefused, venue_url
from runtime.program import CannotStart
from tests.runtime.venue_socket import Act, VenueSocket, answering, ok, venue_socket


@asynccontextmanager
async def calling(act: Act) -> AsyncIterator[tuple[VenueSocket, Outbound]]:
    async with venue_socket(act) as venue, Outbound(venue.url) as client:
        yield venue, client


async def test_an_answer_is_whole_and_its_numbers_are_exact() -> None:
    """Status, headers in lower case, and a price that no float has touched."""
    async with calling(answering(ok(b'{"price": 1.10, "n": 3}', "RequestID: 42", status="201 Created"))) as (venue, client):
        answer = await client.request("POST", "/v3/orders", headers={"Authorization": "Bearer t"}, body=b"{}")
    assert (answer.status, answer.headers["requestid"]) == (201, "42")
    assert answer.json_object() == {"price": Decimal("1.10"), "n": 3}
    assert "Accept-Encoding: identity" in venue.heads[0]
    assert "Cookie" not in venue.heads[0]


async def test_a_port_nobody_listens_on_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        async with Outbound(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(NotSent):
                await client.request("POST", "/orders", body=b"{}")


async def test_a_name_that_is_none_is_not_sent() -> None:
    async with Outbound("https://venue.invalid") as client:
        with pytest.raises(NotSent):
            await client.request("POST", "/orders", body=b"{}")


async def test_a_connection_that_is_not_made_in_time_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog: the kernel answers no further SYN."""
    monkeypatch.setattr(outbound, "CONNECT_S_MAX", 0.2)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        async with Outbound(f"http://127.0.0.1:{full.getsockname()[1]}") as client:
            with pytest.raises(NotSent):
                await client.request("POST", "/orders", body=b"{}")


async def test_waiting_for_a_free_connection_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is taken by a stream: the request behind it never left."""
    monkeypatch.setattr(outbound, "CONNECT_S_MAX", 0.2)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with venue_socket(answering(head)) as venue, Outbound(venue.url, connections_max=1) as client:
        async with client.lines("/stream", silence_s=30):
            with pytest.raises(NotSent):
                await client.request("POST", "/orders", body=b"{}")
        assert len(venue.heads) == 1


async def test_a_certificate_nobody_vouches_for_is_not_sent(tmp_path: Path) -> None:
    tls = _own_certificate(tmp_path)
    async with venue_socket(answering(ok(b"{}")), tls) as venue, Outbound(f"https://127.0.0.1:{venue.port}") as client:
        with pytest.raises(NotSent):
            await client.request("POST", "/orders", body=b"{}")
        assert venue.heads == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_connection_cut_after_the_request_is_in_doubt_and_nothing_is_repeated(method: str) -> None:
    """On a kept connection too, where aiohttp alone would send a PUT a second time."""

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        if number == 0:
            writer.write(ok(b"{}"))
        else:
            writer.close()

    async with calling(act) as (venue, client):
        await client.request(method, "/a")
        with pytest.raises(InDoubt):
            await client.request(method, "/b", body=b"{}" if method != "GET" else b"")
        assert (len(venue.heads), venue.connections) == (2, 1)


async def test_no_answer_in_time_is_in_doubt() -> None:
    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        await asyncio.sleep(0)

    async with calling(act) as (venue, client):
        with pytest.raises(InDoubt):
            await client.request("POST", "/orders", body=b"{}", timeout_s=0.3)
        assert len(venue.heads) == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{", id="cut"),
        pytest.param(ok(b"x" * (ANSWER_BYTES_MAX + 1), status="201 Created"), id="too large"),
        pytest.param(ok(gzip.compress(b"{}"), "Content-Encoding: gzip", status="201 Created"), id="encoded"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_in_doubt_and_says_its_status(raw: bytes) -> None:
    async with calling(answering(raw, close=True)) as (_, client):
        with pytest.raises(AnswerUnusable) as caught:
            await client.request("POST", "/orders", body=b"{}")
    assert caught.value.status == 201
    assert isinstance(caught.value, InDoubt)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with calling(answering(ok(b"", "Location: /elsewhere", status="307 Temporary Redirect"))) as (venue, client):
        assert (await client.request("POST", "/orders", body=b"{}")).status == 307
        assert len(venue.heads) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with calling(answering(ok(b"{}"))) as (_, client):
        assert (await client.request("GET", "/")).status == 200


@pytest.mark.parametrize(
    "body", [b"[]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff", b"{", b'{"a": "\\ud800"}', b'{"\\ud800": 1}', b"[" * 40 + b"]" * 40, b"[" * 100_000]
)
async def test_a_body_that_is_no_exact_object_is_unusable(body: bytes) -> None:
    with pytest.raises(AnswerUnusable):
        Answer(status=200, headers={}, body=body).json_object()


async def test_a_target_cannot_lengthen_the_host() -> None:
    async with Outbound("https://api.venue.invalid") as client:
        with pytest.raises(ValueError, match="slash"):
            await client.request("GET", "@127.0.0.1/")


async def test_a_stream_gives_its_lines_however_they_are_cut_and_ends_with_a_reason() -> None:
    """Lines split over packets, empty ones left out, a half one at the end dropped."""

    async def act(writer: asyncio.StreamWriter, number: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for part in (b'{"a"', b": 1}\n\r\n{", b'"b": 2}\r\n{"half"'):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with calling(act) as (_, client), client.lines("/stream", silence_s=30) as lines:
        assert [await anext(lines), await anext(lines)] == [b'{"a": 1}', b'{"b": 2}']
        with pytest.raises(StreamEnded, match="venue ended"):
            await anext(lines)


@pytest.mark.parametrize("tail", [b"", b"\n"])
async def test_a_line_beyond_its_limit_ends_the_stream(tail: bytes) -> None:
    act = answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 200 + tail)
    async with calling(act) as (_, client), client.lines("/stream", silence_s=30, line_bytes_max=100) as lines:
        with pytest.raises(StreamEnded, match="more than 100"):
            await anext(lines)


async def test_a_mute_stream_ends() -> None:
    async with calling(answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")) as (_, client), client.lines("/s", silence_s=0.2) as lines:
        with pytest.raises(StreamEnded):
            await anext(lines)


async def test_a_refused_stream_says_what_the_venue_said() -> None:
    async with calling(answering(ok(b'{"errorMessage": "no"}', status="401 Unauthorized"))) as (_, client):
        with pytest.raises(StreamRefused) as caught:
            async with client.lines("/stream", silence_s=30):
                pass
    assert (caught.value.answer.status, caught.value.answer.json_object()) == (401, {"errorMessage": "no"})


async def test_a_websocket_carries_text_both_ways_and_ends_with_a_reason() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        server = web.WebSocketResponse()
        await server.prepare(request)
        async for message in server:
            await (server.close() if message.data == "end" else server.send_str(message.data * int(request.query["times"])))
        return server

    async with _app(echo) as url, Outbound(url) as client:
        async with client.websocket("/?times=1") as socket_:
            await socket_.send("héllo")
            assert await socket_.receive(30) == "héllo".encode()
            with pytest.raises(StreamEnded, match="nothing came"):
                await socket_.receive(0.05)
        async with client.websocket("/?times=1") as socket_:
            await socket_.send("end")
            with pytest.raises(StreamEnded, match="ended"):
                await socket_.receive(30)
        async with client.websocket("/?times=20", message_bytes_max=100) as socket_:
            await socket_.send("too large")
            with pytest.raises(StreamEnded, match="ended"):
                await socket_.receive(30)


@pytest.mark.parametrize("status", [401, 302])
async def test_a_websocket_is_not_led_elsewhere(status: int) -> None:
    """A redirect of the handshake would carry the subscription, and its key, to another host."""
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with _app(refuse) as url, Outbound(url) as client:
        with pytest.raises(StreamRefused) as caught:
            async with client.websocket("/ws"):
                pass
    assert caught.value.answer.status == status
    assert seen == ["/ws"]


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("", True),
        ("https://api-fxpractice.oanda.com", True),
        ("https://api-fxpractice.oanda.com/", True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),
        ("http://[::1]:9000", True),
        ("http://api-fxtrade.oanda.com", False),
        ("http://127.0.0.1.example.com", False),
        ("ws://127.0.0.1:9000", False),
        ("https://user:word@host", False),
        ("https://host?x=1", False),
        ("file:///etc/passwd", False),
        ("https://", False),
        ("host:99999999", False),
    ],
)
def test_an_address_leaves_this_machine_only_under_tls(text: str, *, is_good: bool) -> None:
    environ = {"OANDA_BASE_URL": text}
    if is_good:
        assert venue_url(environ, "OANDA_BASE_URL", "https://api-fxtrade.oanda.com") == (text.rstrip("/") or "https://api-fxtrade.oanda.com")
    else:
        with pytest.raises(CannotStart, match="OANDA_BASE_URL"):
            venue_url(environ, "OANDA_BASE_URL", "https://api-fxtrade.oanda.com")


def test_a_websocket_address_is_wss_or_loopback() -> None:
    default = "wss://advanced-trade-ws.coinbase.com"
    assert venue_url({"COINBASE_WS_URL": "ws://127.0.0.1:1"}, "COINBASE_WS_URL", default) == "ws://127.0.0.1:1"
    with pytest.raises(CannotStart):
        venue_url({"COINBASE_WS_URL": "ws://coinbase.com"}, "COINBASE_WS_URL", default)


@asynccontextmanager
async def _app(handler: "aiohttp.typedefs.Handler") -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _own_certificate(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    certificate = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256())
    (directory / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context
