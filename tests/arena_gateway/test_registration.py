"""Who may register in `auto` (S-B2), as a generated matrix against an oracle written from the rule, on a real server with raw heads."""

import itertools
from pathlib import Path

import pytest

from tests.arena_gateway.fakes import AuthSettings, Desk, GatewaySettings, HttpSettings, open_desk
from tests.runtime.raw_http import exchange

HOSTS = (
    "127.0.0.1:{port}",
    "localhost:{port}",
    "[::1]:{port}",
    "LOCALHOST:{port}",
    "127.0.0.1",
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1:1",
)
ORIGINS = (None, "http://127.0.0.1:{port}", "http://localhost:{port}", "http://evil.example", "http://127.0.0.1:8080", "null")
SITES = (None, "none", "same-origin", "same-site", "cross-site")
TYPES = ("application/json", "application/json; charset=utf-8", "text/plain", None)
FORWARDING = (None, "X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1", "Via: 1.1 proxy", "X-Real-IP: 10.0.0.1", "X-Forwarded-Proto: https")

GOOD_HOSTS, GOOD_ORIGINS = set(HOSTS[:4]), set(ORIGINS[:3])


def allowed(host: str, origin: str | None, site: str | None, kind: str | None, forwarded: str | None) -> bool:
    return (
        host in GOOD_HOSTS
        and origin in GOOD_ORIGINS
        and site in {None, "none", "same-origin"}
        and kind is not None
        and kind.startswith("application/json")
        and forwarded is None
    )


def head(port: int, host: str, origin: str | None, site: str | None, kind: str | None, forwarded: str | None, body: bytes) -> bytes:
    lines = ["POST /auth/register HTTP/1.1", f"Host: {host.format(port=port)}", f"Content-Length: {len(body)}"]
    if origin is not None:
        lines.append(f"Origin: {origin.format(port=port)}")
    if site is not None:
        lines.append(f"Sec-Fetch-Site: {site}")
    if kind is not None:
        lines.append(f"Content-Type: {kind}")
    if forwarded is not None:
        lines.append(forwarded)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_registration_is_open_exactly_to_this_machines_own_requests(desk: Desk) -> None:
    """8 hosts x 6 origins x 5 sites x 4 types x 6 forwardings; a role that is refused shows that the door itself was open, without adding users."""
    body = b'{"email":"a@b","password":"p","role":"admin"}'
    wrong = []
    for case in itertools.product(HOSTS, ORIGINS, SITES, TYPES, FORWARDING):
        status, _, answer = await exchange(desk.port, head(desk.port, *case, body))
        opened = status == 400 and b"ROLE_NOT_ALLOWED" in answer
        refused = status in {403, 415, 421}
        if opened is not allowed(*case) or opened is refused:
            wrong.append((case, status, answer))
    assert wrong == []


async def test_the_eleventh_user_is_added_by_the_command_line_only(desk: Desk) -> None:
    for n in range(10):
        assert (await desk.register(f"user{n}@test")).status == 201
    refused = await desk.register("user10@test")
    assert (refused.status, refused.body["code"]) == (403, "REGISTRATION_CLOSED")
    assert (await desk.login("user9@test")).status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"execution_enabled": True},
        {"auth": AuthSettings(registration="closed")},
        {"http": HttpSettings(trusted_proxies=("10.0.0.9",))},
        {"gateway": GatewaySettings(host="0.0.0.0"), "http": HttpSettings(allow_remote=True, trusted_proxies=("10.0.0.9",))},
    ],
)
async def test_registration_closes_by_itself_outside_loopback_and_paper(tmp_path: Path, settings: dict[str, object]) -> None:
    async with open_desk(tmp_path, **settings) as desk:
        answer = await desk.register("a@b")
        assert (answer.status, answer.body["code"]) == (403, "REGISTRATION_CLOSED")
        assert "arena user add" in answer.body["message"]
