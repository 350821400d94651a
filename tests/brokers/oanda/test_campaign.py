"""The fault campaign in its short form; ``ARENA_CAMPAIGN_ORDERS=10000`` makes it the long one (``python -m tests.venues.campaign oanda``)."""

import os

import pytest

from brokers.live.venue import VenuePolicy
from brokers.oanda.venue import Limits
from tests.brokers.oanda.campaign import OandaSide
from tests.venues.campaign import Plan, run

ORDERS = int(os.environ.get("ARENA_CAMPAIGN_ORDERS", "200"))


@pytest.mark.timeout(300 if ORDERS <= 200 else 7200)
async def test_nothing_is_doubled_naked_or_wrongly_refused_while_a_third_of_all_requests_go_wrong() -> None:
    """The adapter's times are shortened with the venue's: doubt is the same, only quicker."""
    policy = VenuePolicy(call_s_max=1.5, look_gap_s=1.0, reconcile_s=2.0) if ORDERS <= 200 else None
    report = await run(
        OandaSide(policy, limits=None if ORDERS <= 200 else Limits()),
        Plan(orders=ORDERS, bots=40 if ORDERS <= 200 else 60, slow_s=1.8 if ORDERS <= 200 else 10.0),
    )
    assert report.is_good, "\n".join(report.lines())
    assert report.in_doubt, "nothing was put to the test"


@pytest.mark.timeout(300)
async def test_nor_while_a_hand_works_at_the_venue_and_the_clock_is_stepped() -> None:
    """What the hand does is followed, what it trades for itself is taken up and left alone."""
    policy = VenuePolicy(call_s_max=1.5, look_gap_s=1.0, reconcile_s=2.0)
    report = await run(OandaSide(policy, limits=None), Plan(orders=100, bots=30, slow_s=1.8, hands=True, steps=True))
    assert report.is_good, "\n".join(report.lines())
    assert report.by_hand, "the hand did nothing"
