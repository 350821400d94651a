"""docs/http-api.md names every route and every code that can come out of the gateway."""

import re
from pathlib import Path

from tests.arena_gateway.fakes import Desk

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "http-api.md").read_text()
CODE = re.compile(r'(?:code=|default_code = |ApiError\(\s*\d+, )"([A-Z][A-Z_]+)"')
# Not an answer of this server: the root of the tree, and what a recorded file, the market data server or `arena replay` says.
ELSEWHERE = {"ARENA_ERROR", "PLAN_INVALID", "QUOTE_FILE_INVALID", "REPLAY_REFUSED"}


async def test_every_route_is_there(desk: Desk) -> None:
    named = set(re.findall(r"`(GET|POST|PATCH|DELETE) ([^`?\s]+)", PAGE))
    routes = {(route.method, route.path) for route in desk.gateway.routes} | {("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs.css")}
    assert routes - named == set()
    assert named - routes == set()


async def test_every_code_is_there(desk: Desk) -> None:
    written = set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE))
    in_code = {
        code
        for room in ("runtime", "arena_gateway", "trading", "brokers", "bus")
        for path in (ROOT / room).rglob("*.py")
        for code in CODE.findall(path.read_text())
    }
    in_table = {code for route in desk.gateway.routes for codes in route.codes.values() for code in codes if code.isupper()}
    assert (in_code | in_table) - written - ELSEWHERE == set()
