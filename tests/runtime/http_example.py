"""A small server with one route of each kind, for the tests of runtime/http."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from runtime.http import ApiError, Listener, Principal, Route, build_app, json_answer, listening, read_json, read_query
from runtime.http_answers import CONTENT_SECURITY_POLICY
from runtime.settings import Settings

OK_BODY = b'{"units": 1}'


class Ticket(msgspec.Struct):
    units: Decimal
    name: str = "x"
    tags: list[str] | None = None


class Page(msgspec.Struct):
    limit: int = 50
    after: str | None = None


class Tokens:
    """Knows three tokens, each named after its role."""

    async def principal(self, request: web.Request) -> Principal | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token:
            return None
        if token not in {"viewer", "trader", "admin"}:
            raise ApiError(401, "TOKEN_INVALID", "no")
        return Principal(user=f"{token}@test", role=token)


class Example:
    """The handlers, and what they have seen."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.ended: list[str] = []

    async def echo(self, request: web.Request) -> web.StreamResponse:
        ticket = await read_json(request, Ticket)
        return json_answer({"ok": True, "ticket": ticket})

    async def page(self, request: web.Request) -> web.StreamResponse:
        return json_answer({"ok": True, "query": read_query(request, Page)})

    async def fail(self, _: web.Request) -> web.StreamResponse:
        raise RuntimeError("a secret detail: rba_1234567890")

    async def slow(self, _: web.Request) -> web.StreamResponse:
        await self.release.wait()
        return json_answer({"ok": True})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        await self.release.wait()
        self.ended.append("stream")
        await response.write_eof()
        return response

    def routes(self) -> list[Route]:
        return [
            Route(method="POST", path="/echo", handler=self.echo, summary="Echo", auth="public", request=Ticket, response=Ticket),
            Route(method="POST", path="/loose", handler=self.echo, summary="Echo", auth="public", request=Ticket, json_only=False),
            Route(method="GET", path="/page", handler=self.page, summary="Page", auth="public", query=Page),
            Route(method="GET", path="/fail", handler=self.fail, summary="Fail", auth="public"),
            Route(method="GET", path="/slow", handler=self.slow, summary="Slow", auth="public", timeout_s=0.2),
            Route(method="GET", path="/patient", handler=self.slow, summary="Slow", auth="public", timeout_s=None),
            Route(method="GET", path="/read", handler=self.page, summary="Read", auth="read", query=Page),
            Route(method="GET", path="/viewer", handler=self.page, summary="Viewer", auth="viewer", query=Page),
            Route(method="POST", path="/trader", handler=self.echo, summary="Trader", auth="trader", request=Ticket),
            Route(method="POST", path="/admin", handler=self.echo, summary="Admin", auth="admin", request=Ticket),
            Route(method="GET", path="/stream", handler=self.stream, summary="Stream", auth="read", stream=True),
        ]


@asynccontextmanager
async def serving(example: Example, home: Path, *, host: str = "127.0.0.1", tokens: Any = None, **settings: Any) -> AsyncIterator[Listener]:
    """The example on a free port; it ends its stream at shutdown as an event stream does."""
    app = build_app("example", Settings(home=home, conf=home / "x", **settings), example.routes(), host=host, authenticator=tokens or Tokens())

    async def end_streams(_: web.Application) -> None:
        example.release.set()

    app.on_shutdown.append(end_streams)
    async with listening(app, "127.0.0.1", 0) as listener:
        yield listener


def head(method: str, path: str, port: int, headers: Mapping[str, str] | None = None, body: bytes = b"", version: str = "1.1") -> bytes:
    """A request as bytes; a Host is added unless there is one."""
    lines = [f"{method} {path} HTTP/{version}"]
    all_headers = {"Host": f"127.0.0.1:{port}", **(headers or {})}
    if body:
        all_headers.setdefault("Content-Length", str(len(body)))
        all_headers.setdefault("Content-Type", "application/json")
    lines += [f"{name}: {value}" for name, value in all_headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def refusal(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Status and code, after checking the shape and the guarding headers."""
    status, headers, raw = answer
    body = json.loads(raw)
    assert set(body) == {"ok", "code", "message", "details", "request_id"}
    assert body["ok"] is False
    assert body["message"]
    assert headers["x-request-id"] == body["request_id"]
    check_guarded(headers)
    return status, body["code"]


def check_guarded(headers: dict[str, str]) -> None:
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "arena"
    assert not any(name.startswith("access-control") for name in headers)
