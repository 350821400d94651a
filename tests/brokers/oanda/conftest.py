"""No test of the adapter waits for its pauses between looks: what they are good for is a venue's patience."""

import pytest


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokers.oanda.rest.READ_PAUSE_S", 0.001)
    monkeypatch.setattr("brokers.oanda.rest.PAUSE_S", 0.01)
    monkeypatch.setattr("brokers.oanda.venue.RATE_PER_S", 1e6)
