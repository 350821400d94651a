"""Logins of browsers: cookies, silent renewal, the CSRF token, and what is refused."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dashboard.cookies import Cookies, Login, new_login
from dashboard.status import Heard
from runtime.http import ApiError
from runtime.settings import DashboardSettings, HttpSettings, Settings
from tests.dashboard.conftest import Desk, running_desk, said, settings_for
from tests.dashboard.fakes import EMAIL, PASSWORD, jwt

_ID = "a" * 22


async def test_somebody_unknown_may_look_on_a_paper_desk_on_loopback(desk: Desk) -> None:
    status, body = await desk.get("/api/session")
    assert status == 200
    assert body["user"] is None
    assert body["csrf_token"] is None
    assert body["may"] == {"read": True, "trade": False, "admin": False}
    assert body["login_required"] is False


async def test_a_login_sets_a_cookie_that_no_script_and_no_other_site_gets(desk: Desk) -> None:
    """HttpOnly, SameSite=Strict, Path=/, gone with the browser; the body holds no token."""
    async with desk.browser.post(f"{desk.url}/api/session", json={"email": EMAIL, "password": PASSWORD}) as answer:
        text, cookies = await answer.text(), answer.headers.getall("Set-Cookie")
    assert answer.status == 200
    (cookie,) = cookies
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert not any(token in text for token in (*desk.gateway.access, *desk.gateway.refresh))
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_login_says_who_it_is_and_what_they_may(desk: Desk) -> None:
    body = await desk.log_in()
    assert body["user"] == {"user_id": "7", "email": EMAIL, "role": "trader", "live": ["oanda"]}
    assert body["may"] == {"read": True, "trade": True, "admin": False}
    assert body["live"] == ["oanda"]
    assert body == (await desk.get("/api/session"))[1]


async def test_a_viewer_may_not_trade(desk: Desk) -> None:
    desk.gateway.role = "viewer"
    assert (await desk.log_in())["may"] == {"read": True, "trade": False, "admin": False}


async def test_a_wrong_password_is_the_gateways_refusal_and_sets_nothing(desk: Desk) -> None:
    async with desk.browser.post(f"{desk.url}/api/session", json={"email": EMAIL, "password": "wrong"}) as answer:
        body = await answer.json()
    assert (answer.status, said(body), answer.headers["Retry-After"]) == (401, "LOGIN_FAILED", "7")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "data", "status", "code"),
    [
        ({"Origin": "http://evil.example"}, b'{"email":"a@b","password":"x"}', 403, "ORIGIN_NOT_ALLOWED"),
        ({"Sec-Fetch-Site": "same-site"}, b'{"email":"a@b","password":"x"}', 403, "CROSS_SITE"),
        ({"Host": "evil.example"}, b'{"email":"a@b","password":"x"}', 421, "HOST_NOT_ALLOWED"),
        ({"Content-Type": "text/plain"}, b'{"email":"a@b","password":"x"}', 415, "UNSUPPORTED_MEDIA_TYPE"),
        ({}, b'{"email":"a@b","password":"x","role":"admin"}', 400, "UNKNOWN_FIELD"),
        ({}, b'{"email":"a@b","email":"c@d","password":"x"}', 400, "DUPLICATE_KEY"),
        ({}, b'{"email":"a@b"}', 400, "INVALID_FIELD"),
        ({}, b"[" * 10_000, 413, "BODY_TOO_LARGE"),
        ({}, b"{", 400, "JSON_MALFORMED"),
    ],
)
async def test_a_login_that_is_not_the_pages_own_is_refused(desk: Desk, headers: dict[str, str], data: bytes, status: int, code: str) -> None:
    """Before the gateway hears of it."""
    sent = {"Content-Type": "application/json", **headers}
    answered, body = await desk.ask("POST", "/api/session", data=data, headers=sent)
    assert (answered, said(body)) == (status, code)
    assert desk.gateway.requests == []


async def test_a_log_out_revokes_and_takes_the_cookies(desk: Desk) -> None:
    await desk.log_in()
    status, _ = await desk.ask("DELETE", "/api/session", headers=desk.headers)
    assert status == 200
    assert desk.gateway.logged_out == list(desk.gateway.refresh)
    assert len(desk.browser.cookie_jar) == 0
    assert (await desk.get("/api/session"))[1]["user"] is None


@pytest.mark.parametrize("missing", ["X-CSRF-Token", "Origin"])
async def test_a_log_out_needs_the_pages_origin_and_token(desk: Desk, missing: str) -> None:
    await desk.log_in()
    headers = {key: value for key, value in desk.headers.items() if key != missing}
    status, body = await desk.ask("DELETE", "/api/session", headers=headers)
    assert status == 403
    assert said(body) == ("CSRF_TOKEN_WRONG" if missing == "X-CSRF-Token" else "ORIGIN_NOT_ALLOWED")
    assert desk.gateway.logged_out == []


async def test_a_log_out_without_a_login_is_fine(desk: Desk) -> None:
    assert (await desk.ask("DELETE", "/api/session"))[0] == 200


async def test_a_token_about_to_end_is_renewed_unseen(desk: Desk) -> None:
    """The next answer carries the new cookies, the login and its CSRF token stay the same."""
    desk.gateway.life_s = 30
    before = await desk.log_in()
    desk.gateway.life_s = 3600
    after = (await desk.get("/api/session"))[1]
    assert after["csrf_token"] == before["csrf_token"]
    assert desk.gateway.refreshes == 1
    assert (await desk.get("/api/session"))[1]["user"] == before["user"]
    assert desk.gateway.refreshes == 1


async def test_many_tabs_at_once_renew_once(desk: Desk) -> None:
    """A refresh token that comes twice counts as stolen; the dashboard presents it once and gives everybody the same new one."""
    desk.gateway.life_s = 30
    await desk.log_in()
    desk.gateway.life_s = 3600
    cookies = {cookie.key: cookie.value for cookie in desk.browser.cookie_jar}

    async def tab() -> str:
        async with aiohttp.ClientSession(cookies=cookies) as other, other.get(f"{desk.url}/api/session") as answer:
            assert (await answer.json())["user"] is not None
            return answer.headers["Set-Cookie"]

    assert len(set(await asyncio.gather(*(tab() for _ in range(8))))) == 1
    assert await tab()  # a straggler with the old cookies, a moment later
    assert desk.gateway.refreshes == 1
    assert not desk.gateway.reused


@pytest.mark.parametrize("read", ["token", "auto"])
async def test_a_stream_that_is_asked_about_again_spends_no_refresh_token(home: Path, read: str) -> None:
    """Its head is sent, so nobody could tell the browser the next one. Where a login is needed it ends; the request after it is renewed."""
    desks: list[Desk] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        desks[0].gateway.access.clear()  # the token is not good any more, as when it has expired
        desks[0].sessions._introspector._remembered.clear()
        try:
            principal = await desks[0].sessions.principal(request)
        except ApiError as error:
            await response.write(error.code.encode())
        else:
            await response.write(repr(principal).encode())
        return response

    async with running_desk(home, settings=settings_for(home, read=read), stream=stream) as desk:
        desks.append(desk)
        await desk.log_in()
        async with desk.browser.get(f"{desk.url}/arena/events") as answer:
            assert await answer.text() == ("LOGIN_REQUIRED" if read == "token" else "None")
        assert desk.gateway.refreshes == 0
        assert (await desk.get("/api/session"))[1]["user"] is not None
        assert (desk.gateway.refreshes, desk.gateway.reused) == (1, False)


async def test_a_stream_that_opens_with_a_token_about_to_end_brings_the_next_one(home: Path) -> None:
    """In the head of the stream itself."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return response

    async with running_desk(home, settings=settings_for(home, read="token"), stream=stream) as desk:
        desk.gateway.life_s = 30
        await desk.log_in()
        async with desk.browser.get(f"{desk.url}/arena/events") as answer:
            assert answer.status == 200
            assert "arena_session_0=" in answer.headers["Set-Cookie"]
        assert desk.gateway.refreshes == 1


