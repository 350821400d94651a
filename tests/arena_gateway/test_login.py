"""Registering, logging in, staying in, getting out: the first version's calls to the letter, and everything that must not work."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from arena_gateway import throttles
from arena_gateway.users import open_users
from runtime.clock import ManualClock
from tests.arena_gateway.fakes import SEED_ORDER, AuthSettings, Desk, open_desk, settings_at


async def test_the_seed_registers_and_logs_in(desk: Desk) -> None:
    registered = await desk.register("trader@test")
    assert registered.status == 201
    assert registered.body["ok"] is True
    user = registered.body["user"]
    assert (user["email"], user["role"], user["live"], user["weak_password"]) == ("trader@test", "trader", [], True)
    login = await desk.login("trader@test")
    assert login.status == 200
    assert set(login.body) == {"ok", "access_token", "token_type", "expires_in", "refresh_token"}
    assert (login.body["ok"], login.body["token_type"], login.body["expires_in"]) == (True, "bearer", 3600)
    me = await desk.call("GET", "/auth/me", token=login.body["access_token"])
    assert me.body["user"]["email"] == "trader@test"
    assert me.body["token"]["kind"] == "login"


async def test_a_second_registration_is_409_and_login_still_works(desk: Desk) -> None:
    await desk.register("trader@test")
    again = await desk.register("TRADER@test", password="other")
    assert (again.status, again.body["code"]) == (409, "USER_EXISTS")
    assert (await desk.login("trader@test")).status == 200
    assert (await desk.login("trader@test", "other")).status == 401


@pytest.mark.parametrize("role", ["admin", "root", "Trader", ""])
async def test_no_other_role_than_viewer_and_trader_can_be_had_by_http(desk: Desk, role: str) -> None:
    answer = await desk.register("a@b", role)
    assert (answer.status, answer.body["code"]) == (400, "ROLE_NOT_ALLOWED")


@pytest.mark.parametrize("email", ["ab@", "@ab", "a b@c", "a@b c", "a\n@b", "a@b\n", "a\x00@b", "a@b@c", "x" * 65 + "@b", "a@" + "b" * 191, "plain"])
async def test_what_does_not_look_like_an_email_is_refused(desk: Desk, email: str) -> None:
    answer = await desk.register(email)
    assert answer.status == 400
    assert answer.body["code"] in {"EMAIL_INVALID", "INVALID_FIELD", "STRING_TOO_LONG"}


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@b", "password": "x", "role": "trader", "admin": True},
        {"email": "a@b", "password": "x", "live": ["oanda"]},
        {"email": "a@b"},
        {"email": "a@b", "password": 5},
        {"email": "a@b", "password": ""},
        {"email": ["a@b"], "password": "x"},
        {"email": "a@b", "password": "x" * 257},
    ],
)
async def test_a_registration_with_other_fields_or_types_is_400(desk: Desk, body: dict[str, object]) -> None:
    assert (await desk.call("POST", "/auth/register", json=body)).status == 400


async def test_auth_bodies_are_at_most_8_kib(desk: Desk) -> None:
    answer = await desk.call("POST", "/auth/login", data=b" " * 9000, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh"])
async def test_auth_bodies_must_be_declared_json(desk: Desk, path: str) -> None:
    answer = await desk.call("POST", path, data=b'{"email":"a@b","password":"x"}', headers={"Content-Type": "text/plain"})
    assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(desk: Desk) -> None:
    await desk.register("trader@test")
    wrong, unknown = await desk.login("trader@test", "wrong"), await desk.login("nobody@test", "wrong")
    assert wrong.status == unknown.status == 401
    for answer in (wrong, unknown):
        answer.body.pop("request_id")
    assert wrong.body == unknown.body


async def test_five_failures_start_a_delay_that_doubles_and_a_good_login_ends_it(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        await desk.register("trader@test")
        for _ in range(5):
            assert (await desk.login("trader@test", "wrong")).status == 401
        delayed = await desk.login("trader@test")
        assert (delayed.status, delayed.body["code"], delayed.headers["Retry-After"]) == (429, "LOGIN_THROTTLED", "1")
        clock.advance(1)
        assert (await desk.login("trader@test", "wrong")).status == 401
        assert (await desk.login("trader@test")).headers["Retry-After"] == "2"
        clock.advance(2)
        assert (await desk.login("trader@test")).status == 200
        for _ in range(4):
            assert (await desk.login("trader@test", "wrong")).status == 401
        assert (await desk.login("trader@test")).status == 200


async def test_delays_survive_a_restart(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        for _ in range(5):
            assert (await desk.login("other@test", "wrong")).status == 401
    async with open_desk(tmp_path, clock) as desk:
        assert (await desk.login("other@test", "wrong")).status == 429
        assert (await desk.login("third@test", "wrong")).status == 401


def test_delays_double_from_one_second_to_fifteen_minutes_and_are_forgotten_after_as_long() -> None:
    second, now_ns = 1_000_000_000, 1_760_000_000 * 1_000_000_000
    counter, delays = None, []
    for _ in range(17):
        counter = throttles.after_failure(counter, now_ns)
        delays.append((counter.until_ns - now_ns) // second)
        now_ns = counter.until_ns
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]
    assert counter is not None
    assert throttles.after_failure(counter, counter.until_ns + 901 * second).count == 1


async def test_twenty_failures_a_minute_from_one_address_are_enough(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        await desk.register("trader@test")
        for n in range(20):
            assert (await desk.login(f"nobody{n}@test", "wrong")).status == 401
        assert (await desk.login("trader@test")).body["code"] == "LOGIN_THROTTLED"
        clock.advance(61)
        for _ in range(25):
            assert (await desk.login("trader@test")).status == 200, "good logins do not count"


@pytest.mark.usefixtures("full_cost")
async def test_many_logins_at_once_are_refused_beyond_the_queue_and_hash_two_at_a_time(desk: Desk) -> None:
    await desk.register("trader@test")
    answers = await asyncio.gather(*(desk.login("trader@test") for _ in range(40)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    assert 1 <= statuses.count(200) <= 40
    assert {answer.body["code"] for answer in answers if answer.status == 429} == {"LOGIN_BUSY"}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status == 429)


async def test_refreshing_rotates_and_a_token_used_twice_ends_the_session(desk: Desk) -> None:
    await desk.register("trader@test")
    login = (await desk.login("trader@test")).body
    renewed = await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})
    assert renewed.status == 200
    assert renewed.body["refresh_token"] != login["refresh_token"]
    assert (await desk.call("GET", "/auth/me", token=renewed.body["access_token"])).status == 200
    stolen = await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})
    assert (stolen.status, stolen.body["code"]) == (401, "REFRESH_INVALID")
    for token in (login["access_token"], renewed.body["access_token"]):
        assert (await desk.call("GET", "/auth/me", token=token)).status == 401
    assert (await desk.call("POST", "/auth/refresh", json={"refresh_token": renewed.body["refresh_token"]})).status == 401


@pytest.mark.parametrize("token", ["", "x", "rbr_", "rbr_" + "a" * 43, "rba_" + "a" * 43, "eyJ0.e30.x"])
async def test_what_is_no_refresh_token_is_401(desk: Desk, token: str) -> None:
    answer = await desk.call("POST", "/auth/refresh", json={"refresh_token": token})
    assert (answer.status, answer.body["code"]) == (401, "REFRESH_INVALID")


async def test_a_refresh_token_ends_after_thirty_days_unused(tmp_path: Path) -> None:
    clock = ManualClock(time.time_ns())
    async with open_desk(tmp_path, clock) as desk:
        await desk.register("trader@test")
        login = (await desk.login("trader@test")).body
        clock.advance(30 * 86_400 + 1)
        assert (await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})).status == 401


async def test_logging_out_ends_access_and_refresh_at_once(desk: Desk) -> None:
    await desk.register("trader@test")
    login = (await desk.login("trader@test")).body
    token = login["access_token"]
    assert (await desk.call("GET", "/auth/me", token=token)).status == 200
    assert (await desk.call("POST", "/auth/logout", token=token)).status == 200
    assert (await desk.call("GET", "/auth/me", token=token)).status == 401
    assert (await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)).status == 401
    assert (await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})).status == 401
    assert (await desk.call("POST", "/auth/logout")).status == 401


async def test_logging_out_by_refresh_token_alone(desk: Desk) -> None:
    await desk.register("trader@test")
    login = (await desk.login("trader@test")).body
    answer = await desk.call("POST", "/auth/logout", json={"refresh_token": login["refresh_token"]})
    assert answer.status == 200
    assert (await desk.call("GET", "/auth/me", token=login["access_token"])).status == 401


async def test_what_the_command_line_changes_shows_here_at_the_next_look(desk: Desk, tmp_path: Path) -> None:
    """Password change, disabling and a new role, made by another process on the same store."""
    trader, viewer = await desk.token(), await desk.token("viewer")
    with open_users(settings_at(tmp_path)) as users:
        users.set_password("trader@test", "correct horse battery", by="host")
        users.set_disabled("viewer@test", disabled=True, by="host")
    await desk.accounts.tend()
    assert (await desk.call("GET", "/auth/me", token=trader)).status == 401
    assert (await desk.call("GET", "/auth/me", token=viewer)).status == 401
    assert (await desk.login("viewer@test")).status == 401
    assert (await desk.login("trader@test", "correct horse battery")).status == 200


async def test_a_weak_password_is_good_only_on_loopback_in_paper(tmp_path: Path) -> None:
    async with open_desk(tmp_path) as desk:
        token = await desk.token()
        login = (await desk.login("trader@test")).body
    async with open_desk(tmp_path, execution_enabled=True) as desk:
        refused = await desk.login("trader@test")
        assert (refused.status, refused.body["code"]) == (403, "PASSWORD_CHANGE_REQUIRED")
        assert (await desk.login("trader@test", "wrong")).status == 401
        assert (await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)).status == 403
        assert (await desk.call("POST", "/auth/refresh", json={"refresh_token": login["refresh_token"]})).status == 403


async def test_open_registration_off_loopback_wants_strong_passwords(tmp_path: Path) -> None:
    async with open_desk(tmp_path, auth=AuthSettings(registration="open"), execution_enabled=True) as desk:
        for password in ("pass", "password1234", "trader@test12", "aaaaaaaaaaaaaaa"):
            refused = await desk.register("trader@test", password=password)
            assert (refused.status, refused.body["code"]) == (422, "PASSWORD_TOO_WEAK"), password
        assert (await desk.register("trader@test", password="a long and odd sentence")).status == 201


async def test_by_invite_registers_whoever_holds_one_once_with_its_role(tmp_path: Path) -> None:
    async with open_desk(tmp_path, auth=AuthSettings(registration="invite")) as desk:
        with open_users(settings_at(tmp_path)) as users:
            code = users.create_invite("viewer", by="host")
        body = {"email": "a@b", "password": "pass", "role": "trader"}
        assert (await desk.call("POST", "/auth/register", json=body)).status == 403
        assert (await desk.call("POST", "/auth/register", json={**body, "invite": "rbi_wrong"})).body["code"] == "INVITE_INVALID"
        joined = await desk.call("POST", "/auth/register", json={**body, "invite": code})
        assert (joined.status, joined.body["user"]["role"]) == (201, "viewer")
        again = await desk.call("POST", "/auth/register", json={**body, "email": "c@d", "invite": code})
        assert (again.status, again.body["code"]) == (403, "INVITE_INVALID")


async def test_a_users_store_that_cannot_be_written_stops_logins_and_nothing_else(desk: Desk, tmp_path: Path) -> None:
    token = await desk.token()
    desk.accounts._store._connection.execute("PRAGMA busy_timeout=20")
    other = sqlite3.connect(tmp_path / "data" / "users.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        refused = await desk.login("trader@test")
        assert (refused.status, refused.body["code"]) == (503, "USERS_STORE_DOWN")
        assert (await desk.call("POST", "/brokers/oanda/orders", token=token, json=SEED_ORDER)).status == 201
        await desk.accounts.tend()
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert (await desk.login("trader@test")).status == 200
    await desk.accounts.tend()
    audited = await desk.call("GET", "/admin/audit?action=order.place", token=await desk.token("admin"))
    assert len(audited.body["entries"]) == 1, "what could not be written then is written now"
