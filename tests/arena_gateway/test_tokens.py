"""Forged, bent, old and stolen tokens: each is 401, also where the gateway has seen the good one before."""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from arena_gateway.tokens import SigningKey, load_signing_key
from arena_gateway.users import open_users
from runtime.clock import ManualClock
from runtime.program import CannotStart
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk, settings_at


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    head, body, _ = token.split(".")
    return json.loads(base64.urlsafe_b64decode(head + "==")), json.loads(base64.urlsafe_b64decode(body + "=="))


def sign(head: bytes, body: bytes, key: bytes, hash_name: str = "sha256") -> str:
    signed = f"{b64(head)}.{b64(body)}"
    return f"{signed}.{b64(hmac.new(key, signed.encode(), hash_name).digest())}"


def with_head(token: str, key: bytes, **changes: object) -> str:
    head, body = parts(token)
    head.update(changes)
    return sign(json.dumps({name: value for name, value in head.items() if value is not ...}).encode(), json.dumps(body).encode(), key)


def with_body(token: str, key: bytes, **changes: object) -> str:
    head, body = parts(token)
    body.update(changes)
    return sign(json.dumps(head).encode(), json.dumps({name: value for name, value in body.items() if value is not ...}).encode(), key)


def none_alg(name: str) -> Callable[[str, bytes], str]:
    def forge(token: str, _: bytes) -> str:
        head, body = parts(token)
        return f"{b64(json.dumps({**head, 'alg': name}).encode())}.{b64(json.dumps(body).encode())}."

    return forge


