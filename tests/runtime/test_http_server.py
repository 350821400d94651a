"""The listening side: who is counted, TLS, and what cannot be listened on."""

import datetime as dt
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runtime.http_connection import Connection
from runtime.http_guard import is_loopback
from runtime.http_server import CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, ArenaServer, bind, tls_context
from runtime.program import CannotStart
from runtime.settings import HttpSettings
from tests.runtime.http_example import Example, serving


async def a_server(*proxies: str) -> ArenaServer:
    async def handler(_: object) -> object:
        raise AssertionError

    return ArenaServer(handler, request_factory=None, proxies=proxies)


def connection(address: str) -> Connection:
    return cast("Connection", SimpleNamespace(address=address, counted=False))


async def test_one_stranger_has_a_hundred_connections_and_loopback_and_proxies_have_more() -> None:
    server = await a_server("10.0.0.9")
    strangers = [connection("10.0.0.1") for _ in range(CONNECTIONS_PER_ADDRESS_MAX + 1)]
    assert [server.admit(each) for each in strangers] == [True] * CONNECTIONS_PER_ADDRESS_MAX + [False]
    for address in ("127.0.0.1", "::1", "10.0.0.9", "10.0.0.2"):
        admitted = [server.admit(connection(address)) for _ in range(CONNECTIONS_PER_ADDRESS_MAX + 1)]
        assert all(admitted) is (address != "10.0.0.2"), address
    server.release(strangers[0])
    server.release(strangers[0])
    assert server.admit(connection("10.0.0.1"))
    assert not server.admit(connection("10.0.0.1"))


async def test_all_together_are_bounded() -> None:
    server = await a_server()
    assert all(server.admit(connection("127.0.0.1")) for _ in range(CONNECTIONS_MAX))
    assert not server.admit(connection("127.0.0.1"))
    assert server.refused == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_this_machine(address: str) -> None:
    assert is_loopback(address) or address.startswith("::ffff")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_other_machines(address: str) -> None:
    assert not is_loopback(address)


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(cert_file), str(key_file)


async def test_under_tls_it_serves_and_says_strict_transport_security(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    trust = ssl.create_default_context(cafile=cert_file)
    trust.check_hostname = False
    async with serving(Example(), tmp_path, http=HttpSettings(tls_cert_file=cert_file, tls_key_file=key_file)) as server:
        assert server.url.startswith("https://")
        async with aiohttp.ClientSession() as http:
            async with http.get(server.url + "/page", ssl=trust) as answer:
                assert (answer.status, answer.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
            async with http.get(server.url + "/nothing", ssl=trust) as answer:
                assert answer.headers["Strict-Transport-Security"]
            async with http.post(server.url + "/loose", data=b'{"units":1}', ssl=trust, headers={"Origin": server.url}) as answer:
                assert answer.status == 200
            async with http.post(server.url + "/loose", data=b"{}", ssl=trust, headers={"Origin": server.url.replace("https", "http")}) as answer:
                assert answer.status == 403


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    for text in (None, "no certificate"):
        path = tmp_path / "cert.pem"
        if text is not None:
            path.write_text(text)
        with pytest.raises(CannotStart, match="ARENA_HTTP__TLS_CERT_FILE"):
            tls_context(str(path), "")


def test_an_address_that_is_not_ours_cannot_be_listened_on() -> None:
    with pytest.raises(CannotStart, match="ARENA_GATEWAY__"):
        bind("203.0.113.7", 0, setting="ARENA_GATEWAY__PORT")
