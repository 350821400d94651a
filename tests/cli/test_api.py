"""The commands' calls to the gateway under TLS: our own certificate is believed, whatever name it is for, and no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from cli.api import Api, NoAnswer
from runtime.http import Route, build_app, json_answer, listening
from runtime.settings import HttpSettings, Settings
from tests.dashboard.test_upstreams import make_certificate


@asynccontextmanager
async def gateway(home: Path, http: HttpSettings) -> AsyncIterator[str]:
    async def health(_: web.Request) -> web.StreamResponse:
        return json_answer({"ok": True})

    settings = Settings(home=home, conf=home, http=http)
    route = Route(method="GET", path="/health", handler=health, summary="", auth="public")
    async with listening(build_app("gateway", settings, [route]), "127.0.0.1", 0) as listener:
        yield listener.url


async def test_under_tls_the_commands_speak_to_our_own_gateway_and_to_no_other(tmp_path: Path) -> None:
    ours, other = make_certificate(tmp_path, "ours"), make_certificate(tmp_path, "other")
    async with gateway(tmp_path, ours) as url:
        assert url.startswith("https://")
        api = Api.of_server(Settings(home=tmp_path, conf=tmp_path, http=ours), url)
        assert (await asyncio.to_thread(api.call, "GET", "/health")).ok
        stranger = Api.of_server(Settings(home=tmp_path, conf=tmp_path, http=other), url)
        with pytest.raises(NoAnswer):
            await asyncio.to_thread(stranger.call, "GET", "/health")