async def test_a_login_that_has_ended_is_taken_away(desk: Desk) -> None:
    """Revoked elsewhere: the next look says so, and the browser is left without cookies."""
    await desk.log_in()
    desk.gateway.access.clear()
    desk.gateway.refresh = dict.fromkeys(desk.gateway.refresh, True)
    body = (await desk.get("/api/session"))[1]
    assert body["user"] is None
    assert len(desk.browser.cookie_jar) == 0


async def test_a_gateway_that_is_down_does_not_end_a_login(home: Path) -> None:
    """The cookies stay; the page is told, and may go on reading."""
    async with running_desk(home) as desk:
        await desk.log_in()
        cookies = {cookie.key: cookie.value for cookie in desk.browser.cookie_jar}
    async with running_desk(home) as other, aiohttp.ClientSession(cookies=cookies) as browser:
        await _stop(other)
        async with browser.get(f"{other.url}/api/session") as answer:
            body = await answer.json()
        assert (body["gateway"], body["user"], body["may"]["read"]) == ("down", None, True)
        assert "Set-Cookie" not in answer.headers
        async with browser.get(f"{other.url}/arena/events") as stream:
            assert stream.status == 200


async def _stop(desk: Desk) -> None:
    """Have the gateway's port refuse connections, as when it restarts."""
    assert desk.gateway.stop is not None
    await desk.gateway.stop()


