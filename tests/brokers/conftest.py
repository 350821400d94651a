"""An adapter on short paths of its own, a bus that is two sockets, and clients that ask it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from brokers.base import Broker
from brokers.host import Adapter, open_adapter
from brokers.paper.broker import PaperBroker
from brokers.paper.config import PaperAccountConfig
from runtime.clock import Clock, ManualClock
from runtime.program import prepare_home
from runtime.settings import Settings, load_settings
from tests.brokers.desk_kit import Bus, Caller
from trading.instruments import Instruments


@pytest.fixture(autouse=True)
def _short_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks here has read every answer before the adapter stops: it need not wait a tenth of a second for readers."""
    monkeypatch.setattr("bus.request_server.FAREWELL_S", 0.005)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home whose socket paths are short, whatever pytest calls its own directories."""
    path = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def settings(home: Path) -> Settings:
    settings = load_settings({"ARENA_HOME": str(home / "var"), "ARENA_STORE__FREE_MB_MIN": "1"})
    prepare_home(settings)
    return settings


@pytest.fixture
def instruments(settings: Settings) -> Instruments:
    return Instruments.from_config(settings.instruments)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(settings: Settings) -> Iterator[Bus]:
    with Bus(settings) as bus:
        yield bus


Opened = AbstractAsyncContextManager[tuple[Adapter, Caller]]


@asynccontextmanager
async def running(
    settings: Settings, broker: Broker, instruments: Instruments, clock: Clock, source: str = "oanda"
) -> AsyncIterator[tuple[Adapter, Caller]]:
    """An adapter and somebody who asks it."""
    async with (
        open_adapter(settings, source, broker=broker, instruments=instruments, clock=clock) as adapter,
        Caller(settings.orders_address(source), clock) as caller,
    ):
        yield adapter, caller


Open = Callable[[], Opened]


@pytest.fixture
def paper(settings: Settings, instruments: Instruments, clock: ManualClock, bus: Bus) -> Open:
    """A paper adapter for OANDA; each call opens it anew on the same store."""

    def opened() -> Opened:
        broker = PaperBroker(venue="oanda", instruments=instruments, account=PaperAccountConfig.for_venue("oanda", settings.paper))
        return running(settings, broker, instruments, clock)

    return opened
