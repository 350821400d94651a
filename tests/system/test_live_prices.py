"""An arena on live prices: paper orders fill on what the venues quote, with nothing that could trade there, and no order ever reaches a venue."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest_asyncio

from tests.market_data.live_watch import OpenMarket
from tests.system.stack import Stack
from tests.system.wires import next_event
from tests.venues.coinbase.venue import CoinbaseVenue
from tests.venues.common.faults import Fault, Kind
from tests.venues.oanda.venue import OandaVenue


class Desk:
    """An arena, and the two venues that it only looks at."""

    def __init__(self, stack: Stack, oanda: OandaVenue, coinbase: CoinbaseVenue) -> None:
        self.stack = stack
        self.oanda = oanda
        self.coinbase = coinbase


@pytest_asyncio.fixture(scope="module")
async def desk() -> AsyncIterator[Desk]:
    async with OandaVenue(clock=OpenMarket(), heartbeat_s=1.0) as oanda, CoinbaseVenue() as coinbase:
        environ = {
            "ARENA_MARKET_DATA__FEED": "oanda,coinbase",
            "ARENA_PAPER__QUOTE_STALE_S": "3",  # what must go stale here does so sooner
            "OANDA_BASE_URL": oanda.base_url,
            "OANDA_STREAM_URL": oanda.stream_url,
            "OANDA_ACCOUNT_ID": oanda.account_id,
            "OANDA_API_TOKEN": oanda.token,
            "COINBASE_BASE_URL": coinbase.base_url,
            "COINBASE_WS_URL": coinbase.ws_url,
        }
        async with Stack(environ) as stack:
            yield Desk(stack, oanda, coinbase)


def limit_order(instrument: str, units: str, entry: str, stop: str, target: str) -> dict[str, Any]:
    return {"instrument": instrument, "side": "BUY", "units": units, "entry_price": entry, "stop_loss_price": stop, "take_profit_price": target}


def fill_of(order_id: str, leg: str) -> Any:
    def is_it(event: dict[str, Any]) -> bool:
        return event["type"] == "order_filled" and event["payload"]["order_id"] == order_id and event["payload"]["leg"] == leg

    return is_it


async def test_paper_orders_fill_on_live_prices_and_the_venues_see_no_order(desk: Desk) -> None:
    """Entries rest until the venue's ask is there, targets until its bid is; the venues were only read.

    OANDA fills at the quote, Coinbase what rested at its own price.
    """
    stack = desk.stack

    async def all_are_quoted() -> bool:
        _, answer, _ = await stack.call("GET", f"{stack.market_data}/quotes")
        return not answer["unquoted"]

    async def trade(broker: str, order: dict[str, Any], moves: tuple[tuple[str, str], tuple[str, str]]) -> list[float]:
        """The prices of entry and target, after the market has moved to each of ``moves``."""
        status, answer = await stack.place(broker, order)
        assert status == 201, answer
        prices = []
        for leg, (bid, ask) in zip(("entry", "take_profit"), moves, strict=True):
            venue = desk.oanda if broker == "oanda" else desk.coinbase
            venue.quotes.set(order["instrument"], bid=Decimal(bid), ask=Decimal(ask))
            filled = await next_event(frames, fill_of(answer["order_id"], leg), seconds=30)
            prices.append(filled["data"]["payload"]["price"])
        return prices

    await stack.eventually(all_are_quoted, "a quote of every instrument", seconds=30)
    async with stack.events() as frames:
        euro = limit_order("EUR_USD", "100", "1.08000", "1.07000", "1.11000")
        assert await trade("oanda", euro, (("1.07983", "1.07995"), ("1.11005", "1.11017"))) == [1.07995, 1.11005]
        coin = limit_order("BTC-USD", "0.01", "58000", "50000", "70000")
        assert await trade("coinbase", coin, (("57990", "57999"), ("70001", "70002"))) == [58000, 70000]
    _, answer, _ = await stack.call("GET", f"{stack.market_data}/quotes")
    assert {(one["source"], one["feed"], one["synthetic"]) for one in answer["quotes"]} == {
        ("oanda", "oanda", False),
        ("coinbase", "coinbase", False),
    }
    assert desk.oanda.hits.orders() == desk.coinbase.hits.orders() == 0


def feed_event(kind: str) -> Any:
    def is_it(event: dict[str, Any]) -> bool:
        return event["source"] == "oanda" and event["type"] == kind and "EUR_USD" in event["payload"]["instruments"]

    return is_it


async def test_a_mute_venue_is_journalled_as_stale_and_as_recovered_while_the_other_goes_on(desk: Desk) -> None:
    stack = desk.stack
    async with stack.events(f"{stack.gateway}/events?replay=0") as frames:
        desk.oanda.faults.add(Fault(kind=Kind.STREAM_MUTE, times=None))
        stale = await next_event(frames, feed_event("feed_stale"), seconds=60)
        assert stale["data"]["payload"]["feed"] == "oanda"
        _, health, _ = await stack.call("GET", f"{stack.market_data}/health")
        assert [one["state"] for one in health["feeds"] if one["name"] == "coinbase"] == ["running"]
        desk.oanda.faults.clear()
        recovered = await next_event(frames, feed_event("feed_recovered"), seconds=60)
        assert recovered["data"]["payload"]["feed"] == "oanda"
    assert desk.oanda.hits.orders() == 0
