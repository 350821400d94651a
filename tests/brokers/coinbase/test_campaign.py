"""The fault campaign in its short form; ``ARENA_CAMPAIGN_ORDERS=10000`` makes it the long one (``python -m tests.venues.campaign coinbase``)."""

import os

import pytest

from tests.brokers.coinbase.campaign import CoinbaseSide
from tests.venues.campaign import Plan, run
from tests.venues.campaign_report import Report
from tests.venues.common.paced import run_paced

SHORT = 60
ORDERS = int(os.environ.get("ARENA_CAMPAIGN_ORDERS", str(SHORT)))


@pytest.mark.timeout(180 if ORDERS <= SHORT else 7200)
@pytest.mark.parametrize("attached", [True, False], ids=["attached", "after the fill"])
def test_nothing_is_doubled_naked_or_wrongly_refused_while_a_third_of_all_requests_go_wrong(attached: bool) -> None:
    """The adapter's own times: on a paced loop waiting costs little, and a busy machine is not taken for a slow venue."""

    async def campaign() -> Report:
        return await run(CoinbaseSide(attached=attached), Plan(orders=ORDERS, bots=12))

    report = run_paced(campaign())
    told = "\n".join(report.lines())
    assert report.is_good, told
    assert report.in_doubt, "nothing was put to the test"
