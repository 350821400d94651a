"""The example server, for the tests that only ask it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.http import Listener
from tests.runtime.http_example import Example, serving


@pytest.fixture
def example() -> Example:
    return Example()


@pytest.fixture
async def server(example: Example, tmp_path: Path) -> AsyncIterator[Listener]:
    async with serving(example, tmp_path) as listener:
        yield listener
