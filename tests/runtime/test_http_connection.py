"""runtime/http_connection.py: which aiohttp the quick way may be used with. How it behaves: tests/arena_gateway/test_quick_*.py."""

import logging
import re
from pathlib import Path
from typing import cast

import aiohttp
import pytest

from runtime.http_answers import ApiError
from runtime.http_connection import TRIED_AIOHTTP, Connection, QuickConnection, fits_aiohttp
from runtime.http_guard import HeadGuard
from runtime.http_quick import QuickRoutes
from runtime.http_server import ArenaServer

LOCK = Path(__file__).parent.parent.parent / "requirements" / "run.txt"


async def nobody(request: object) -> None:
    raise ApiError(404, "NOT_FOUND", "nobody is here")


def made_by_a_server() -> Connection:
    routes = QuickRoutes({}, cast("HeadGuard", None), lambda: "id")
    return ArenaServer(nobody, request_factory=None, proxies=(), quick=routes)()  # type: ignore[arg-type]  # nothing is asked of it


async def test_the_quick_way_was_tried_with_the_aiohttp_that_is_installed_and_locked() -> None:
    """Red after an upgrade: have tests/arena_gateway/test_quick_*.py and test_plain_orders.py green, then name the version in TRIED_AIOHTTP."""
    locked = re.search(r"^aiohttp==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert locked is not None
    assert {locked[1], aiohttp.__version__} <= TRIED_AIOHTTP
    assert fits_aiohttp()
    assert type(made_by_a_server()) is QuickConnection


@pytest.mark.parametrize("version", ["3.14.6", "3.15.0", "4.0.0a1"])
async def test_with_another_aiohttp_every_connection_is_an_ordinary_one_and_the_log_says_so(
    version: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(aiohttp, "__version__", version)
    assert type(made_by_a_server()) is Connection
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert getattr(said, "installed", None) == version
