"""What the tests of the bus share: a short run directory, a proxy, and waiting for things instead of sleeping."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bus.doors import Doors
from bus.proxy import Proxy


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """``run/`` below a private home whose path leaves room for socket names: a Unix socket path has at most 107 bytes."""
    home = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    path = home / "run"
    path.mkdir(mode=0o700)
    yield path
    shutil.rmtree(home)


@pytest.fixture
async def proxy(run_dir: Path) -> AsyncIterator[Proxy]:
    """A running proxy on ``run_dir``'s sockets and a free TCP port."""
    async with Proxy(run_dir, Doors(subscribers=("127.0.0.1", 0))) as running:
        yield running
