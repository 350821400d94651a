"""One arena for the tests that only use it; those that break it start their own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.system.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever stands in this folder starts real processes."""
    for item in items:
        if "tests/system/" in item.nodeid:
            item.add_marker(pytest.mark.system)


@pytest_asyncio.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """A default install, shared: tests leave it running and well."""
    async with Stack() as shared:
        yield shared
