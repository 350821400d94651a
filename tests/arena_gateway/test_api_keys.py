"""API keys: shown once, never more than their user, gone at once."""

import time
from pathlib import Path

import pytest

from arena_gateway.users import open_users
from runtime.clock import ManualClock
from tests.arena_gateway.fakes import SEED_ORDER, Answer, Desk, open_desk, settings_at


async def make(desk: Desk, *scopes: str, token: str | None = None, **more: object) -> Answer:
    body = {"name": "bot", "scopes": list(scopes), **more}
    return await desk.call("POST", "/auth/api-keys", token=token or await desk.token(), json=body)


async def test_a_key_is_shown_once_and_trades_paper(desk: Desk, tmp_path: Path) -> None:
    made = await make(desk, "paper")
    assert made.status == 201
    secret = made.body["secret"]
    assert secret.startswith("rba_")
    assert len(secret) >= 4 + 43
    listed = await desk.call("GET", "/auth/api-keys", token=await desk.token())
    assert [key["key_id"] for key in listed.body["api_keys"]] == [made.body["api_key"]["key_id"]]
    assert secret.encode() not in listed.raw
    assert secret.encode() not in (tmp_path / "data" / "users.db").read_bytes()
    assert (await desk.call("POST", "/brokers/oanda/orders", token=secret, json=SEED_ORDER)).status == 201
    assert desk.oanda.calls[-1].actor == {"user": "trader@test", "role": "trader", "live": False}


async def test_a_reading_key_reads_and_no_more(desk: Desk) -> None:
    secret = (await make(desk, "read")).body["secret"]
    assert (await desk.call("GET", "/brokers/oanda/orders", token=secret)).status == 200
    refused = await desk.call("POST", "/brokers/oanda/orders", token=secret, json=SEED_ORDER)
    assert (refused.status, refused.body["code"]) == (403, "ROLE_REQUIRED")


async def test_a_key_never_does_more_than_its_user(desk: Desk) -> None:
    secret = (await make(desk, "paper", "live:oanda", token=await desk.token("viewer"))).body["secret"]
    assert (await desk.call("POST", "/brokers/oanda/orders", token=secret, json=SEED_ORDER)).status == 403
    admins = (await make(desk, "paper", token=await desk.token("admin"))).body["secret"]
    assert (await desk.call("GET", "/admin/users", token=admins)).status == 403


async def test_real_money_takes_the_scope_and_the_grant(desk: Desk, tmp_path: Path) -> None:
    with open_users(settings_at(tmp_path)) as users:
        users.add("live@test", "a strong pass phrase", "trader", by="host")
        token = (await desk.login("live@test", "a strong pass phrase")).body["access_token"]
        with_scope = (await make(desk, "paper", "live:oanda", token=token)).body["secret"]
        without = (await make(desk, "paper", token=token)).body["secret"]
        for grant, key, live in ((False, with_scope, False), (True, with_scope, True), (True, without, False)):
            if grant:
                users.grant_live("live@test", "oanda", by="host")
                await desk.accounts.reload()
            await desk.call("POST", "/brokers/oanda/orders", token=key, json=SEED_ORDER)
            assert desk.oanda.calls[-1].actor == {"user": "live@test", "role": "trader", "live": live}


async def test_a_revoked_key_is_401_at_once_and_only_its_owner_can_revoke_it(desk: Desk) -> None:
    made = (await make(desk, "paper")).body
    path = f"/auth/api-keys/{made['api_key']['key_id']}"
    assert (await desk.call("DELETE", path, token=await desk.token("viewer"))).status == 404
    assert (await desk.call("GET", "/auth/me", token=made["secret"])).status == 200
    assert (await desk.call("DELETE", path, token=await desk.token())).status == 200
    assert (await desk.call("GET", "/auth/me", token=made["secret"])).status == 401
    assert (await desk.call("DELETE", path, token=await desk.token())).status == 404


async def test_keys_are_managed_with_a_login_not_with_a_key(desk: Desk) -> None:
    secret = (await make(desk, "paper")).body["secret"]
    for method, path, more in (("POST", "/auth/api-keys", {"json": {"name": "b", "scopes": ["read"]}}), ("GET", "/auth/api-keys", {})):
        answer = await desk.call(method, path, token=secret, **more)
        assert (answer.status, answer.body["code"]) == (403, "LOGIN_REQUIRED")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "b", "scopes": ["admin"]},
        {"name": "b", "scopes": []},
        {"name": "b", "scopes": ["live:nowhere"]},
        {"name": "", "scopes": ["read"]},
        {"name": "b", "scopes": ["read"], "expires_days": 0},
        {"name": "b", "scopes": ["read"], "expires_days": True},
        {"name": "b", "scopes": "read"},
        {"name": "b", "scopes": ["read"], "user": "admin@test"},
    ],
)
async def test_a_key_that_makes_no_sense_is_400(desk: Desk, body: dict[str, object]) -> None:
    assert (await desk.call("POST", "/auth/api-keys", token=await desk.token(), json=body)).status == 400


async def test_a_key_ends_when_it_says_so_and_says_when_it_was_used(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        made = (await make(desk, "read", expires_days=1)).body
        assert (await desk.call("GET", "/auth/me", token=made["secret"])).status == 200
        await desk.accounts.tend()
        listed = (await desk.call("GET", "/auth/api-keys", token=await desk.token())).body["api_keys"]
        assert listed[0]["last_used_at"] is not None
        clock.advance(86_401)
        assert (await desk.call("GET", "/auth/me", token=made["secret"])).status == 401


async def test_disabling_the_user_ends_the_keys(desk: Desk, tmp_path: Path) -> None:
    secret = (await make(desk, "paper")).body["secret"]
    with open_users(settings_at(tmp_path)) as users:
        users.set_disabled("trader@test", disabled=True, by="host")
    await desk.accounts.tend()
    assert (await desk.call("GET", "/auth/me", token=secret)).status == 401
