"""What the tests of market data share: the configured instruments, a clock that stands still, and time that passes without waiting."""

import shutil
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from runtime.clock import ManualClock
from runtime.program import prepare_home
from runtime.settings import AuthSettings, MarketDataSettings, Settings
from tests.market_data.served import Server, serving
from trading.instruments import Instruments
from trading.quotes import Quote

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "tests" / "data"
S = 1_000_000_000

# Monday 2025-11-24 14:00 UTC, 09:00 in New York: the busy hours of a forex day.
MONDAY_NS = 1_763_992_800 * S


@pytest.fixture(scope="session")
def instruments() -> Instruments:
    return Instruments.from_config(tomllib.loads((ROOT / "conf" / "instruments.toml").read_text(), parse_float=Decimal))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(wall_ns=MONDAY_NS)


@pytest.fixture
def home() -> Iterator[Path]:
    """A private directory with a short path: a Unix socket path has at most 107 bytes."""
    path = Path(tempfile.mkdtemp(prefix="ar", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def settings(home: Path) -> Settings:
    """Of the program as it is installed, at a port of the kernel's choice."""
    instruments = tomllib.loads((ROOT / "conf" / "instruments.toml").read_text(), parse_float=Decimal)
    made = Settings(home=home, conf=ROOT / "conf" / "arena.toml", instruments=instruments, market_data=MarketDataSettings(port=0))
    prepare_home(made)
    return made


@pytest.fixture
async def server(instruments: Instruments, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(Settings(home=tmp_path, conf=tmp_path), instruments, clock, tmp_path) as running:
        yield running


@pytest.fixture
async def guarded(instruments: Instruments, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose reads need a token."""
    async with serving(Settings(home=tmp_path, conf=tmp_path, auth=AuthSettings(read="token")), instruments, clock, tmp_path) as running:
        yield running


def quote(at_s: float, bid: str = "1.16694", ask: str = "1.16706", instrument: str = "EUR_USD") -> Quote:
    """A quote at ``at_s`` seconds after MONDAY_NS."""
    return Quote(instrument=instrument, bid=Decimal(bid), ask=Decimal(ask), time_ns=MONDAY_NS + round(at_s * S), synthetic=True, feed="simulated")
