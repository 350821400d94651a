"""What the tests of the bus share: a short run directory, a proxy, and waiting for things instead of sleeping."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from bus.doors import Doors
from bus.proxy import Proxy
from bus.requests import RequestClient, RequestServer
from tests.bus.requesting import Adapter


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


@pytest.fixture
def address(run_dir: Path) -> str:
    return f"ipc://{run_dir}/orders.sock"


@pytest.fixture
async def adapter() -> Adapter:
    return Adapter()


@pytest.fixture
async def server(address: str, adapter: Adapter) -> AsyncIterator[RequestServer]:
    async with RequestServer(address, adapter, name="orders") as running:
        yield running
        adapter.release.set()


@pytest.fixture
async def client(server: RequestServer, address: str) -> AsyncIterator[RequestClient]:
    async with RequestClient(address) as connected:
        assert await connected.wait_connected(30)
        yield connected


@pytest.fixture
async def raw(server: RequestServer, address: str) -> AsyncIterator[zmq.asyncio.Socket]:
    """A plain DEALER of somebody else's, connected to the server."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(address)
        yield socket
