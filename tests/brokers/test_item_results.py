"""changing.item_results: what a cancel-all or a close tells of each order."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from brokers import ledger
from brokers.base import Verdict
from brokers.changing import Changed, item_results
from tests.trading.seed import BRACKET
from trading.errors import StateConflict
from trading.orders import OrderStatus


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order is there, and holds something."""
    monkeypatch.setattr(ledger, "order", lambda _, n: replace(BRACKET, n=n, order_id=f"live-oanda-{n}", status=OrderStatus.OPEN))


def results(*verdicts: Verdict) -> list[dict[str, Any]]:
    changed = Changed(ns=range(1, len(verdicts) + 1), verdicts=verdicts)
    return item_results(SimpleNamespace(), changed)  # type: ignore[arg-type]  # nothing is read from it


def test_what_the_venue_has_not_answered_is_not_called_done() -> None:
    """A close that is still out holds its position: it must not read as closed."""
    done, refused, out = (Verdict(f"live-oanda-{n}") for n in (1, 2, 3))
    done.settle()
    refused.settle(StateConflict("it would not", code="NOT_CLOSED"))
    assert results(done, refused, out) == [
        {"order_id": "live-oanda-1", "ok": True, "status": "OPEN"},
        {"order_id": "live-oanda-2", "ok": False, "code": "NOT_CLOSED"},
        {"order_id": "live-oanda-3", "ok": False, "status": "OPEN", "code": "UNKNOWN"},
    ]


def test_what_needs_no_venue_is_done() -> None:
    changed = Changed(ns=[1], refused=[("live-oanda-2", StateConflict("no", code="ORDER_FINAL"))])
    assert item_results(SimpleNamespace(), changed) == [  # type: ignore[arg-type]  # nothing is read from it
        {"order_id": "live-oanda-1", "ok": True, "status": "OPEN"},
        {"order_id": "live-oanda-2", "ok": False, "code": "ORDER_FINAL"},
    ]
