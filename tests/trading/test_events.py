"""The set of events is closed, journalled ones are told from the others, and the first version's fields keep their order."""

import inspect
from decimal import Decimal

import pytest

from tests.trading.seed import BRACKET
from trading import events
from trading.events import EventDraft, EventType

JOURNALLED = {
    "oco_placed", "order_filled", "order_partially_filled", "order_cancelled", "order_rejected", "order_modified", "order_unknown",
    "order_resolved", "bracket_closed", "trading_state_changed", "protection_lost", "protection_restored", "feed_stale", "feed_recovered",
    "reconciled", "clock_stepped", "source_reset", "paper_reset", "narration",
}  # fmt: skip


def test_the_set_is_the_one_of_the_design() -> None:
    assert {str(each) for each in EventType} == JOURNALLED | {"heartbeat", "quote"}
    assert {str(each) for each in EventType if each.is_journalled} == JOURNALLED


def test_every_journalled_type_has_one_constructor() -> None:
    made = {name for name, value in inspect.getmembers(events, inspect.isfunction) if inspect.signature(value).return_annotation is EventDraft}
    assert made | {"order_partially_filled"} == JOURNALLED


def test_oco_placed_begins_with_the_first_versions_fields() -> None:
    payload = events.oco_placed(BRACKET).payload
    assert list(payload)[:10] == ["order_id", "instrument", "side", "units", "entry", "sl", "tp", "quality", "mode", "ttl_min"]
    assert payload["ttl_expires_at"] == Decimal("1760658927.021")
    assert payload["status"] == "PENDING"


@pytest.mark.parametrize(("ns", "text"), [(1_760_637_327_021_999_999, "1760637327.021"), (0, "0.000"), (1_500_000, "0.001")])
def test_seconds_are_cut_to_milliseconds(ns: int, text: str) -> None:
    assert str(events.seconds(ns)) == text


def test_an_event_about_an_order_names_order_and_owner() -> None:
    common = ["order_id", "client_order_id", "placed_by", "instrument", "side", "units", "mode"]
    drafts = [
        events.order_cancelled(BRACKET, events.Leg.ENTRY, "user", 1),
        events.order_modified(BRACKET, {}, 1),
        events.order_unknown(BRACKET, 1),
        events.order_resolved(BRACKET, 1),
        events.protection_lost(BRACKET, reason="stop missing", ts_ns=1),
        events.protection_restored(BRACKET, 1),
        events.order_rejected(BRACKET.order, order_id="x", placed_by="ann", mode="live", code="MARKET_HALTED", message="closed", ts_ns=1),
    ]
    for draft in drafts:
        assert list(draft.payload)[:7] == common
