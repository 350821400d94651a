"""Calling our own servers: where they are, and whom to believe under TLS."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard.upstreams import NoAnswer, NothingSent, Upstream
from runtime.introspection import Introspector
from runtime.own_servers import gateway_url, market_data_url, own_certificate
from runtime.settings import GatewaySettings, HttpSettings, MarketDataSettings, Settings


def make_certificate(directory: Path, name: str) -> HttpSettings:
    """A certificate of our own making, for a public name that nobody calls us by on loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / f"{name}.pem", directory / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return HttpSettings(tls_cert_file=str(cert_file), tls_key_file=str(key_file))


async def test_under_tls_our_own_certificate_is_believed_and_no_other(tmp_path: Path) -> None:
    """Whatever name it is for; another server on the port is not talked to, by the proxies or about tokens."""
    ours, other = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "other")

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"active": False} if request.method == "POST" else {"ok": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.tls_cert_file, ours.tls_key_file)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site._server is not None
    url = f"https://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    try:
        async with Upstream("gateway", url, ours) as upstream:
            assert (await upstream.call("GET", "/health")).status == 200
            assert (await upstream.call("DELETE", "/x")).status == 200
        async with Introspector(url, tls=own_certificate(ours)) as introspector:
            assert await introspector.lookup("x") is None
        async with Upstream("gateway", url, other) as upstream:
            for method in ("GET", "DELETE"):
                with pytest.raises((NothingSent, NoAnswer)):
                    await upstream.call(method, "/health")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("host", "http", "url"),
    [
        ("127.0.0.1", HttpSettings(), "http://127.0.0.1:8787"),
        ("localhost", HttpSettings(), "http://localhost:8787"),
        ("::1", HttpSettings(), "http://[::1]:8787"),
        ("0.0.0.0", HttpSettings(tls_cert_file="c", tls_key_file="k"), "https://127.0.0.1:8787"),
        ("::", HttpSettings(), "http://[::1]:8787"),
        ("10.0.0.5", HttpSettings(), "http://10.0.0.5:8787"),
    ],
)
def test_our_own_servers_are_called_where_they_are_bound(tmp_path: Path, host: str, http: HttpSettings, url: str) -> None:
    settings = Settings(
        home=tmp_path, conf=tmp_path, http=http, gateway=GatewaySettings(host=host), market_data=MarketDataSettings(host=host, port=8787)
    )
    assert gateway_url(settings) == url
    assert market_data_url(settings) == url
