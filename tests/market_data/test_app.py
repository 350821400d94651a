"""Market data over HTTP: what it answers."""

from decimal import Decimal

import pytest

from tests.market_data.conftest import MONDAY_NS, S, quote
from tests.market_data.served import Server

MONDAY_S = MONDAY_NS // S


async def test_quotes_come_with_their_time_age_and_origin(server: Server):
    server.receive(quote(0))
    server.clock.advance(1.5)
    status, answer = await server.get("/quotes?instruments=EUR_USD,BTC-USD")
    assert status == 200
    assert answer == {
        "ok": True,
        "quotes": [
            {
                "instrument": "EUR_USD",
                "source": "oanda",
                "bid": Decimal("1.16694"),
                "ask": Decimal("1.16706"),
                "ts": "2025-11-24T14:00:00.000000Z",
                "age_ms": 1500,
                "stale": False,
                "synthetic": True,
                "feed": "simulated",
            }
        ],
        "unquoted": ["BTC-USD"],
    }


async def test_instruments_come_with_the_precision_a_ticket_needs(server: Server):
    server.receive(quote(0))
    _, answer = await server.get("/instruments")
    by_name = {one["name"]: one for one in answer["instruments"]}
    assert list(by_name) == ["EUR_USD", "GBP_USD", "USD_JPY", "BTC-USD", "ETH-USD"]
    assert (by_name["EUR_USD"]["tick"], by_name["EUR_USD"]["price_decimals"], by_name["EUR_USD"]["quoted"]) == (Decimal("0.00001"), 5, True)
    assert (by_name["BTC-USD"]["venue"], by_name["BTC-USD"]["margin_rate"], by_name["BTC-USD"]["quoted"]) == ("coinbase", None, False)


async def test_candles_come_oldest_first_and_the_growing_one_says_so(server: Server):
    server.receive(quote(0, "1.10", "1.12"), quote(30, "1.20", "1.22"), quote(65, "1.15", "1.17"))
    status, answer = await server.get("/candles?instrument=EUR_USD&granularity=M1")
    assert status == 200
    assert (answer["instrument"], answer["granularity"], answer["feed"]) == ("EUR_USD", "M1", "scripted")
    first, second = answer["candles"]
    assert first == {
        "ts": "2025-11-24T14:00:00.000000Z",
        "time": MONDAY_S,
        "bid": {"open": Decimal("1.1"), "high": Decimal("1.2"), "low": Decimal("1.1"), "close": Decimal("1.2")},
        "ask": {"open": Decimal("1.12"), "high": Decimal("1.22"), "low": Decimal("1.12"), "close": Decimal("1.22")},
        "mid": {"open": Decimal("1.11"), "high": Decimal("1.21"), "low": Decimal("1.11"), "close": Decimal("1.21")},
        "count": 2,
        "complete": True,
    }
    assert (second["time"], second["count"], second["complete"]) == (MONDAY_S + 60, 1, False)


@pytest.mark.parametrize(
    ("window", "minutes"),
    [
        ("count=2", [3, 4]),
        ("from=2025-11-24T14:01:00Z", [1, 2, 3, 4]),
        ("from=2025-11-24T14:00:30Z&count=2", [1, 2]),
        ("to=2025-11-24T14:02:00Z", [0, 1]),
        (f"from={MONDAY_S + 60}&to={MONDAY_S + 180}", [1, 2]),
        ("from=2025-11-24T15:02:00%2B01:00", [2, 3, 4]),
        ("from=2099-01-01T00:00:00Z", []),
    ],
)
async def test_a_window_of_candles_is_cut_where_it_was_asked(server: Server, window: str, minutes: list[int]):
    server.receive(*(quote(60 * minute) for minute in range(5)))
    _, answer = await server.get(f"/candles?instrument=EUR_USD&{window}")
    assert [(one["time"] - MONDAY_S) // 60 for one in answer["candles"]] == minutes


async def test_every_route_is_in_the_openapi_document_and_the_docs_page(server: Server):
    _, document = await server.get("/openapi.json")
    assert {"/health", "/instruments", "/quotes", "/candles", "/stream", "/metrics"} <= set(document["paths"])
    status, page = await server.get("/docs")
    assert status == 200
    assert "/candles" in page