@pytest.mark.parametrize("path", ["/arena/events", "/api/status", "/api/market/quotes"])
async def test_reads_need_a_login_where_the_rule_says_so(home: Path, path: str) -> None:
    """With auth.read = token, and in live mode: 401 without, the answer with a cookie, and with a bearer token."""
    for settings in (settings_for(home, read="token"), settings_for(home, live=True)):
        async with running_desk(home, settings=settings) as desk:
            status, body = await desk.get(path)
            assert (status, said(body)) == (401, "LOGIN_REQUIRED")
            assert (await desk.get("/api/session"))[1]["login_required"] is True
            token = desk.gateway.issue()["access_token"]
            async with desk.browser.get(desk.url + path, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200
            await desk.log_in()
            async with desk.browser.get(desk.url + path) as answer:
                assert answer.status == 200
            async with desk.browser.get(f"{desk.url}/") as page:
                assert page.status == 200


async def test_a_forged_bearer_token_is_refused_even_where_reads_are_open(desk: Desk) -> None:
    status, body = await desk.get("/api/status", headers={"Authorization": f"Bearer {jwt(99, 3600)}"})
    assert (status, said(body)) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    "value", ["", "x", "." * 30, f"{_ID}.", f"{_ID}.{'b' * 600}.{'c' * 20}", f"{_ID}.{'b' * 20}", f"{_ID}.{'b' * 20}.{'c c' * 9}", '"; Path=/evil']
)
async def test_a_cookie_of_another_shape_is_nobodys(desk: Desk, value: str) -> None:
    name = Cookies(settings_for(Path("/x"))).name
    async with aiohttp.ClientSession() as browser, browser.get(f"{desk.url}/api/session", headers={"Cookie": f"{name}={value}"}) as answer:
        body = await answer.json()
    if answer.status == 200:
        assert body["user"] is None
    else:
        assert answer.status == 400  # a head that aiohttp itself does not take
    assert desk.gateway.requests == []


def test_under_tls_the_cookies_are_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    """__Host- and Secure, also where a trusted proxy does the TLS."""
    login = Login(login_id="a" * 22, access="b" * 20, refresh="c" * 20)
    for http in (HttpSettings(tls_cert_file="x", tls_key_file="y"), HttpSettings(trusted_proxies=("127.0.0.1",))):
        cookies = Cookies(settings_for(tmp_path, http=http))
        assert cookies.name.startswith("__Host-arena_session_")
        assert cookies.setting(login).endswith("; Secure")
        assert "Domain" not in cookies.setting(login)


def test_two_arenas_on_one_machine_do_not_share_cookies(tmp_path: Path) -> None:
    """A browser does not tell ports apart, the names do."""
    one, other = (Settings(home=tmp_path, conf=tmp_path, dashboard=DashboardSettings(port=port)) for port in (8080, 9080))
    assert Cookies(one).name != Cookies(other).name


def test_the_csrf_token_is_one_for_a_login_and_hard_to_guess() -> None:
    one, other = new_login("b" * 20, "c" * 20), new_login("b" * 20, "c" * 20)
    assert one is not None
    assert other is not None
    assert one.csrf_token_is(one.csrf_token)
    assert one.with_tokens("d" * 20, "e" * 20).csrf_token_is(one.csrf_token)
    for wrong in ("", other.csrf_token, one.login_id, one.csrf_token[:-1], "ü", "\ud800"):
        assert not one.csrf_token_is(wrong)
    assert "c" * 20 not in repr(one)


def test_tokens_that_cannot_stand_in_a_cookie_make_no_login() -> None:
    for bad in ("", "a b" * 20, "x;" * 20, "line\r\nbreak" * 5, "ü" * 20):
        assert new_login(bad, "c" * 20) is None
        assert new_login("c" * 20, bad) is None
    assert new_login("c" * 20, "has.a.dot.inside.it") is None


async def test_a_page_is_live_where_a_broker_is_and_where_one_may_be_that_nobody_has_heard(home: Path) -> None:
    """Amber too early costs nothing; paper's blue over real money does."""
    async with running_desk(home, settings=settings_for(home, live=True)) as desk:
        assert (await desk.get("/api/session"))[1]["mode"] == "live"
        for name in ("oanda", "coinbase"):
            desk.heard[name] = Heard(payload={"mode": "paper"}, age_ms=1)
        assert (await desk.get("/api/session"))[1]["mode"] == "paper", "the switch alone makes nothing live"
        desk.heard["oanda"] = Heard(payload={"mode": "live"}, age_ms=60_000)
        assert (await desk.get("/api/session"))[1]["mode"] == "live"
