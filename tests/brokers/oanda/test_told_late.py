"""A fill that the account shows before the log tells of it, over the sockets of the simulated venue: made up first, then settled, counted once."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from runtime.settings import Settings
from tests.brokers.desk_kit import GRANTED, events_of
from tests.brokers.oanda.conftest import Live
from tests.brokers.oanda.kit import quote
from tests.brokers.oanda.test_hands import differences, place, until
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.account import AccountConfig
from tests.venues.oanda.venue import OandaVenue as SimulatedVenue

pytestmark = pytest.mark.usefixtures("soon")

TRADES = ("tradeOpened", "tradesClosed", "tradeReduced")


class Log:
    """The venue's transactions, which do not say what traded while they are ``late``; its stream is mute then."""

    def __init__(self) -> None:
        self.is_late = False

    def shape(self, _request: web.Request, doc: dict[str, Any]) -> dict[str, Any]:
        if not self.is_late:
            return doc
        said = {key: [_unsaid(each) for each in doc[key]] for key in ("transactions",) if key in doc}
        return {**doc, **said, **({"transaction": _unsaid(doc["transaction"])} if "transaction" in doc else {})}

    def late(self, sim: SimulatedVenue, *, is_late: bool) -> None:
        self.is_late = is_late
        sim.faults.clear()
        if is_late:
            sim.faults.add(Fault(kind=Kind.STREAM_MUTE, times=None))


def _unsaid(transaction: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in transaction.items() if transaction["type"] != "ORDER_FILL" or key not in TRADES}


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def sim(log: Log) -> AsyncIterator[SimulatedVenue]:
    venue = SimulatedVenue(config=AccountConfig(hedging=True), heartbeat_s=0.5, requests_per_s=None)
    venue.shaper = log.shape
    async with venue:
        quote(venue, "1.16700", "1.16710")
        yield venue


async def test_the_fill_of_an_entry_is_made_up_settled_and_counted_once(live: Live, sim: SimulatedVenue, settings: Settings, log: Log) -> None:
    log.late(sim, is_late=True)
    async with live() as (_, ask):
        order_id = await place(ask)
        quote(sim, "1.16500", "1.16510")
        made_up = await until(ask, order_id, status="OPEN", position_units=100)
        assert made_up["protection"] == "venue"
        log.late(sim, is_late=False)
        told = await differences(settings, "takes the place of what the comparison had made up")
        order = await until(ask, order_id, status="OPEN", position_units=100, filled_units=100)
        (trade,) = sim.account.open.values()
        assert (trade.units, Decimal(str(order["average_entry_price"]))) == (100, trade.price)
        assert len(told) == 1
        assert len((await ask("fill.list", {}, GRANTED))["fills"]) == 1
        entries = [each for each in await events_of(settings, "oanda") if each.type in {"order_filled", "order_partially_filled"}]
        assert [each.payload["fill_units"] for each in entries] == [100]


async def test_a_stop_that_traded_is_made_up_settled_and_counted_once(live: Live, sim: SimulatedVenue, settings: Settings, log: Log) -> None:
    async with live() as (_, ask):
        order_id = await place(ask)
        quote(sim, "1.16500", "1.16510")
        await until(ask, order_id, status="OPEN", protection="venue")
        log.late(sim, is_late=True)
        quote(sim, "1.15900", "1.15910")
        await until(ask, order_id, status="CLOSED", close_reason="EXTERNAL")
        log.late(sim, is_late=False)
        assert len(await differences(settings, "takes the place of what the comparison had made up")) == 1
        order = await until(ask, order_id, status="CLOSED", close_reason="STOP_LOSS")
        (trade,) = sim.account.trades.values()
        assert (Decimal(str(order["realized_pnl"])), order["position_units"]) == (trade.realized, 0)
        assert len((await ask("fill.list", {}, GRANTED))["fills"]) == 2
        assert len([each for each in await events_of(settings, "oanda") if each.type == "bracket_closed"]) == 1
