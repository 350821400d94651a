"""Who did what from where: each kind of thing that RULES S-L1 names leaves its entry, by HTTP and on the host alike, and none can be changed."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from arena_gateway.audit import page
from arena_gateway.users import open_users
from runtime.settings import AuthSettings
from tests.arena_gateway.fakes import SEED_ORDER, Desk, open_desk, settings_at

STRONG = "a strong pass phrase"
SECRETS = ("pass", STRONG, "another strong phrase")


async def entries(desk: Desk) -> list[dict[str, Any]]:
    """The log, oldest first, as the admin route gives it."""
    answer = await desk.call("GET", "/admin/audit?limit=200", token=await desk.token("admin"))
    assert answer.status == 200
    return list(reversed(answer.body["entries"]))


async def test_every_kind_of_deed_leaves_an_entry(desk: Desk, tmp_path: Path) -> None:
    """Registered, let in, refused, traded, halted, granted, keyed, ended: each by one request or one command, each with who and from where."""
    trader, viewer = await desk.token(), await desk.token("viewer")
    order = "/brokers/oanda/orders"
    await desk.login("trader@test", "wrong")
    await desk.login("nobody@test", "wrong")
    await desk.call("POST", order, token=trader, json={**SEED_ORDER, "client_order_id": "audited"})
    await desk.call("PATCH", f"{order}/paper-oanda-1", token=trader, json={"ttl_min": 5})
    await desk.call("DELETE", f"{order}/paper-oanda-1", token=trader)
    await desk.call("DELETE", order, token=trader)
    await desk.call("DELETE", "/brokers/oanda/positions/EUR_USD", token=trader)
    await desk.call("POST", order, token=viewer, json=SEED_ORDER)
    await desk.call("GET", "/admin/users", token=trader)
    await desk.call("GET", "/auth/me", token="rba_" + "x" * 43)
    await desk.call("POST", order, token=trader, json=SEED_ORDER, headers={"Origin": "https://evil.example"})
    await desk.call("GET", "/health", headers={"Host": "evil.example"})
    await desk.call("POST", "/auth/register", json={"email": "x@y", "password": "p", "role": "admin"})
    await desk.call("POST", "/admin/trading-state", token=trader, json={"state": "HALTED", "reason": "audit"})
    made = await desk.call("POST", "/auth/api-keys", token=trader, json={"name": "bot", "scopes": ["read"]})
    await desk.call("DELETE", f"/auth/api-keys/{made.body['api_key']['key_id']}", token=trader)
    login = (await desk.login("trader@test")).body
    await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})
    await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})
    await desk.call("POST", "/auth/logout", token=trader)
    with open_users(settings_at(tmp_path)) as users:
        users.add("ann@desk", STRONG, "trader", by="host:me")
        users.grant_live("ann@desk", "oanda", by="host:me")
        users.revoke_live("ann@desk", "oanda", by="host:me")
        users.set_role("ann@desk", "viewer", by="host:me")
        users.set_password("ann@desk", "another strong phrase", by="host:me")
        users.set_disabled("ann@desk", disabled=True, by="host:me")
        users.create_invite("viewer", by="host:me")
    log = await entries(desk)
    told = {(entry["actor"], entry["action"], entry["outcome"]) for entry in log}
    wanted = {
        ("trader@test", "user.add", "ok"),
        ("trader@test", "login", "ok"),
        ("trader@test", "login", "LOGIN_FAILED"),
        ("nobody@test", "login", "LOGIN_FAILED"),
        ("trader@test", "order.place", "ok"),
        ("trader@test", "order.modify", "ok"),
        ("trader@test", "order.cancel", "ok"),
        ("trader@test", "order.cancel_all", "ok"),
        ("trader@test", "position.close", "ok"),
        ("viewer@test", "refused", "ROLE_REQUIRED"),
        ("trader@test", "refused", "ROLE_REQUIRED"),
        ("(nobody)", "refused", "TOKEN_INVALID"),
        ("(nobody)", "refused", "ORIGIN_NOT_ALLOWED"),
        ("(nobody)", "refused", "HOST_NOT_ALLOWED"),
        ("(nobody)", "refused", "ROLE_NOT_ALLOWED"),
        ("(nobody)", "refused", "REFRESH_INVALID"),
        ("trader@test", "trading_state.set", "ok"),
        ("trader@test", "api_key.create", "ok"),
        ("trader@test", "api_key.revoke", "ok"),
        ("trader@test", "token.reuse", "REFRESH_REUSED"),
        ("trader@test", "logout", "ok"),
        *(("host:me", f"user.{what}", "ok") for what in ("add", "grant_live", "revoke_live", "role", "passwd", "disable")),
        ("host:me", "invite.create", "ok"),
    }
    assert wanted - told == set()
    from_http = [entry for entry in log if not entry["actor"].startswith("host") and entry["action"] not in {"settings", "token.reuse"}]
    assert {entry["address"] for entry in from_http} == {"127.0.0.1"}
    text = str(log)
    for secret in (login["access_token"], login["refresh_token"], made.body["secret"], STRONG, "another strong phrase"):
        assert secret not in text


async def test_a_setting_that_changed_is_written_down_at_the_next_start(tmp_path: Path) -> None:
    """Only what differs from the start before; a start with the same settings writes nothing."""
    for auth in (AuthSettings(), AuthSettings(), AuthSettings(registration="closed"), AuthSettings(registration="closed"), AuthSettings()):
        async with open_desk(tmp_path, auth=auth):
            pass
    with open_users(settings_at(tmp_path)) as users:
        log = page(users.store, action="settings")["entries"]
    assert isinstance(log, list)
    assert [entry["details"] for entry in reversed(log)] == [{"auth.registration": "closed"}, {"auth.registration": "auto"}]
    assert all(entry["actor"].startswith("host:") for entry in log)


async def test_real_money_is_a_setting_whose_change_is_written_down(tmp_path: Path) -> None:
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        log = [entry for entry in await _by_store(tmp_path) if entry["action"] == "settings"]
        assert log[0]["details"]["execution_enabled"] == "True"
        assert desk.gateway is not None


async def _by_store(home: Path) -> list[dict[str, Any]]:
    with open_users(settings_at(home)) as users:
        found = page(users.store)["entries"]
    assert isinstance(found, list)
    return found


async def test_a_flood_of_refusals_is_a_handful_of_entries(desk: Desk) -> None:
    for _ in range(300):
        await desk.call("GET", "/auth/me", token="x")
    refused = [entry for entry in await entries(desk) if entry["outcome"] == "TOKEN_INVALID"]
    assert len(refused) == 1
    assert refused[0]["details"]["count"] == 300


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit", "INSERT OR REPLACE INTO audit SELECT * FROM audit"])
async def test_no_entry_is_changed_or_taken_away(desk: Desk, tmp_path: Path, statement: str) -> None:
    await desk.token()
    with sqlite3.connect(tmp_path / "data" / "users.db") as db, pytest.raises(sqlite3.DatabaseError):
        db.execute(statement)
    db.close()