NOW = int(time.time())
CLAIMS = ("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "sid", "ver")
Forgery = Callable[[str, bytes], str]
FORGERIES: dict[str, Forgery] = {
    "none": none_alg("none"),
    "None": none_alg("None"),
    "nONE": none_alg("nONE"),
    "none without the last dot": lambda token, key: none_alg("none")(token, key)[:-1],
    "RS256": lambda token, key: with_head(token, key, alg="RS256"),
    "ES256": lambda token, key: with_head(token, key, alg="ES256"),
    "PS256": lambda token, key: with_head(token, key, alg="PS256"),
    "HS384": lambda token, key: with_head(token, key, alg="HS384"),
    "HS384 truly": lambda token, key: sign(
        json.dumps({**parts(token)[0], "alg": "HS384"}).encode(), json.dumps(parts(token)[1]).encode(), key, "sha384"
    ),
    "HS512 truly": lambda token, key: sign(
        json.dumps({**parts(token)[0], "alg": "HS512"}).encode(), json.dumps(parts(token)[1]).encode(), key, "sha512"
    ),
    "alg missing": lambda token, key: with_head(token, key, alg=...),
    "alg a list": lambda token, key: with_head(token, key, alg=["HS256"]),
    "empty signature": lambda token, _: token.rpartition(".")[0] + ".",
    "cut signature": lambda token, _: token[:-4],
    "signature with one more character": lambda token, _: token + "A",
    "another bit in the signature": lambda token, _: token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:],
    "spare bits in the signature": lambda token, _: token[:-1] + chr(ord(token[-1]) + 1),
    "another key": lambda token, _: with_head(token, b"k" * 32),
    "empty key": lambda token, _: with_head(token, b""),
    "another payload under the old signature": lambda token, _: ".".join(
        [token.split(".")[0], b64(json.dumps({**parts(token)[1], "sub": "1"}).encode()), token.split(".")[2]]
    ),
    **{f"without {claim}": lambda token, key, claim=claim: with_body(token, key, **{claim: ...}) for claim in CLAIMS},
    "expired": lambda token, key: with_body(token, key, exp=NOW - 60, iat=NOW - 3660, nbf=NOW - 3660),
    "far future": lambda token, key: with_body(token, key, exp=NOW + 10 * 365 * 86_400),
    "issued tomorrow": lambda token, key: with_body(token, key, iat=NOW + 86_400, exp=NOW + 86_400 + 3600),
    "not before tomorrow": lambda token, key: with_body(token, key, nbf=NOW + 86_400),
    "negative exp": lambda token, key: with_body(token, key, exp=-1),
    "negative iat": lambda token, key: with_body(token, key, iat=-1),
    "exp as text": lambda token, key: with_body(token, key, exp=str(NOW + 3600)),
    "exp with a fraction": lambda token, key: with_body(token, key, exp=NOW + 3600.5),
    "exp true": lambda token, key: with_body(token, key, exp=True),
    "exp null": lambda token, key: with_body(token, key, exp=None),
    "exp of a thousand digits": lambda token, key: with_body(token, key, exp=10**1000),
    "iss foreign": lambda token, key: with_body(token, key, iss="https://elsewhere"),
    "iss a list": lambda token, key: with_body(token, key, iss=["rbot-arena"]),
    "aud foreign": lambda token, key: with_body(token, key, aud="elsewhere"),
    "aud a list": lambda token, key: with_body(token, key, aud=["rbot-arena", "elsewhere"]),
    "sub unknown": lambda token, key: with_body(token, key, sub="0" * 16),
    "sub a number": lambda token, key: with_body(token, key, sub=1),
    "sub SQL": lambda token, key: with_body(token, key, sub="' OR 1=1 --"),
    "a claim more": lambda token, key: with_body(token, key, role="admin"),
    "old version": lambda token, key: with_body(token, key, ver=-1),
    "newer version": lambda token, key: with_body(token, key, ver=7),
    "version true": lambda token, key: with_body(token, key, ver=False),
    "typ JWT": lambda token, key: with_head(token, key, typ="JWT"),
    "typ refresh": lambda token, key: with_head(token, key, typ="rt+jwt"),
    "typ missing": lambda token, key: with_head(token, key, typ=...),
    "kid a path": lambda token, key: with_head(token, key, kid="../../../../dev/null"),
    "kid SQL": lambda token, key: with_head(token, key, kid="x' UNION SELECT 'k"),
    "kid a list": lambda token, key: with_head(token, key, kid=["a"]),
    "kid missing": lambda token, key: with_head(token, key, kid=...),
    "jku": lambda token, key: with_head(token, key, jku="https://elsewhere/jwks.json"),
    "jwk": lambda token, key: with_head(token, key, jwk={"kty": "oct", "k": b64(b"k" * 32)}),
    "x5u": lambda token, key: with_head(token, key, x5u="https://elsewhere/cert.pem"),
    "crit": lambda token, key: with_head(token, key, crit=["exp"]),
    "b64 false": lambda token, key: with_head(token, key, b64=False),
    "header key twice": lambda token, key: sign(
        json.dumps(parts(token)[0]).encode()[:-1] + b',"alg":"HS256"}', json.dumps(parts(token)[1]).encode(), key
    ),
    "claim twice": lambda token, key: sign(
        json.dumps(parts(token)[0]).encode(), json.dumps(parts(token)[1]).encode()[:-1] + b',"sub":"' + parts(token)[1]["sub"].encode() + b'"}', key
    ),
    "a payload that is a list": lambda token, key: sign(json.dumps(parts(token)[0]).encode(), b"[]", key),
    "a payload that is no JSON": lambda token, key: sign(json.dumps(parts(token)[0]).encode(), b"{", key),
    "two parts": lambda token, _: token.rpartition(".")[0],
    "four parts": lambda token, _: token + ".x",
    "five parts": lambda token, _: token + "..x",
    "standard base64": lambda token, _: token.replace("-", "+").replace("_", "/") + "=",
    "blank inside": lambda token, _: token[:20] + " " + token[20:],
    "5 KiB": lambda token, _: token + "A" * 5000,
    "nothing": lambda _, __: "",
    "a refresh token": lambda _, __: "rbr_" + "a" * 43,
    "an API key nobody made": lambda _, __: "rba_" + "a" * 43,
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_is_401_also_after_the_good_one_was_seen(desk: Desk, tmp_path: Path, forgery: str) -> None:
    token = await desk.token()
    key = (tmp_path / "keys" / "jwt.key").read_bytes()
    assert (await desk.call("GET", "/auth/me", token=token)).status == 200
    assert (await desk.call("GET", "/auth/me", token=with_body(token, key))).status == 200, "the forge itself works"
    forged = FORGERIES[forgery](token, key)
    for method, path, more in (
        ("GET", "/auth/me", {}),
        ("POST", "/brokers/oanda/orders", {"json": SEED_ORDER}),
        ("GET", "/brokers/oanda/orders", {}),
    ):
        answer = await desk.call(method, path, headers={"Authorization": f"Bearer {forged}"}, **more)
        assert answer.status in {400, 401}, (forgery, path)
        assert answer.status == 401 or len(forged) > 4096
        assert answer.headers.get("WWW-Authenticate", "").startswith("Bearer") or answer.status == 400
    assert desk.oanda.calls == []


async def test_a_token_of_a_megabyte_is_turned_away(desk: Desk) -> None:
    assert (await desk.call("GET", "/auth/me", token="a" * 1_000_000)).status == 400


@pytest.mark.parametrize("header", ["Basic dHJhZGVyOnBhc3M=", "Bearer", "Bearer ", "bearer  x", "Token x", "x", ""])
async def test_another_way_of_authorising_is_401(desk: Desk, header: str) -> None:
    assert (await desk.call("GET", "/auth/me", headers={"Authorization": header})).status == 401


async def test_two_authorization_headers_are_401(desk: Desk) -> None:
    token = await desk.token()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    async with desk.http.get(desk.url + "/auth/me", headers=headers) as answer:
        assert answer.status in {400, 401}


async def test_no_token_in_the_url_or_a_cookie_is_taken(desk: Desk) -> None:
    token = await desk.token()
    assert (await desk.call("GET", f"/auth/me?access_token={token}")).status in {400, 401}
    assert (await desk.call("GET", "/auth/me", headers={"Cookie": f"access_token={token}; session={token}"})).status == 401


async def test_a_token_ends_when_it_says_so_also_when_it_was_seen_before(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        token = await desk.token()
        clock.advance(3600)
        assert (await desk.call("GET", "/auth/me", token=token)).status == 200, "ten seconds of leeway"
        clock.advance(11)
        assert (await desk.call("GET", "/auth/me", token=token)).status == 401


async def test_a_changed_role_or_grant_counts_for_tokens_that_are_out(desk: Desk, tmp_path: Path) -> None:
    """A role ends the session; a live grant is added to what is out at once, and taken away as fast."""
    with open_users(settings_at(tmp_path)) as users:
        users.add("live@test", "a strong pass phrase", "trader", by="host")
        token = (await desk.login("live@test", "a strong pass phrase")).body["access_token"]
        users.grant_live("live@test", "oanda", by="host")
        await desk.accounts.reload()
        await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)
        assert desk.oanda.calls[-1].actor == {"user": "live@test", "role": "trader", "live": True}
        users.revoke_live("live@test", "oanda", by="host")
        await desk.accounts.reload()
        await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)
        assert desk.oanda.calls[-1].actor == {"user": "live@test", "role": "trader", "live": False}
        users.set_role("live@test", "viewer", by="host")
        await desk.accounts.reload()
    assert (await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)).status == 401


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "jwt.key"
    first, second = load_signing_key(path), load_signing_key(path)
    assert first.kid == second.kid
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes()) == 32
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes().hex() not in repr(first)


def test_a_short_key_and_one_that_others_can_read_refuse_to_start(tmp_path: Path) -> None:
    short = tmp_path / "short.key"
    short.write_bytes(b"0123456789abcdef")
    short.chmod(0o600)
    with pytest.raises(CannotStart, match="needs 32"):
        load_signing_key(short)
    readable = tmp_path / "readable.key"
    readable.write_bytes(os.urandom(32))
    readable.chmod(0o644)
    with pytest.raises(CannotStart, match="chmod 600"):
        load_signing_key(readable)


def test_a_token_carries_no_more_than_it_needs() -> None:
    key = SigningKey(hashlib.sha256(b"k").digest())
    token, claims = key.issue(user_id="u", session_id="s", token_version=3, now_ns=1_760_000_000 * 10**9, life_s=600)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt", "kid": key.kid}
    assert key.read(token, now_ns=1_760_000_000 * 10**9) == claims
    assert set(parts(token)[1]) == {"iss", "aud", "sub", "sid", "jti", "ver", "iat", "nbf", "exp"}
