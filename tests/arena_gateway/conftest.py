"""A gateway for the tests of this folder, and for those of the doors (tests/security)."""

import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from argon2 import PasswordHasher

from arena_gateway import passwords
from tests.arena_gateway.fakes import Desk, open_desk


@functools.cache
def _cheapest() -> tuple[PasswordHasher, str]:
    """The least that Argon2id can be asked for, and the hash of nobody's password at that cost."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return hasher, hasher.hash("nobody")


@pytest.fixture
def full_cost() -> None:
    """Passwords cost what they cost in the product: for the tests that are about that."""


@pytest.fixture(autouse=True)
def _cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes microseconds where 34 ms of it prove nothing."""
    if "full_cost" not in request.fixturenames:
        hasher, nobody = _cheapest()
        monkeypatch.setattr(passwords, "_HASHER", hasher)
        monkeypatch.setattr(passwords, "_NOBODY", nobody)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as opened:
        yield opened


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The packets that the parser was given."""
    packets: list[bytes] = []
    feed = web.RequestHandler.data_received

    def note(self: web.RequestHandler, data: bytes) -> None:
        packets.extend([data] if data else [])
        feed(self, data)

    monkeypatch.setattr(web.RequestHandler, "data_received", note)
    return packets
