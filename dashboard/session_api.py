"""``/api/session``: who is looking, logging in, logging out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from dashboard.cookies import Login
from dashboard.sessions import Sessions
from runtime.http import ApiError, Route, json_answer, read_json
from runtime.http_body import AUTH_BODY_BYTES_MAX
from runtime.routes import ROLES

# Heartbeats of the brokers by program: what mode they trade in and whether trading is on.
Heartbeats = Callable[[], Mapping[str, Mapping[str, object]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginBody:
    email: str
    password: str


def mode_of(brokers: tuple[str, ...], heartbeats: Mapping[str, Mapping[str, object]], *, live_expected: bool) -> str:
    """``live`` when money is real, or may be, at any broker; else ``paper``. ``live_expected``: one that was not heard yet must be taken for live."""
    modes = [heartbeats.get(broker, {}).get("mode") for broker in brokers]
    return "live" if "live" in modes or (live_expected and None in modes) else "paper"


class SessionApi:
    """The three calls.

    Args:
        heartbeats: the brokers' latest payloads.
        live_expected: whether a broker that was not heard yet must be taken for live.
        build: the build id of the page.
    """

    def __init__(self, sessions: Sessions, *, brokers: tuple[str, ...], heartbeats: Heartbeats, build: str, live_expected: bool) -> None:
        self._sessions = sessions
        self._brokers = brokers
        self._heartbeats = heartbeats
        self._build = build
        self._live_expected = live_expected

    def routes(self) -> list[Route]:
        down = {503: ("GATEWAY_DOWN",)}
        return [
            Route(method="GET", path="/api/session", handler=self.get, summary="Who is looking, and what they may", auth="public", tag="session"),
            Route(
                method="POST",
                path="/api/session",
                handler=self.post,
                summary="Log in; sets the cookies",
                auth="public",
                tag="session",
                request=LoginBody,
                codes={**down, 401: ("LOGIN_FAILED",), 403: ("PASSWORD_CHANGE_REQUIRED",), 429: ("LOGIN_THROTTLED", "LOGIN_BUSY")},
            ),
            Route(
                method="DELETE",
                path="/api/session",
                handler=self.delete,
                summary="Log out",
                auth="public",
                tag="session",
                codes={403: ("CSRF_TOKEN_WRONG",)},
            ),
        ]

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Always 200; a gateway that does not answer is said to be down, and the login is kept for when it does."""
        try:
            login = await self._sessions.login_of(request)
            user = await self._sessions.me(request, login) if login is not None else None
            if login is not None and user is None:
                login = await self._sessions.renewed(request, login)
                user = await self._sessions.me(request, login) if login is not None else None
        except ApiError:
            return json_answer(self._state(None, None, gateway="down"))
        return json_answer(self._state(login, user))

    async def post(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request, LoginBody, AUTH_BODY_BYTES_MAX)
        login = await self._sessions.log_in(request, body.email, body.password)
        return json_answer(self._state(login, await self._sessions.me(request, login)))

    async def delete(self, request: web.Request) -> web.StreamResponse:
        login = self._sessions.cookies.read(request)  # as it is: nothing is renewed only to be revoked
        if login is not None:
            await self._sessions.log_out(request, self._sessions.check_change(request, login))
        return json_answer({"ok": True})

    def _state(self, login: Login | None, user: Mapping[str, object] | None, *, gateway: str = "up") -> dict[str, object]:
        role = user.get("role") if user is not None else None
        rank = ROLES.get(role, 0) if isinstance(role, str) else 0
        beats = {name: beat for name, beat in self._heartbeats().items() if name in self._brokers}
        modes = {name: beat["mode"] for name, beat in sorted(beats.items()) if isinstance(beat.get("mode"), str)}
        live = user.get("live") if user is not None else None
        known = login is not None and user is not None
        return {
            "ok": True,
            "user": user,
            "csrf_token": login.csrf_token if login is not None and known else None,
            "may": {"read": self._sessions.open_reads or known, "trade": rank >= ROLES["trader"], "admin": rank >= ROLES["admin"]},
            "live": sorted(str(broker) for broker in live) if isinstance(live, (list, dict)) else [],
            "mode": mode_of(self._brokers, beats, live_expected=self._live_expected),
            "modes": modes,
            "trading_states": {name: beat["trading_state"] for name, beat in sorted(beats.items()) if isinstance(beat.get("trading_state"), str)},
            "login_required": not (self._sessions.open_reads or known),
            "gateway": gateway,
            "build": self._build,
        }
