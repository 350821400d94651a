"""No test of the adapter waits for its pauses between looks: what they are good for is a venue's patience."""

from collections.abc import AsyncIterator

import pytest

from tests.brokers.coinbase.kit import Pair, pair


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.coinbase.rest.READ_PAUSES_S", (0.0, 0.001, 0.001))
    monkeypatch.setattr("brokers.coinbase.rest.HOLD_S", 0.01)
    monkeypatch.setattr("brokers.coinbase.legs.LOOK_PAUSES_S", (0.0, 0.01, 0.01, 0.02, 0.05))
    monkeypatch.setattr("brokers.coinbase.placing.CREATE_PAUSES_S", (0.0, 0.001, 0.001, 0.001, 0.001))
    monkeypatch.setattr("brokers.coinbase.placing.AGAIN_PAUSES_S", (0.001, 0.001, 0.001))


@pytest.fixture
async def at() -> AsyncIterator[Pair]:
    """The kind venue: exits can be attached."""
    async with pair() as made:
        yield made
