"""Servers without keys ask the gateway: what they remember, for how long, and what a gateway that is down means."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime import introspection
from runtime.http import Listener, Route, build_app, json_answer, listening
from runtime.introspection import Introspector
from runtime.settings import Settings
from tests.runtime.http_example import Example, head, serving
from tests.runtime.raw_http import exchange


class FakeGateway:
    """Knows the tokens in ``known`` and counts how often it is asked."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {
            "good": {"active": True, "user": "trader@test", "role": "trader", "live": ["oanda"], "token_id": "s"}
        }
        self.asked = 0
        self.status = 200

    async def introspect(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        token = json.loads(await request.read())["token"]
        return json_answer(self.known.get(token, {"active": False}), self.status)

    @asynccontextmanager
    async def open(self, home: Path) -> AsyncIterator[Listener]:
        route = Route(method="POST", path="/auth/introspect", handler=self.introspect, summary="", auth="public")
        async with listening(build_app("gateway", Settings(home=home, conf=home), [route]), "127.0.0.1", 0) as listener:
            yield listener


async def test_a_good_token_is_asked_for_once_in_five_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = FakeGateway()
    async with gateway.open(tmp_path) as listener, Introspector(listener.url) as introspector:
        for _ in range(3):
            principal = await introspector.lookup("good")
            assert principal is not None
            assert (principal.user, principal.role, principal.live, principal.scopes) == ("trader@test", "trader", frozenset({"oanda"}), None)
        assert gateway.asked == 1
        gateway.known.clear()
        monkeypatch.setattr(introspection, "REMEMBERED_S", 0.0)
        assert await introspector.lookup("good") is None


async def test_a_bad_token_is_none_and_an_expired_one_too_though_remembered(tmp_path: Path) -> None:
    gateway = FakeGateway()
    gateway.known["short"] = {"active": True, "user": "u", "role": "viewer", "expires_ns": time.time_ns() - 1}
    async with gateway.open(tmp_path) as listener, Introspector(listener.url) as introspector:
        assert await introspector.lookup("bad") is None
        assert await introspector.lookup("short") is None


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection, "REMEMBERED_MAX", 3)
    async with FakeGateway().open(tmp_path) as listener, Introspector(listener.url) as introspector:
        for n in range(10):
            await introspector.lookup(f"t{n}")
        assert len(introspector._remembered) == 3


async def test_as_an_authenticator_it_lets_in_and_turns_away(tmp_path: Path) -> None:
    gateway = FakeGateway()
    async with (
        gateway.open(tmp_path) as listener,
        Introspector(listener.url, cookie="session") as introspector,
        serving(Example(), tmp_path, tokens=introspector) as server,
    ):
        for headers, path, status in (
            ({}, "/viewer", 401),
            ({"Authorization": "Bearer good"}, "/viewer", 200),
            ({"Authorization": "Bearer bad"}, "/viewer", 401),
            ({"Authorization": "Basic good"}, "/viewer", 401),
            ({"Authorization": "Bearer bad"}, "/read", 401),
            ({"Cookie": "session=good"}, "/viewer", 200),
            ({"Cookie": "session=bad"}, "/viewer", 401),
        ):
            assert (await exchange(server.port, head("GET", path, server.port, headers)))[0] == status, headers
        changed = await exchange(server.port, head("POST", "/trader", server.port, {"Cookie": "session=good"}, b'{"units":1}'))
        assert changed[0] == 401, "a cookie alone changes nothing"


async def test_a_gateway_that_cannot_be_asked_is_503(tmp_path: Path) -> None:
    gateway = FakeGateway()
    async with gateway.open(tmp_path) as listener:
        url = listener.url
        gateway.status = 500
        async with Introspector(url) as introspector, serving(Example(), tmp_path, tokens=introspector) as server:
            answer = await exchange(server.port, head("GET", "/viewer", server.port, {"Authorization": "Bearer good"}))
            assert (answer[0], json.loads(answer[2])["code"]) == (503, "GATEWAY_DOWN")
    async with Introspector(url) as introspector, serving(Example(), tmp_path, tokens=introspector) as server:
        answer = await exchange(server.port, head("GET", "/viewer", server.port, {"Authorization": "Bearer good"}))
        assert answer[0] == 503
        assert (await exchange(server.port, head("GET", "/read", server.port)))[0] == 200, "open reads need no gateway"
