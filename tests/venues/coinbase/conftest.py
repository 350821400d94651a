"""A venue on a driven clock, and a client at it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from tests.venues.coinbase.kit import Client
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.clock import DrivenClock


@pytest.fixture
async def clock() -> DrivenClock:
    return DrivenClock()


@pytest.fixture
async def venue(clock: DrivenClock) -> AsyncIterator[CoinbaseVenue]:
    """BTC-USD stands at 60000 by 60010; the account has 100000 USD and no coins."""
    async with CoinbaseVenue(clock=clock) as running:
        running.quote("BTC-USD", "60000", "60010")
        yield running


@pytest.fixture
async def client(venue: CoinbaseVenue) -> AsyncIterator[Client]:
    async with ClientSession() as session:
        yield Client(venue, session)
