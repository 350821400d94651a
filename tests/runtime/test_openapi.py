"""The OpenAPI document and its page say what the table says."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from runtime.http import Listener
from runtime.openapi import openapi
from tests.runtime.http_example import Example, serving


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Listener]:
    async with serving(Example(), tmp_path) as listener:
        yield listener


async def fetch(server: Listener, path: str) -> tuple[aiohttp.ClientResponse, str]:
    async with aiohttp.ClientSession() as http, http.get(server.url + path) as answer:
        return answer, await answer.text()


async def test_the_document_is_valid_openapi_and_has_every_route(server: Listener) -> None:
    async with aiohttp.ClientSession() as http, http.get(server.url + "/openapi.json") as answer:
        document: dict[str, Any] = await answer.json()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    listed = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert listed == {(route.method, route.path) for route in Example().routes()} | {
        ("GET", f"/{name}") for name in ("openapi.json", "docs", "docs.css")
    }


def test_money_is_a_number_bodies_are_closed_and_rights_are_named() -> None:
    document = openapi("x", Example().routes())
    ticket = document["components"]["schemas"]["Ticket"]
    assert ticket["properties"]["units"]["type"] == "number"
    assert ticket["additionalProperties"] is False
    assert ticket["required"] == ["units"]
    trader = document["paths"]["/trader"]["post"]
    assert (trader["x-access"], trader["security"]) == ("trader", [{"bearer": []}])
    assert "TOKEN_INVALID" in trader["responses"]["401"]["description"]
    assert "security" not in document["paths"]["/echo"]["post"]
    limit = next(item for item in document["paths"]["/page"]["get"]["parameters"] if item["name"] == "limit")
    assert (limit["in"], limit["schema"]["type"], limit["schema"]["default"]) == ("query", "integer", 50)
    assert "INVALID_PARAMETER" in document["paths"]["/page"]["get"]["responses"]["400"]["description"]
    assert "INVALID_PARAMETER" not in trader["responses"]["400"]["description"]


async def test_the_page_has_no_script_and_no_inline_style_and_lists_every_path(server: Listener) -> None:
    answer, page = await fetch(server, "/docs")
    assert answer.content_type == "text/html"
    assert not re.search(r"<script|<style|style=| on\w+=|javascript:", page)
    for route in Example().routes():
        assert route.path in page
    css, _ = await fetch(server, "/docs.css")
    assert (css.status, css.content_type) == (200, "text/css")
