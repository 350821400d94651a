"""A gateway that behaves like the real one towards the dashboard: logins, rotated refresh tokens, introspection, and routes to pass on to."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

PASSWORD = "pass"
EMAIL = "trader@test"


def jwt(number: int, life_s: int) -> str:
    """Shaped like an access token; nobody but the fake gateway has to believe it."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + life_s, "jti": number}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2ln"


@dataclass
class FakeGateway:
    """Counts and keeps what it was sent. ``life_s`` is how long the next access tokens are good for; ``before_answer`` holds back the order route."""

    role: str = "trader"
    life_s: int = 3600
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    access: set[str] = field(default_factory=set)
    refresh: dict[str, bool] = field(default_factory=dict)
    refreshes: int = 0
    reused: bool = False
    logged_out: list[str] = field(default_factory=list)
    order_answer: web.Response | None = None
    hang: asyncio.Event | None = None
    url: str = ""
    port: int = 0
    stop: Callable[[], Awaitable[None]] | None = None

    def issue(self) -> dict[str, object]:
        number = len(self.refresh)
        access, refresh = jwt(number, self.life_s), f"rbr_{number:043d}"
        self.access.add(access)
        self.refresh[refresh] = False
        return {"ok": True, "access_token": access, "token_type": "bearer", "expires_in": self.life_s, "refresh_token": refresh}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/auth/login", self._login)
        app.router.add_post("/auth/refresh", self._refresh)
        app.router.add_post("/auth/logout", self._logout)
        app.router.add_post("/auth/introspect", self._introspect)
        app.router.add_get("/auth/me", self._me)
        app.router.add_route("*", "/{path:.*}", self._any)
        return app

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeGateway"]:
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.stop = runner.cleanup
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _keep(self, request: web.Request) -> bytes:
        body = await request.read()
        self.requests.append((request.method, request.path_qs, dict(request.headers), body))
        return body

    def _bearer(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    async def _login(self, request: web.Request) -> web.Response:
        body = json.loads(await self._keep(request))
        if body != {"email": EMAIL, "password": PASSWORD}:
            return web.json_response(
                {"ok": False, "code": "LOGIN_FAILED", "message": "no", "details": {}, "request_id": "x"}, status=401, headers={"Retry-After": "7"}
            )
        return web.json_response(self.issue())

    async def _refresh(self, request: web.Request) -> web.Response:
        token = json.loads(await self._keep(request))["refresh_token"]
        self.refreshes += 1
        if self.refresh.get(token) is not False:
            self.reused = self.reused or token in self.refresh
            return web.json_response({"ok": False, "code": "TOKEN_INVALID", "message": "no", "details": {}, "request_id": "x"}, status=401)
        self.refresh[token] = True
        return web.json_response(self.issue())

    async def _logout(self, request: web.Request) -> web.Response:
        self.logged_out.append(json.loads(await self._keep(request))["refresh_token"])
        return web.json_response({"ok": True})

    async def _introspect(self, request: web.Request) -> web.Response:
        token = json.loads(await request.read())["token"]
        if token not in self.access:
            return web.json_response({"active": False})
        return web.json_response({"active": True, "user": EMAIL, "role": self.role, "live": [], "token_id": token[-8:]})

    async def _me(self, request: web.Request) -> web.Response:
        if self._bearer(request) not in self.access:
            return web.json_response({"ok": False, "code": "TOKEN_INVALID", "message": "no", "details": {}, "request_id": "x"}, status=401)
        return web.json_response({"ok": True, "user": {"user_id": "7", "email": EMAIL, "role": self.role, "live": ["oanda"]}})

    async def _any(self, request: web.Request) -> web.StreamResponse:
        await self._keep(request)
        if self.hang is not None:
            await self.hang.wait()
        if self._bearer(request) not in self.access:
            return web.json_response({"ok": False, "code": "TOKEN_INVALID", "message": "no", "details": {}, "request_id": "x"}, status=401)
        if self.order_answer is not None:
            return self.order_answer
        return web.json_response({"ok": True, "path": request.path_qs}, status=200)
